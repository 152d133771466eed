"""What a person should know of a manual order although it refuses nothing. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Side
from hedging.domain.manual import Check, LegPreview, MarginEffect, Wanted, in_lots
from hedging.domain.problem import out_of_the_money


def warnings_of(
    facts: CycleFacts, wanted: Wanted, legs: Sequence[LegPreview], checks: Sequence[Check], margin: MarginEffect
) -> tuple[str, ...]:
    """Return what a person should know although it refuses nothing, what was overridden first."""
    said = [check.gate.detail for check in checks if wanted.even_so and check.overridable and not check.gate.passed]
    for leg in legs:
        said += _thin(leg)
        if leg.side is Side.BUY:
            said += _unlike_a_hedge(facts, leg)
        elif leg.premium is not None and leg.charges is not None and leg.premium <= leg.charges:
            said.append(f"{leg.symbol} brings ₹{leg.premium} and its charges are ₹{leg.charges}")
    if margin.after_pct is None:
        said.append(f"utilization afterwards is not known: {margin.note or facts.unknown or 'no baseline yet'}")
    return tuple(said)


def _thin(leg: LegPreview) -> list[str]:
    if leg.limit_price is None or leg.lots <= leg.lots_at_hand:
        return []
    return [f"{leg.symbol}: {leg.lots_at_hand} of {in_lots(leg.lots)} can trade within the worst price now"]


def _unlike_a_hedge(facts: CycleFacts, leg: LegPreview) -> list[str]:
    """Say what of a purchase lies outside the bounds that an automatic one keeps to."""
    policy, price, said = facts.policy, leg.limit_price, []
    if price is not None and not policy.min_premium <= price <= policy.max_premium:
        band = f"₹{policy.min_premium:.2f} to ₹{policy.max_premium:.2f}"
        said.append(f"{leg.symbol} costs ₹{price:.2f}, the band is {band}")
    if facts.chain is not None and leg.contract.index is facts.chain.index:
        away = abs(leg.contract.strike - facts.chain.spot)
        if not out_of_the_money(leg.contract, facts.chain.spot):
            said.append(f"{leg.symbol} is in the money: the index stands at {facts.chain.spot}")
        elif not facts.spec.otm_min <= away <= facts.spec.otm_max:
            said.append(
                f"{leg.symbol} is {away:f} points away, the bounds are {facts.spec.otm_min} to {facts.spec.otm_max}"
            )
    return said
