"""The day's range of every option so far: open, high, low, and yesterday's close."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from hedging.domain.instruments import Index, Right
from hedging.simulator.chance import Ints
from hedging.simulator.market import PRE_OPEN, RIGHTS, Market

_MARK_SECONDS = 600


@dataclass(frozen=True, slots=True)
class DayRange:
    """Open, high, low so far and previous close in ticks: a row for each of `RIGHTS`, a column for each listed strike."""

    open: Ints
    high: Ints
    low: Ints
    previous_close: Ints

    def of(self, right: Right, column: int) -> tuple[int, int, int, int]:
        """Return one option's open, high, low and previous close."""
        row = RIGHTS.index(right)
        table = (self.open, self.high, self.low, self.previous_close)
        return tuple(int(figures[row, column]) for figures in table)  # type: ignore[return-value]


class DayRanges:
    """The ranges of one day's chains. High and low run along with the clock; only one that goes back starts them anew."""

    def __init__(self, *, market: Market) -> None:
        self._market = market
        self._begun: dict[tuple[Index, date], tuple[Ints, Ints]] = {}
        self._reached: dict[tuple[Index, date], tuple[int, Ints, Ints]] = {}

    def at(self, index: Index, expiry: date, t: int) -> DayRange:
        """Return the ranges of a chain at a grid second: of its ten-minute marks and of that second."""
        key = (index, expiry)
        if key not in self._begun:
            self._begun[key] = (self._last(index, expiry, PRE_OPEN), self._last(index, expiry, 0))
        before, opened = self._begun[key]
        if t == PRE_OPEN:
            return DayRange(open=before, high=before, low=before, previous_close=before)
        now = self._last(index, expiry, t)
        reached, high, low = self._reached.get(key, (0, opened, opened))
        if reached > t:
            reached, high, low = 0, opened, opened
        while reached + _MARK_SECONDS <= t:
            reached += _MARK_SECONDS
            mark = self._last(index, expiry, reached)
            high, low = np.maximum(high, mark), np.minimum(low, mark)
        self._reached[key] = (reached, high, low)
        return DayRange(open=opened, high=np.maximum(high, now), low=np.minimum(low, now), previous_close=before)

    def _last(self, index: Index, expiry: date, t: int) -> Ints:
        return self._market.slice(index, expiry, t).both.last
