"""A cycle from the readings to the card: what is unknown holds and is told once, what is known is read cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hedging.brokers.base import (
    AuthenticationFailed,
    BrokerError,
    BrokerStatus,
    BrokerUnavailable,
    MarginLeg,
    OrderRequest,
    PlaceReply,
    RateLimited,
    ReplyClass,
    UnreadableAnswer,
)
from hedging.domain.facts import MOST_COMPLETIONS
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Chain, Depth
from hedging.domain.templates import LegTemplate
from hedging.engine.completing import unfinished
from hedging.engine.cycle import VERIFY_ROUNDS, run_cycle
from hedging.engine.day_end import end_day
from hedging.engine.hours import acting_hours
from hedging.engine.plan import DayPlan, plan_of
from hedging.engine.sessions import capture_baseline
from hedging.engine.states import Act, restrict_session
from hedging.engine.ticks import Rules, check_margin, slot_of
from hedging.models import CycleKind, HedgeDecision, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from schedule.calendar import IST
from schedule.entries import ScheduledEntry
from sessions_app.models import Account, Breaker, BreakerKind, MarginSnapshot, TradingSession, TradingState
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import CALL, POLICY, PUT, World, hold, intent, slice_of, world
from tests.unit.cycle_facts import chain

pytestmark = pytest.mark.django_db


def cycle(place: World, *, plan: DayPlan | None = None, slot: int | None = None) -> HedgeDecision | None:
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    return run_cycle(
        session=session,
        kind=CycleKind.MARGIN_CHECK,
        slot=slot_of(CycleKind.MARGIN_CHECK, place.clock.now()) if slot is None else slot,
        now=place.clock.now(),
        ports=place.ports,
        plan=plan or plan_of(session),
        policy=POLICY,
        enabled=True,
    )


def reason(place: World, *, plan: DayPlan | None = None, after: float = 30) -> str:
    """Run the cycle of the next slot and return the reason on its card."""
    place.wait(after)
    card = cycle(place, plan=plan)
    assert card is not None
    return card.reason


def short(contract: Contract = CALL) -> tuple[Contract, Product]:
    return contract, Product.NRML


def entry_soon(place: World, *, lots: int = 4, minutes: float = 1.5) -> DayPlan:
    """A day whose next entry takes margin over the trigger, over a chain with every strike."""
    for contract, quote in chain().quotes.items():
        place.exchange.quote(contract, str(quote.bid), str(quote.ask))
    entry = ScheduledEntry(
        portfolio="ITJ_NF_EXP 4",
        index=Index.NIFTY,
        expiry=make.TUESDAY,
        dte=0,
        entry_at=place.clock.now() + timedelta(minutes=minutes),
        exit_at=None,
        legs=tuple(LegTemplate(right, Side.SELL, 0, lots) for right in Right),
    )
    return replace(plan_of(place.session), entries=(entry,))


def margin(per_covered_unit: int, *, at_least: int = 0):
    """A broker that counts ₹2,115 for each short unit, and less for each unit bought."""

    def added(legs: Sequence[MarginLeg]) -> Decimal:
        shorts = sum(leg.quantity for leg in legs if leg.side is Side.SELL)
        longs = sum(leg.quantity for leg in legs if leg.side is Side.BUY)
        return Decimal(max(at_least, 2115 * shorts - per_covered_unit * longs) if shorts else 0)

    return added


@pytest.mark.parametrize(
    "other",
    [{"expiry": make.TUESDAY + timedelta(days=7), "dte": 5}, {"index": Index.SENSEX}],
    ids=["another expiry", "another index"],
)
def test_an_entry_that_is_not_the_sessions_hides_no_need_of_its_own(other):
    place = world()
    place.exchange.added_by_basket = margin(1000)
    plan = entry_soon(place)
    (mine,) = plan.entries
    theirs = replace(mine, portfolio="NOT_OURS", entry_at=mine.entry_at - timedelta(seconds=30), **other)
    beside = replace(plan, entries=(theirs, mine))

    assert beside.of(place.session) == (mine,)
    place.wait(30)
    card = cycle(place, plan=beside)
    assert card is not None
    assert card.reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert [line["portfolio"] for line in card.facts["projection"]] == [mine.portfolio]


# --- what is unknown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", ["funds", "positions"])
@pytest.mark.parametrize("error", [UnreadableAnswer("funds: an empty answer"), BrokerUnavailable("gone")])
def test_a_reading_that_fails_holds_and_is_told_once(read, error):
    place = world()
    place.exchange.used = Decimal(990_000)
    plan = entry_soon(place)
    place.exchange.failing[read] = error
    assert [reason(place, plan=plan) for _ in range(4)] == [Reason.HOLD_DATA_UNKNOWN] * 4
    alerts = Alert.objects.filter(kind="data_unknown")
    assert alerts.count() == 1
    assert read in alerts.get().facts["unknown"]
    assert not place.exchange.posts


@pytest.mark.parametrize(
    "columns", [{"automation": False}, {"trading_state": TradingState.HALTED}, {"trading_state": TradingState.REDUCING}]
)
def test_margin_that_nobody_knows_is_told_although_nothing_would_be_bought(columns):
    place = world()
    TradingSession.objects.update(**columns)
    place.session.refresh_from_db()
    for _ in range(2):
        reason(place)
    assert place.alerts() == []
    place.exchange.failing["funds"] = UnreadableAnswer("funds: an empty answer")
    for _ in range(3):
        assert reason(place) in {Reason.HOLD_AUTOMATION_OFF, Reason.HOLD_TRADING_STATE, Reason.HOLD_DATA_UNKNOWN}
    assert place.alerts() == ["data_unknown"]
    assert Alert.objects.get().facts["reason"] == Reason.HOLD_DATA_UNKNOWN


def test_used_margin_of_zero_beside_a_short_is_unknown_and_told_once():
    place = world()
    place.exchange.foreign[short()] = -65
    assert [reason(place) for _ in range(3)] == [Reason.HOLD_DATA_UNKNOWN] * 3
    assert "used margin is 0" in Alert.objects.get(kind="data_unknown").facts["unknown"]
    snapshot = MarginSnapshot.objects.latest("id")
    assert (snapshot.used, snapshot.broker_used, snapshot.free_margin) == (None, None, None)
    place.exchange.used = Decimal(180_000)
    assert reason(place) == Reason.HOLD_NOTHING_DUE  # by each reading anew


def test_funds_that_are_behind_the_first_entry_of_a_day_are_told_of_after_a_minute():
    place = world()
    plan = entry_soon(place, lots=1, minutes=1)
    assert reason(place, plan=plan, after=0) == Reason.HOLD_WITHIN_BUDGET
    place.wait(60)
    place.exchange.foreign[short()] = -65
    assert [reason(place, plan=plan, after=after) for after in (30, 30)] == [Reason.HOLD_IN_FLIGHT] * 2
    assert "data_unknown" not in place.alerts()
    assert reason(place, plan=plan, after=30) == Reason.HOLD_DATA_UNKNOWN
    assert "used margin is 0" in Alert.objects.get(kind="data_unknown").facts["unknown"]


def test_used_margin_of_zero_beside_a_short_is_no_baseline():
    place = world(baseline=None, baseline_at=None)
    place.exchange.foreign[short(replace(CALL, expiry=make.TUESDAY + timedelta(days=7)))] = -65
    assert reason(place) == Reason.HOLD_DATA_UNKNOWN
    place.session.refresh_from_db()
    assert place.session.baseline is None


def test_a_short_that_fills_between_the_readings_of_funds_and_positions_is_asked_about_once_more():
    place = world()

    def filled() -> None:
        place.exchange.foreign[short()] = -65
        place.exchange.used = Decimal(180_000)

    place.exchange.before["positions"] = filled
    assert reason(place) == Reason.HOLD_NOTHING_DUE
    assert place.exchange.calls.count("funds") == 2
    assert MarginSnapshot.objects.get().used == 180_000


def test_used_margin_far_below_what_the_book_must_take_sells_no_hedge():
    place = world()
    plan = replace(entry_soon(place), entries=())
    place.clock.moment = make.ist(10, 15)
    for right in Right:
        place.exchange.foreign[short(Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right))] = -6 * 65
    for wing in (CALL, PUT):
        hold(place, 6 * 65, contract=wing)
    place.exchange.used = Decimal(150_000)  # exposure margin alone, as some adapters answer
    assert reason(place, plan=plan, after=0) == Reason.HOLD_DATA_UNKNOWN
    assert "not believed" in Alert.objects.get(kind="data_unknown").facts["unknown"]
    assert not place.exchange.posts


@pytest.mark.parametrize(("minutes", "told"), [(9, 1), (10, 2)])
def test_a_failure_that_comes_back_is_told_again_after_ten_minutes(minutes, told):
    place = world()
    for after in (30, 60 * minutes - 30):
        place.exchange.failing["funds"] = UnreadableAnswer("{}")
        reason(place, after=after)
        place.exchange.failing.clear()
        reason(place)
    assert Alert.objects.filter(kind="data_unknown").count() == told


def test_an_outage_that_begins_soon_after_a_short_one_is_told_while_it_lasts():
    place = world()
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    reason(place)
    place.exchange.failing.clear()
    for _ in range(10):
        reason(place)
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    for _ in range(120):  # an hour
        reason(place)
    assert place.alerts().count("data_unknown") == 4  # the short one, and the long one three times


def test_a_clock_that_is_set_back_is_told_of_once_and_until_when():
    place = world()
    rules = Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True)
    for _ in range(4):
        place.wait(30)
        assert check_margin(now=place.clock.now(), rules=rules)["cycles"] == 1
    place.wait(-90)
    for _ in range(3):
        assert check_margin(now=place.clock.now(), rules=rules)["cycles"] == 0
        place.wait(30)
    (told,) = Alert.objects.filter(kind="clock_set_back")
    assert (told.severity, told.facts["until"]) == ("critical", f"{place.clock.now().astimezone(IST):%H:%M:%S} IST")
    place.wait(30)
    assert check_margin(now=place.clock.now(), rules=rules)["cycles"] == 1


def test_readings_that_flap_for_twenty_minutes_are_told_twice():
    place = world()
    for turn in range(40):
        place.exchange.failing = {} if turn % 2 else {"funds": UnreadableAnswer("{}")}
        reason(place)
    assert Alert.objects.filter(kind="data_unknown").count() == 2


@pytest.mark.parametrize("between", [True, False], ids=["it came back", "it lasts"])
def test_an_entry_that_falls_due_is_told_of_once_however_lately_the_same_was_told(between):
    place = world()
    plan = entry_soon(place, minutes=7)
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    reason(place, plan=plan)
    assert Alert.objects.get(kind="data_unknown").facts.get("due") is None
    if between:
        place.exchange.failing.clear()
        reason(place, plan=plan)
        place.exchange.failing["funds"] = UnreadableAnswer("{}")
    for _ in range(8):
        reason(place, plan=plan)
    _, second = Alert.objects.filter(kind="data_unknown").order_by("id")
    assert second.facts["due"] == ["ITJ_NF_EXP 4"]


def test_unknown_margin_is_written_down_as_unknown_never_as_zero():
    place = world()
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    reason(place)
    snapshot = MarginSnapshot.objects.get()
    assert (snapshot.used, snapshot.utilization_pct, snapshot.broker_used) == (None, None, None)
    assert "funds" in snapshot.unknown_reason


@pytest.mark.parametrize(("age", "known"), [(9, True), (10, True), (11, False)])
def test_funds_older_than_ten_seconds_are_unknown(age, known):
    place = world()
    read_at = place.wall.now() + timedelta(seconds=30)
    place.exchange.wall = lambda: read_at
    place.wait(30)
    place.wall.moment += timedelta(seconds=age)
    assert (reason(place, after=0) == Reason.HOLD_NOTHING_DUE) is known
    assert (MarginSnapshot.objects.get().used is not None) is known


@pytest.mark.parametrize(
    ("slow", "seconds", "bought"), [("chain", 5, True), ("chain", 6, False), ("basket_margin", 6, True)]
)
def test_prices_that_grew_older_than_five_seconds_before_the_decision_buy_nothing(monkeypatch, slow, seconds, bought):
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1000)
    answer = getattr(place.exchange, slow)

    def late(*args):
        answered = answer(*args)
        place.wall.moment += timedelta(seconds=seconds)
        return answered

    monkeypatch.setattr(place.exchange, slow, late)
    assert (reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER) is bought
    assert Alert.objects.filter(kind="data_unknown").exists() is not bought


def test_a_chain_of_nothing_holds_when_an_entry_is_near():
    place = world()
    plan = entry_soon(place)
    place.exchange.failing["chain"] = UnreadableAnswer("every price is 0")
    assert reason(place, plan=plan) == Reason.HOLD_DATA_UNKNOWN


def test_an_entry_without_a_price_for_its_leg_is_unknown():
    place = world()
    plan = entry_soon(place)
    place.exchange.ladders.pop(Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), Right.CE))
    assert reason(place, plan=plan) == Reason.HOLD_DATA_UNKNOWN


def test_a_position_without_a_price_is_unknown_also_where_the_broker_wants_the_book_with_the_question():
    place = world()
    Account.objects.update(basket_scope="legs_only")
    plan = entry_soon(place)
    place.exchange.foreign[short(replace(CALL, strike=Decimal(30000)))] = -65
    priced = place.exchange.positions
    place.exchange.positions = lambda: tuple(replace(row, last=None) for row in priced())  # type: ignore[method-assign]
    assert reason(place, plan=plan) == Reason.HOLD_DATA_UNKNOWN


def test_a_bound_farther_out_than_any_chain_reads_the_longest_chain():
    place = world()
    plan = entry_soon(place)
    plan = replace(plan, spec=replace(plan.spec, otm_max=Decimal(9000)))
    asked: list[int] = []
    chain_of = place.exchange.chain

    def noted(index: Index, expiry: date, strikes_each_side: int) -> Chain:
        asked.append(strikes_each_side)
        return chain_of(index, expiry, strikes_each_side)

    place.exchange.chain = noted  # type: ignore[method-assign]
    reason(place, plan=plan)
    assert asked == [100]


def test_nothing_is_decided_while_the_books_cannot_be_read():
    place = world()
    place.exchange.replies = [fake.timed_out]
    place.send(slice_of(intent(place)))
    place.exchange.failing["order_book"] = BrokerUnavailable("gone")
    assert reason(place) == Reason.HOLD_NOT_RECONCILED


# --- the baseline -----------------------------------------------------------------------------------------------------


def test_the_first_reading_after_the_open_is_the_baseline():
    place = world(baseline=None, baseline_at=None)
    place.exchange.used = Decimal(123_456)
    assert reason(place) == Reason.HOLD_NOTHING_DUE
    place.session.refresh_from_db()
    assert place.session.baseline == 123_456
    assert MarginSnapshot.objects.get().used == 0
    place.exchange.used = Decimal(200_000)
    reason(place)
    place.session.refresh_from_db()
    assert place.session.baseline == 123_456  # once
    assert MarginSnapshot.objects.latest("id").used == 200_000 - 123_456


@pytest.mark.parametrize(("moment", "captured"), [(make.ist(9, 14, 59), False), (make.ist(9, 15), True)])
def test_there_is_no_baseline_before_the_open(moment, captured):
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = moment
    reason(place, after=0)
    place.session.refresh_from_db()
    assert (place.session.baseline is not None) is captured


def test_a_reading_that_began_before_the_open_is_no_baseline_however_long_it_took():
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.OPEN - timedelta(seconds=1)
    place.exchange.before["positions"] = lambda: place.wait(2)
    reason(place, after=0)
    place.session.refresh_from_db()
    assert place.session.baseline is None
    reason(place)
    place.session.refresh_from_db()
    assert place.session.baseline is not None


def test_started_after_the_first_short_the_baseline_stays_unknown_and_is_told_once():
    place = world(baseline=None, baseline_at=None)
    place.exchange.foreign[short()] = -65
    place.exchange.used = Decimal(180_000)
    plan = entry_soon(place, minutes=-10)
    assert [reason(place, plan=plan) for _ in range(3)] == [Reason.HOLD_NO_BASELINE] * 3
    assert Alert.objects.filter(kind="data_unknown").count() == 1


@pytest.mark.parametrize("read", ["funds", "positions"])
def test_no_baseline_comes_from_a_reading_that_failed(read):
    place = world(baseline=None, baseline_at=None)
    place.exchange.failing[read] = UnreadableAnswer("{}")
    reason(place)
    place.session.refresh_from_db()
    assert place.session.baseline is None


def test_a_short_of_another_expiry_does_not_stand_in_the_way():
    place = world(baseline=None, baseline_at=None)
    place.exchange.foreign[short(replace(CALL, expiry=make.TUESDAY + timedelta(days=7)))] = -65
    place.exchange.used = Decimal(180_000)
    reason(place)
    place.session.refresh_from_db()
    assert place.session.baseline == 180_000


def test_the_last_reading_before_the_first_entry_stands_in_when_the_first_short_was_faster():
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.ist(9, 14, 30)
    place.exchange.used = Decimal(77_000)
    plan = entry_soon(place, minutes=1)  # at 09:15:30, with the reading at 09:14:30 before the open
    reason(place, plan=plan, after=0)
    place.exchange.foreign[short()] = -65
    place.exchange.used = Decimal(300_000)
    reason(place, plan=plan, after=75)
    place.session.refresh_from_db()
    assert place.session.baseline == 77_000


def baseline_after(place: World, moment, plan, used: int):
    """The session's baseline after one cycle at `moment` that reads `used`."""
    place.clock.moment = moment
    place.exchange.used = Decimal(used)
    reason(place, plan=plan, after=0)
    place.session.refresh_from_db()
    return place.session.baseline


@pytest.mark.parametrize("late", [0, 1, 30, 60])
def test_no_baseline_is_taken_while_an_entry_that_the_book_does_not_show_yet_is_just_due(late):
    place = world(baseline=None, baseline_at=None)
    plan = entry_soon(place, minutes=0)
    blocked = place.clock.now() + timedelta(seconds=late)
    assert (
        baseline_after(place, blocked, plan, 1_099_800) is None
    )  # accepted and its margin blocked, nothing filled yet


def test_an_entry_that_falls_due_while_the_books_are_read_keeps_the_reading_from_being_the_baseline():
    place = world(baseline=None, baseline_at=None)
    plan = entry_soon(place, minutes=1 / 60)
    place.exchange.before["positions"] = lambda: place.wait(2)
    assert baseline_after(place, place.clock.now(), plan, 1_099_800) is None


def test_the_baseline_is_taken_before_an_entry_and_once_it_did_not_come():
    place = world(baseline=None, baseline_at=None)
    plan = entry_soon(place, minutes=0)
    due = place.clock.now()
    assert baseline_after(place, due + timedelta(seconds=61), plan, 55_000) == 55_000
    TradingSession.objects.update(baseline=None)
    place.session.refresh_from_db()
    assert baseline_after(place, due - timedelta(seconds=1), plan, 44_000) == 44_000


def test_overnight_shorts_of_the_expiry_are_in_the_first_reading_at_the_open_not_in_one_before_it():
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.ist(9, 15)
    plan = entry_soon(place, minutes=1)
    place.exchange.foreign[short()] = -65
    assert baseline_after(place, make.ist(9, 14, 30), plan, 206_000) is None  # yesterday's margin
    assert baseline_after(place, make.ist(9, 15), plan, 269_000) == 269_000  # that of expiry day


def test_shorts_from_the_first_entry_on_are_taken_to_be_of_today():
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.ist(9, 15)
    plan = entry_soon(place, minutes=1)
    place.exchange.foreign[short()] = -65
    assert baseline_after(place, make.ist(9, 16), plan, 269_000) is None


def test_an_intraday_short_before_the_first_entry_was_sold_today():
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.ist(9, 15)
    plan = entry_soon(place, minutes=5)
    place.exchange.foreign[CALL, Product.MIS] = -65
    assert baseline_after(place, make.ist(9, 16), plan, 269_000) is None


@pytest.mark.parametrize(("seconds", "stands_in"), [(10, True), (9, False)])
def test_a_reading_that_may_have_ended_after_the_first_entry_does_not_stand_in(seconds, stands_in):
    place = world(baseline=None, baseline_at=None)
    place.clock.moment = make.ist(9, 15)
    plan = entry_soon(place, minutes=0)
    place.clock.moment -= timedelta(seconds=seconds)
    place.exchange.used = Decimal(77_000)
    reason(place, plan=plan, after=0)
    place.exchange.foreign[short()] = -65
    assert baseline_after(place, make.ist(9, 15, 20), plan, 300_000) == (77_000 if stands_in else None)


def test_a_baseline_is_set_by_the_first_who_comes():
    place = world(baseline=None, baseline_at=None)
    later = {"now": place.clock.now(), "wall_now": place.wall.now(), "actor": "engine", "source": "a test"}
    assert capture_baseline(session=place.session, used=Decimal(1), **later)  # type: ignore[arg-type]
    assert not capture_baseline(session=place.session, used=Decimal(2), **later)  # type: ignore[arg-type]
    place.session.refresh_from_db()
    assert place.session.baseline == 1


# --- the breaker ------------------------------------------------------------------------------------------------------


def breaker_of(place: World, kind: BreakerKind = BreakerKind.ORDERS) -> Breaker:
    return Breaker.objects.get(account_id=place.session.account_id, kind=kind)


def open_breaker(place: World, kind: BreakerKind = BreakerKind.ORDERS, *, seconds: int = 60) -> None:
    until = place.wall.now() + timedelta(seconds=seconds)
    Breaker.objects.create(account_id=place.session.account_id, kind=kind, failures=3, open_until=until)


def test_three_failures_in_a_row_open_the_breaker_with_one_alert():
    place = world()
    place.exchange.failing["funds"] = BrokerUnavailable("gone")
    for failures in (1, 2):
        reason(place)
        assert (breaker_of(place).failed_cycles, breaker_of(place).open_until) == (failures, None)
    reason(place)
    assert breaker_of(place).open_until == place.wall.now() + timedelta(seconds=60)
    for _ in range(5):
        reason(place)
    alert = Alert.objects.get(kind="breaker_open")
    assert alert.title.startswith("Circuit breaker OPEN")
    assert not Breaker.objects.filter(kind=BreakerKind.EXITS).exists()


def test_a_good_cycle_between_failures_forgets_them():
    place = world()
    for _ in range(3):
        place.exchange.failing["funds"] = BrokerUnavailable("gone")
        reason(place)
        reason(place)
        place.exchange.failing.clear()
        reason(place)
    assert breaker_of(place).failed_cycles == 0
    assert not Alert.objects.filter(kind="breaker_open").exists()


@pytest.mark.parametrize("error", [UnreadableAnswer("{}"), AuthenticationFailed("log in"), RateLimited("slow down")])
def test_the_breaker_counts_infrastructure_and_nothing_else(error: BrokerError):
    place = world()
    place.exchange.failing["funds"] = error
    for _ in range(4):
        reason(place)
    assert not Breaker.objects.exists()


def test_an_open_breaker_holds_a_need_until_its_minute_is_over_and_a_read_succeeds():
    place = world()
    open_breaker(place)
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)
    assert reason(place, plan=plan) == Reason.HOLD_BREAKER_OPEN  # its reads were good, and close nothing yet
    assert breaker_of(place).open_until is not None
    place.wall.moment += timedelta(seconds=60)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert (breaker_of(place).failures, breaker_of(place).open_until) == (0, None)
    assert place.alerts().count("breaker_closed") == 1


def test_a_breaker_stays_open_while_its_probes_fail():
    place = world()
    open_breaker(place, seconds=0)
    place.exchange.failing["funds"] = BrokerUnavailable("gone")
    for _ in range(3):
        reason(place)
        assert breaker_of(place).open_until == place.wall.now() + timedelta(seconds=60)
        place.wall.moment += timedelta(seconds=60)


# --- a need -----------------------------------------------------------------------------------------------------------


def test_a_need_is_bought_once_and_the_rest_waits_for_it():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert len(place.nudges) == HedgeTransaction.objects.count() > 0
    assert not place.exchange.posts  # committed first, sent by somebody else
    assert reason(place, plan=plan) == Reason.HOLD_IN_FLIGHT
    card = HedgeDecision.objects.filter(action="add").get()
    assert card.facts["verified"]["broker_used_after"] is not None
    assert card.policy["utilization_trigger_pct"] == "95"
    assert [gate["passed"] for gate in card.gates] == [True] * len(card.gates)


def accepted(exchange: fake.FakeExchange, request: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.ACKED, exchange.accept(request).order_id)


def accepted_and_rejected(exchange: fake.FakeExchange, request: OrderRequest) -> PlaceReply:
    order = exchange.accept(request)
    order.trades.clear()
    order.status = BrokerStatus.REJECTED
    return PlaceReply(ReplyClass.ACKED, order.order_id)


def half_bought(second: fake.Misbehaviour = fake.refused) -> tuple[World, DayPlan]:
    """A pair bought 100 s before its entry, of which the first leg filled and the second came to what `second` does."""
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1500)
    place.exchange.replies = [accepted, second]
    assert reason(place, plan=plan, after=0) == Reason.ADD_PROJECTION_OVER_TRIGGER
    place.follow()
    return place, plan


def ticks(place: World, plan: DayPlan, count: int, *, after: float = 10) -> list[str]:
    said = []
    for _ in range(count):
        place.reconcile(after=after)
        card = cycle(place, plan=plan, slot=1000 + HedgeDecision.objects.count())
        assert card is not None
        said.append(card.reason)
        place.follow()
    return said


def ticks_alone(place: World, plan: DayPlan, count: int) -> list[str]:
    """Run cycles that reconcile by themselves, as where nobody else does in between."""
    said = []
    for _ in range(count):
        place.wait(10)
        card = cycle(place, plan=plan, slot=1000 + HedgeDecision.objects.count())
        assert card is not None
        said.append(card.reason)
        place.follow()
    return said


def test_a_pair_of_which_one_leg_was_refused_is_completed_before_its_entry():
    place, plan = half_bought()
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in ticks(place, plan, 2)
    first, second = HedgeDecision.objects.filter(action="add").order_by("id")
    assert "completes" not in first.facts
    assert second.facts["completes"] == 1
    assert second.at - first.at < timedelta(seconds=POLICY.cooldown_seconds)
    assert {tx.side for tx in second.transactions.all()} == {Side.BUY}


def test_a_purchase_is_completed_twice_and_then_waits_for_the_cooldown():
    place, plan = half_bought()
    place.exchange.replies = [fake.refused] * 9
    said = ticks(place, plan, 5)
    assert said.count(Reason.ADD_PROJECTION_OVER_TRIGGER) == MOST_COMPLETIONS
    assert said[-1] == Reason.HOLD_COOLDOWN


def test_what_a_completion_that_failed_too_was_to_complete_is_of_the_same_action():
    place, plan = half_bought()
    place.reconcile(after=1)
    filled = HedgeTransaction.objects.get(filled_quantity__gt=0)
    place.exchange.replies = [fake.refused] * 9
    while HedgeDecision.objects.filter(action="add").count() < 2:
        ticks(place, plan, 1)
    place.session.refresh_from_db()
    found = unfinished(
        session=place.session, policy=POLICY, positions=place.exchange.positions(), now=place.clock.now()
    )
    assert found is not None
    assert filled.contract in found.bought, "else a second completion may sell it"
    assert filled.decision_id != HedgeDecision.objects.latest("id").pk


def completion_that_was_never_sent(place: World, plan: DayPlan, monkeypatch: pytest.MonkeyPatch) -> HedgeDecision:
    """Complete once more; its own reads fail, so that its order is not sent and its cooldown is given back."""
    before = HedgeDecision.objects.filter(action="add").count()
    while HedgeDecision.objects.filter(action="add").count() == before:
        place.reconcile(after=5)
        cycle(place, plan=plan, slot=1000 + HedgeDecision.objects.count())

    def fails(_: Contract) -> Depth:
        raise UnreadableAnswer("no depth")

    with monkeypatch.context() as while_it_is_sent:
        while_it_is_sent.setattr(place.exchange, "depth", fails)
        place.follow()
    card = HedgeDecision.objects.filter(action="add").latest("id")
    assert {order.status for leg in card.transactions.all() for order in leg.orders.all()} <= {"denied", "lapsed"}
    place.session.refresh_from_db()
    return card


@pytest.mark.parametrize("then_sent", [False, True])
def test_a_completion_that_was_never_sent_makes_nobody_forget_what_it_was_to_complete(then_sent, monkeypatch):
    place, plan = half_bought()
    place.reconcile(after=1)
    filled = HedgeTransaction.objects.get(filled_quantity__gt=0)
    card = completion_that_was_never_sent(place, plan, monkeypatch)
    assert place.session.last_action_at == filled.created_at, "the cooldown of the purchase itself"
    if then_sent:
        place.exchange.replies = [fake.refused] * 9
        while not HedgeDecision.objects.filter(action="add", pk__gt=card.pk).exists():
            ticks(place, plan, 1)
        place.session.refresh_from_db()
    words: dict[str, Any] = {"session": place.session, "policy": POLICY, "now": place.clock.now()}
    found = unfinished(positions=place.exchange.positions(), **words)
    assert found is not None
    assert filled.contract in found.bought
    assert found.completes == then_sent
    assert unfinished(positions=(), **words) is None, "the position book is behind"


def test_a_purchase_that_was_bought_whole_keeps_its_cooldown():
    place, plan = half_bought(accepted)
    place.exchange.used = Decimal(700_000)  # something else: more is needed
    assert ticks(place, plan, 4)[1:] == [Reason.HOLD_COOLDOWN] * 3


def test_what_a_position_book_does_not_show_yet_is_not_bought_again():
    place, plan = half_bought()
    place.exchange.positions = lambda: ()  # type: ignore[method-assign]
    assert set(ticks(place, plan, 4)) <= {Reason.HOLD_COOLDOWN, Reason.HOLD_IN_FLIGHT}


def test_what_was_held_before_hides_no_fill_that_the_position_book_does_not_show_yet():
    place, plan = half_bought()
    place.reconcile(after=1)
    filled = HedgeTransaction.objects.get(filled_quantity__gt=0)
    hold(place, 2 * filled.quantity, contract=filled.contract)
    place.exchange.foreign[filled.contract, Product.NRML] -= filled.quantity  # two thirds of it are shown
    assert set(ticks(place, plan, 4)) <= {Reason.HOLD_COOLDOWN, Reason.HOLD_IN_FLIGHT}
    place.exchange.foreign[filled.contract, Product.NRML] += filled.quantity
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in ticks(place, plan, 1)


def test_what_this_cycles_own_look_at_the_books_changed_is_known_to_its_decision():
    """A leg that the broker refuses after acceptance: the cycle that finds it does not order the same strike again."""
    place, plan = half_bought(accepted_and_rejected)
    refused = HedgeTransaction.objects.get(orders__broker_order_id=list(place.exchange.orders)[-1])
    said = ticks_alone(place, plan, 3)
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in said
    assert Reason.DENY_QUARANTINED not in said, "no tick is lost on a strike that only the claim refuses"
    assert not HedgeTransaction.objects.filter(symbol=refused.symbol).exclude(pk=refused.pk).exists()


def test_what_was_bought_for_another_entry_is_not_completed():
    place, plan = half_bought()
    other = replace(plan, entries=(replace(plan.entries[0], portfolio="ITJ_NF_EXP 5"),))
    assert set(ticks(place, other, 4)) <= {Reason.HOLD_COOLDOWN, Reason.HOLD_IN_FLIGHT}


def test_what_was_bought_fills_and_the_need_is_met():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)
    reason(place, plan=plan)
    place.follow()
    place.reconcile(after=5)
    assert not HedgeTransaction.objects.live().exists()
    place.exchange.added_by_basket = lambda _: Decimal(800_000)  # what the entry adds over a book with wings
    assert reason(place, plan=plan) == Reason.HOLD_WITHIN_BUDGET


@pytest.mark.parametrize(
    ("seconds", "expected"), [(10, Reason.HOLD_NOTHING_DUE), (1, Reason.ADD_PROJECTION_OVER_TRIGGER)]
)
def test_an_entry_that_falls_due_while_the_books_are_read_is_not_counted_as_coming_too(seconds, expected):
    place = world()
    plan = entry_soon(place, minutes=0.6)
    place.exchange.added_by_basket = margin(1100)

    place.exchange.before["funds"] = lambda: place.wait(seconds)

    assert reason(place, plan=plan) == expected  # 6 s before it, when the cycle begins


@pytest.mark.parametrize(("moves_to", "answered"), [(26000, True), (26060, False)], ids=["the same legs", "other legs"])
def test_a_slow_basket_call_keeps_nobody_from_deciding_before_the_entry(moves_to, answered, monkeypatch):
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1100)
    for right in Right:
        place.exchange.quote(Contract(Index.NIFTY, make.TUESDAY, Decimal(26050), right), "149", "151")
    asked = []

    def slow() -> None:
        asked.append(place.clock.now())
        if len(asked) == 1:
            place.wait(6)  # prices are trusted for five seconds
            monkeypatch.setattr(fake, "SPOT", Decimal(moves_to))

    place.exchange.before["basket_margin"] = slow
    card = cycle(place, plan=plan)
    assert card is not None
    assert card.reason == Reason.ADD_PROJECTION_OVER_TRIGGER, (card.facts["projection"], card.gates[-1])
    assert place.exchange.calls.count("chain") == 2
    [projected] = card.facts["projection"]
    assert (projected["sources"]["broker"]["used_after"] is not None) is answered


def test_an_entry_that_falls_due_while_the_basket_call_is_slow_is_not_bought_for_as_coming():
    place = world()
    plan = entry_soon(place, minutes=0.2)
    place.exchange.added_by_basket = margin(1100)
    place.wait(8)

    def slow() -> None:
        place.exchange.before.clear()
        place.wait(6)
        for right in Right:  # it is sold on time; its margin is not in what was read
            place.exchange.foreign[Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right), Product.NRML] = -260

    place.exchange.before["basket_margin"] = slow
    assert reason(place, plan=plan, after=0) == Reason.HOLD_DATA_UNKNOWN
    assert place.clock.now() > plan.entries[0].entry_at


def test_nothing_is_bought_on_funds_that_grew_too_old_while_the_basket_call_was_slow():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)

    def slow() -> None:
        place.exchange.before.clear()
        place.wait(14)  # two reads, each within its eight seconds

    place.exchange.before["basket_margin"] = slow
    assert reason(place, plan=plan, after=0) == Reason.HOLD_DATA_UNKNOWN


def test_an_unknown_outcome_holds_further_buys():
    place = world()
    plan = entry_soon(place, minutes=2.08)
    place.exchange.added_by_basket = margin(1100)
    place.exchange.replies = [fake.timed_out] * 10
    reason(place, plan=plan, after=25)  # late in its slot
    place.follow()
    assert reason(place, plan=plan, after=5) == Reason.HOLD_IN_FLIGHT  # over 90 s before the entry
    unknown = {tx.symbol for tx in HedgeTransaction.objects.all()}
    # From 90 s before it no unknown is waited for: the purchase is completed, at other strikes.
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    again = HedgeDecision.objects.latest("id").transactions.all()
    assert again
    assert not unknown & {tx.symbol for tx in again}


def test_a_halted_session_holds():
    place = world()
    plan = entry_soon(place)
    act = Act(actor="ops", reason="stop", now=place.clock.now(), wall_now=place.wall.now())
    restrict_session(session=place.session, state=TradingState.HALTED, act=act)
    assert reason(place, plan=plan) == Reason.HOLD_TRADING_STATE


def test_a_slot_is_decided_once():
    place = world()
    assert cycle(place, slot=9) is not None
    assert cycle(place, slot=9) is None
    assert HedgeDecision.objects.count() == MarginSnapshot.objects.count() == 1


# --- verify -----------------------------------------------------------------------------------------------------------


def test_where_the_broker_counts_more_the_hedge_grows_until_it_suffices():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(600)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert place.exchange.calls.count("basket_margin") > 2  # the entry, the first hedge, and a larger one
    card = HedgeDecision.objects.filter(action="add").get()
    assert Decimal(card.facts["verified"]["broker_used_after"]) <= Decimal(card.facts["verified"]["limit"])


def test_a_broker_that_is_never_content_is_asked_three_times_at_most():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100, at_least=930_000)
    reason(place, plan=plan)
    assert place.exchange.calls.count("basket_margin") <= 1 + VERIFY_ROUNDS


def test_a_broker_that_cannot_say_does_not_keep_a_hedge_from_being_bought():
    place = world()
    plan = entry_soon(place)
    place.exchange.failing["basket_margin"] = UnreadableAnswer("no such call")
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER


# --- what it costs ----------------------------------------------------------------------------------------------------


def queries_of_a_cycle(place: World) -> int:
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    plan = plan_of(session)
    place.wait(30)
    with CaptureQueriesContext(
        connection,
    ) as seen:
        run_cycle(
            session=session,
            kind=CycleKind.MARGIN_CHECK,
            slot=slot_of(CycleKind.MARGIN_CHECK, place.clock.now()),
            now=place.clock.now(),
            ports=place.ports,
            plan=plan,
            policy=POLICY,
            enabled=True,
        )
    return len(seen)


def held_and_short(place: World, numbers: range) -> None:
    """Hold a wing and be short of another strike, once for each number."""
    for number in numbers:
        wing = Contract(Index.NIFTY, make.TUESDAY, Decimal(26500 + 50 * number), Right.CE)
        place.exchange.quote(wing, "3.90", "4.00")
        hold(place, 65, contract=wing)
        place.exchange.foreign[short(replace(wing, strike=wing.strike - 2000))] = -65


def test_a_quiet_cycle_asks_the_database_at_most_ten_times_whatever_is_held():
    place = world()
    place.exchange.used = Decimal(180_000)
    assert queries_of_a_cycle(place) <= 10
    held_and_short(place, range(1))
    one = queries_of_a_cycle(place)
    held_and_short(place, range(1, 20))
    assert queries_of_a_cycle(place) == one <= 10


def test_a_quiet_cycle_reads_funds_and_positions_and_nothing_else():
    place = world()
    reason(place)
    assert place.exchange.calls == ["funds", "positions"]


def test_an_order_stays_live_through_a_cycle_that_decides_nothing():
    place = world()
    place.exchange.replies = [fake.timed_out]
    tx = intent(place)
    place.send(slice_of(tx))
    reason(place)
    assert slice_of(tx).status == OrderStatus.UNKNOWN


@pytest.mark.parametrize(("minutes", "closed"), [(14, False), (15, True)])
def test_a_day_with_an_unresolved_order_ends_a_quarter_of_an_hour_late_and_says_so(minutes, closed):
    place = world()
    tx = intent(place)
    HedgeOrder.objects.filter(transaction=tx).update(status=OrderStatus.REVIEW)
    hours = acting_hours(place.session.trading_day)
    assert hours is not None
    now = hours.closes + timedelta(minutes=minutes)
    assert end_day(session=place.session, hours=hours, now=now, ports=place.ports) is closed
    place.session.refresh_from_db()
    assert (place.session.closed_at is not None) is closed
    assert Alert.objects.filter(kind="order_review", severity="critical").exists() is closed


def test_an_index_that_stands_still_holds_a_need_and_says_so():
    place = world()
    plan = entry_soon(place)
    spot = place.exchange.chain(Index.NIFTY, make.TUESDAY, 5).spot
    for seconds in (30, 20, 10):
        make.MarginSnapshotFactory.create(
            session=place.session, at=place.clock.now() - timedelta(seconds=seconds), spot=spot
        )
    place.exchange.added_by_basket = margin(1100)
    assert reason(place, plan=plan) == Reason.HOLD_MARKET_STILL  # 30 s more: the fourth equal reading in a minute
    assert place.alerts() == ["data_unknown"]
    make.MarginSnapshotFactory.create(session=place.session, at=place.clock.now(), spot=spot + 1)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER


# --- how far the chain reaches --------------------------------------------------------------------------------------------


def as_a_server(place: World) -> None:
    """Let the exchange answer chains as OpenAlgo does: so many strikes on each side of the money, and no others."""
    whole = place.exchange.chain

    def near(index: Index, expiry: date, strikes_each_side: int) -> Chain:
        found = whole(index, expiry, strikes_each_side)
        reach = strikes_each_side * 50
        return replace(found, quotes={c: q for c, q in found.quotes.items() if abs(c.strike - found.spot) <= reach})

    place.exchange.chain = near  # type: ignore[method-assign]


@pytest.mark.parametrize("minutes", [4, 12], ids=["in the lookahead", "in the exit buffer"])
def test_an_entry_whose_own_wings_lie_beyond_our_bound_hides_no_need_of_the_one_before(minutes):
    place = world()
    place.exchange.added_by_basket = margin(1000)
    plan = entry_soon(place)
    for right, strike in ((Right.CE, 27500), (Right.PE, 24500)):
        place.exchange.quote(Contract(Index.NIFTY, make.TUESDAY, Decimal(strike), right), "0.90", "1.00")
    as_a_server(place)
    (mine,) = plan.entries
    wings = tuple(LegTemplate(right, Side.BUY, 30, 1) for right in Right)
    fly = replace(
        mine, portfolio="FLY", entry_at=place.clock.now() + timedelta(minutes=minutes), legs=mine.legs + wings
    )
    assert reason(place, plan=replace(plan, entries=(mine, fly))) == Reason.ADD_PROJECTION_OVER_TRIGGER


@pytest.mark.parametrize("units", [65, -65])
def test_a_position_far_out_is_priced_by_the_chain_where_the_position_book_has_no_prices(units):
    place = world()
    place.exchange.added_by_basket = margin(1000)
    plan = entry_soon(place)
    far = replace(CALL, strike=Decimal(27300))
    place.exchange.quote(far, "0.90", "1.00")
    as_a_server(place)
    place.exchange.used = Decimal(200_000)
    place.exchange.foreign[short(far)] = units
    priced = place.exchange.positions
    place.exchange.positions = lambda: tuple(replace(row, last=None) for row in priced())  # type: ignore[method-assign]
    assert reason(place, plan=plan) == Reason.HOLD_DATA_UNKNOWN  # nobody has seen the index yet
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER


def test_a_wing_from_which_the_index_has_moved_away_is_sold_when_nothing_needs_it():
    place = world()
    wing = replace(CALL, strike=Decimal(27300))
    place.exchange.quote(wing, "3.00", "3.10")
    as_a_server(place)
    hold(place, 260, contract=wing)
    make.MarginSnapshotFactory.create(session=place.session, at=place.clock.now() + timedelta(seconds=150), spot=26000)
    assert reason(place, after=180) == Reason.UNWIND_SHORTS_GONE


def test_collateral_that_an_adapter_did_not_get_buys_no_hedge():
    place = world()
    known = make.CalibrationFactory.create(
        account=place.session.account, error_pct=None, funds={"collateral": "1500000"}
    )
    TradingSession.objects.update(calibration=known)
    place.exchange.cash, place.exchange.used = Decimal(700_000), Decimal(300_000)
    place.exchange.foreign[short(PUT)] = -65
    place.exchange.added_by_basket = margin(1000)
    plan = entry_soon(place, lots=2)
    collateral, without = Decimal(1_500_000), place.exchange.funds
    place.exchange.funds = lambda: replace(without(), collateral=collateral)  # type: ignore[method-assign]
    assert reason(place, plan=plan, after=0) == Reason.HOLD_WITHIN_BUDGET
    collateral = Decimal(0)
    assert reason(place, plan=plan) == Reason.HOLD_DATA_UNKNOWN
    assert "collateral is 0" in Alert.objects.get(kind="data_unknown").facts["unknown"]
