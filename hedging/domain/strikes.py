"""Strikes: the option chain as one decision saw it, with what is short, held, and would be bought."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from hedging.domain.decided import AddHedge, Decision, Hold
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.optimizer_band import eligible_contracts
from hedging.domain.policy import Relaxation
from hedging.domain.problem import hedge_problem


@dataclass(frozen=True, slots=True)
class StrikeSide:
    """One option: its touch in rupees a unit (`None`: unknown, or nobody there), and units of the account in it.

    `short` is sold already, `coming` will be by the entries that are looked at, `held` are hedges of ours, `other` longs
    that are not. `bought` and `sold` are what the decision trades. `allowed`: it could have been chosen under the
    relaxation in force; `None` where used or free margin is unknown.
    """

    bid: Decimal | None
    ask: Decimal | None
    short: int
    coming: int
    held: int
    other: int
    bought: int
    sold: int
    allowed: bool | None


@dataclass(frozen=True, slots=True)
class StrikeRow:
    """Both options of one strike; `None` where that one is not quoted and nothing of it is held."""

    strike: Decimal
    call: StrikeSide | None
    put: StrikeSide | None


@dataclass(frozen=True, slots=True)
class StrikeTable:
    """The chain by strike, ascending, with the preferred premium band (rupees a unit) and what of it was given up."""

    spot: Decimal
    min_premium: Decimal
    max_premium: Decimal
    relaxation: Relaxation
    rows: tuple[StrikeRow, ...]


def strike_table(facts: CycleFacts, decision: Decision) -> StrikeTable:
    """Return the session's chain as `decision` saw it. Raises `ValueError` where no chain was read."""
    if facts.chain is None:
        raise ValueError("no chain was read for this decision")
    relaxation = _relaxation(decision)
    allowed = _allowed(facts, relaxation)
    entries = decision.entries if isinstance(decision, AddHedge) else facts.coming
    legs = () if isinstance(decision, Hold) else decision.legs
    expiry, index = facts.session.expiry, facts.session.index
    net = {
        p.contract: p.quantity
        for p in facts.positions or ()
        if (p.contract.index, p.contract.expiry) == (index, expiry)
    }
    held = {wing.contract: wing.quantity for wing in facts.held}
    coming: dict[Contract, int] = {}
    for leg in (leg for entry in entries for leg in entry.legs if leg.side is Side.SELL):
        coming[leg.contract] = coming.get(leg.contract, 0) + leg.quantity
    traded = {side: {leg.contract: leg.quantity for leg in legs if leg.side is side} for side in Side}

    def side_of(contract: Contract) -> StrikeSide | None:
        quote = facts.chain.quotes.get(contract) if facts.chain is not None else None
        if quote is None and contract not in net:
            return None
        units = net.get(contract, 0)
        own = min(held.get(contract, 0), max(0, units))
        return StrikeSide(
            bid=None if quote is None else quote.bid,
            ask=None if quote is None else quote.ask,
            short=max(0, -units),
            coming=coming.get(contract, 0),
            held=own,
            other=max(0, units) - own,
            bought=traded[Side.BUY].get(contract, 0),
            sold=traded[Side.SELL].get(contract, 0),
            allowed=None if allowed is None else contract in allowed,
        )

    strikes = sorted({contract.strike for contract in (*facts.chain.quotes, *net)})
    return StrikeTable(
        spot=facts.chain.spot,
        min_premium=facts.policy.min_premium,
        max_premium=facts.policy.max_premium,
        relaxation=relaxation,
        rows=tuple(
            StrikeRow(strike, *(side_of(Contract(index, expiry, strike, right)) for right in (Right.CE, Right.PE)))
            for strike in strikes
        ),
    )


def _relaxation(decision: Decision) -> Relaxation:
    found = decision.solution.relaxation if isinstance(decision, AddHedge) else None
    return found or Relaxation.NONE


def _allowed(facts: CycleFacts, relaxation: Relaxation) -> frozenset[Contract] | None:
    try:
        return eligible_contracts(hedge_problem(facts, None, facts.coming), relaxation)
    except ValueError:  # used or free margin is unknown: there is no problem to choose for
        return None
