"""Oddities of a day's entries: what a person should know of a timetable although nothing in it is wrong. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta

from schedule.models import StrategyEntry, Weekday

CLOSE = timedelta(seconds=60)
"""An entry this near to another's entry or exit is met before margin has settled."""


def oddities(entries: Sequence[StrategyEntry], *, day: date | None = None) -> dict[str, tuple[str, ...]]:
    """Return warnings by portfolio: entries at the same moment, an exit just then, and a weekday that is not the day's.

    `entries` are those of one (index, DTE) day or of several; only equal ones are compared. `day` names the weekday.
    """
    found: dict[str, tuple[str, ...]] = {}
    for own in entries:
        said = []
        others = [each for each in entries if each is not own and (each.index, each.dte) == (own.index, own.dte)]
        for other in others:
            if _near(own.entry_time, other.entry_time):
                said.append(f"enters within a minute of {other.portfolio}: both need free margin at once")
            if other.exit_time is not None and _near(own.entry_time, other.exit_time):
                said.append(
                    f"enters within a minute of the exit of {other.portfolio}, whose margin may not be free yet"
                )
        if day is not None and own.weekday is not None and own.weekday != day.weekday():
            written = Weekday(own.weekday).label
            said.append(
                f"written down for {written}, and {own.index} {own.dte} DTE falls on a {day:%A} here: DTE decides"
            )
        if said:
            found[own.portfolio] = tuple(said)
    return found


def _near(one: time, other: time) -> bool:
    day = date.min
    return abs(datetime.combine(day, one) - datetime.combine(day, other)) < CLOSE
