"""Engine figures: what our margin engine makes of coming orders and exits. The near projection and the whole day share it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedging.domain.entries import OrderMoment
from hedging.domain.margin import Universe, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.pricing import FloatArray


@dataclass(frozen=True, slots=True)
class EngineFigures:
    """Both figures of one entry or exit in rupees, everything before it included, no buffer.

    `added_used` is what it adds to used margin as this broker counts it. `added_at_order` is what its worst order asks on
    top of the present margin, gross of that order's own credit (of an exit: of the purchase that closes it).
    """

    portfolio: str
    added_used: Decimal
    added_at_order: Decimal


def units_along(universe: Universe, start: FloatArray, moments: Sequence[OrderMoment]) -> FloatArray:
    """Return the net units of each contract at each moment, [moments, contracts], from the book `start` on."""
    lines = moments[-1].added if moments else ()
    changes = np.zeros((len(lines) + 1, len(start)))
    changes[0] = start
    for number, line in enumerate(lines, start=1):
        changes[number, universe.row(line.contract, line.product)] = line.quantity
    found: FloatArray = np.cumsum(changes, axis=0)[[len(moment.added) for moment in moments]]
    return found


def figures_along(
    moments: Sequence[OrderMoment], margins: FloatArray, *, margin_now: float, profile: MarginProfile
) -> tuple[EngineFigures, ...]:
    """Return the figures of each entry and exit of `moments`, in their order.

    `margins` are the engine's float rupees at each moment, `margin_now` those of the present book; the profile scales
    their difference and says whether the broker counts premium.
    """
    found: list[EngineFigures] = []
    worst: Decimal | None = None
    for moment, margin in zip(moments, margins, strict=True):
        added = profile.scale * rupees(float(margin) - margin_now)
        credit = moment.received_before if profile.premium_counted else Decimal(0)
        asked = added + moment.paid - credit
        worst = asked if worst is None else max(worst, asked)
        if moment.completes_entry:
            premium = moment.paid - moment.received if profile.premium_counted else Decimal(0)
            found.append(EngineFigures(moment.portfolio, added + premium, worst))
            worst = None
    return tuple(found)
