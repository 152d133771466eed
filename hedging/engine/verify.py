"""Verify: have the broker's own basket call confirm a hedge before it is bought."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hedging.brokers.base import MarginLeg
from hedging.domain.decision import AddHedge
from hedging.domain.facts import HUNDRED, CycleFacts
from hedging.domain.optimizer_types import Aim
from hedging.engine.gather import Gatherer, margin_legs


@dataclass(frozen=True, slots=True)
class Check:
    """What the broker says margin would be with the hedge and every coming entry in the book.

    `shortfall` is by how many rupees that misses the aim, 0 when the aim is met or the broker cannot say; `note` then says why.
    """

    used_after: Decimal | None
    limit: Decimal
    shortfall: Decimal
    note: str = ""

    def as_card(self) -> dict[str, str | None]:
        """Return the check as it is stored on a decision card."""
        paisa = Decimal("0.01")
        card = {
            "broker_used_after": None if self.used_after is None else str(self.used_after.quantize(paisa)),
            "limit": str(self.limit.quantize(paisa)),
            "shortfall": str(self.shortfall.quantize(paisa)),
        }
        return card | ({"note": self.note} if self.note else {})


def check_with_broker(*, gatherer: Gatherer, facts: CycleFacts, decision: AddHedge) -> Check:
    """Ask the broker for the margin of the coming entries together with the chosen hedge. One read, at most two."""
    policy, budget = facts.policy, facts.session.budget
    limits = {
        Aim.TARGET: policy.utilization_target_pct,
        Aim.TRIGGER: policy.utilization_trigger_pct,
        Aim.FULL: HUNDRED,
    }
    if decision.solution.aim is Aim.LEAST:
        # It misses every aim, and is the lowest there is: nothing better could be found by asking.
        return Check(used_after=None, limit=decision.solution.used_after, shortfall=Decimal(0))
    limit = budget * limits[decision.solution.aim or Aim.FULL] / HUNDRED
    product = facts.session.product
    legs = [MarginLeg(leg.contract, product, leg.side, leg.quantity, leg.reference_price) for leg in decision.legs]
    legs += [leg for entry in decision.entries for leg in margin_legs(entry)]
    added = gatherer.added_by(facts, legs)
    if added is None or facts.used is None:
        return Check(used_after=None, limit=limit, shortfall=Decimal(0), note=gatherer.no_basket)
    used_after = facts.used + added[0] + decision.buffer
    return Check(used_after=used_after, limit=limit, shortfall=max(Decimal(0), used_after - limit))
