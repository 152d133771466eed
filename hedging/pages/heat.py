"""A calendar heat map: weeks × weekdays, each day's figure in words and in a shade. Unknown is no shade, and says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum

from hedging.selectors.outcomes import Outcome
from hedging.templatetags.hedging_format import percent, rupees

SHADES = 5
# Utilization at which the shade grows deeper, in per cent of the budget.
_LEVELS = (Decimal(50), Decimal(70), Decimal(85), Decimal(95))


class Figure(StrEnum):
    """What the map shows of a day."""

    COST = "cost"
    """Net cost: premium paid and charges, less what was recovered; below 0 for a gain."""
    PEAK = "peak"


@dataclass(frozen=True, slots=True)
class Day:
    """One day of the map. `shade` is 0 (nothing) to `SHADES`; `words` its figure, "" where no session was."""

    day: date
    words: str
    shade: int
    gain: bool
    within: bool


@dataclass(frozen=True, slots=True)
class Heat:
    """The map of one mode: the names of the weekdays that it shows, and the weeks, each of as many days."""

    weekdays: tuple[str, ...]
    weeks: tuple[tuple[Day, ...], ...]


def heat_of(outcomes: Iterable[Outcome], *, first: date, last: date, figure: Figure) -> Heat:
    """Lay a period's days out by weeks. Weekends are shown only where a session was held on one. Figures are per day and mode."""
    of_day = {date.fromisoformat(outcome.key): outcome for outcome in outcomes}
    most = max((abs(outcome.net) for outcome in of_day.values()), default=Decimal(0))
    length = 7 if any(day.weekday() >= 5 for day in of_day) else 5
    monday = first - timedelta(days=first.weekday())
    weeks = []
    while monday <= last:
        days = [monday + timedelta(days=number) for number in range(length)]
        week = (_day(day, of_day.get(day), most=most, figure=figure, within=first <= day <= last) for day in days)
        if first <= days[-1]:  # not a week of which only the weekend is in the period
            weeks.append(tuple(week))
        monday += timedelta(days=7)
    names = tuple(f"{monday + timedelta(days=number):%a}" for number in range(length))
    return Heat(weekdays=names, weeks=tuple(weeks))


def _day(day: date, outcome: Outcome | None, *, most: Decimal, figure: Figure, within: bool) -> Day:
    if outcome is None:
        return Day(day, "", 0, gain=False, within=within)
    if figure is Figure.PEAK:
        peak = outcome.peak_utilization_pct
        shade = 0 if peak is None else 1 + sum(peak > level for level in _LEVELS)
        return Day(day, percent(peak), shade, gain=False, within=within)
    share = 0 if not most else int((abs(outcome.net) / most * SHADES).to_integral_value(rounding="ROUND_CEILING"))
    return Day(day, rupees(-outcome.net), share, gain=outcome.net > 0, within=within)
