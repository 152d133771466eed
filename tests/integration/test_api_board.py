"""The board over the API: one reading of the broker with ours beside it, drawn for the page too; unknown is never 0."""

from __future__ import annotations

import pytest
from django.core.cache import cache

from hedging import manual_board
from hedging.brokers.base import BrokerUnavailable
from hedging.engine import clock
from hedging.models import AuditEvent
from tests.integration.manual_world import manual_world, rules
from tests.integration.page_day import StoppedClock
from tests.people import person

pytestmark = pytest.mark.django_db
BOARD = "/api/hedge/manual/board"
CALL = "NIFTY01DEC2626500CE"


@pytest.fixture
def place(monkeypatch):
    found = manual_world(held=1)
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(manual_board, "rules", lambda: rules(found))
    return found


def test_the_board_has_both_sides_with_prices_band_and_what_is_ours(client, place):
    board = client.get(BOARD).json()

    call = next(each for each in board["calls"] if each["symbol"] == CALL)
    assert (call["bid"], call["ask"], call["in_band"], call["held"]) == ("3.9", "4", True, 65)
    assert {each["right"] for each in board["puts"]} == {"PE"}
    assert board["uncovered_lots"] == {"CE": 9, "PE": 9}
    held = next(each for each in board["held"] if each["symbol"] == CALL)
    assert (held["quantity"], held["lots"], held["price"]) == (65, 1, "3.9")
    assert board["unknown"] == ""


def test_what_the_broker_does_not_answer_is_named_and_null(client, place, monkeypatch):
    def away(*_args, **_kwargs):
        raise BrokerUnavailable("timed out")

    monkeypatch.setattr(place.exchange, "chain", away)

    board = client.get(BOARD).json()

    assert "option chain: timed out" in board["unknown"]
    assert (board["spot"], board["calls"]) == (None, [])
    assert {(each["price"], each["gain"]) for each in board["held"]} == {(None, None)}


def test_reading_stores_nothing(client, place):
    before = AuditEvent.objects.count()

    client.get(BOARD)

    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize(
    ("role", "adds", "exits"), [("viewer", False, False), ("operator", False, True), ("trader", True, True)]
)
def test_the_drawn_board_has_the_controls_that_the_role_may_use(client, place, role, adds, exits):
    client.force_login(person(role))

    drawn = client.get(BOARD, {"format": "html"}).content.decode()

    assert ("Put NIFTY01DEC2626500CE on the ticket" in drawn, "Exit all" in drawn) == (adds, exits)
    assert "in the band" in drawn


def test_a_caller_reads_twenty_boards_a_minute(client, place, settings):
    settings.API_RATES = {**settings.API_RATES, "boards": "2/min"}
    cache.clear()

    answers = [client.get(BOARD) for _ in range(3)]

    assert [each.status_code for each in answers] == [200, 200, 429]
    assert int(answers[-1].headers["Retry-After"]) > 0
    cache.clear()


def test_without_a_session_there_is_no_board(client, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)

    assert client.get(BOARD).json()["code"] == "NO_SESSION"
