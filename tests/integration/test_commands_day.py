"""`manage.py session`, `status` and `why`, and `halt` and `resume` with `--json`: the day as a person sees it at a terminal."""

from __future__ import annotations

import io
import json
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from hedging import selectors
from hedging.brokers.base import BrokerUnavailable
from hedging.engine import clock
from hedging.management.commands import session as session_command
from hedging.models import AuditEvent, HedgeDecision, HedgeOrder
from sessions_app.models import TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import hold, intent, world
from tests.integration.page_day import NOW, StoppedClock, entries, hedged_morning, known_calendar

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def run(*words: str) -> str:
    out = io.StringIO()
    try:
        call_command(*words, stdout=out)
    except SystemExit as ended:
        return f"{out.getvalue()}exit code {ended.code}"
    return out.getvalue()


# --- session ------------------------------------------------------------------------------------------------------------


def test_todays_session_is_opened_from_the_timetable_and_shown():
    known_calendar()
    entries()
    make.AccountFactory.create()

    told = run("session", "open", "--baskets", "2", "--budget-per-basket", "8,00,000")

    session = TradingSession.objects.get()
    assert (session.index, session.dte, session.budget) == ("NIFTY", 0, Decimal(1_600_000))
    assert "NIFTY 01-Dec-2026, 0DTE" in told
    assert "₹16,00,000.00 (2 baskets)" in told
    assert AuditEvent.objects.get(event="session_opened").actor.startswith("command by ")
    assert run("session", "show") == told


def test_a_session_that_cannot_be_opened_is_one_line_or_one_object():
    make.AccountFactory.create()

    with pytest.raises(CommandError, match="trading days of 2026 are not known"):
        run("session", "open")

    refused = run("session", "open", "--json")
    assert json.loads(refused.removesuffix("exit code 1"))["code"] == "CALENDAR_UNKNOWN"
    assert refused.endswith("exit code 1")


def test_of_several_accounts_one_must_be_named():
    known_calendar()
    entries()
    make.AccountFactory.create(name="first")
    make.AccountFactory.create(name="second")

    with pytest.raises(CommandError, match="--account: first, second"):
        run("session", "open")

    assert json.loads(run("session", "open", "--account", "second", "--json"))["account"] == "second"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--baskets", "0"), "'0' is no number of baskets"),
        (("--budget-per-basket", "NaN"), "'NaN' is no amount"),
        (("--expiry", "1-12-2026"), "is not a date"),
        (("--expiry", "2026-12-08"), "name it with --index"),
    ],
)
def test_bad_input_of_a_session_says_how_to_write_it(words, said):
    with pytest.raises(CommandError, match=said):
        run("session", "open", *words)


@pytest.fixture
def place(monkeypatch):
    found = world()
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(session_command, "ports_for", lambda _: found.ports)
    return found


def close(*words: str) -> str:
    return run("session", "close", "--reason", "going home", *words)


def test_a_session_is_closed_by_hand_with_a_reason_in_its_summary(place):
    assert json.loads(close("--json"))["closed_at"] is not None

    place.session.refresh_from_db()
    assert place.session.summary["closed_by_hand"] == "going home"
    assert AuditEvent.objects.get(event="session_closed").actor.startswith("command by ")
    with pytest.raises(CommandError, match="No session is open"):
        close()


def test_a_session_with_hedges_is_closed_only_if_they_shall_be_kept(place):
    hold(place, 65)

    with pytest.raises(CommandError, match="hedge exit all"):
        close()
    assert TradingSession.objects.open().exists()

    assert "Closed" in close("--keep-hedges")


def test_a_session_stays_open_while_an_order_may_still_fill(place):
    intent(place)
    assert HedgeOrder.objects.live().count() == 1

    with pytest.raises(CommandError, match="Orders may still fill"):
        close()
    assert TradingSession.objects.open().exists()


def test_a_session_stays_open_while_the_books_cannot_be_read(place):
    place.exchange.failing["positions"] = BrokerUnavailable("no answer")

    with pytest.raises(CommandError, match="The books are not settled"):
        close()
    assert TradingSession.objects.open().exists()


# --- status and why -----------------------------------------------------------------------------------------------------


def test_status_tells_the_figures_of_the_page_in_indian_grouping():
    hedged_morning()

    told = run("status")

    for words in (
        "74.0 %",
        "₹7,40,000.00",
        "NIFTY01DEC2626500CE",
        "ITJ_NF_EXP 4, 10:16:30 IST, Tue 01-Dec-2026",
        "₹10,76,000.00",
        "107.6 %",
        "NONE gave a sign of life",
    ):
        assert words in told


def test_status_as_json_is_what_the_api_answers(client):
    hedged_morning()

    assert json.loads(run("status", "--json")) == client.get("/api/hedge/status").json()


def test_without_a_session_status_and_why_name_what_opens_one():
    for command in ("status", "why"):
        with pytest.raises(CommandError, match=r"manage[.]py session open"):
            run(command)


def test_why_lists_the_gates_of_the_latest_decision_in_order():
    hedged_morning()

    told = run("why")

    gates = [line.split() for line in told.splitlines() if line[:1].isdecimal()]
    assert [gate[:3] for gate in gates] == [["1", "toggle", "ok"], ["2", "projection", "NO"]]
    assert "107.6 % is over 95 %" in told
    assert "₹4.05" in told


def test_why_of_a_number_is_of_that_decision():
    hedged_morning()
    first = HedgeDecision.objects.order_by("id")[0]

    found = json.loads(run("why", str(first.pk), "--json"))

    assert (found["id"], found["reason"]) == (first.pk, "HOLD_WITHIN_BUDGET")
    with pytest.raises(CommandError, match="no decision 987654"):
        run("why", "987654")


def test_why_says_when_nothing_was_decided_yet():
    make.TradingSessionFactory.create()
    with pytest.raises(CommandError, match="Nothing was decided yet"):
        run("why")


def test_a_market_clock_that_is_away_names_what_to_start(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))
    with pytest.raises(CommandError, match="start the service"):
        run("status")


def test_a_database_that_is_away_names_what_to_start(monkeypatch):
    def away(**_: object):
        raise OperationalError("connection refused")

    monkeypatch.setattr(selectors, "current_session", away)
    with pytest.raises(CommandError, match="correct DATABASE_URL"):
        run("status")


# --- halt and resume ----------------------------------------------------------------------------------------------------


def test_halt_and_resume_tell_as_json_what_they_changed():
    session = make.TradingSessionFactory.create()

    assert json.loads(run("halt", "--reason", "news", "--json")) == [
        {"account": None, "trading_state": TradingState.HALTED, "changed": True}
    ]
    own = {"account": session.account.name, "trading_state": TradingState.REDUCING, "changed": True}
    assert json.loads(run("halt", "--reason", "news", "--reduce", "--session", "--json")) == [own]
    assert json.loads(run("resume", "--reason", "over", "--session", "--json")) == [
        own | {"trading_state": TradingState.ACTIVE}
    ]
    for changed in (True, False):
        assert json.loads(run("resume", "--reason", "over", "--json")) == [
            {"account": None, "trading_state": TradingState.ACTIVE, "changed": changed}
        ]
