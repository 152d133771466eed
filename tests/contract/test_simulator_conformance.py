"""The simulator answers the recorded requests like the recorded server; docs/simulator-conformance.md says so case by case."""

from __future__ import annotations

import pytest

from tests.contract.conformance import CALLED, PAGE, all_cases, difference, page, result_of, shape
from tests.contract.conformance_cases import NOT_MODELLED, OTHER_WORDS, PREPARED, endpoint_of, reason_not_modelled

MODELLED = [name for name in all_cases() if not reason_not_modelled(name)]


@pytest.mark.parametrize("name", MODELLED)
def test_the_simulator_answers_like_the_recorded_server(name):
    assert result_of(name).difference == ""


def test_at_least_95_percent_of_the_cases_of_called_endpoints_are_modelled():
    cases = [name for name in all_cases() if endpoint_of(name) in CALLED]
    assert len(cases) == 243
    assert sum(name in MODELLED for name in cases) >= 0.95 * len(cases)


def test_the_page_is_up_to_date():
    written = PAGE.read_text(encoding="utf-8")
    assert written == page([result_of(name) for name in all_cases()]), "run: python -m tests.contract.conformance"


def test_every_exception_names_a_recording():
    assert set(NOT_MODELLED) | set(OTHER_WORDS) | set(PREPARED) <= set(all_cases())


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, {"data": {"broker": "x", "message": "pong"}, "status": "success"}),
        (200, {"data": {"broker": "x", "message": 1}, "status": "success"}),
        (200, {"data": {"broker": "x"}, "status": "success"}),
        (200, {"data": {"broker": "x", "message": "pong", "more": None}, "status": "success"}),
    ],
    ids=["another status", "another type", "a key less", "a key more"],
)
def test_the_comparison_sees_a_difference(status, body):
    assert difference("live/ping__ok", status, body)


def test_the_shapes_of_all_rows_of_a_list_count():
    assert shape([{"a": 1}, {"a": "1"}]) != shape([{"a": 1}, {"a": 2}]) == shape([{"a": 7.5}])
    assert shape([]) != shape([1])
