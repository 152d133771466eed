"""What a manual order would cost or bring on the ladders that were just read, and what it does to margin. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hedging.domain.cards import contract_name
from hedging.domain.charges import order_charges, orders_for
from hedging.domain.depth import lots_within, touch
from hedging.domain.entries import ComingEntry
from hedging.domain.exposure import ExposureKey, exposures
from hedging.domain.facts import HUNDRED, CycleFacts
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.jump import change_of_used
from hedging.domain.manual import LegPreview, MarginEffect, QuotedLeg, Wanted, WantedLeg
from hedging.domain.margin import MarginLine, MarketUnknown
from hedging.domain.problem import pending_lines
from hedging.domain.projection import ProjectionInputs, Source, project
from hedging.domain.snapshot import Depth, Level
from hedging.domain.worst_case import worst_cost, worst_price

PAISA = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Ground:
    """What a manual order is judged on: a cycle's facts, its legs' ladders among them, and what shared rows allow.

    `held` are net units by our own fills in the session's product, less what is being sold. `allowed`: trading state and
    session let an order of this side go; `may_go`: the pre-flight lets it go; `broken_until`: its breaker is open, wall
    time. `promised` are the legs of the preview that is being confirmed, empty before.
    """

    facts: CycleFacts
    is_open: bool
    allowed: bool
    may_go: bool
    broken_until: datetime | None
    held: Mapping[Contract, int]
    promised: Mapping[Contract, QuotedLeg]


def resolve(wanted: Wanted, held: Mapping[Contract, int], *, lot: int) -> tuple[tuple[Contract, int], ...]:
    """Return contracts and lots of `wanted`: all that is held where no lots, or no legs at all, are named."""
    legs = wanted.legs or tuple(WantedLeg(contract, None) for contract in sorted(held))
    return tuple((leg.contract, held.get(leg.contract, 0) // lot if leg.lots is None else leg.lots) for leg in legs)


def leg_preview(ground: Ground, contract: Contract, lots: int, side: Side) -> LegPreview:
    """Return one leg as it would be ordered now; what was promised in a preview keeps its worst price."""
    facts = ground.facts
    policy, spec = facts.policy, facts.spec
    depth = facts.depths.get(contract)
    best = None if depth is None else touch(depth, side)
    promised = ground.promised.get(contract)
    worst = None if best is None else worst_price(side=side, touch=best, policy=policy, spec=spec)
    if promised is not None:
        worst = promised.worst_price
    orders = orders_for(lots=lots, freeze_lots=spec.freeze_lots)
    premium = charges = None
    reserve = Decimal(0)
    if depth is not None and best is not None and worst is not None and lots:
        premium = _premium(depth, side, quantity=lots * spec.lot, worst=worst)
        charges = order_charges(rates=facts.charges, side=side, premium_rupees=premium, orders=orders).quantize(PAISA)
        if side is Side.BUY:
            reserve = worst_cost(price=worst, lots=lots, policy=policy, spec=spec, rates=facts.charges)
    return LegPreview(
        contract=contract,
        symbol=contract_name(contract),
        side=side,
        lots=lots,
        quantity=lots * spec.lot,
        slices=orders,
        bid=None if depth is None else touch(depth, Side.SELL),
        ask=None if depth is None else touch(depth, Side.BUY),
        limit_price=best,
        worst_price=worst,
        premium=premium,
        charges=charges,
        worst_cost=reserve,
        lots_at_hand=0 if depth is None else lots_within(depth, side, policy=policy, spec=spec),
        held=ground.held.get(contract, 0),
    )


def _premium(depth: Depth, side: Side, *, quantity: int, worst: Decimal) -> Decimal:
    """Return the rupees that change hands when `quantity` units take the ladder; what is beyond it, at the worst price."""
    levels: Sequence[Level] = depth.asks if side is Side.BUY else depth.bids
    left, total = quantity, Decimal(0)
    for level in levels:
        if (worst - level.price) * side.sign < 0:
            break
        taken = min(left, level.quantity)
        total += taken * level.price
        left -= taken
    return (total + left * worst).quantize(PAISA)


def lines_of(facts: CycleFacts, legs: Sequence[LegPreview]) -> tuple[MarginLine, ...]:
    """Return the legs as margin lines at the touch; a leg without a price is left out."""
    return tuple(
        MarginLine(leg.contract, leg.side.sign * leg.quantity, leg.limit_price, facts.session.product)
        for leg in legs
        if leg.limit_price is not None and leg.quantity
    )


def engine_change(facts: CycleFacts, legs: Sequence[LegPreview]) -> Decimal:
    """Return the change of used margin by our engine, in rupees. Raises `ValueError` where a figure is missing."""
    try:
        return change_of_used(
            book=facts.book(),
            legs=lines_of(facts, legs),
            market=facts.market,
            parameters=facts.parameters,
            profile=facts.profile,
        )
    except MarketUnknown as error:
        raise ValueError(str(error)) from error


def margin_effect(
    facts: CycleFacts, legs: Sequence[LegPreview], *, change: Decimal | None, source: Source | None, note: str
) -> MarginEffect:
    """Return used margin before and after `change` rupees, and after the entries that are due within the lookahead."""
    used, budget = facts.used, facts.session.budget
    after = None if used is None or change is None else used + change
    return MarginEffect(
        used_before=used,
        used_after=after,
        before_pct=facts.utilization_pct,
        after_pct=None if after is None else after / budget * HUNDRED,
        source=source,
        note=note,
        projected_after_pct=_projected(facts, legs, after),
    )


def _projected(facts: CycleFacts, legs: Sequence[LegPreview], used_after: Decimal | None) -> Decimal | None:
    if not facts.coming or used_after is None or facts.chain is None:
        return None
    try:
        projection = project(
            ProjectionInputs(
                book=(*facts.book(), *lines_of(facts, legs)),
                coming=facts.coming,
                market=facts.market,
                parameters=facts.parameters,
                profile=facts.profile,
                policy=facts.policy,
                budget=facts.session.budget,
                used_now=used_after,
                free_margin=facts.free_margin,
                past=facts.past,
            )
        )
    except ValueError:
        return None
    return None if projection.worst is None else projection.worst.utilization_after_pct


def capacity_lots(facts: CycleFacts) -> dict[Right, int]:
    """Return the lots that can still be bought on each side before longs exceed shorts.

    All longs of the expiry and product count, ours or not; so do the shorts of coming entries and our live buys.
    """
    found = exposures(facts.positions or (), *(entry.lines for entry in _near(facts)), pending_lines(facts))
    session = facts.session
    keys = {right: ExposureKey(session.index, session.expiry, right, session.product) for right in Right}
    return {right: found[key].capacity // facts.spec.lot if key in found else 0 for right, key in keys.items()}


def uncovered_units(facts: CycleFacts, legs: Sequence[LegPreview]) -> dict[Right, int]:
    """Return by how many more units than now each side's shorts would lack a long after these sales, coming entries counted."""
    coming = [entry.lines for entry in _near(facts)]
    sold = _sold(facts, legs)
    now, then = exposures(facts.positions or (), *coming), exposures(facts.positions or (), *coming, sold)
    more: dict[Right, int] = dict.fromkeys(Right, 0)
    for key, after in then.items():
        before = now.get(key)
        lacking = max(0, after.shorts - after.longs)
        lacked = 0 if before is None else max(0, before.shorts - before.longs)
        more[key.right] += max(0, lacking - lacked)
    return more


def _near(facts: CycleFacts) -> tuple[ComingEntry, ...]:
    known = {entry.portfolio for entry in facts.coming}
    return (*facts.coming, *(entry for entry in facts.soon if entry.portfolio not in known))


def _sold(facts: CycleFacts, legs: Sequence[LegPreview]) -> list[MarginLine]:
    """Return what these sales take out of the book; beyond what is long there, another check refuses."""
    product, long = facts.session.product, dict[Contract, int]()
    for position in facts.positions or ():
        if position.product is product:
            long[position.contract] = long.get(position.contract, 0) + position.quantity
    return [
        MarginLine(leg.contract, -min(leg.quantity, max(0, long.get(leg.contract, 0))), Decimal(0), product)
        for leg in legs
    ]
