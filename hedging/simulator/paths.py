"""Index paths: one seeded day of each index on a one-second grid, with the variance that is left at each second."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from hedging.domain.instruments import Index

Floats = NDArray[np.float64]

USUAL_LEVEL: dict[Index, float] = {Index.NIFTY: 24_000.0, Index.BANKNIFTY: 52_000.0, Index.SENSEX: 78_000.0}
STRIKE_REACH: dict[Index, int] = {Index.NIFTY: 4_000, Index.BANKNIFTY: 8_000, Index.SENSEX: 10_000}
_RELATIVE_VOLATILITY: dict[Index, float] = {Index.NIFTY: 1.0, Index.BANKNIFTY: 1.15, Index.SENSEX: 0.97}
_INDICES = tuple(Index)


@dataclass(frozen=True, slots=True)
class IndexPath:
    """One index over one day: `spot[t]` in points, `implied[t]` the implied volatility of one whole day (0.008 = 0.8 %)."""

    previous_close: float
    spot: Floats
    implied: Floats


def variance_left(session_seconds: int, grid_seconds: int) -> Floats:
    """Return the share of the day's variance still to come at each second: busy open, quiet noon, busy close."""
    x = (np.arange(session_seconds) + 0.5) / session_seconds
    weight = 0.75 + 1.5 * np.exp(-x / 0.07) + 0.45 * np.exp(-(1.0 - x) / 0.06)
    weight /= weight.sum()
    left = np.zeros(grid_seconds)
    left[:session_seconds] = 1.0 - np.concatenate(([0.0], np.cumsum(weight)[:-1]))
    return left


def _slow_noise(rng: np.random.Generator, seconds: int, scale: float) -> Floats:
    """Return a random walk between five-minute knots that is pulled back to zero: moods, not ticks."""
    knots = np.zeros(seconds // 300 + 3)
    for k in range(1, len(knots)):
        knots[k] = 0.85 * knots[k - 1] + scale * rng.standard_normal()
    return np.interp(np.arange(seconds), np.arange(len(knots)) * 300.0, knots)


def index_paths(
    *,
    seed: int,
    day: date,
    indices: tuple[Index, ...],
    session_seconds: int,
    grid_seconds: int,
    previous_close: Mapping[Index, Decimal],
) -> dict[Index, IndexPath]:
    """Draw the day of every index; the same seed and day give the same paths.

    The indices share one market factor. Realized volatility is 0.6 to 1.2 % a day; three days in ten have a trend; jumps of
    0.1 to 0.35 % come about once a day. After `session_seconds` (the index's close) the level stands still. What the
    options imply is partly what will come and partly habit, so some days are dear and some are cheap.
    """
    levels = np.random.default_rng([seed, 1])
    common_shift = levels.uniform(-0.03, 0.03)
    rng = np.random.default_rng([seed, day.toordinal(), 2])
    n = session_seconds
    sigma = float(np.exp(rng.uniform(np.log(0.0040), np.log(0.0080))))
    gap = rng.normal(0.0, 0.0022)
    step_share = -np.diff(np.concatenate((variance_left(n, n), [0.0])))
    mood = np.exp(_slow_noise(rng, n, 0.14))
    scale = np.sqrt(step_share) * mood
    scale /= np.sqrt(float((scale**2).sum()))
    trend = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.4, 1.1)) if rng.random() < 0.3 else 0.0
    common = 0.97 * rng.standard_normal(n) * scale + trend * step_share * (0.6 / 0.8)
    for _ in range(int(rng.poisson(0.9))):
        common[int(rng.integers(600, n - 60))] += float(rng.choice([-1.0, 1.0]) * rng.uniform(0.001, 0.0035)) / sigma
    implied_mood = _slow_noise(rng, grid_seconds, 0.02)
    implied_day = float(np.clip((0.4 * sigma + 0.6 * 0.0060) * rng.uniform(0.95, 1.12), 0.0048, 0.0065))

    paths: dict[Index, IndexPath] = {}
    for position, index in enumerate(_INDICES):
        own = np.random.default_rng([seed, day.toordinal(), 3, position])
        if index not in indices:
            continue
        relative = _RELATIVE_VOLATILITY[index]
        close = float(previous_close.get(index, Decimal(0))) or round(
            USUAL_LEVEL[index] * float(np.exp(common_shift)), 2
        )
        returns = sigma * relative * (common + 0.24 * own.standard_normal(n) * scale)
        log_path = np.concatenate(([gap], gap + np.cumsum(returns)))[:n]
        spot = np.full(grid_seconds, 0.0)
        spot[:n] = close * np.exp(log_path)
        spot[n:] = spot[n - 1]
        spot = np.round(spot * 20.0) / 20.0
        fear = np.clip(1.0 - 4.0 * (spot / spot[0] - 1.0), 0.95, 1.08)
        paths[index] = IndexPath(
            previous_close=close, spot=spot, implied=implied_day * relative * np.exp(implied_mood) * fear
        )
    return paths
