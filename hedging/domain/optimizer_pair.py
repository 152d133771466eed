"""The best equal-lot pair: the answer of last resort when the integer program runs out of time, by plain enumeration."""

from __future__ import annotations

from itertools import product as every_pair

import numpy as np

from hedging.domain.instruments import Right, Side
from hedging.domain.optimizer_model import HedgeModel, Limits
from hedging.domain.pricing import BoolArray, FloatArray

PAIRS_TRIED = 400


def best_pair(model: HedgeModel, *, allowed: BoolArray, limits: Limits) -> FloatArray | None:
    """Return the lots of the cheapest CE and PE bought in equal number that meet `limits`, or `None`.

    Each pair takes the fewest lots that do, found by bisection: more wings never raise margin. Only the
    `PAIRS_TRIED` pairs with the least outlay a lot are tried; nothing is sold. Never a proof of optimality.
    """
    most = model.most_lots(allowed, limits)
    calls, puts = (
        [
            row
            for row, column in enumerate(model.columns)
            if column.side is Side.BUY and column.contract.right is right and most[row] >= 1
        ]
        for right in (Right.CE, Right.PE)
    )
    best: FloatArray | None = None
    pairs = sorted(every_pair(calls, puts), key=lambda pair: float(model.outlay[list(pair)].sum()))
    for pair in pairs[:PAIRS_TRIED]:
        room = int(min(most[list(pair)].min(), *(max(0, model.capacity[right]) for right in Right)))
        found = _fewest(model, pair, room, limits)
        if found is not None and (best is None or model.weigh(found) < model.weigh(best)):
            best = found
    return best


def _fewest(model: HedgeModel, pair: tuple[int, int], room: int, limits: Limits) -> FloatArray | None:
    low, high, found = 1, room, None
    while low <= high:
        middle = (low + high) // 2
        lots = np.zeros(len(model.columns))
        lots[list(pair)] = middle
        if _meets(model, lots, limits):
            found, high = lots, middle - 1
        else:
            low = middle + 1
    return found


def _meets(model: HedgeModel, lots: FloatArray, limits: Limits) -> bool:
    if model.reserved(lots) > limits.money:
        return False
    figures = model.figures(lots)
    return figures.used <= limits.used and figures.order <= limits.order
