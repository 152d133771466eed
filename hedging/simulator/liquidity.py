"""Liquidity: how wide the touch is and how many stand at it, by moneyness, price, time of day and fear."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hedging.simulator.families import Floats

Ints = NDArray[np.int64]

_OPENING = (1.2, 240.0)  # that much wider at the open, gone in some minutes
_AUCTION = 0.45  # the index no longer tells where it is
_AT_THE_MONEY = 0.0022  # half a spread at the money, as a share of the value


def unease_of_the_clock(*, auction: int, grid_seconds: int) -> Floats:
    """Return how much wider and thinner books are than at noon, at each second: at the open, and from the closing auction on."""
    seconds = np.arange(grid_seconds)
    more, fade = _OPENING
    return 1.0 + more * np.exp(-seconds / fade) + _AUCTION * (seconds >= auction)


def half_spread(*, value: Floats, distance: Floats, tick: float, thin: Floats, draw: Floats) -> Floats:
    """Return half the touch's width in rupees: a share of the value that grows with the distance from the money.

    `distance` is in standard deviations, `thin` 1 for NIFTY at noon, `draw` in [0, 1) is chance.
    """
    relative = (_AT_THE_MONEY + 0.0035 * np.minimum(distance, 6.0)) * (0.6 + 0.8 * draw)
    return np.maximum(value * relative, 0.25 * tick) * thin


def touch(*, value: Floats, half: Floats, tick: float) -> tuple[Ints, Ints]:
    """Return bid and ask in whole ticks, 0 where nobody bids.

    Their middle is the value rounded to half a tick, so that rounding never makes an arbitrage; hence an even number of half
    ticks gets an even spread and an odd one an odd spread.
    """
    middle = np.rint(value * (2.0 / tick)).astype(np.int64)
    odd = middle & 1
    width = odd + 2 * np.rint((2.0 * half / tick + 0.4 - odd) / 2.0).astype(np.int64)
    width = np.maximum(width, 2 - odd)
    return np.maximum((middle - width) // 2, 0), np.maximum((middle + width) // 2, 1)


def last_traded(*, value: Floats, swing: Floats, tick: float, thin: Floats, draw: Floats) -> Ints:
    """Return the prices of the last trades in whole ticks: values at a volatility a little beside the one that quotes imply.

    `draw` in [0, 1) is chance, one for all strikes, calls and puts of an expiry: prices at any one volatility are consistent, so these
    are, but for their rounding. At the money they lie up to 0.3 half spreads from the value; deep in the money they are the value.
    """
    lean = (draw - 0.5) * 0.6 * _AT_THE_MONEY * thin
    return np.maximum(np.rint((value + lean * swing) / tick).astype(np.int64), 1)


def crowd_at_touch(*, ticks: int, distance: float, thin: float) -> float:
    """Return about how many lots stand at the touch: many for cheap options, few for dear ones and for the far wings."""
    return (6.0 + 240.0 / (ticks + 6.0)) / (thin * (1.0 + (min(distance, 12.0) / 5.0) ** 2))


def open_interest(*, strikes: Ints, spot: float) -> Ints:
    """Return how many lots of each strike people hold: crowds at the money, a few far away."""
    distance = np.abs(strikes / spot - 1.0)
    return (40_000 / (1.0 + (distance * 90.0) ** 2)).astype(np.int64) + 10


def traded(lots: Ints, t: int) -> Ints:
    """Return how many lots have changed hands by a grid second, of so many held: all of them in a session."""
    return lots * max(t, 0) // 22_500
