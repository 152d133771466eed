"""Sanity of a quote at the fence: prices that no honest book of the contract we meant would show. Pure."""

from __future__ import annotations

from decimal import Decimal

from hedging.domain.instruments import Side
from hedging.domain.snapshot import Depth

SWING = 3
"""A touch beyond so many times the price that was decided on, or below its part, is another contract's, or no price."""
WIDE_SHARE = Decimal("0.6")
WIDE_RUPEES = Decimal(2)
"""A spread wider than both this share of the ask and these rupees says that nobody makes a market."""


def absurdity(*, side: Side, depth: Depth, reference: Decimal) -> str:
    """Return what is absurd about buying (or selling) at this ladder, "" when nothing is; `reference` was decided on.

    A sale is only held back from a bid that jumped up: a low bid is judged by its own limit, and an exit by the clock
    must not wait for a better market.
    """
    ladder = depth.asks if side is Side.BUY else depth.bids
    if not ladder:
        return "nobody is on the other side"
    touch = ladder[0].price
    if touch > reference * SWING:
        return f"{touch} is more than {SWING} times the {reference} that was decided on"
    if side is Side.SELL:
        return ""
    if touch * SWING < reference:
        return f"{touch} is less than a third of the {reference} that was decided on"
    if depth.bids:
        spread = touch - depth.bids[0].price
        if spread > max(WIDE_RUPEES, touch * WIDE_SHARE):
            return f"bid {depth.bids[0].price} and ask {touch} are {spread} apart"
    return ""
