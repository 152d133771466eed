"""How many of the wings held will be needed again by entries that are still to come today."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from hedging.domain.entries import order_moments
from hedging.domain.instruments import Contract, Right, nearest_strike
from hedging.domain.margin import MarginLine, Universe
from hedging.domain.optimizer_model import HedgeModel

HUNDRED = Decimal(100)


def lots_needed_later(
    model: HedgeModel, *, held: Mapping[Contract, int], later_units: Mapping[Right, int]
) -> dict[Right, int]:
    """Return the lots of wings on each side without which the remaining day would pass the trigger or free margin.

    The remaining day is the book, every entry that is coming, and `later_units` sold at the money, with no exit between:
    on the safe side, and with the safety buffer that the projection of each entry will add. Of the wings `held` the nearest
    count first, as many on both sides, fewest first; when even all of them do not suffice, all are needed.
    """
    problem = model.problem
    nothing = dict.fromkeys(Right, 0)
    if not any(later_units.values()) or not held:
        return nothing
    strike = nearest_strike(problem.market.spots[problem.spec.index], problem.spec.strike_step)
    coming = [line for moment in tuple(order_moments(problem.coming))[-1:] for line in moment.added]
    # The price of a short at the money cancels out of SPAN, so none is needed.
    later = [
        MarginLine(Contract(problem.spec.index, problem.expiry, strike, right), -units, Decimal(0), problem.product)
        for right, units in later_units.items()
    ]
    universe = Universe.of((*problem.book, *coming, *later), market=problem.market, parameters=problem.parameters)
    now = universe.quantities(problem.book)
    day = now + universe.quantities((*coming, *later))
    spot = problem.market.spots[problem.spec.index]
    sides = {
        right: sorted((c for c in held if c.right is right), key=lambda c: abs(c.strike - spot)) for right in Right
    }
    trigger = float(problem.budget * problem.policy.utilization_trigger_pct / HUNDRED)
    buffer = problem.profile.buffer(budget=problem.budget, safety_buffer_pct=problem.policy.safety_buffer_pct)
    margin_now = model.scale * universe.total(now)
    most = (
        margin_now
        - float(buffer)
        + min(
            trigger - float(problem.used_now) - float(problem.used_offset),
            float(problem.free_margin) - float(problem.order_offset),
        )
    )

    def within(lots: int) -> bool:
        units = day.copy()
        for right in Right:
            keep = lots
            for contract in sides[right]:
                kept = min(keep, held[contract])
                keep -= kept
                units[universe.row(contract, problem.product)] -= (held[contract] - kept) * model.lot
        return model.scale * universe.total(units) <= most

    totals = {right: sum(held[contract] for contract in sides[right]) for right in Right}
    low, high = 0, max(totals.values())
    while low < high:
        middle = (low + high) // 2
        if within(middle):
            high = middle
        else:
            low = middle + 1
    return {right: min(low, totals[right]) for right in Right}
