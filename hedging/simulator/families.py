"""Families of days: calm, trends, whipsaw, crash, spike and fade. The seed and the date choose one and draw its shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Chosen so that seed 7 of 2026-12-01, the default of a first start, is a calm day, and seeds 1-10 are a fair mixture.
_FAMILY_STREAM = 3990


class Family(StrEnum):
    """What kind of day it is, as told by the report."""

    CALM = "calm"
    TREND_UP = "trend up"
    TREND_DOWN = "trend down"
    WHIPSAW = "whipsaw"
    SPIKE_AND_FADE = "spike and fade"
    CRASH = "crash"


# How often each comes, in a hundred days. A crash is rarer on real exchanges; a simulator without one teaches nothing.
WEIGHTS: dict[Family, int] = {
    Family.CALM: 46,
    Family.TREND_UP: 14,
    Family.TREND_DOWN: 14,
    Family.WHIPSAW: 13,
    Family.SPIKE_AND_FADE: 9,
    Family.CRASH: 4,
}

# Volatility of the noise around the shape, a day.
_VOLATILITY: dict[Family, tuple[float, float]] = {
    Family.CALM: (0.0050, 0.0068),
    Family.TREND_UP: (0.0084, 0.0102),
    Family.TREND_DOWN: (0.0082, 0.0100),
    Family.WHIPSAW: (0.0080, 0.0105),
    Family.SPIKE_AND_FADE: (0.0070, 0.0095),
    Family.CRASH: (0.0255, 0.0320),
}
# Half-life of what the noise alone has added, in minutes: the shape, not chance, decides where a day goes.
_PULL_MINUTES: dict[Family, float] = {
    Family.CALM: 150.0,
    Family.TREND_UP: 35.0,
    Family.TREND_DOWN: 35.0,
    Family.WHIPSAW: 35.0,
    Family.SPIKE_AND_FADE: 40.0,
    Family.CRASH: 10.0,
}


@dataclass(frozen=True, slots=True)
class Shape:
    """The plan of one day, shared by all indices. Returns are logarithmic.

    `gap` is the open against the previous close; `volatility` the noise of the whole day; `drift[t]` what each second adds
    to it; `stress[t]` how lively that second is beside its usual share of the day; the noise's sum is pulled back to
    nothing with a half-life of `pull_minutes`.
    """

    gap: float
    volatility: float
    drift: Floats
    stress: Floats
    pull_minutes: float


def family_of(*, seed: int, day: date) -> Family:
    """Return the family that a seed gives a date."""
    draw = float(np.random.default_rng([seed, day.toordinal(), _FAMILY_STREAM]).random()) * sum(WEIGHTS.values())
    for family, weight in WEIGHTS.items():
        draw -= weight
        if draw < 0:
            return family
    return Family.CALM


def shape_of(*, family: Family, rng: np.random.Generator, seconds: int) -> Shape:
    """Draw the shape of a day of a family over the seconds of its session."""
    drift, stress = np.zeros(seconds), np.ones(seconds)
    low, high = _VOLATILITY[family]
    volatility = float(rng.uniform(low, high))
    gap = float(rng.normal(0.0, 0.0022))
    if rng.random() < 0.12:
        gap = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.007, 0.016))
    match family:
        case Family.CALM:
            jumps = (0.4, 0.0008, 0.0018)
        case Family.TREND_UP | Family.TREND_DOWN:
            _trend(drift, rng, sign=1.0 if family is Family.TREND_UP else -1.0)
            jumps = (0.7, 0.001, 0.0025)
        case Family.WHIPSAW:
            _whipsaw(drift, rng)
            jumps = (1.0, 0.001, 0.0030)
        case Family.SPIKE_AND_FADE:
            _spike(drift, stress, rng)
            jumps = (0.5, 0.001, 0.0025)
        case Family.CRASH:
            if rng.random() < 0.4:
                gap = -float(rng.uniform(0.008, 0.020))
            _crash(drift, stress, rng)
            jumps = (1.5, 0.001, 0.0040)
    often, least, most = jumps
    for _ in range(int(rng.poisson(often))):
        drift[int(rng.integers(seconds // 40, seconds - 60))] += float(
            rng.choice([-1.0, 1.0]) * rng.uniform(least, most)
        )
    return Shape(gap=gap, volatility=volatility, drift=drift, stress=stress, pull_minutes=_PULL_MINUTES[family])


def _push(drift: Floats, *, start: float, length: float, size: float) -> None:
    """Add a move that gathers speed and slows down again. `start` and `length` are shares of the session."""
    n = len(drift)
    first = min(int(start * n), n - 2)
    last = min(first + max(int(length * n), 2), n)
    window = np.sin(np.pi * (np.arange(last - first) + 0.5) / (last - first)) ** 2
    drift[first:last] += size * window / window.sum()


def _trend(drift: Floats, rng: np.random.Generator, *, sign: float) -> None:
    """One way all day: a steady quarter, the rest in two or three runs of 10 to 35 minutes, each giving a little back."""
    total = sign * float(rng.uniform(0.013, 0.019))
    _push(drift, start=0.0, length=1.0, size=total * 0.25)
    runs = int(rng.integers(2, 4))
    for run in range(runs):
        start = 0.04 + 0.82 * (run + float(rng.random())) / runs
        length = float(rng.uniform(0.03, 0.09))
        _push(drift, start=start, length=length, size=total * 0.92 / runs)
        _push(drift, start=start + length, length=length, size=-total * 0.17 / runs)


def _whipsaw(drift: Floats, rng: np.random.Generator) -> None:
    """Four to six swings to and fro that end near where they began."""
    swings = int(rng.integers(4, 7))
    sign = float(rng.choice([-1.0, 1.0]))
    level = 0.0
    for swing in range(swings):
        target = 0.0 if swing == swings - 1 else sign * float(rng.uniform(0.0030, 0.0065))
        _push(drift, start=0.03 + 0.92 * swing / swings, length=0.75 / swings, size=target - level)
        level, sign = target, -sign


def _spike(drift: Floats, stress: Floats, rng: np.random.Generator) -> None:
    """News: a move within minutes, lively trading, and one to two hours that take most of it back."""
    n = len(drift)
    start, rush = float(rng.uniform(0.10, 0.70)), float(rng.uniform(0.015, 0.045))
    size = float(rng.choice([-1.0, 1.0]) * rng.uniform(0.009, 0.015))
    _push(drift, start=start, length=rush, size=size)
    _push(drift, start=start + rush, length=float(rng.uniform(0.16, 0.30)), size=-size * float(rng.uniform(0.6, 1.0)))
    stress += 1.6 * _aftershock(n, start=start, half_life=0.06)


def _crash(drift: Floats, stress: Floats, rng: np.random.Generator) -> None:
    """A fall in two waves with a breath between them, and a bounce; the fear stays for the rest of the day."""
    n = len(drift)
    start = float(rng.uniform(0.06, 0.60))
    total = -float(rng.uniform(0.030, 0.045))
    first, breath, second = (float(rng.uniform(low, high)) for low, high in ((0.04, 0.10), (0.03, 0.08), (0.04, 0.10)))
    share = float(rng.uniform(0.35, 0.65))
    _push(drift, start=start, length=first, size=total * share)
    _push(drift, start=start + first, length=breath, size=-total * 0.12)
    _push(drift, start=start + first + breath, length=second, size=total * (1.12 - share))
    bounce = float(rng.uniform(0.10, 0.35))
    _push(drift, start=start + first + breath + second, length=0.22, size=-total * bounce)
    stress += 3.5 * _aftershock(n, start=start, half_life=0.25)


def _aftershock(seconds: int, *, start: float, half_life: float) -> Floats:
    """Return 0 before a shock, 1 at it, and a decay after it; shares of the session."""
    since = np.arange(seconds) / seconds - start
    return np.where(since < 0, 0.0, 0.5 ** (np.maximum(since, 0.0) / half_life))
