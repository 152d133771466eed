"""Scheduled entries of a day: the timetable's rows whose (index, DTE) is current, as frozen values in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import date, datetime, time

from django.db.models import Exists, F, FilteredRelation, OuterRef, Q

from hedging.domain.instruments import Index
from hedging.domain.templates import LegTemplate
from schedule.calendar import CalendarUnknown, TradingCalendar, at_ist
from schedule.legs import LegsUnreadable, leg_templates
from schedule.models import StrategyEntry
from schedule.timetable_rows import SkippedEntry


@dataclass(frozen=True, slots=True)
class ScheduledEntry:
    """What another tool will sell, when, and until when. Times are aware UTC; no exit means held to expiry.

    `trouble` says why `legs` are not known: there are none then, and what the entry needs is unknown, not nothing.
    """

    portfolio: str
    index: Index
    expiry: date
    dte: int
    entry_at: datetime
    exit_at: datetime | None
    legs: tuple[LegTemplate, ...]
    trouble: str = ""

    def is_of(self, *, index: str, expiry: date) -> bool:
        """Return whether a session of this index and expiry hedges it: only that session's chain has prices for its legs."""
        return (self.index, self.expiry) == (index, expiry)


def entries_on(day: date, calendar: TradingCalendar) -> tuple[ScheduledEntry, ...]:
    """Return the active entries due on `day` at that day's times, by time, then portfolio. One query.

    Left out: an entry that is skipped on `day`, one outside the day's trading hours (a short special session), and one
    whose expiry the calendar cannot tell, which happens only beside the end of the known days (`calendar.undecided`
    names its index). One whose stored legs cannot be read is there without legs, and says so: one bad row stops no day.
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
        legs, trouble = _legs(row.entry)
        found.append(
            ScheduledEntry(
                portfolio=row.entry.portfolio,
                index=Index(row.entry.index),
                expiry=expiry,
                dte=row.entry.dte,
                entry_at=entry_at,
                exit_at=None if row.exit_time is None else at_ist(day, row.exit_time),
                legs=legs,
                trouble=trouble,
            )
        )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class RowOfDay:
    """An entry of the timetable with the times that hold on one day, in IST, and whether it is left out of that day.

    `entry` itself has the times of every other day.
    """

    entry: StrategyEntry
    entry_time: time
    exit_time: time | None
    skipped: bool
    moved: bool

    @property
    def as_sold(self) -> StrategyEntry:
        """Return the entry with this day's times, not to be saved."""
        row = copy(self.entry)
        row.entry_time, row.exit_time = self.entry_time, self.exit_time
        return row


def rows_of(day: date) -> tuple[RowOfDay, ...]:
    """Return every entry, active or not, as it stands on `day`, by time, then portfolio. One query."""
    rows = StrategyEntry.objects.annotate(
        skipped=Exists(SkippedEntry.objects.filter(entry=OuterRef("pk"), day=day)),
        move=FilteredRelation("moves", condition=Q(moves__day=day)),
        move_id=F("move__id"),
        moved_entry=F("move__entry_time"),
        moved_exit=F("move__exit_time"),
    )
    found = []
    for row in rows:
        moved = row.move_id is not None
        enters, leaves = (row.moved_entry, row.moved_exit) if moved else (row.entry_time, row.exit_time)
        found.append(RowOfDay(row, enters, leaves, skipped=row.skipped, moved=moved))
    return tuple(sorted(found, key=lambda row: (row.entry_time, row.entry.portfolio)))


def trouble_of(entry: StrategyEntry) -> str:
    """Return why an entry's stored legs cannot be read and what mends it; "" where they can."""
    return _legs(entry)[1]


def _legs(entry: StrategyEntry) -> tuple[tuple[LegTemplate, ...], str]:
    try:
        return leg_templates(entry.legs), ""
    except LegsUnreadable as unreadable:
        return (), f"the legs of {entry.portfolio} cannot be read: {unreadable}"


def _current(day: date, calendar: TradingCalendar) -> Iterator[tuple[RowOfDay, date]]:
    expiries: dict[tuple[str, int], date | None] = {}
    for row in rows_of(day):
        if not row.entry.active or row.skipped:
            continue
        key = (row.entry.index, row.entry.dte)
        if key not in expiries:
            try:
                expiries[key] = calendar.find_expiry(Index(row.entry.index), day, row.entry.dte)
            except CalendarUnknown:
                expiries[key] = None
        expiry = expiries[key]
        if expiry is not None:
            yield row, expiry
