"""What a broker's funds mean, found by comparing them before and after the first fills."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from hedging.domain.calibration import Calibration

LEAST_CHANGE = Decimal(20_000)
"""Rupees of used margin that must have moved before cash beside it says anything."""
FOLLOWS = Decimal("0.25")
CLEARLY = Decimal("0.5")


@dataclass(frozen=True, slots=True)
class FundsReading:
    """`availablecash` and `utiliseddebits` of one moment, in rupees."""

    cash: Decimal
    used: Decimal


def read_funds_change(
    calibration: Calibration,
    *,
    before: FundsReading,
    after: FundsReading,
    margin: Decimal | None,
    premium: Decimal,
) -> Calibration:
    """Return the calibration with what the change of funds tells about cash and premium; the rest stays.

    Cash that falls as used rises has the used margin taken off; cash that stays is gross. `margin` is what our engine
    charges for the book that came in between, `None` where something else was held before; `premium` (rupees, negative:
    received) is what it cost. Used that moved by margin and premium together contains the premium. In either case a change
    that fits neither, or both, says nothing.
    """
    moved = after.used - before.used
    if abs(moved) < LEAST_CHANGE:
        return calibration
    fallen = (before.cash - after.cash) / moved
    net = True if abs(fallen - 1) <= FOLLOWS else False if abs(fallen) <= FOLLOWS else calibration.cash_is_net
    return replace(calibration, cash_is_net=net, premium_in_used=_premium(calibration, moved, margin, premium))


def _premium(calibration: Calibration, moved: Decimal, margin: Decimal | None, premium: Decimal) -> bool | None:
    known = calibration.premium_in_used
    if margin is None or known is not None or calibration.error_pct is None or not premium:
        return known
    without, within = abs(moved - margin), abs(moved - margin - premium)
    # The engine's own error must be small beside the premium, or it would be taken for it.
    if min(without, within) > CLEARLY * max(without, within) or calibration.error_pct > abs(premium) / margin * 50:
        return None
    return within < without
