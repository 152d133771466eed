"""Matching: what an order takes from a ladder, and when a resting one will next find somebody."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hedging.domain.instruments import Side
from hedging.simulator.market import Prices


def take(
    *, ladder: Sequence[tuple[int, int]], used: dict[int, int], side: Side, limit: int, wanted: int
) -> list[tuple[int, int]]:
    """Return fills as (ticks, units), best price first, and add them to `used` (units gone at each price).

    `ladder` is the other side of the book. `limit` 0 takes any price. Several levels give several fills.
    """
    fills: list[tuple[int, int]] = []
    for price, units in ladder:
        if wanted <= 0 or (limit and (price > limit if side is Side.BUY else price < limit)):
            break
        taken = min(wanted, units - used.get(price, 0))
        if taken > 0:
            used[price] = used.get(price, 0) + taken
            fills.append((price, taken))
            wanted -= taken
    return fills


def next_crossing(*, prices: Prices, side: Side, limit: int, after: int, until: int) -> int | None:
    """Return the first second in (after, until) at which the touch satisfies the limit; `None` if there is none."""
    if side is Side.BUY:
        touch = prices.ask[after + 1 : until]
        hit = (touch > 0) & ((touch <= limit) if limit else True)
    else:
        touch = prices.bid[after + 1 : until]
        hit = (touch > 0) & ((touch >= limit) if limit else True)
    return _first(hit, after)


def next_trigger(*, prices: Prices, side: Side, trigger: int, after: int, until: int) -> int | None:
    """Return the first second in (after, until) at which the last price reaches a stop order's trigger."""
    last = prices.last[after + 1 : until]
    return _first(last >= trigger if side is Side.BUY else last <= trigger, after)


def _first(hit: np.ndarray[tuple[int], np.dtype[np.bool_]], after: int) -> int | None:
    if not len(hit):
        return None
    at = int(np.argmax(hit))
    return after + 1 + at if bool(hit[at]) else None
