"""Depths: a hedge is decided on the price ladders of the strikes that it chose, not on the chain's touch alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.decision import AddHedge, Decision, LegOrder, decide
from hedging.domain.depth import lots_within, touch
from hedging.domain.facts import CycleFacts
from hedging.engine.gather import Gatherer

ROUNDS = 3
MOST_STRIKES = 4
"""How many ladders one round reads; a set of more strikes has its largest legs looked at first."""


def decide_at_depth(gatherer: Gatherer, facts: CycleFacts) -> tuple[CycleFacts, Decision]:
    """Decide; read the ladders of the chosen strikes; decide again unless they hold what was assumed. At most three rounds.

    Returns the facts with every ladder read so far, and the decision, with what was seen of its strikes on its card.
    """
    decision = decide(facts)
    for _ in range(ROUNDS):
        unseen = _unseen(facts, decision)
        if not unseen:
            break
        read = {leg.contract: gatherer.depth(leg.contract) for leg in unseen[:MOST_STRIKES]}
        facts = replace(facts, depths={**facts.depths, **read})
        if all(_holds(facts, leg) for leg in unseen):
            break  # the same prices and lots enough: what was the least before still is
        decision = decide(facts)
    if facts.depths:
        decision.card["depth"] = _seen(facts)
    return facts, decision


def _unseen(facts: CycleFacts, decision: Decision) -> list[LegOrder]:
    if not isinstance(decision, AddHedge):
        return []
    unseen = [leg for leg in decision.legs if leg.contract not in facts.depths]
    return sorted(unseen, key=lambda leg: (-leg.quantity, leg.contract))


def _holds(facts: CycleFacts, leg: LegOrder) -> bool:
    depth = facts.depths.get(leg.contract)
    if depth is None:
        return leg.contract in facts.depths  # unreadable: the chain's word stands
    lots = lots_within(depth, leg.side, policy=facts.policy, spec=facts.spec)
    return touch(depth, leg.side) == leg.reference_price and lots * facts.spec.lot >= leg.quantity


def _seen(facts: CycleFacts) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for contract, depth in facts.depths.items():
        levels = () if depth is None else ((depth.asks, "ask"), (depth.bids, "bid"))
        row: dict[str, Any] = {"symbol": format_symbol(contract), "read": depth is not None}
        for side, name in levels:
            row[name] = str(side[0].price) if side else None
            row[f"{name}_quantity"] = sum(level.quantity for level in side)
        rows.append(row)
    return rows
