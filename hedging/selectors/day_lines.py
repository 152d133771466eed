"""A day of the timetable, line by line: what is due, what is left out and why, and what a person should know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time

from hedging.domain.instruments import Index
from schedule.calendar import CalendarUnknown, TradingCalendar, at_ist, load_calendar
from schedule.entries import RowOfDay, rows_of, trouble_of
from schedule.legs import LegsUnreadable, format_legs, leg_templates
from schedule.models import StrategyEntry, short_straddle
from schedule.oddities import oddities


@dataclass(frozen=True, slots=True)
class DayLine:
    """One entry of a day, times in UTC. `state` is `due`, `skipped` (that day alone) or `switched off`.

    `stage` is where a due entry stands by the clock: `later`, `in the book` or `over`; "" for one that is left out. Where its
    times hold on this day alone (`moved`), `usual_entry_at` and `usual_exit_at` are those of the timetable.
    """

    id: int
    portfolio: str
    index: str
    dte: int
    expiry: date
    entry_at: datetime
    exit_at: datetime | None
    legs: str
    active: bool
    state: str
    stage: str
    warnings: tuple[str, ...]
    moved: bool
    usual_entry_at: datetime
    usual_exit_at: datetime | None


@dataclass(frozen=True, slots=True)
class TimetableDay:
    """A day with its lines in order of time. `before` and `after` are the trading days beside it, where they are known.

    `unknown` says what the calendar does not know; `is_open` is false then too.
    """

    day: date
    today: date
    before: date | None
    after: date | None
    is_open: bool
    unknown: str
    lines: tuple[DayLine, ...]


def timetable_day(*, day: date, now: datetime, today: date) -> TimetableDay:
    """Return a day of the timetable as it stands at market time `now`. Three queries at most."""
    calendar = load_calendar()
    try:
        is_open, unknown = calendar.is_trading_day(day), ""
    except CalendarUnknown as error:
        is_open, unknown = False, str(error)
    return TimetableDay(
        day=day,
        today=today,
        before=_beside(calendar.previous_trading_day, day),
        after=_beside(calendar.next_trading_day, day),
        is_open=is_open,
        unknown=unknown,
        lines=_lines(day, calendar, now) if is_open else (),
    )


def day_lines(*, day: date, now: datetime) -> tuple[DayLine, ...]:
    """Return the entries of a day, left out or not, by time; none on a closed day. Raises `CalendarUnknown`."""
    calendar = load_calendar()
    return _lines(day, calendar, now) if calendar.is_trading_day(day) else ()


def _lines(day: date, calendar: TradingCalendar, now: datetime) -> tuple[DayLine, ...]:
    expiries: dict[tuple[str, int], date | None] = {}
    found: list[tuple[RowOfDay, date]] = []
    for row in rows_of(day):
        key = (row.entry.index, row.entry.dte)
        if key not in expiries:
            expiries[key] = _expiry(calendar, day, *key)
        expiry = expiries[key]
        if expiry is not None:
            found.append((row, expiry))
    odd = oddities([row.as_sold for row, _ in found if row.entry.active and not row.skipped], day=day)
    return tuple(
        _line(row, expiry, day=day, now=now, warnings=(*_troubles(row), *odd.get(row.entry.portfolio, ())))
        for row, expiry in found
    )


def _line(row_of_day: RowOfDay, expiry: date, *, day: date, now: datetime, warnings: tuple[str, ...]) -> DayLine:
    row = row_of_day.entry
    entry_at, exit_at = at_ist(day, row_of_day.entry_time), _at(day, row_of_day.exit_time)
    state = "skipped" if row_of_day.skipped else "due" if row.active else "switched off"
    stage = "later" if now < entry_at else "over" if exit_at is not None and now >= exit_at else "in the book"
    return DayLine(
        id=row.pk,
        portfolio=row.portfolio,
        index=row.index,
        dte=row.dte,
        expiry=expiry,
        entry_at=entry_at,
        exit_at=exit_at,
        legs=_legs(row),
        active=row.active,
        state=state,
        stage=stage if state == "due" else "",
        warnings=warnings,
        moved=row_of_day.moved,
        usual_entry_at=at_ist(day, row.entry_time),
        usual_exit_at=_at(day, row.exit_time),
    )


def _troubles(row: RowOfDay) -> tuple[str, ...]:
    trouble = trouble_of(row.entry)
    return (f"nothing is hedged for it: {trouble}",) if trouble else ()


def _at(day: date, moment: time | None) -> datetime | None:
    return None if moment is None else at_ist(day, moment)


def _legs(row: StrategyEntry) -> str:
    """Say what is sold: the common case as people call it, any other as the file spells it."""
    try:
        lots = {leg.lots for leg in leg_templates(row.legs)}
    except LegsUnreadable:
        return format_legs(row.legs)
    if len(lots) == 1 and row.legs == [{**leg, "lots": min(lots)} for leg in short_straddle()]:
        return f"short straddle at the money, {min(lots)} lot{'' if lots == {1} else 's'} a side"
    return format_legs(row.legs)


def _expiry(calendar: TradingCalendar, day: date, index: str, dte: int) -> date | None:
    try:
        return calendar.find_expiry(Index(index), day, dte)
    except CalendarUnknown:
        return None


def _beside(step: Callable[[date], date], day: date) -> date | None:
    try:
        return step(day)
    except (CalendarUnknown, OverflowError):
        return None
