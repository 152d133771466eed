"""Scheduled entries of a day: the timetable's rows whose (index, DTE) is current, as frozen values in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from hedging.domain.instruments import Index, Right, Side
from hedging.domain.templates import LegTemplate
from schedule.calendar import CalendarUnknown, TradingCalendar, at_ist
from schedule.models import StrategyEntry


@dataclass(frozen=True, slots=True)
class ScheduledEntry:
    """What another tool will sell, when, and until when. Times are aware UTC; no exit means held to expiry."""

    portfolio: str
    index: Index
    expiry: date
    dte: int
    entry_at: datetime
    exit_at: datetime | None
    legs: tuple[LegTemplate, ...]


def entries_on(day: date, calendar: TradingCalendar) -> tuple[ScheduledEntry, ...]:
    """Return the active entries due on `day`, by time, then portfolio. One query.

    Left out: an entry that is skipped on `day`, one outside the day's trading hours (a short special session), and one
    whose expiry the calendar cannot tell, which happens only beside the end of the known days (`calendar.undecided`
    names its index).
    Raises `CalendarUnknown` when `day` itself is unknown.
    """
    hours = calendar.hours(day)
    if hours is None:
        return ()
    found = []
    for row, expiry in _current(day, calendar):
        entry_at = at_ist(day, row.entry_time)
        if not hours.opens <= entry_at < hours.closes:
            continue
        found.append(
            ScheduledEntry(
                portfolio=row.portfolio,
                index=Index(row.index),
                expiry=expiry,
                dte=row.dte,
                entry_at=entry_at,
                exit_at=None if row.exit_time is None else at_ist(day, row.exit_time),
                legs=leg_templates(row.legs),
            )
        )
    return tuple(found)


def leg_templates(legs: list[dict[str, Any]]) -> tuple[LegTemplate, ...]:
    """Return the legs stored with an entry as values, in their order. Raises `ValueError` for a leg that is none."""
    try:
        return tuple(
            LegTemplate(Right(leg["right"]), Side(leg["side"]), int(leg["offset"]), int(leg["lots"])) for leg in legs
        )
    except (KeyError, TypeError) as error:
        raise ValueError(f"A leg needs right, side, offset and lots: {legs!r}") from error


def _current(day: date, calendar: TradingCalendar) -> Iterator[tuple[StrategyEntry, date]]:
    expiries: dict[tuple[str, int], date | None] = {}
    for row in StrategyEntry.objects.filter(active=True).exclude(skips__day=day).order_by("entry_time", "portfolio"):
        key = (row.index, row.dte)
        if key not in expiries:
            try:
                expiries[key] = calendar.find_expiry(Index(row.index), day, row.dte)
            except CalendarUnknown:
                expiries[key] = None
        expiry = expiries[key]
        if expiry is not None:
            yield row, expiry
