"""What a session of a day could be of, by timetable and calendar alone; nothing is asked of the broker."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from hedging.domain.instruments import Index
from schedule.calendar import CalendarUnknown, load_calendar
from schedule.entries import entries_on


@dataclass(frozen=True, slots=True)
class Trades:
    """An index with its next expiry, and how many entries of the day are of it."""

    index: Index
    expiry: date
    dte: int
    due: int


@dataclass(frozen=True, slots=True)
class Tradable:
    """What trades on a day, the timetable's first index first; `trouble` says why nothing can be opened, "" when it can."""

    day: date
    choices: tuple[Trades, ...]
    trouble: str


def tradable(*, day: date) -> Tradable:
    """Return what a session of `day` could be of. Three queries. Raises nothing: what is unknown is told."""
    calendar = load_calendar()
    try:
        known, entries = calendar.resolve(day), entries_on(day, calendar)
    except CalendarUnknown as error:
        return Tradable(day, (), str(error))
    if not known:
        return Tradable(day, (), f"{day:%A %-d %b %Y} is not a trading day by the calendar.")
    first = entries[0].index if entries else None
    choices = [
        Trades(
            each.index, each.expiry, each.dte, sum((e.index, e.expiry) == (each.index, each.expiry) for e in entries)
        )
        for each in known
    ]
    return Tradable(day, tuple(sorted(choices, key=lambda each: (each.index != first, each.index))), "")
