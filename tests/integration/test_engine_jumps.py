"""What was foretold of entries and hedges, and what the book and the funds showed afterwards."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext

from hedging.brokers.base import UnreadableAnswer
from hedging.domain.exposure import Cover
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.projection import Source
from hedging.domain.reasons import Reason
from hedging.engine.day_end import end_day
from hedging.engine.hours import acting_hours
from hedging.engine.intents import record
from hedging.engine.jumps import expect_release
from hedging.engine.past import past_jumps
from hedging.engine.plan import DayPlan
from hedging.models import CycleKind, HedgeDecision, HedgeOrder, HedgeTransaction, JumpKind, MarginJump
from hedging.selectors import forecasts
from notifications.models import Alert
from sessions_app.models import Account, Mode, TradingSession
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import World, facts, hold, leg, unwind, world
from tests.integration.test_engine_cycle import cycle, entry_soon, margin, short

pytestmark = pytest.mark.django_db

LOT = 65
USED = Decimal(100_000)
WING = Contract(Index.NIFTY, make.TUESDAY, Decimal(26500), Right.CE)
CALL, PUT = (Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right) for right in Right)


def morning(*, minutes: float = 1, lots: int = 1) -> tuple[World, DayPlan]:
    """A world that uses a lakh, a minute before it sells a straddle; the broker has no basket call."""
    place = world()
    Account.objects.update(basket_scope="none")
    place.exchange.used = USED
    return place, entry_soon(place, lots=lots, minutes=minutes)


def reason(place: World, *, plan: DayPlan | None = None, after: float = 30) -> str:
    """Run a cycle of its own slot, however soon after the one before, and return the reason on its card."""
    place.wait(after)
    card = cycle(place, plan=plan, slot=int(place.clock.now().timestamp()))
    assert card is not None
    return card.reason


def arrive(place: World, took: Decimal | int, *, lots: int = 1, contracts: tuple[Contract, ...] = (CALL, PUT)) -> None:
    """Let the other tool sell: legs in the book, and funds that show what they took."""
    for contract in contracts:
        key = (contract, Product.NRML)
        place.exchange.foreign[key] = place.exchange.foreign.get(key, 0) - lots * LOT
    place.exchange.used += took


def jump(kind: JumpKind = JumpKind.ENTRY) -> MarginJump:
    return MarginJump.objects.get(kind=kind)


def foretold(place: World, plan: DayPlan) -> Decimal:
    """Run the last cycle before the entry, 30 s before it, and return its forecast."""
    reason(place, plan=plan, after=30)
    forecast = jump().forecast
    assert forecast is not None
    return forecast


# --- entries ----------------------------------------------------------------------------------------------------------


def test_the_last_projection_before_an_entry_is_its_forecast():
    place, plan = morning()
    reason(place, plan=plan, after=0)
    first = jump()
    place.exchange.used += 5_000
    forecast = foretold(place, plan)
    row = jump()
    assert row.pk == first.pk
    assert (row.before, row.after, row.note) == (USED + 5_000, None, "")
    assert 250_000 < forecast < 350_000
    assert row.forecast_source == Source.ENGINE
    assert row.book["spot"] == "26000"
    assert [leg[:3] for leg in row.book["legs"]] == [
        ["NIFTY01DEC2626000CE", "NRML", -65],
        ["NIFTY01DEC2626000PE", "NRML", -65],
    ]


def test_the_real_jump_is_measured_once_its_legs_are_in_the_book():
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)  # it is due
    arrive(place, forecast + 7_000)
    reason(place, plan=plan, after=30)
    row = jump()
    assert row.realized == forecast + 7_000
    assert row.error == 7_000
    assert row.measured_at == place.clock.now()
    assert not row.hedged
    assert [line[:3] for line in row.book["after"]] == [leg[:3] for leg in row.book["legs"]]
    assert row.book["before"] == []
    assert not Alert.objects.filter(kind="forecast_missed").exists()


@pytest.mark.parametrize(("seconds", "measured"), [(29, False), (30, True), (60, True)])
def test_funds_are_given_half_a_minute_to_show_what_the_book_shows(seconds, measured):
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)
    arrive(place, forecast)
    reason(place, plan=plan, after=seconds)
    assert (jump().after is not None) is measured


def test_a_leg_that_is_late_is_waited_for():
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)
    arrive(place, 120_000, contracts=(CALL,))
    reason(place, plan=plan, after=30)
    assert (jump().after, jump().note) == (None, "")
    arrive(place, forecast - 120_000, contracts=(PUT,))
    reason(place, plan=plan, after=30)
    assert jump().realized == forecast


@pytest.mark.parametrize("seconds", [180, 210])
def test_an_entry_that_never_came_has_no_jump_and_says_so_after_three_minutes(seconds):
    place, plan = morning()
    foretold(place, plan)
    reason(place, plan=plan, after=30 + seconds)
    row = jump()
    assert row.after is None
    assert ("never came" in row.note) is (seconds > 180)


def test_entries_of_the_same_minute_cannot_be_told_apart():
    place, plan = morning()
    twin = replace(plan.entries[0], portfolio="ITJ_NF_EXP 5")
    plan = replace(plan, entries=(*plan.entries, twin))
    reason(place, plan=plan, after=30)
    place.wait(30)
    arrive(place, 600_000, lots=2)
    reason(place, plan=plan, after=30)
    rows = MarginJump.objects.order_by("subject")
    assert [row.after for row in rows] == [None, None]
    assert "ITJ_NF_EXP 5" in rows[0].note
    assert "ITJ_NF_EXP 4" in rows[1].note


def test_of_two_entries_a_minute_apart_each_has_its_own_jump():
    place, plan = morning()
    second = replace(
        plan.entries[0], portfolio="ITJ_NF_EXP 5", entry_at=plan.entries[0].entry_at + timedelta(seconds=60)
    )
    plan = replace(plan, entries=(*plan.entries, second))
    reason(place, plan=plan, after=30)
    place.wait(30)
    arrive(place, 290_000)
    reason(place, plan=plan, after=30)  # measures the first, and renews the second's forecast on a book with it
    place.wait(30)
    arrive(place, 280_000)
    reason(place, plan=plan, after=30)
    rows = MarginJump.objects.order_by("subject")
    assert [row.realized for row in rows] == [290_000, 280_000]


def test_a_stop_in_between_spoils_the_reading():
    place, plan = morning()
    place.exchange.foreign[short(replace(CALL, strike=Decimal(26200)))] = -LOT
    foretold(place, plan)
    place.wait(30)
    arrive(place, 150_000)
    del place.exchange.foreign[short(replace(CALL, strike=Decimal(26200)))]
    reason(place, plan=plan, after=30)
    assert (jump().after, jump().note) == (None, "")
    reason(place, plan=plan, after=180)
    assert jump().after is None
    assert "stop" in jump().note


@pytest.mark.parametrize(("readings_since", "measured"), [(1, False), (2, True)])
def test_a_stop_just_before_the_forecast_spoils_it_since_funds_may_be_behind(readings_since, measured):
    place, plan = morning(minutes=2)
    stopped = short(replace(CALL, strike=Decimal(26200)))
    place.exchange.foreign[stopped] = -LOT
    reason(place, plan=plan, after=60 - 30 * (readings_since - 1))
    del place.exchange.foreign[stopped]
    for _ in range(readings_since):
        reason(place, plan=plan, after=30)  # of which used margin is that of before the stop
    assert jump().before == USED
    place.wait(30)
    arrive(place, 290_000 - 80_000)
    reason(place, plan=plan, after=30)
    assert (jump().after is not None) is measured
    assert ("just before" in jump().note) is not measured


def test_nothing_is_measured_while_funds_are_unknown():
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)
    arrive(place, forecast)
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    reason(place, plan=plan, after=30)
    assert (jump().after, jump().note) == (None, "")
    place.exchange.failing.clear()
    reason(place, plan=plan, after=30)
    assert jump().realized == forecast


def test_the_reading_before_stays_where_later_ones_fail():
    place, plan = morning()
    forecast = foretold(place, plan)
    place.exchange.failing["funds"] = UnreadableAnswer("{}")
    reason(place, plan=plan, after=20)
    assert (jump().forecast, jump().before) == (forecast, USED)


def test_without_a_projection_the_jump_is_measured_all_the_same():
    place, plan = morning()
    TradingSession.objects.update(automation=False)
    reason(place, plan=plan, after=30)
    assert jump().forecast is None
    place.wait(30)
    arrive(place, 290_000)
    reason(place, plan=plan, after=30)
    assert jump().realized == 290_000
    assert jump().error is None


@pytest.mark.parametrize(("missed", "told"), [(-80_000, 0), (50_000, 0), (50_001, 1)])
def test_an_entry_that_took_far_more_than_foretold_is_told_once(missed, told):
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)
    arrive(place, forecast + missed)
    for _ in range(3):
        reason(place, plan=plan, after=30)
    alerts = Alert.objects.filter(kind="forecast_missed")
    assert alerts.count() == told
    if told:
        assert alerts.get().facts["forecast_rupees"] == str(forecast)
        assert "ITJ_NF_EXP 4" in alerts.get().title


def test_later_cards_and_the_status_name_the_forecast_and_what_came_of_it():
    place, plan = morning()
    forecast = foretold(place, plan)
    place.wait(30)
    arrive(place, forecast + 20_000)
    reason(place, plan=plan, after=30)
    reason(place, plan=plan, after=30)
    card = HedgeDecision.objects.latest("id").facts["forecasts"]
    assert [(row["what"], row["realized"], row["error_pct"]) for row in card] == [
        ("ITJ_NF_EXP 4", str(forecast + 20_000), "2.00")
    ]
    (told,) = forecasts(session=place.session, now=place.clock.now())
    assert (told.subject, told.realized, told.error_pct) == ("ITJ_NF_EXP 4", forecast + 20_000, Decimal("2.00"))


def test_a_coming_entry_is_no_forecast_that_was_tested_yet():
    place, plan = morning()
    foretold(place, plan)
    assert forecasts(session=place.session, now=place.clock.now()) == ()


def test_a_cycle_near_an_entry_and_one_that_measures_ask_at_most_ten_times():
    place, plan = morning()
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    assert session is not None
    with CaptureQueriesContext(connection) as near:
        foretold(place, plan)
    place.wait(30)
    arrive(place, 290_000)
    place.wait(30)
    with CaptureQueriesContext(connection) as measuring:
        cycle(place, plan=plan)
    assert len(near) - 3 <= 10  # the helper's own: the session, the row twice
    assert len(measuring) - 1 <= 10


# --- hedges -----------------------------------------------------------------------------------------------------------


def hedged_morning() -> tuple[World, DayPlan]:
    """Three straddles in the book, and a fourth that takes margin over the trigger: a hedge is bought and filled."""
    place, plan = morning(minutes=1.6)
    Account.objects.update(basket_scope="increment")
    arrive(place, 760_000, lots=3)
    place.exchange.added_by_basket = margin(1100)
    assert reason(place, plan=plan, after=0) == Reason.ADD_PROJECTION_OVER_TRIGGER
    return place, plan


def fill(place: World) -> None:
    place.follow()
    place.reconcile(after=5)
    assert not HedgeTransaction.objects.live().exists()


def test_a_hedges_release_is_foretold_on_the_present_book_and_measured_after_its_last_fill():
    place, plan = hedged_morning()
    row = jump(JumpKind.HEDGE)
    assert row.subject == str(HedgeDecision.objects.get(action="add").pk)
    assert row.forecast is not None
    assert row.forecast < -100_000
    fill(place)
    place.exchange.used += row.forecast + 3_000
    reason(place, plan=plan, after=30)
    row = jump(JumpKind.HEDGE)
    assert row.error == 3_000
    assert not Alert.objects.filter(kind="nothing_released").exists()


def test_a_hedge_that_releases_nothing_is_told_once_with_the_likely_reason():
    place, plan = hedged_morning()
    fill(place)
    for _ in range(3):
        reason(place, plan=plan, after=30)
    alert = Alert.objects.get(kind="nothing_released")
    assert alert.subject_id == HedgeDecision.objects.get(action="add").pk
    assert "does not show why" in alert.facts["likely_reason"]
    assert jump(JumpKind.HEDGE).realized == 0


def test_nothing_is_measured_before_all_of_the_action_has_ended():
    place, plan = hedged_morning()
    place.exchange.replies = [fake.timed_out] * 10
    place.follow()
    reason(place, plan=plan, after=30)
    row = jump(JumpKind.HEDGE)
    assert (row.after, row.note) == (None, "")


def test_an_action_of_which_nothing_filled_says_so():
    place, plan = hedged_morning()
    HedgeTransaction.objects.update(is_live=False)
    reason(place, plan=plan, after=30)  # which buys what failed again, and expects a jump of that too
    assert MarginJump.objects.filter(kind=JumpKind.HEDGE).earliest("at").note == "nothing was filled"


def test_a_hedge_filled_in_part_is_held_against_the_release_of_that_part():
    place, plan = hedged_morning()
    whole = jump(JumpKind.HEDGE).forecast
    assert whole is not None
    for contract in {tx.contract for tx in HedgeTransaction.objects.all()}:
        bids, asks = place.exchange.ladders[contract]
        place.exchange.quote(contract, str(bids[0].price), str(asks[0].price), LOT)
    place.follow()
    for _ in range(12):  # what rests is chased, and given up when the intent lapses
        place.reconcile(after=25)
    assert not HedgeTransaction.objects.live().exists()
    reason(place, plan=replace(plan, entries=()), after=30)
    row = jump(JumpKind.HEDGE)
    assert row.note == "partly filled"
    assert row.forecast is not None
    assert whole < row.forecast < 0


# --- the end, and the past ------------------------------------------------------------------------------------------------


def test_what_the_day_leaves_unmeasured_is_closed_with_it():
    place, plan = morning()
    foretold(place, plan)
    hours = acting_hours(place.session.trading_day)
    assert hours is not None
    assert end_day(session=place.session, hours=hours, now=hours.closes + timedelta(minutes=3), ports=place.ports)
    assert "day ended" in jump().note


def measured(place: World, took: int, *, days_ago: int = 0, **fields) -> MarginJump:
    """A jump of some day, measured."""
    session = place.session
    if days_ago:
        session = make.TradingSessionFactory.create(
            account=fields.pop("account", place.session.account),
            trading_day=place.session.trading_day - timedelta(days=days_ago),
            closed_at=make.OPEN,
            mode=fields.get("mode", Mode.LIVE),
        )
    at = place.clock.now() - timedelta(days=days_ago)
    legs = [["NIFTY01DEC2626000CE", "NRML", -65, "90"], ["NIFTY01DEC2626000PE", "NRML", -65, "90"]]
    known = {
        "session": session, "mode": session.mode, "kind": JumpKind.ENTRY, "subject": "ITJ_NF_EXP 4", "at": at,
        "before": Decimal(0), "after": Decimal(took), "measured_at": at, "baskets": 1, "index": "NIFTY", "dte": 0,
        "book": {"legs": legs},
    }  # fmt: skip
    return MarginJump.objects.create(**(known | fields))


def test_history_is_of_this_account_and_mode_and_of_the_last_sixty_days():
    place = world()
    for days, took in ((7, 300_000), (14, 310_000), (60, 320_000), (61, 330_000)):
        measured(place, took, days_ago=days)
    measured(place, 340_000, days_ago=21, mode=Mode.DRY_RUN)
    measured(place, 350_000, days_ago=28, account=make.AccountFactory.create())
    measured(place, 360_000, days_ago=35, after=None, measured_at=None, note="never came")
    found = past_jumps(session=place.session, measured=0)
    assert [jump.realized for jump in found] == [300_000, 310_000, 320_000]
    assert not any(jump.today for jump in found)


@pytest.mark.parametrize(
    ("wings", "cover"),
    [((), Cover.BARE), ((65, 65), Cover.COVERED), ((130, 65), Cover.COVERED), ((130, 130), Cover.SPARE)],
)
def test_the_state_of_hedge_is_read_from_the_book_after_the_jump(wings, cover):
    place = world()
    row = measured(place, 300_000)
    symbols = ("NIFTY01DEC2626500CE", "NIFTY01DEC2625500PE")
    row.book["after"] = [*row.book["legs"], *([name, "NRML", n, "4"] for name, n in zip(symbols, wings, strict=False))]
    row.save()
    (found,) = past_jumps(session=place.session, measured=1)
    assert found.cover is cover


def test_a_jump_whose_book_was_not_kept_is_like_no_entry_and_stops_nothing():
    place = world()
    measured(place, 300_000, book={})
    (found,) = past_jumps(session=place.session, measured=1)
    assert found.cover is Cover.BARE
    assert found.realized == 300_000
    assert not found.shape


def test_three_measured_days_make_history_a_source_of_the_decision():
    place, plan = morning()
    for days in (7, 14, 21):
        measured(place, 330_000, days_ago=days)
    reason(place, plan=plan, after=0)
    (row,) = HedgeDecision.objects.get().facts["projection"]
    assert row["source"] == Source.HISTORY
    assert row["forecast"] == "330000.00"
    assert row["sources"]["history"]["note"] == "median of the last 3"
    assert MarginJump.objects.get(session=place.session).forecast == 330_000


def test_the_past_is_read_again_only_when_something_new_was_measured():
    place = world()
    measured(place, 300_000)
    past_jumps(session=place.session, measured=1)
    with CaptureQueriesContext(connection) as seen:
        past_jumps(session=place.session, measured=1)
    assert len(seen) == 0
    measured(place, 310_000, subject="ITJ_NF_EXP 5")
    assert len(past_jumps(session=place.session, measured=2)) == 2


def test_the_database_refuses_a_reading_after_without_one_before():
    place = world()
    with pytest.raises(IntegrityError):
        measured(place, 300_000, before=None)


def test_a_sale_is_foretold_to_take_margin_and_measured_like_a_purchase():
    place, plan = morning(minutes=60)
    arrive(place, 300_000)
    for contract, other in ((WING, Right.CE), (replace(WING, right=Right.PE, strike=Decimal(25500)), Right.PE)):
        assert contract.right is other
        hold(place, LOT, contract=contract)
    known = facts(place, positions=place.exchange.positions(), used=place.exchange.used)
    chain = place.exchange.chain(Index.NIFTY, make.TUESDAY, 100)
    seen, decision = replace(known, chain=chain), unwind(leg(WING, LOT, side=Side.SELL))
    recorded = record(
        decision=decision, facts=seen, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1, ports=place.ports
    )
    assert recorded is not None
    expect_release(card=recorded.card, decision=decision, facts=seen, session=place.session)
    row = jump(JumpKind.HEDGE)
    assert row.forecast is not None
    assert row.forecast > 0
    place.nudges[:] = HedgeOrder.objects.filter(status="new").values_list("pk", flat=True)
    fill(place)
    place.exchange.used += row.forecast
    reason(place, plan=plan, after=30)
    assert jump(JumpKind.HEDGE).error == 0
    assert not Alert.objects.filter(kind="nothing_released").exists()


def test_a_hedge_of_ours_that_filled_just_before_the_forecast_spoils_the_entrys_jump():
    place, plan = hedged_morning()  # 96 s before the entry
    place.wait(65)
    fill(place)  # chased, or completed: some 26 s before the entry
    reason(place, plan=plan, after=15)  # positions show the pair, and funds say what they said
    assert any(line[2] > 0 for line in jump().book["before"])
    place.wait(11)
    arrive(place, 150_000 - 333_000)  # what the entry took, and what the pair had released before it
    for _ in range(2):
        reason(place, plan=plan, after=30)
    assert jump().after is None, f"taken for what the entry took: {jump().realized}"
    assert "just before" in jump().note


def test_a_stop_just_before_a_hedge_spoils_its_release():
    place, plan = morning(minutes=1.6)
    Account.objects.update(basket_scope="increment")
    arrive(place, 760_000, lots=3)
    stopped = short(replace(CALL, strike=Decimal(26200)))
    place.exchange.foreign[stopped] = -LOT
    place.exchange.added_by_basket = margin(1100)
    reason(place, plan=replace(plan, entries=()), after=0)
    del place.exchange.foreign[stopped]  # positions show the stop, and funds not yet
    assert reason(place, plan=plan, after=10) == Reason.ADD_PROJECTION_OVER_TRIGGER
    fill(place)
    place.exchange.used -= 150_000  # funds hear of the stop; the hedge itself released nothing
    reason(place, plan=plan, after=30)
    row = jump(JumpKind.HEDGE)
    assert row.after is None, f"told as released by the hedge: {row.realized}"
    assert "just before" in row.note
