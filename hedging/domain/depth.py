"""Depth: what the price ladders of a few chosen strikes say about how many lots can be had, and at which price."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from hedging.domain.instruments import ContractSpec, Side
from hedging.domain.optimizer_types import Candidate, HeldWing
from hedging.domain.policy import HedgePolicy
from hedging.domain.snapshot import Depth, Level
from hedging.domain.worst_case import worst_price


def touch(depth: Depth, side: Side) -> Decimal | None:
    """Return the best price that an order of `side` meets, `None` where nobody is there."""
    levels = depth.asks if side is Side.BUY else depth.bids
    return levels[0].price if levels else None


def lots_within(depth: Depth, side: Side, *, policy: HedgePolicy, spec: ContractSpec) -> int:
    """Return the whole lots that trade without passing the worst price that the policy's order buffer permits."""
    best = touch(depth, side)
    if best is None:
        return 0
    worst = worst_price(side=side, touch=best, policy=policy, spec=spec)
    levels: Sequence[Level] = depth.asks if side is Side.BUY else depth.bids
    return sum(level.quantity for level in levels if (worst - level.price) * side.sign >= 0) // spec.lot


def candidate_at(depth: Depth, *, policy: HedgePolicy, spec: ContractSpec) -> Candidate | None:
    """Return the strike as its ladder offers it, `None` where nobody sells or the ladder is crossed."""
    ask, bid = touch(depth, Side.BUY), touch(depth, Side.SELL)
    if ask is None or (bid is not None and bid > ask):
        return None
    return Candidate(depth.contract, ask, bid, lots_within(depth, Side.BUY, policy=policy, spec=spec))


def wing_at(depth: Depth, lots: int, *, policy: HedgePolicy, spec: ContractSpec) -> HeldWing:
    """Return a wing of ours as its ladder would take it."""
    found = lots_within(depth, Side.SELL, policy=policy, spec=spec)
    return HeldWing(depth.contract, lots, touch(depth, Side.SELL), found)
