"""The whole OpenAPI document, asked at random: what it allows and what it forbids. `API_EXAMPLES=200` asks longer."""

from __future__ import annotations

import os

import hypothesis
import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck
from schemathesis import GenerationMode

from config.wsgi import application
from hedging import manual_board, manual_orders
from hedging.api import analytics, session_changes
from hedging.api.document import openapi_document
from hedging.engine import clock
from tests import factories as make
from tests.integration.manual_world import manual_world, rules

pytestmark = pytest.mark.django_db
EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
KEY = "a-key-that-only-tests-know"
SCHEMA = schemathesis.openapi.from_dict(openapi_document())
SCHEMA.app = application
SCHEMA.config.generation.update(allow_x00=False)
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]  # type: ignore[union-attr] # a bad one stops the test here
UNHURRIED = hypothesis.settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def _day(monkeypatch, settings):
    """A morning with shorts, a hedge that is held, an order on its way, and workers alive."""
    for signal in (request_started, request_finished):  # they would close the connection of the test's transaction
        signal.disconnect(close_old_connections)
    settings.HEDGE_API_KEY = KEY
    settings.WORLD = "real"  # where nothing is open to strangers
    place = manual_world(held=1)
    make.HedgeOrderFactory.create(transaction__decision__session=place.session, transaction__strike=27000)
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    monkeypatch.setattr(clock, "wall_now", place.wall.now)
    for module in (manual_board, manual_orders, analytics, session_changes):
        monkeypatch.setattr(module, "rules", lambda: rules(place))
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@pytest.mark.usefixtures("_day")
def test_every_operation_keeps_to_the_document(operation, mode):
    @UNHURRIED
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
    def ask(case):
        case.call_and_validate(headers={"X-API-Key": KEY, "Accept-Encoding": "identity"})

    ask()
