"""Verify: have the broker's own basket call confirm a hedge before it is bought."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

from hedging.brokers.base import MarginLeg
from hedging.domain.decision import AddHedge, Hold
from hedging.domain.facts import HUNDRED, CycleFacts
from hedging.domain.guards import Gate
from hedging.domain.optimizer_types import Aim
from hedging.domain.reasons import Reason
from hedging.engine.gather import Gatherer, margin_legs

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Check:
    """What the broker says margin would be with the hedge and every coming entry in the book, in rupees.

    `used_after` is held against `limit`, the aim's, and `at_order` against `free_margin`; both contain the safety buffer.
    `shortfall` is by how much the worse of them misses, 0 when neither does or the broker cannot say; `note` then says why.
    `disagreement` is the broker's figure less the engine's for the same set. `too_little`: by the broker's own count, without
    a buffer, the set leaves more than the whole budget used, or more asked than free margin has.
    """

    used_after: Decimal | None
    limit: Decimal
    shortfall: Decimal = ZERO
    disagreement: Decimal = ZERO
    at_order: Decimal | None = None
    free_margin: Decimal | None = None
    too_little: bool = False
    note: str = ""

    def as_card(self) -> dict[str, str | None]:
        """Return the check as it is stored on a decision card."""
        card = {
            "broker_used_after": _money(self.used_after),
            "limit": _money(self.limit),
            "shortfall": _money(self.shortfall),
        }
        if self.at_order is not None:
            card |= {"broker_at_order": _money(self.at_order), "free_margin": _money(self.free_margin)}
        return card | ({"note": self.note} if self.note else {})


def check_with_broker(*, gatherer: Gatherer, facts: CycleFacts, decision: AddHedge) -> Check:
    """Ask the broker for the margin of the coming entries together with the chosen hedge. One read, at most two."""
    policy, budget, solution = facts.policy, facts.session.budget, decision.solution
    limits = {
        Aim.TARGET: policy.utilization_target_pct,
        Aim.TRIGGER: policy.utilization_trigger_pct,
        Aim.FULL: HUNDRED,
    }
    if solution.aim is Aim.LEAST:
        # It misses every aim, and is the lowest there is: nothing better could be found by asking.
        return Check(used_after=None, limit=solution.used_after)
    limit = budget * limits[solution.aim or Aim.FULL] / HUNDRED
    product = facts.session.product
    legs = [MarginLeg(leg.contract, product, leg.side, leg.quantity, leg.reference_price) for leg in decision.legs]
    legs += [leg for entry in decision.entries for leg in margin_legs(entry)]
    added = gatherer.added_by(facts, legs)
    if added is None or facts.used is None or facts.free_margin is None:
        return Check(used_after=None, limit=limit, note=gatherer.no_basket)
    used_after = facts.used + added[0] + decision.buffer
    disagreement = used_after - solution.used_after
    # The basket call tells what is used afterwards; what the orders ask for beyond that on their way, the engine knows.
    at_order = solution.at_order_after + disagreement if decision.entries else None
    beyond = ZERO if at_order is None else at_order - facts.free_margin
    return Check(
        used_after=used_after,
        limit=limit,
        shortfall=max(ZERO, used_after - limit, beyond),
        disagreement=disagreement,
        at_order=at_order,
        free_margin=facts.free_margin,
        too_little=max(used_after - budget, beyond) > decision.buffer,
    )


def refused(*, decision: AddHedge, check: Check, facts: CycleFacts) -> AddHedge | Hold:
    """Return the hold in place of a hedge that does not suffice by the broker's own count, when no more is asked.

    A policy that buys the least utilization where nothing suffices buys what was asked about last.
    """
    if facts.policy.buy_least_utilization:
        return replace(decision, reason=Reason.ADD_LEAST_UTILIZATION)
    used = None if check.used_after is None else (check.used_after - decision.buffer) / facts.session.budget * HUNDRED
    said = "unknown" if used is None else f"{used:.1f} % used"
    if check.at_order is not None and check.free_margin is not None:
        said += f", ₹{check.at_order - decision.buffer:.0f} asked of ₹{check.free_margin:.0f} free"
    shut = Gate("broker's count", passed=False, detail=f"with the hedge {said}", reason=Reason.HOLD_UNREACHABLE)
    # Nothing of it was chosen in the end; the rounds with the broker tell what was asked about.
    card = {name: value for name, value in decision.card.items() if name not in {"chosen", "candidates"}}
    return Hold(shut.reason, (*decision.gates, shut), card)


def _money(amount: Decimal | None) -> str | None:
    return None if amount is None else str(amount.quantize(Decimal("0.01")))
