"""Index paths: one seeded day of each index on a one-second grid, with the volatility that its options imply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import numpy as np

from hedging.domain.instruments import Index
from hedging.simulator.families import Family, Floats, shape_of

USUAL_LEVEL: dict[Index, float] = {Index.NIFTY: 24_000.0, Index.BANKNIFTY: 52_000.0, Index.SENSEX: 78_000.0}
STRIKE_REACH: dict[Index, int] = {Index.NIFTY: 4_000, Index.BANKNIFTY: 8_000, Index.SENSEX: 10_000}
_RELATIVE_VOLATILITY: dict[Index, float] = {Index.NIFTY: 1.0, Index.BANKNIFTY: 1.15, Index.SENSEX: 0.97}
_INDICES = tuple(Index)
# How options answer to what happens: memory of recent moves, and how much of them is believed to go on.
_MEMORY_SECONDS = 1_500
_BELIEVED = 0.18
_MOST_HEAT = 60.0
_LATER_DAYS = 0.35


@dataclass(frozen=True, slots=True)
class IndexPath:
    """One index over one day.

    `spot[t]` is the published level in points: it stands still in the closing auction and settles when the index closes.
    `fair[t]` is the level off which options are priced. `implied[t]` is the volatility that options imply for today, `later[t]`
    for each day after it, both of one whole day (0.008 = 0.8 %); `usual` is what they implied before the open.
    """

    previous_close: float
    spot: Floats
    fair: Floats
    implied: Floats
    later: Floats
    usual: float

    @property
    def gap_pct(self) -> float:
        """Return the open against the previous close, in percent."""
        return float(self.spot[0] / self.previous_close - 1.0) * 100.0


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


def _pulled(noise: Floats, half_life_minutes: float) -> Floats:
    """Return the steps of a walk that is pulled back to zero (Ornstein-Uhlenbeck); as lively from second to second."""
    fade = 0.5 ** (np.arange(len(noise)) / (half_life_minutes * 60.0))
    return np.diff(fade * np.cumsum(noise / fade), prepend=0.0)


def _heat(returns: Floats, share: Floats, *, usual: float, gap: float) -> Floats:
    """Return recent variance against what was implied before the open, from the past alone: 1 is an ordinary day."""
    surprise = returns**2 / (share * usual**2)
    fade = 0.5 ** (np.arange(len(returns)) / _MEMORY_SECONDS)
    begun = 1.0 + min(0.25 * (gap / usual) ** 2, 4.0)
    recent = fade * (begun + np.cumsum(surprise / fade) * (np.log(2.0) / _MEMORY_SECONDS))
    return np.asarray(recent / (1.0 + recent / _MOST_HEAT))


def index_paths(
    *,
    seed: int,
    day: date,
    family: Family,
    indices: tuple[Index, ...],
    auction_second: int,
    session_seconds: int,
    grid_seconds: int,
    previous_close: Mapping[Index, Decimal],
) -> dict[Index, IndexPath]:
    """Draw a day of a family for every index; the same seed and day give the same paths.

    The indices share one market factor and the day's shape. What the options imply is habit before the open, and
    then follows the path: it jumps with large moves, rises as the index falls, and calms down over an hour or so. The published
    level stands still from `auction_second`, settles at `session_seconds` at the level that the auction found, and stays there.
    """
    levels = np.random.default_rng([seed, 1])
    common_shift = levels.uniform(-0.03, 0.03)
    rng = np.random.default_rng([seed, day.toordinal(), 2])
    n = session_seconds
    shape = shape_of(family=family, rng=rng, seconds=n)
    share = -np.diff(np.concatenate((variance_left(n, n), [0.0])))
    scale = np.sqrt(share) * shape.stress * np.exp(_slow_noise(rng, n, 0.14))
    scale /= np.sqrt(float((scale**2).sum()))
    common = 0.97 * rng.standard_normal(n) * scale
    mood = np.exp(_slow_noise(rng, grid_seconds, 0.02))
    # Before the open nobody knows the family: the premium of a day is habit, with a hint of what comes.
    habit = (0.4 * min(shape.volatility, 0.0070) + 0.6 * 0.0058) * rng.uniform(0.92, 1.10)
    usual_today = float(np.clip(habit, 0.0048, 0.0065))

    paths: dict[Index, IndexPath] = {}
    for position, index in enumerate(_INDICES):
        own = np.random.default_rng([seed, day.toordinal(), 3, position])
        if index not in indices:
            continue
        relative = _RELATIVE_VOLATILITY[index]
        close = float(previous_close.get(index, Decimal(0))) or round(
            USUAL_LEVEL[index] * float(np.exp(common_shift)), 2
        )
        noise = common + 0.24 * own.standard_normal(n) * scale
        returns = relative * (shape.volatility * _pulled(noise, shape.pull_minutes) + shape.drift)
        returns = np.concatenate(([0.0], returns[:-1]))
        fair = np.empty(grid_seconds)
        fair[:n] = close * np.exp(shape.gap + np.cumsum(returns))
        fair[n:] = fair[n - 1]
        fair = np.round(fair * 20.0) / 20.0
        spot = fair.copy()
        spot[auction_second:n] = spot[max(auction_second - 1, 0)]

        usual = usual_today * relative
        reaction = np.empty(grid_seconds)
        heat = _heat(returns, share, usual=usual, gap=shape.gap)
        reaction[:n] = np.sqrt(1.0 - _BELIEVED + _BELIEVED * heat)
        reaction[n:] = reaction[n - 1]
        reaction *= np.clip(1.0 - 4.0 * (fair / close - 1.0), 0.93, 1.20) * mood
        paths[index] = IndexPath(
            previous_close=close,
            spot=spot,
            fair=fair,
            implied=usual * reaction,
            later=usual * (1.0 + _LATER_DAYS * (reaction - 1.0)),
            usual=usual,
        )
    return paths
