"""What may be decided: `Hold | AddHedge | Unwind`, and `ByHand` by people, as values with the legs that they order."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from hedging.domain.entries import ComingEntry
from hedging.domain.facts import CycleFacts
from hedging.domain.guards import Gate
from hedging.domain.instruments import Contract, Side
from hedging.domain.optimizer_types import HedgeSolution, WingTrade
from hedging.domain.reasons import Reason
from hedging.domain.worst_case import worst_price


@dataclass(frozen=True, slots=True)
class LegOrder:
    """One leg that a decision orders: units, prices in rupees a unit.

    `worst_price` is what no slice may pass. `after_buys` marks a sale that replaces a wing: it waits for the buys.
    """

    contract: Contract
    side: Side
    quantity: int
    reference_price: Decimal
    worst_price: Decimal
    reason: Reason
    due_by_clock: bool = False
    after_buys: bool = False


@dataclass(frozen=True, slots=True)
class Hold:
    """Do nothing, for a reason."""

    reason: Reason
    gates: tuple[Gate, ...]
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AddHedge:
    """Buy `legs` (and sell the wings that they replace): one action, for the sake of `entries`.

    `buffer` is the safety margin in rupees that the solution keeps; 0 where only giving it up could save the entry.
    """

    reason: Reason
    gates: tuple[Gate, ...]
    legs: tuple[LegOrder, ...]
    solution: HedgeSolution
    entries: tuple[ComingEntry, ...]
    buffer: Decimal
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unwind:
    """Sell `legs`, which are ours and no longer needed."""

    reason: Reason
    gates: tuple[Gate, ...]
    legs: tuple[LegOrder, ...]
    card: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ByHand:
    """Buy or sell `legs` because a person said so: one action, all of one side."""

    reason: Reason
    gates: tuple[Gate, ...]
    legs: tuple[LegOrder, ...]
    card: dict[str, Any] = field(default_factory=dict)


Decision = Hold | AddHedge | Unwind | ByHand


def buy_leg(facts: CycleFacts, trade: WingTrade, reason: Reason) -> LegOrder:
    """Return the order of a purchase: at its ask, and at worst as far beyond it as the policy's buffer allows."""
    worst = worst_price(side=Side.BUY, touch=trade.price, policy=facts.policy, spec=facts.spec)
    return LegOrder(trade.contract, Side.BUY, trade.lots * facts.spec.lot, trade.price, worst, reason)


def sell_leg(
    facts: CycleFacts, contract: Contract, lots: int, bid: Decimal, reason: Reason, *, due_by_clock: bool = False
) -> LegOrder:
    """Return the order of a sale of whole lots: at `bid` (rupees a unit), and at worst as far below it as the policy allows."""
    worst = worst_price(side=Side.SELL, touch=bid, policy=facts.policy, spec=facts.spec)
    return LegOrder(contract, Side.SELL, lots * facts.spec.lot, bid, worst, reason, due_by_clock=due_by_clock)


def after_buys(leg: LegOrder) -> LegOrder:
    """Return a sale that waits for the buys of its decision."""
    return replace(leg, after_buys=True)
