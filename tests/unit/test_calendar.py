"""The trading calendar, on the year 2026 as it is shipped: expiries by (index, DTE), hours, special days, unknown years."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedging.domain.instruments import Index
from schedule.calendar import (
    CalendarUnknown,
    CurrentExpiry,
    DayHours,
    ExpiryRule,
    NoSuchExpiry,
    SessionHours,
    TradingCalendar,
)

DATA = Path(__file__).resolve().parents[2] / "schedule" / "data"
NIFTY, BANKNIFTY, SENSEX = Index.NIFTY, Index.BANKNIFTY, Index.SENSEX


def shipped_days() -> dict[date, DayHours]:
    with (DATA / "trading_days.csv").open(encoding="utf-8", newline="") as file:
        return {
            date.fromisoformat(row["day"]): DayHours(
                is_open=row["is_open"] == "yes",
                opens_at=time.fromisoformat(row["opens_at"]),
                closes_at=time.fromisoformat(row["closes_at"]),
                act_from=time.fromisoformat(row["act_from"]),
                act_until=time.fromisoformat(row["act_until"]),
                note=row["note"],
            )
            for row in csv.DictReader(file)
        }


def shipped_rules() -> tuple[ExpiryRule, ...]:
    with (DATA / "contract_specs.csv").open(encoding="utf-8", newline="") as file:
        return tuple(
            ExpiryRule(
                Index(row["index"]),
                date.fromisoformat(row["effective_from"]),
                int(row["expiry_weekday"]),
                row["weekly"] == "yes",
            )
            for row in csv.DictReader(file)
        )


DAYS = shipped_days()
RULES = shipped_rules()
CALENDAR = TradingCalendar(days=DAYS, rules=RULES)
in_2026 = st.dates(date(2026, 1, 1), date(2026, 12, 31))
# Days after which every index still has an expiry that the known days can tell.
decided = st.dates(date(2026, 1, 2), date(2026, 12, 29))
indices = st.sampled_from([NIFTY, BANKNIFTY, SENSEX])


def test_two_dte_on_friday_27_november_is_the_expiry_of_1_december():
    assert CALENDAR.expiry_for(NIFTY, date(2026, 11, 27), 2) == date(2026, 12, 1)
    assert CALENDAR.dte(NIFTY, date(2026, 11, 27)) == 2


def test_nifty_of_the_week_of_24_november_expires_on_monday_23_november():
    assert CALENDAR.expiries(NIFTY, date(2026, 11, 18), 1) == (date(2026, 11, 23),)
    assert CALENDAR.expiry_for(NIFTY, date(2026, 11, 23), 0) == date(2026, 11, 23)
    assert CALENDAR.dte(NIFTY, date(2026, 11, 20)) == 1


def test_nifty_expiries_of_the_rest_of_2026_are_as_listed():
    assert CALENDAR.expiries(NIFTY, date(2026, 11, 22), 6) == (
        date(2026, 11, 23),
        date(2026, 12, 1),
        date(2026, 12, 8),
        date(2026, 12, 15),
        date(2026, 12, 22),
        date(2026, 12, 29),
    )


def test_sensex_expiries_of_the_rest_of_2026_are_as_listed():
    assert CALENDAR.expiries(SENSEX, date(2026, 11, 22), 6) == tuple(
        date(2026, month, day) for month, day in ((11, 26), (12, 3), (12, 10), (12, 17), (12, 24), (12, 31))
    )


def test_banknifty_expires_on_the_last_tuesday_of_the_month_or_the_trading_day_before():
    assert CALENDAR.expiries(BANKNIFTY, date(2026, 11, 1), 2) == (date(2026, 11, 23), date(2026, 12, 29))
    assert CALENDAR.expiries(BANKNIFTY, date(2026, 3, 1), 1) == (date(2026, 3, 30),)  # the 31st is a holiday


@pytest.mark.parametrize(
    ("day", "current"),
    [
        (date(2026, 11, 30), (CurrentExpiry(NIFTY, 1, date(2026, 12, 1)), CurrentExpiry(SENSEX, 3, date(2026, 12, 3)))),
        (date(2026, 12, 1), (CurrentExpiry(NIFTY, 0, date(2026, 12, 1)), CurrentExpiry(SENSEX, 2, date(2026, 12, 3)))),
        (date(2026, 12, 2), (CurrentExpiry(NIFTY, 4, date(2026, 12, 8)), CurrentExpiry(SENSEX, 1, date(2026, 12, 3)))),
        (
            date(2026, 12, 24),
            (CurrentExpiry(NIFTY, 2, date(2026, 12, 29)), CurrentExpiry(SENSEX, 0, date(2026, 12, 24))),
        ),
        (
            date(2026, 12, 28),
            (CurrentExpiry(NIFTY, 1, date(2026, 12, 29)), CurrentExpiry(SENSEX, 3, date(2026, 12, 31))),
        ),
    ],
)
def test_each_index_has_one_current_expiry_on_a_trading_day(day, current):
    assert tuple(c for c in CALENDAR.resolve(day) if c.index is not BANKNIFTY) == current


@pytest.mark.parametrize("day", [date(2026, 11, 24), date(2026, 12, 25), date(2026, 12, 5), date(2026, 12, 6)])
def test_nothing_is_current_on_a_closed_day(day):
    assert not CALENDAR.is_trading_day(day)
    assert CALENDAR.hours(day) is None
    assert CALENDAR.resolve(day) == ()
    assert CALENDAR.find_expiry(NIFTY, day, 0) is None


def test_asking_for_a_dte_at_which_nothing_expires_is_refused():
    with pytest.raises(NoSuchExpiry, match="1 DTE"):
        CALENDAR.expiry_for(NIFTY, date(2026, 12, 1), 1)


def test_a_later_expiry_than_the_next_is_found_by_its_own_dte():
    assert CALENDAR.expiry_for(NIFTY, date(2026, 12, 1), 5) == date(2026, 12, 8)


def test_the_sixteen_holidays_of_2026_are_closed_and_named():
    closed = {day: row.note for day, row in DAYS.items() if not row.is_open}
    assert sorted(closed) == [
        date(2026, month, day)
        for month, day in (
            (1, 15), (1, 26), (3, 3), (3, 26), (3, 31), (4, 3), (4, 14), (5, 1), (5, 28), (6, 26), (9, 14), (10, 2),
            (10, 20), (11, 10), (11, 24), (12, 25),
        )
    ]  # fmt: skip
    assert all(closed.values())


def test_the_session_closes_at_1540_from_3_august_and_we_act_until_1530():
    before, after = CALENDAR.hours(date(2026, 7, 31)), CALENDAR.hours(date(2026, 8, 3))
    assert before is not None
    assert before.closes == datetime(2026, 7, 31, 10, 0, tzinfo=UTC)
    assert after == SessionHours(
        opens=datetime(2026, 8, 3, 3, 45, tzinfo=UTC),
        closes=datetime(2026, 8, 3, 10, 10, tzinfo=UTC),
        act_from=datetime(2026, 8, 3, 3, 45, tzinfo=UTC),
        act_until=datetime(2026, 8, 3, 10, 0, tzinfo=UTC),
    )


def test_the_budget_sunday_is_a_full_session_and_counts_for_dte():
    sunday = date(2026, 2, 1)
    hours = CALENDAR.hours(sunday)
    assert hours is not None
    assert hours.act_until - hours.act_from == timedelta(hours=6, minutes=15)
    assert CALENDAR.next_trading_day(date(2026, 1, 30)) == sunday
    assert CALENDAR.dte(NIFTY, date(2026, 1, 30)) == 3  # Sunday, Monday, Tuesday


def test_muhurat_is_a_trading_day_on_which_nothing_automatic_is_done():
    sunday = date(2026, 11, 8)
    hours = CALENDAR.hours(sunday)
    assert hours is not None
    assert hours.act_from == hours.act_until
    assert CALENDAR.previous_trading_day(date(2026, 11, 9)) == sunday


@pytest.mark.parametrize("day", [date(2025, 12, 31), date(2027, 1, 1), date(2027, 1, 2)])
def test_a_day_of_an_unknown_year_raises_even_on_a_weekend(day):
    with pytest.raises(CalendarUnknown, match=str(day.year)):
        CALENDAR.is_trading_day(day)
    with pytest.raises(CalendarUnknown):
        CALENDAR.hours(day)
    with pytest.raises(CalendarUnknown):
        CALENDAR.resolve(day)


def test_a_weekday_without_a_row_is_unknown_even_in_a_known_year():
    thinned = TradingCalendar(days={d: h for d, h in DAYS.items() if d != date(2026, 12, 2)}, rules=RULES)
    with pytest.raises(CalendarUnknown, match="Wednesday 02-Dec-2026"):
        thinned.is_trading_day(date(2026, 12, 2))
    assert not thinned.is_trading_day(date(2026, 12, 5))


def test_one_holiday_of_2027_does_not_make_the_rest_of_2027_known():
    holiday = DayHours(
        is_open=False, opens_at=time(9, 15), closes_at=time(15, 40), act_from=time(9, 15), act_until=time(15, 30)
    )
    calendar = TradingCalendar(days={**DAYS, date(2027, 1, 26): holiday}, rules=RULES)
    assert not calendar.is_trading_day(date(2027, 1, 26))
    with pytest.raises(CalendarUnknown):
        calendar.is_trading_day(date(2027, 1, 5))


def test_an_expiry_in_an_unknown_year_raises_and_the_others_do_not():
    last = date(2026, 12, 31)
    assert CALENDAR.expiry_for(SENSEX, last, 0) == last
    assert CALENDAR.dte(SENSEX, date(2026, 12, 30)) == 1
    assert CALENDAR.expiry_for(NIFTY, date(2026, 12, 29), 0) == date(2026, 12, 29)
    with pytest.raises(CalendarUnknown):
        CALENDAR.dte(NIFTY, last)
    with pytest.raises(CalendarUnknown):
        CALENDAR.expiry_for(NIFTY, last, 1)
    with pytest.raises(CalendarUnknown):
        CALENDAR.expiries(SENSEX, date(2026, 12, 22), 3)
    assert CALENDAR.resolve(last) == (CurrentExpiry(SENSEX, 0, last),)
    assert CALENDAR.undecided(last) == {NIFTY, BANKNIFTY}
    assert CALENDAR.undecided(date(2026, 12, 29)) == frozenset()


def test_an_index_without_a_rule_in_force_is_unknown():
    without = TradingCalendar(days=DAYS, rules=tuple(r for r in RULES if r.index is not SENSEX))
    with pytest.raises(CalendarUnknown, match="SENSEX"):
        without.dte(SENSEX, date(2026, 12, 1))


def test_the_rule_in_force_on_the_expiry_itself_decides_its_weekday():
    moved = ExpiryRule(NIFTY, date(2026, 12, 14), 3, weekly=True)
    calendar = TradingCalendar(days=DAYS, rules=(*RULES, moved))
    assert calendar.expiries(NIFTY, date(2026, 12, 2), 3) == (date(2026, 12, 8), date(2026, 12, 17), date(2026, 12, 24))


def test_an_empty_calendar_knows_nothing():
    with pytest.raises(CalendarUnknown):
        TradingCalendar(days={}, rules=()).is_trading_day(date(2026, 12, 1))


@given(indices, decided)
def test_the_next_expiry_is_a_trading_day_on_or_after_and_dte_away(index, day):
    expiry = CALENDAR.expiries(index, day, 1)[0]
    assert expiry >= day
    assert CALENDAR.is_trading_day(expiry)
    assert CALENDAR.trading_days_between(day, expiry) == CALENDAR.dte(index, day)
    if CALENDAR.is_trading_day(day):
        assert CALENDAR.expiry_for(index, day, CALENDAR.dte(index, day)) == expiry


@given(indices, decided)
def test_dte_falls_by_one_from_a_trading_day_to_the_next_until_expiry(index, day):
    dte = CALENDAR.dte(index, day)
    if dte > 0:
        assert CALENDAR.dte(index, CALENDAR.next_trading_day(day)) == dte - 1


@given(indices, st.dates(date(2026, 1, 2), date(2026, 12, 1)), st.integers(1, 4))
def test_expiries_ascend_and_none_is_skipped(index, day, count):
    count = 1 if index is BANKNIFTY else count
    expiries = CALENDAR.expiries(index, day, count)
    assert list(expiries) == sorted(set(expiries))
    for earlier, later in pairwise(expiries):
        assert CALENDAR.expiries(index, earlier + timedelta(days=1), 1) == (later,)


@given(in_2026)
def test_an_expiry_moves_only_because_of_a_holiday(day):
    if not CALENDAR.is_trading_day(day) or day > date(2026, 12, 29):
        return
    for index, weekday in ((NIFTY, 1), (SENSEX, 3)):
        if CALENDAR.find_expiry(index, day, 0) is not None and day.weekday() != weekday:
            nominal = day + timedelta(days=(weekday - day.weekday()) % 7)
            assert not CALENDAR.is_trading_day(nominal)
            assert CALENDAR.previous_trading_day(nominal) == day


@given(st.dates(date(2026, 1, 2), date(2026, 12, 30)))
def test_next_and_previous_trading_day_are_each_others_inverse(day):
    if CALENDAR.is_trading_day(day):
        assert CALENDAR.previous_trading_day(CALENDAR.next_trading_day(day)) == day
