"""The calendar corrected after a session was opened: no day keeps its session for ever, and none loses it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest

from hedging import wiring
from hedging.brokers.base import BrokerUnavailable
from hedging.domain.instruments import Index
from hedging.domain.reasons import Reason
from hedging.engine import ticks
from hedging.engine.clock import VirtualClock
from hedging.engine.day_end import close_early
from hedging.engine.intents import record
from hedging.engine.plan import plan_of
from hedging.engine.preflight import runs
from hedging.engine.sessions import SessionRefused, capture_baseline, open_session
from hedging.engine.states import Act
from hedging.models import AuditEvent, CycleKind, HedgeDecision, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from schedule.models import MarginParameters, TradingDay
from sessions_app.models import Mode, PreflightRun, TradingSession
from tests import factories as make
from tests.factories import TUESDAY
from tests.integration.engine_world import NOW, POLICY, World, add, facts, hold, intent, leg, world

pytestmark = pytest.mark.django_db
WEDNESDAY = TUESDAY + timedelta(days=1)


def closed_after_opening() -> World:
    place = world()
    TradingDay.objects.filter(day=TUESDAY).update(is_open=False)
    for days in range(1, 8):
        make.TradingDayFactory.create(day=TUESDAY + timedelta(days=days))
    return place


def tick(place: World) -> dict[str, int]:
    rules = ticks.Rules(
        ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True, pause=lambda _: None
    )
    return ticks.check_margin(now=place.clock.now(), rules=rules)


def close(place: World, **words: bool) -> None:
    act = Act("asha", "a holiday after all", place.clock.now(), place.wall.now())
    close_early(session=place.session, act=act, ports=place.ports, **words)
    place.session.refresh_from_db()


# --- a day that is closed after all --------------------------------------------------------------------------------------


def test_a_day_that_lost_its_hours_ends_with_the_first_tick_of_the_next():
    place = closed_after_opening()
    assert tick(place)["closed"] == 0
    (hours,) = (gate for gate in HedgeDecision.objects.get().gates if gate["gate"] == "hours")
    assert "close the session" in hours["detail"]
    MarginParameters.objects.all().delete()  # the end of a day that is past asks for no plan
    place.clock.moment += timedelta(days=1)

    assert tick(place)["closed"] == 1

    assert place.exchange.calls.count("order_book") == 0  # today's books say nothing of yesterday
    place.session.refresh_from_db()
    opened = open_session(
        account=place.session.account, day=WEDNESDAY, now=place.clock.now(), wall_now=place.wall.now(), actor="test",
        index=Index.NIFTY, expiry=TUESDAY + timedelta(days=7),
    )  # fmt: skip
    assert opened.is_open


def test_what_was_not_settled_on_a_day_that_lost_its_hours_is_told_with_its_end():
    place = closed_after_opening()
    order = intent(place).orders.get()
    HedgeOrder.objects.update(status="review")
    place.clock.moment += timedelta(days=1)

    assert tick(place)["closed"] == 1

    place.session.refresh_from_db()
    assert place.session.summary["unresolved_orders"] == [order.pk]
    assert Alert.objects.filter(kind="order_review", severity="critical").exists()


def test_a_day_that_is_past_is_closed_by_hand_without_todays_books():
    place = closed_after_opening()
    hold(place, 65)
    place.exchange.failing["positions"] = BrokerUnavailable("no answer")
    place.clock.moment += timedelta(days=1)

    close(place)

    assert place.session.summary["closed_by_hand"] == "a holiday after all"
    assert AuditEvent.objects.get(event="session_closed").actor == "asha"
    with pytest.raises(SessionRefused) as refused:
        close(place)
    assert refused.value.code == "SESSION_CLOSED"


def test_a_day_without_hours_is_closed_by_hand_although_its_books_cannot_be_read():
    place = closed_after_opening()
    place.exchange.failing["positions"] = BrokerUnavailable("the exchange is closed")
    close(place)
    assert not place.session.is_open


def test_a_day_without_hours_keeps_its_session_while_an_order_may_still_fill_or_hedges_are_held():
    place = closed_after_opening()
    hold(place, 65)
    with pytest.raises(SessionRefused) as held:
        close(place)
    intent(place)
    with pytest.raises(SessionRefused) as live:
        close(place, keep_hedges=True)
    assert (held.value.code, live.value.code) == ("HEDGES_HELD", "ORDERS_LIVE")


# --- an expiry that moves ------------------------------------------------------------------------------------------------

MONDAY = TUESDAY - timedelta(days=1)
BEFORE_OPEN = make.ist(8, 50) - timedelta(days=1)


def monday(moment: datetime = BEFORE_OPEN, **fields: Any) -> World:
    """NIFTY's 1DTE session of a Monday, opened before Tuesday was known to be closed: the expiry moves to the Monday."""
    make.TradingDayFactory.create(day=MONDAY)
    make.StrategyEntryFactory.create(portfolio="ONE_DAY", dte=1, entry_time=time(9, 20))
    make.StrategyEntryFactory.create(portfolio="ON_EXPIRY", dte=0, entry_time=time(9, 20))
    place = world(trading_day=MONDAY, expiry=TUESDAY, dte=1, **fields)
    place.clock.moment = moment
    return place


def uncovered() -> list[Alert]:
    return list(Alert.objects.filter(kind="entries_uncovered").order_by("id"))


def close_tuesday() -> None:
    TradingDay.objects.filter(day=TUESDAY).update(is_open=False)


def open_again(place: World, **named: Any) -> TradingSession:
    found = open_session(
        account=place.session.account, day=MONDAY, now=place.clock.now(), wall_now=place.wall.now(), actor="asha",
        **named,
    )  # fmt: skip
    place.session.refresh_from_db()
    return found


def test_entries_that_a_change_of_the_calendar_leaves_unhedged_are_told_once_for_each_change():
    place = monday()
    tick(place)
    assert uncovered() == []
    close_tuesday()
    for _ in range(2):
        place.wait(30)
        tick(place)
    (alert,) = uncovered()
    assert (alert.severity, alert.facts["portfolios"]) == ("critical", ["ON_EXPIRY"])
    assert "open today's session again" in alert.facts["what_to_do"]

    make.StrategyEntryFactory.create(portfolio="LATER", dte=0, entry_time=time(11, 20))
    for _ in range(2):
        place.wait(30)
        tick(place)
    assert [told.facts["portfolios"] for told in uncovered()] == [["ON_EXPIRY"], ["ON_EXPIRY", "LATER"]]


def test_opening_the_day_again_moves_a_session_without_orders_to_the_expiry_of_the_calendar():
    place = monday(baskets=3, baseline=None, baseline_at=None)
    TradingSession.objects.update(preflight="green", cleared_at=BEFORE_OPEN)
    close_tuesday()
    tick(place)

    moved = open_again(place, baskets=1)

    assert moved == place.session
    assert (moved.expiry, moved.dte, moved.baskets) == (MONDAY, 0, 3)
    # A check of the other expiry clears nothing.
    assert (place.session.preflight, place.session.cleared_at) == ("", None)
    line = AuditEvent.objects.get(event="session_moved")
    assert (line.actor, line.facts["expiry_before"], line.facts["expiry"]) == ("asha", "2026-12-01", "2026-11-30")
    assert [entry.portfolio for entry in plan_of(moved).of(moved)] == ["ON_EXPIRY"]
    place.wait(30)
    tick(place)
    assert len(uncovered()) == 1
    with pytest.raises(SessionRefused) as again:
        open_again(place)
    assert again.value.code == "SESSION_EXISTS"


@pytest.mark.parametrize("ordered", ["an order", "a hedge of an earlier day"])
def test_a_session_that_has_ordered_or_holds_hedges_keeps_its_expiry_and_the_refusal_says_what_to_do(ordered):
    place = monday()
    tx = intent(place)
    if ordered != "an order":
        hold(place, 65)
        earlier = make.TradingSessionFactory.create(
            account=place.session.account, trading_day=MONDAY - timedelta(days=3), closed_at=BEFORE_OPEN
        )
        HedgeTransaction.objects.update(session=earlier)
    close_tuesday()
    with pytest.raises(SessionRefused, match="at the broker's terminal") as refused:
        open_again(place)
    assert refused.value.code == "SESSION_EXISTS"
    assert place.session.expiry == tx.expiry == TUESDAY


@pytest.mark.parametrize(("minute", "kept"), [(19, True), (20, False)])
def test_a_moved_session_keeps_the_baseline_that_was_read_before_its_first_entry_only(minute, kept):
    at = make.ist(9, minute) - timedelta(days=1)
    place = monday(at, baseline_at=at)
    close_tuesday()
    open_again(place)
    assert (place.session.baseline is not None) is kept


def test_what_was_read_for_the_expiry_before_is_no_baseline_of_a_moved_session():
    place = monday(baseline=None, baseline_at=None)
    known = facts(place)  # no short of its own expiry
    asked_for = TradingSession.objects.get(pk=place.session.pk)
    close_tuesday()
    open_again(place)
    assert known.funds is not None
    used = known.funds.utilised
    words: dict[str, Any] = {"source": "first reading", "now": known.now, "wall_now": known.now, "actor": "engine"}
    assert not capture_baseline(session=asked_for, used=used, **words)
    assert TradingSession.objects.get(pk=place.session.pk).baseline is None
    assert capture_baseline(session=TradingSession.objects.get(pk=place.session.pk), used=used, **words)


def test_what_was_decided_by_the_expiry_before_is_not_claimed_in_a_moved_session():
    place = monday(make.ist(10, 12) - timedelta(days=1))
    known = facts(place)
    close_tuesday()
    open_again(place)
    recorded = record(
        decision=add(leg()), facts=known, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1,
        ports=place.ports,
    )  # fmt: skip
    assert recorded is not None
    assert recorded.card.reason == Reason.DENY_NOT_OF_SESSION
    assert not HedgeTransaction.objects.exists()


def test_a_moved_session_wants_a_pre_flight_of_its_own():
    place = monday()
    session = place.session
    TradingSession.objects.update(preflight="green", cleared_at=BEFORE_OPEN)
    PreflightRun.objects.create(
        account=session.account, session=session, trading_day=MONDAY, mode=session.mode, at=BEFORE_OPEN,
        wall_at=place.wall.now(), asked_by="session opened", verdict="green",
    )  # fmt: skip

    def due() -> str:
        return runs.why_due(account=session.account, now=place.clock.now(), wall_now=place.wall.now())

    assert due() == ""
    close_tuesday()
    open_again(place)
    assert due() == "session moved"


def test_a_past_dry_run_whose_dated_rows_were_removed_is_closed_like_a_live_one():
    here = world(mode=Mode.DRY_RUN)
    MarginParameters.objects.all().delete()
    tomorrow = NOW + timedelta(days=1)
    by = wiring.rules()
    by = replace(by, ports_for=lambda session: replace(wiring.ports_for(session), clock=VirtualClock(tomorrow)))
    assert ticks.check_margin(now=tomorrow, rules=by)["closed"] == 1
    assert not TradingSession.objects.get(pk=here.session.pk).is_open
