"""The bot that always hedges, kept from prices that the engine reads anyway, and added up when the session is closed."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from decimal import Decimal

import pytest

from hedging.brokers.base import UnreadableAnswer
from hedging.domain.instruments import Contract, Index, Right
from hedging.engine.cycle import run_cycle
from hedging.engine.day_end import end_day
from hedging.engine.plan import plan_of
from hedging.engine.ticks import slot_of
from hedging.models import CycleKind, JumpKind, MarginJump
from hedging.pages.status import summary_rows
from notifications.models import Alert
from schedule.models import ContractSpec, StrategyEntry
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.engine_world import POLICY, World, world
from tests.unit.cycle_facts import chain

pytestmark = pytest.mark.django_db
CALL = Contract(Index.NIFTY, make.TUESDAY, Decimal(26850), Right.CE)
PUT = Contract(Index.NIFTY, make.TUESDAY, Decimal(25150), Right.PE)
PAID = Decimal("580.44")  # 2 × (130 at 2.05 and the charges of one order)


def day(exit_at: time | None = time(11)) -> World:
    """A market with every strike quoted, five minutes before an entry at 10:20 of two lots."""
    place = world()
    make.StrategyEntryFactory.create(
        portfolio="A",
        entry_time=time(10, 20),
        exit_time=exit_at,
        legs=[{"right": right.value, "side": "SELL", "offset": 0, "lots": 2} for right in Right],
    )
    for contract, quote in chain().quotes.items():
        place.exchange.quote(contract, str(quote.bid), str(quote.ask))
    to(place, 10, 15)
    return place


def to(place: World, hour: int, minute: int, second: int = 0) -> None:
    place.wait((make.ist(hour, minute, second) - place.clock.now()).total_seconds())


def cycle(place: World, kind: CycleKind = CycleKind.MARGIN_CHECK) -> None:
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    run_cycle(
        session=session, kind=kind, slot=slot_of(kind, place.clock.now()), now=place.clock.now(), ports=place.ports,
        plan=plan_of(session), policy=POLICY, enabled=True,
    )  # fmt: skip


def enter(place: World, minute: int = 19, second: int = 40) -> None:
    to(place, 10, minute, second)
    cycle(place, CycleKind.ENTRY_PROJECTION)


def closed(place: World, *, after: timedelta = timedelta(minutes=20)):
    """End the day, and return what its summary holds of the bot."""
    session = TradingSession.objects.select_related("account").get(pk=place.session.pk)
    hours = plan_of(session).hours
    assert hours is not None
    now = hours.closes + after
    place.wait((now - place.clock.now()).total_seconds())
    assert end_day(session=session, hours=hours, now=now, ports=place.ports)
    session.refresh_from_db()
    return session.summary.get("always_hedge")


def kept():
    return MarginJump.objects.get(kind=JumpKind.ENTRY).book["static"]


def test_the_cheapest_wings_in_the_band_are_kept_with_the_entrys_forecast():
    place = day()

    enter(place)

    assert kept()["wings"] == [["NIFTY01DEC2626850CE", 130, "2.05"], ["NIFTY01DEC2625150PE", 130, "2.05"]]
    assert datetime.fromisoformat(kept()["at"]) == make.ist(10, 19, 40)


def test_an_entry_priced_at_both_ends_makes_a_whole_day():
    place = day()
    enter(place)
    place.exchange.quote(CALL, "1.00", "1.05")
    place.exchange.quote(PUT, None, "0.05")
    to(place, 10, 55)
    cycle(place)

    told = closed(place)

    assert (told["entries"], told["known"], told["whole"]) == (1, 1, True)
    assert Decimal(told["paid"]) == PAID
    assert told["got_back"] == "106.15"  # 130 at 1.00 less ₹23.85; for the put nobody bids


def test_the_nearest_reading_to_the_exit_counts():
    place = day()
    enter(place)
    for minute, bid in ((50, "0.90"), (55, "1.00")):
        place.exchange.quote(CALL, bid, "1.05")
        to(place, 10, minute)
        cycle(place)

    assert kept()["end"]["bids"]["NIFTY01DEC2626850CE"] == "1.00"
    assert datetime.fromisoformat(kept()["end"]["at"]) == make.ist(10, 55)


@pytest.mark.parametrize(("minute", "known"), [(50, False), (55, True)])
def test_a_bid_long_before_the_exit_is_not_the_exits(minute, known):
    place = day()
    enter(place)
    to(place, 10, minute)
    cycle(place)

    told = closed(place)

    assert (told["known"], told["no_end"], told["whole"]) == ((1, 0, True) if known else (0, 1, False))
    assert Decimal(told["paid"]) == PAID


@pytest.mark.parametrize(("minute", "second", "known"), [(17, 59, False), (18, 0, True)])
def test_a_price_read_long_before_the_entry_is_not_the_entrys(minute, second, known):
    place = day(exit_at=None)
    enter(place, minute, second)

    told = closed(place)

    assert (told["known"], told["no_price"]) == ((1, 0) if known else (0, 1))
    assert Decimal(told["paid"]) == (PAID if known else 0)


def test_without_a_strike_in_the_band_it_buys_nothing_and_that_is_known():
    place = day()
    ContractSpec.objects.update(otm_min=Decimal(950))
    enter(place)

    told = closed(place)

    assert kept()["wings"] is None
    assert (told["no_strike"], told["paid"], told["whole"]) == (1, "0.00", True)


def test_held_to_expiry_it_settles_against_the_index_after_the_close():
    place = day(exit_at=None)
    enter(place)

    told = closed(place)

    assert (told["known"], told["got_back"], told["whole"]) == (1, "0.00", True)


def test_an_index_that_cannot_be_read_after_the_close_leaves_the_end_unknown():
    place = day(exit_at=None)
    enter(place)
    place.exchange.failing["chain"] = UnreadableAnswer("no chain")

    told = closed(place)

    assert (told["known"], told["no_end"], told["whole"]) == (0, 1, False)


def test_an_entry_that_no_cycle_saw_has_no_price():
    told = closed(day())

    assert (told["entries"], told["no_price"], told["paid"], told["whole"]) == (1, 1, "0.00", False)


def test_a_day_without_entries_tells_nothing_and_reads_nothing():
    place = day()
    StrategyEntry.objects.all().delete()
    place.exchange.calls.clear()

    assert closed(place) is None
    assert "chain" not in place.exchange.calls


def test_the_days_message_and_the_status_page_tell_of_our_day_alone():
    place = day()
    enter(place)
    closed(place)

    session = TradingSession.objects.get()
    assert "always_hedge" in session.summary
    assert "always_hedge" not in Alert.objects.get(kind="day_summary").facts
    assert "always hedge" not in dict(summary_rows(session.summary))
