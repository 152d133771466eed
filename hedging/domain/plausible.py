"""Plausible: whether used margin can be what the broker says, beside the position book of the same moment. Pure.

Some OpenAlgo adapters turn a figure that they did not get into 0, one field at a time: a zero may be an unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hedging.domain.snapshot import Funds, Position

LEAST_SHARE = Decimal("0.5")
"""Used margin below this share of our engine's is not believed. An engine nobody calibrated is wrong by a third at most."""

CONTRADICTION = "funds: used margin is 0"


def contradiction(funds: Funds, positions: Sequence[Position]) -> str:
    """Return why this used margin cannot be beside these positions, "" when it can: a short option always blocks money."""
    shorts = sum(position.quantity < 0 for position in positions)
    if funds.utilised or not shorts:
        return ""
    return f"{CONTRADICTION}, and the position book has {shorts} short option{'s' if shorts > 1 else ''}"


def vanished_collateral(funds: Funds, *, known: Decimal) -> str:
    """Return why this collateral cannot be beside what was `known` (rupees) this morning, "" when it can."""
    if funds.collateral or known <= 0:
        return ""
    return f"funds: collateral is 0, and was ₹{known:.0f} this morning (if it was unpledged: manage.py calibrate)"


def too_little(
    *, used: Decimal, margin: Decimal, positions: Sequence[Position], realized_pnl: Decimal = Decimal(0)
) -> str:
    """Return why `used` (rupees, the baseline included) is not believed beside `margin`, our engine's of these positions.

    "" when it is. Where a broker counts premium, what was received and earned lowers used margin: that much is allowed for.
    """
    if margin <= 0 or not any(position.quantity < 0 for position in positions):
        return ""
    received = -sum((position.average_price * position.quantity for position in positions), Decimal(0))
    allowed = max(Decimal(0), received) + max(Decimal(0), realized_pnl)
    if used and used + allowed >= margin * LEAST_SHARE:
        return ""
    return f"used margin is ₹{used:.0f}, and the book takes about ₹{margin:.0f} by our engine: not believed"
