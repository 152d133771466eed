"""The whole OpenAPI document, asked at random: what it allows and what it forbids. `API_EXAMPLES=200` asks longer."""

from __future__ import annotations

from http import HTTPStatus

import hypothesis
import pytest
from hypothesis import HealthCheck
from schemathesis import GenerationMode

from tests.integration.asked_day import EXAMPLES, HEADERS, Present, connection_kept, morning, schema_of_the_api

pytestmark = pytest.mark.django_db
OPERATIONS = [found.ok() for found in schema_of_the_api().get_all_operations()]  # a bad one stops the test here
UNHURRIED = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def _day(monkeypatch, settings):
    present = Present()
    present.wire(monkeypatch, settings)
    with connection_kept():
        present.place = morning()
        yield


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.usefixtures("_day")
def test_every_operation_keeps_to_the_document(operation, mode):
    @UNHURRIED
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        answer = case.call_and_validate(headers=HEADERS)
        assert answer.status_code != HTTPStatus.TOO_MANY_REQUESTS  # it would be no answer to what was asked

    ask()
