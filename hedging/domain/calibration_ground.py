"""Ground of a calibration: what the engine says about each probe at a scan range, linear in the exposure rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from hedging.domain.margin import MarginLine, MarginMarket, Universe
from hedging.domain.pricing import BoolArray, FloatArray
from hedging.domain.probes import Reading
from hedging.domain.risk import MarginParameters

LEAST_SIZE = 0.1
"""The least rupees that an error is measured against, as a share of one lot's value: a wing's own margin is nearly nothing."""
DECIDING_WEIGHT = 4.0
RIDGE = 1e-3
HIGHEST_RATE_PCT = 12.0


@dataclass(frozen=True, slots=True)
class Requirements:
    """Rows of (fixed rupees, rupees a point of ELM, rupees a point of deep ELM) for each probe; `book` is one row."""

    alone: FloatArray
    summed: FloatArray
    with_book: FloatArray
    book: FloatArray


class Ground:
    """Readings turned into arrays once; each scan range is then one valuation."""

    def __init__(
        self,
        readings: Sequence[Reading],
        *,
        book: Sequence[MarginLine],
        market: MarginMarket,
        parameters: MarginParameters,
    ) -> None:
        baskets = [reading.basket for reading in readings]
        self._lines = [basket.lines for basket in baskets]
        self._book = tuple(book)
        self._market, self._parameters = market, parameters
        self._seen: dict[float, Requirements] = {}
        first = baskets[0].lines[0].contract
        self.expiring = (first.expiry - market.today).days <= 0
        self.prior = (parameters.elm_pct, parameters.elm_deep_otm_pct)
        self.least_rate = -parameters.elm_expiry_extra_pct if self.expiring else 0.0
        self.answers: FloatArray = np.array([float(reading.answer) for reading in readings])
        self.bought: FloatArray = np.array([float(basket.bought) for basket in baskets])
        self.sold: FloatArray = np.array([float(basket.sold) for basket in baskets])
        self.legs = np.array([len(lines) for lines in self._lines])
        lot_value = float(market.spots[first.index]) * max(abs(line.quantity) for line in baskets[0].lines)
        self.sizes: FloatArray = np.maximum(np.abs(self.answers), LEAST_SIZE * lot_value)
        self.decides: BoolArray = np.array([basket.probe.decides for basket in baskets], dtype=np.bool_)
        self.weights: FloatArray = np.where(self.decides, DECIDING_WEIGHT, 1.0)
        self._elm = [self._rates(elm_pct=0.0, deep_pct=0.0)]
        self._elm += [self._rates(elm_pct=1.0, deep_pct=0.0), self._rates(elm_pct=0.0, deep_pct=1.0)]

    def _every_line(self) -> list[MarginLine]:
        return [*self._book, *(line for lines in self._lines for line in lines)]

    def _rates(self, *, elm_pct: float, deep_pct: float) -> Universe:
        rates = replace(self._parameters, elm_pct=elm_pct, elm_deep_otm_pct=deep_pct)
        return Universe.of(self._every_line(), market=self._market, parameters=rates)

    def at(self, scan_pct: float) -> Requirements:
        """Return the requirements of every probe at a scan range in percent."""
        if scan_pct not in self._seen:
            parameters = replace(
                self._parameters,
                price_scan_minimum_pct=scan_pct,
                daily_volatility_pct=None,
                volatility_scan_minimum_points=self._parameters.volatility_scan * 100,
            )
            universe = Universe.of(self._every_line(), market=self._market, parameters=parameters)
            book = self._row(universe, self._book)
            self._seen[scan_pct] = Requirements(
                alone=np.array([self._row(universe, lines) for lines in self._lines]),
                summed=np.array([sum(self._row(universe, (line,)) for line in lines) for lines in self._lines]),
                with_book=np.array([self._row(universe, (*self._book, *lines)) for lines in self._lines]),
                book=book,
            )
        return self._seen[scan_pct]

    def _row(self, universe: Universe, lines: Sequence[MarginLine]) -> FloatArray:
        units = universe.quantities(lines)
        span = sum(pool.span for pool in universe.pools(units).values())
        fixed, plain, deep = (sum(pool.elm for pool in rates.pools(units).values()) for rates in self._elm)
        return np.array([span + fixed, plain - fixed, deep - fixed])

    def solve(self, rows: FloatArray, target: FloatArray) -> tuple[float, float]:
        """Return the two exposure rates in percent that explain `target` best, by weighted and bounded least squares.

        A rate that no probe shows stays at its dated row, which the ridge holds it to.
        """
        weights = np.sqrt(self.weights) / self.sizes
        ridge = np.eye(2) * RIDGE
        matrix = np.vstack([rows[:, 1:] * weights[:, None], ridge])
        wanted = np.concatenate([(target - rows[:, 0]) * weights, ridge @ np.array(self.prior)])
        found = np.linalg.lstsq(matrix, wanted, rcond=None)[0]
        elm, deep = np.clip(found, self.least_rate, HIGHEST_RATE_PCT)
        return float(elm), float(deep)
