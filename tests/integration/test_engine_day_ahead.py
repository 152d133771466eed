"""The day ahead on the cards: drawn every five minutes, at most one more read, and a warning once for what is lost."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from hedging.brokers.base import UnreadableAnswer
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.reasons import Reason
from hedging.domain.templates import LegTemplate
from hedging.engine.cycle import run_cycle
from hedging.engine.plan import DayPlan, plan_of
from hedging.engine.ticks import slot_of
from hedging.models import CycleKind, JumpKind, MarginJump
from hedging.selectors import day_ahead
from notifications.models import Alert, Severity
from schedule.entries import ScheduledEntry
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.engine_world import POLICY, World, hold, world
from tests.unit.cycle_facts import chain

pytestmark = pytest.mark.django_db
LOT = 65


def scheduled(portfolio: str, minute: int, *, hour: int = 11, lots: int = 1, exit_at=None, **fields) -> ScheduledEntry:
    known = {
        "portfolio": portfolio,
        "index": Index.NIFTY,
        "expiry": make.TUESDAY,
        "dte": 0,
        "entry_at": make.ist(hour, minute),
        "exit_at": exit_at,
        "legs": tuple(LegTemplate(right, Side.SELL, 0, lots) for right in Right),
    }
    return ScheduledEntry(**(known | fields))


def place_at(hour: int = 10, minute: int = 15, second: int = 0, **session) -> World:
    """A market with every strike quoted, at a moment of the expiry day."""
    place = world(**session)
    for contract, quote in chain().quotes.items():
        place.exchange.quote(contract, str(quote.bid), str(quote.ask))
    place.wait((make.ist(hour, minute) - place.clock.now()).total_seconds() + second)
    return place


def cycle(place: World, *entries: ScheduledEntry, kind: CycleKind = CycleKind.MARGIN_CHECK):
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    card = run_cycle(
        session=session, kind=kind, slot=slot_of(kind, place.clock.now()), now=place.clock.now(), ports=place.ports,
        plan=plan(place, *entries), policy=POLICY, enabled=True,
    )  # fmt: skip
    assert card is not None
    return card


def plan(place: World, *entries: ScheduledEntry) -> DayPlan:
    return replace(plan_of(place.session), entries=entries)


def straddle_in_the_book(place: World, lots: int = 1) -> None:
    for right in Right:
        place.exchange.foreign[Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right), Product.NRML] = -LOT * lots


def moments(card):
    return [(m["kind"], m["portfolio"]) for m in card.facts["day"]["moments"]]


def percent(moment, line):
    return Decimal(moment[line]["used_after_pct"])


def test_every_coming_entry_and_its_exit_are_on_the_card_with_three_lines():
    place = place_at()
    hold(place, LOT, contract=Contract(Index.NIFTY, make.TUESDAY, Decimal(26400), Right.CE))
    hold(place, LOT, contract=Contract(Index.NIFTY, make.TUESDAY, Decimal(25600), Right.PE))
    straddle_in_the_book(place)
    place.exchange.used = Decimal(160_000)

    card = cycle(place, scheduled("A", 0, exit_at=make.ist(12, 0)), scheduled("B", 30))

    assert moments(card) == [("now", ""), ("entry", "A"), ("entry", "B"), ("exit", "A")]
    now, first, second, after = card.facts["day"]["moments"]
    assert now["held"]["used_after"] == "160000.00"
    assert percent(now, "held") < percent(first, "held") < percent(second, "held") > percent(after, "held")
    for moment in (now, first, second, after):
        assert percent(moment, "floor") <= percent(moment, "held") < percent(moment, "bare")


@pytest.mark.parametrize(
    ("minute", "second", "kind", "drawn"),
    [
        (14, 59, CycleKind.MARGIN_CHECK, False),
        (15, 0, CycleKind.MARGIN_CHECK, True),
        (15, 29, CycleKind.MARGIN_CHECK, True),
        (15, 30, CycleKind.MARGIN_CHECK, False),
        (15, 0, CycleKind.ENTRY_PROJECTION, False),
    ],
)
def test_the_day_is_drawn_by_a_margin_check_every_five_minutes(minute, second, kind, drawn):
    place = place_at(10, minute, second)
    card = cycle(place, scheduled("A", 0), kind=kind)
    assert ("day" in card.facts) is drawn
    assert place.exchange.calls.count("chain") == int(drawn)


@pytest.mark.parametrize(("hour", "minute"), [(9, 10), (15, 30)])
def test_the_day_is_not_drawn_outside_our_hours(hour, minute):
    card = cycle(place_at(hour, minute), scheduled("A", 45, hour=15))
    assert "day" not in card.facts


@pytest.mark.parametrize(("exit_at", "drawn"), [(None, False), (make.ist(10, 15), False), (make.ist(10, 16), True)])
def test_the_day_is_drawn_until_nothing_comes_or_goes_any_more(exit_at, drawn):
    assert ("day" in cycle(place_at(), scheduled("A", 0, hour=10, exit_at=exit_at)).facts) is drawn


def test_a_day_that_cannot_be_drawn_says_why_and_leaves_the_decision_alone():
    place = place_at()
    place.exchange.failing["chain"] = UnreadableAnswer("chain: an empty answer")
    card = cycle(place, scheduled("A", 0))
    assert card.reason == Reason.HOLD_NOTHING_DUE
    assert "empty answer" in card.facts["day"]["unknown"]
    assert card.facts["day"]["moments"] == []
    assert not Alert.objects.exists()


def test_a_leg_beyond_the_chain_makes_the_day_unknown_with_its_name():
    far = scheduled("FAR", 0, legs=(LegTemplate(Right.CE, Side.SELL, 90, 1),))
    assert "30500.00 CE, a leg of FAR" in cycle(place_at(), far).facts["day"]["unknown"]


def test_entries_of_another_expiry_are_named_and_not_drawn():
    other = scheduled("OTHER", 0, expiry=make.TUESDAY + timedelta(days=7))
    card = cycle(place_at(), scheduled("A", 30), other)
    assert moments(card) == [("now", ""), ("entry", "A")]
    assert card.facts["day"]["not_of_this_session"] == ["OTHER"]


def seen_entering(place: World, portfolio: str, *, after=True, lots=1) -> None:
    legs = [
        [format_symbol(Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right)), "NRML", -LOT * lots, "90"]
        for right in Right
    ]
    measured = {"after": Decimal(269_000), "measured_at": make.ist(9, 21)} if after else {"note": "not measured"}
    MarginJump.objects.create(
        session=place.session, mode=place.session.mode, kind=JumpKind.ENTRY, subject=portfolio, at=make.ist(9, 20),
        before=Decimal(0), baskets=1, index="NIFTY", dte=0,
        book={"before": [], "legs": legs} | ({"after": legs} if after else {}), **measured,
    )  # fmt: skip


@pytest.mark.parametrize("seen", [True, False])
def test_what_an_entry_was_seen_to_bring_leaves_at_its_exit_and_what_was_not_seen_stays(seen):
    place = place_at()
    straddle_in_the_book(place)
    place.exchange.used = Decimal(269_000)
    seen_entering(place, "EARLY", after=seen)
    early = scheduled("EARLY", 20, hour=9, exit_at=make.ist(10, 40))

    card = cycle(place, early, scheduled("A", 0))

    last = card.facts["day"]["moments"][-1]
    assert (("exit", "EARLY") in moments(card)) is seen
    assert card.facts["day"]["kept_to_the_end"] == ([] if seen else ["EARLY"])
    assert (percent(last, "held") < 40) is seen


def test_an_entry_that_no_hedge_can_save_is_told_once_with_its_figures_long_before_it_comes():
    place = place_at()
    huge = scheduled("HUGE", 0, hour=14, lots=9)
    for minute in (0, 5, 5):
        place.wait(60 * minute)
        if minute:
            cycle(place, scheduled("A", 0), huge)
    alert = Alert.objects.get(kind="entry_beyond_saving")
    assert alert.title == "No hedge can save HUGE at 14:00"
    assert alert.severity == Severity.WARNING  # the engine is not calibrated yet
    assert Decimal(alert.facts["floor_pct"]) > 100
    assert Decimal(alert.facts["without_hedges_pct"]) > Decimal(alert.facts["floor_pct"])
    assert (alert.facts["budget"], alert.account_id) == ("1000000.00", place.session.account_id)


def test_each_entry_that_is_lost_is_told():
    place = place_at()
    cycle(place, scheduled("HUGE", 0, lots=9), scheduled("VAST", 0, hour=14, lots=9), scheduled("A", 30))
    told = Alert.objects.filter(kind="entry_beyond_saving").order_by("id")
    assert [alert.facts["portfolio"] for alert in told] == ["HUGE", "VAST"]


def test_the_selector_reads_what_the_cycle_wrote():
    place = place_at()
    cycle(place, scheduled("A", 0))
    place.wait(60)
    found = day_ahead(session=place.session, now=place.clock.now())
    assert (found.age_seconds, found.unknown, found.calibrated) == (60, "", False)
    assert [m.portfolio for m in found.moments] == ["", "A"]
    assert found.moments[1].held.at_order is not None
    assert found.moments[1].crosses is False


# --- sales know the day --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("leaves_at", "sold"), [(make.ist(10, 40), True), (make.ist(13, 0), False)])
def test_a_wing_is_sold_when_what_it_covers_leaves_before_the_next_entry_comes(leaves_at, sold):
    place = place_at()
    for strike, right in ((26400, Right.CE), (25600, Right.PE)):
        hold(place, 2 * LOT, contract=Contract(Index.NIFTY, make.TUESDAY, Decimal(strike), right))
    straddle_in_the_book(place, lots=2)
    place.exchange.used = Decimal(400_000)
    seen_entering(place, "EARLY", lots=2)
    early = scheduled("EARLY", 20, hour=9, lots=2, exit_at=leaves_at)

    card = cycle(place, early, scheduled("A", 0, lots=2))

    assert (card.reason == Reason.UNWIND_UNDER_EXIT_TRIGGER) is sold
