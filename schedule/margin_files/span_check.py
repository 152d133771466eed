"""A proof of our engine: its risk arrays for the prices of a SPAN file, beside the arrays that the file holds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np

from hedging.domain.instruments import Contract
from hedging.domain.risk import IST, MarginMarket, MarginParameters, value_contracts
from schedule.margin_files.span_types import SpanIndex, SpanSeries

LONGEST_DAYS = 45
FARTHEST_PCT = 15
"""What we trade or hold lies within these; beyond, file prices are often those of weeks ago."""
_DAYS_A_YEAR = 365


@dataclass(frozen=True, slots=True)
class ArrayCheck:
    """How far our risk arrays are from the file's, in per cent of the price scan range; the worst by contract."""

    contracts: int
    median_pct: float
    p95_pct: float
    worst_pct: float
    worst_contract: str
    worst_scenario: int
    worst_delta: float

    def as_json(self) -> dict[str, Any]:
        """Return the figures for a report."""
        return asdict(self)


def check_arrays(span: SpanIndex, *, day: date, parameters: MarginParameters) -> ArrayCheck | None:
    """Compare every option within 45 days and 15 % of the index with the file; None where there is none.

    Volatility is implied by the file's price at the time to expiry that the file itself gives, and the scenarios are
    valued a day after its business date: a begin-of-day file carries last evening's prices and that evening's time.
    """
    scan = float(span.price_scan)
    exact = replace(
        parameters,
        price_scan_minimum_pct=scan / float(span.price) * 100,
        volatility_scan_minimum_points=float(span.volatility_scan) * 100,
        daily_volatility_pct=None,
    )
    names: list[str] = []
    errors: list[np.ndarray[Any, np.dtype[np.float64]]] = []
    delta = 0.0
    for series in span.series:
        options = [
            option
            for option in series.options
            if option.price > 0 and abs(option.strike / span.price - 1) * 100 <= FARTHEST_PCT
        ]
        if not options or not 0 <= (series.expiry - day).days <= LONGEST_DAYS:
            continue
        now, look_ahead_days = _moment(series, day=day, look_ahead_days=parameters.look_ahead_days)
        contracts = [Contract(span.index, series.expiry, option.strike, option.right) for option in options]
        ours = value_contracts(
            contracts=contracts,
            prices=[option.price for option in options],
            market=MarginMarket(spots={span.index: span.price}, now=now),
            parameters=replace(exact, look_ahead_days=look_ahead_days),
        )
        errors.append(np.abs(ours.risk - np.array([option.losses for option in options])) / scan * 100)
        names += [f"{c.index} {c.expiry:%d%b%y} {c.strike.normalize():f} {c.right}" for c in contracts]
        for mine, option in zip(ours.deltas, options, strict=True):
            # On its last day the engine nets nothing by delta, so there is none to compare.
            if option.delta is not None and series.expiry > day:
                delta = max(delta, abs(float(mine) - option.delta))
    if not errors:
        return None
    table = np.concatenate(errors)
    row, column = np.unravel_index(int(table.argmax()), table.shape)
    return ArrayCheck(
        contracts=len(names),
        median_pct=round(float(np.median(table)), 4),
        p95_pct=round(float(np.percentile(table, 95)), 4),
        worst_pct=round(float(table.max()), 4),
        worst_contract=names[int(row)],
        worst_scenario=int(column) + 1,
        worst_delta=round(delta, 4),
    )


def _moment(series: SpanSeries, *, day: date, look_ahead_days: float) -> tuple[datetime, float]:
    """Return when the series was priced, and the look-ahead from then to the time that the scenarios are valued at."""
    market = MarginMarket(spots={}, now=datetime.combine(day, datetime.min.time(), IST))
    close = datetime.combine(series.expiry, market.expiry_close, IST)
    days_left = (series.expiry - day).days
    priced_days = days_left if series.years is None else series.years * _DAYS_A_YEAR
    if not days_left <= priced_days <= days_left + 10:
        priced_days = days_left
    return close - timedelta(days=priced_days), priced_days - days_left + look_ahead_days
