"""Seeds and the entries of a day: what ships, what a day's timetable is, and what it costs to ask."""

from __future__ import annotations

from datetime import date, time
from decimal import Decimal

import pytest

from hedging.domain.instruments import Index, Right, Side
from hedging.domain.templates import LegTemplate
from schedule.calendar import CalendarUnknown, load_calendar
from schedule.entries import entries_on
from schedule.legs import LegsUnreadable, leg_templates
from schedule.models import ChargeRates, ContractSpec, MarginParameters, StrategyEntry, TradingDay
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from tests.factories import StrategyEntryFactory, TradingDayFactory, ist

pytestmark = pytest.mark.django_db
TUESDAY = date(2026, 12, 1)


@pytest.fixture
def seeded() -> None:
    seed_reference_data()
    seed_schedule_if_empty()


def test_seeding_fills_empty_tables_and_reports_how_many_rows():
    assert seed_reference_data() == {"TradingDay": 263, "ContractSpec": 3, "MarginParameters": 3, "ChargeRates": 2}
    assert seed_schedule_if_empty() == 36


def test_seeding_again_changes_nothing(seeded):
    StrategyEntry.objects.exclude(portfolio="ITJ_NF_EXP 1").delete()
    StrategyEntry.objects.update(active=False)
    ContractSpec.objects.update(lot=75)
    assert set(seed_reference_data().values()) == {0}
    assert seed_schedule_if_empty() == 0
    assert StrategyEntry.objects.count() == 1
    assert set(ContractSpec.objects.values_list("lot", flat=True)) == {75}


def test_a_table_that_an_operator_filled_is_left_alone_while_empty_ones_are_seeded():
    TradingDayFactory(day=TUESDAY)
    assert seed_reference_data()["TradingDay"] == 0
    assert TradingDay.objects.count() == 1
    assert ChargeRates.objects.count() == 2


def test_every_shipped_row_passes_validation(seeded):
    for model in (TradingDay, ContractSpec, MarginParameters, ChargeRates, StrategyEntry):
        for row in model._default_manager.order_by("pk"):
            row.full_clean()


@pytest.mark.parametrize(
    ("index", "lot", "step", "usable", "otm"),
    [
        (Index.NIFTY, 65, 50, 1755, (200, 1000)),
        (Index.BANKNIFTY, 30, 100, 600, (500, 2500)),
        (Index.SENSEX, 20, 100, 1000, (500, 2500)),
    ],
)
@pytest.mark.usefixtures("seeded")
def test_the_shipped_contract_facts_are_those_of_late_2026(index, lot, step, usable, otm):
    facts = ContractSpec.objects.in_force(day=TUESDAY).get(index=index).as_facts()
    assert (facts.lot, facts.strike_step, facts.max_order_quantity) == (lot, Decimal(step), usable)
    assert (facts.otm_min, facts.otm_max) == tuple(map(Decimal, otm))


@pytest.mark.parametrize(
    ("day", "count", "index", "expiry"),
    [
        (date(2026, 11, 27), 6, Index.NIFTY, date(2026, 12, 1)),  # Friday, 2DTE
        (date(2026, 11, 30), 7, Index.NIFTY, date(2026, 12, 1)),  # Monday, 1DTE
        (date(2026, 12, 1), 10, Index.NIFTY, date(2026, 12, 1)),
        (date(2026, 12, 3), 13, Index.SENSEX, date(2026, 12, 3)),
        (date(2026, 11, 20), 7, Index.NIFTY, date(2026, 11, 23)),  # a Friday with 1DTE: Tuesday is a holiday
        (date(2026, 11, 23), 10, Index.NIFTY, date(2026, 11, 23)),  # a Monday with 0DTE
        (date(2026, 12, 24), 19, None, None),  # SENSEX 0DTE and, Friday being a holiday, NIFTY 2DTE
        (date(2026, 12, 31), 13, Index.SENSEX, date(2026, 12, 31)),
        (date(2026, 12, 2), 0, None, None),
        (date(2026, 11, 24), 0, None, None),
        (date(2026, 12, 6), 0, None, None),
    ],
)
def test_a_days_entries_are_those_whose_index_and_dte_are_current(seeded, day, count, index, expiry):
    entries = entries_on(day, load_calendar())
    assert len(entries) == count
    if index is not None:
        assert {(entry.index, entry.expiry) for entry in entries} == {(index, expiry)}


def test_entries_come_in_order_of_time_with_aware_times_and_legs(seeded):
    entries = entries_on(TUESDAY, load_calendar())
    assert [entry.entry_at for entry in entries] == sorted(entry.entry_at for entry in entries)
    fourth = entries[3]
    assert (fourth.portfolio, fourth.entry_at, fourth.exit_at) == ("ITJ_NF_EXP 4", ist(10, 16, 30), ist(13, 15))
    assert fourth.legs == (LegTemplate(Right.CE, Side.SELL, 0, 1), LegTemplate(Right.PE, Side.SELL, 0, 1))
    assert entries[4].exit_at is None


def test_entries_of_the_same_second_come_by_portfolio(seeded):
    StrategyEntry.objects.all().delete()
    for portfolio in ("C", "A", "B"):
        StrategyEntryFactory(portfolio=portfolio)
    assert [entry.portfolio for entry in entries_on(TUESDAY, load_calendar())] == ["A", "B", "C"]


def test_an_inactive_entry_is_not_due(seeded):
    StrategyEntry.objects.filter(portfolio="ITJ_NF_EXP 1").update(active=False)
    assert "ITJ_NF_EXP 1" not in {entry.portfolio for entry in entries_on(TUESDAY, load_calendar())}


def test_an_entry_outside_the_hours_of_a_short_session_is_not_due(seeded):
    TradingDay.objects.filter(day=TUESDAY).update(
        opens_at=time(9, 29), act_from=time(9, 29), act_until=time(14, 25), closes_at=time(14, 25)
    )
    entries = entries_on(TUESDAY, load_calendar())
    assert (entries[0].entry_at, entries[-1].entry_at) == (ist(9, 29), ist(14, 16))  # open at 9:29, closed at 14:25


def test_an_unknown_day_raises_instead_of_having_no_entries(seeded):
    with pytest.raises(CalendarUnknown):
        entries_on(date(2027, 1, 5), load_calendar())


def test_the_calendar_costs_two_queries_and_a_days_entries_one(seeded, django_assert_num_queries):
    with django_assert_num_queries(2):
        calendar = load_calendar()
    with django_assert_num_queries(1):
        entries_on(TUESDAY, calendar)


LEG = {"right": "CE", "side": "SELL", "offset": 0, "lots": 1}


@pytest.mark.parametrize(
    ("leg", "named"),
    [
        ({}, "right, side, offset and lots"),
        ({"right": "CE"}, "right, side, offset and lots"),
        ("CE", "right, side, offset and lots"),
        (LEG | {"right": "CALL"}, '"CALL" is no right; write CE or PE'),
        (LEG | {"side": ["SELL"]}, "is no side; write BUY or SELL"),
        (LEG | {"offset": 0.5}, "the offset 0.5"),
        (LEG | {"offset": 501}, "-500 to 500"),
        (LEG | {"lots": 0}, "0 is no number of lots"),
        (LEG | {"lots": -1}, "-1 is no number of lots"),
        (LEG | {"lots": True}, "true is no number of lots"),
        (LEG | {"lots": 1001}, "1 to 1,000"),
    ],
)
def test_a_stored_leg_that_is_none_is_refused_with_what_to_write(leg, named):
    with pytest.raises(LegsUnreadable, match=named):
        leg_templates([LEG, leg])


@pytest.mark.parametrize("legs", [[], {}, LEG, "x", 7, None])
def test_what_is_no_list_of_legs_is_refused(legs):
    with pytest.raises(LegsUnreadable, match="no list of legs"):
        leg_templates(legs)


@pytest.mark.parametrize(("offset", "lots"), [(-500, 1), (500, 1000)])
def test_the_farthest_and_most_are_legs(offset, lots):
    legs = [LEG | {"offset": offset, "lots": lots}]
    assert leg_templates(legs) == (LegTemplate(Right.CE, Side.SELL, offset, lots),)


def test_an_entry_whose_legs_cannot_be_read_stays_in_its_day_and_says_so(seeded):
    StrategyEntry.objects.filter(portfolio="ITJ_NF_EXP 4").update(legs=[{"right": "CE"}])
    entries = entries_on(TUESDAY, load_calendar())
    assert len(entries) == 10
    assert entries[3].legs == ()
    assert "the legs of ITJ_NF_EXP 4 cannot be read" in entries[3].trouble
    assert not any(entry.trouble for entry in entries if entry is not entries[3])


@pytest.mark.parametrize(("offset", "lots"), [(0, 2), (0, 2.0), ("0", "2"), ("-0", 2)])
def test_whole_numbers_are_read_however_a_row_of_before_has_them(offset, lots):
    [leg] = leg_templates([{"right": "CE", "side": "SELL", "offset": offset, "lots": lots}])
    assert (leg.offset, leg.lots) == (0, 2)
    assert type(leg.lots) is int


@pytest.mark.parametrize("lots", ["2.5", 2.5, "1e3", True, None, "", " 2", float("nan"), float("inf"), "9" * 5000])
def test_what_is_no_whole_number_is_no_number_of_lots(lots):
    with pytest.raises(LegsUnreadable, match="no number of lots"):
        leg_templates([{"right": "CE", "side": "SELL", "offset": 0, "lots": lots}])
