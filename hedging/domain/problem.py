"""The problem that one cycle's facts pose to the optimizer: the book, what is on offer, and every limit."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from hedging.domain.depth import candidate_at, wing_at
from hedging.domain.entries import ComingEntry
from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer_types import Candidate, HedgeProblem, HeldWing
from hedging.domain.projection import Projection


def hedge_problem(
    facts: CycleFacts,
    projection: Projection | None,
    entries: tuple[ComingEntry, ...],
    *,
    less: Decimal = Decimal(0),
) -> HedgeProblem:
    """Return the problem of getting `entries` in; `less` (rupees) takes that much of the safety buffer off again.

    Without entries nothing carries the buffer, and a negative `less` puts it on. Raises `ValueError` where used or free margin is unknown.
    """
    book = book_problem(facts, entries)
    return replace(
        book,
        candidates=_candidates(facts),
        # Without an entry there is nothing whose projection an offset could shift: the present book itself is corrected.
        used_now=book.used_now if entries else book.used_now + facts.used_correction - less,
        cash=book.free_margin,
        cost_cap_left=facts.cost_left,
        used_offset=facts.used_correction - less + (Decimal(0) if projection is None else projection.used_offset),
        order_offset=facts.used_correction - less + (Decimal(0) if projection is None else projection.order_offset),
        pending=pending_lines(facts),
        quarantined=facts.session.quarantine,
        needed_until=facts.needed_until,
    )


def book_problem(facts: CycleFacts, entries: tuple[ComingEntry, ...]) -> HedgeProblem:
    """Return the account's book with our wings and `entries`, nothing on offer: what buying and selling both start from."""
    if facts.used is None or facts.free_margin is None:
        raise ValueError("a problem needs used margin and free margin")
    return HedgeProblem(
        spec=facts.spec,
        expiry=facts.session.expiry,
        product=facts.session.product,
        book=facts.book(),
        coming=entries,
        wings=_wings(facts),
        market=facts.market,
        parameters=facts.parameters,
        policy=facts.policy,
        profile=facts.profile,
        rates=facts.charges,
        budget=facts.session.budget,
        used_now=facts.used,
        free_margin=facts.free_margin,
    )


def _candidates(facts: CycleFacts) -> tuple[Candidate, ...]:
    """Return what could be bought: at its own price ladder where that was read, else at the chain's touch."""
    lot, found = facts.spec.lot, []
    spot = facts.market.spots[facts.spec.index]
    # A strike with a buy of ours under way, or of which nobody knows, is no candidate: it has one live intent at most.
    busy = {intent.contract for intent in facts.in_flight if intent.side is Side.BUY}
    for contract, quote in ({} if facts.chain is None else facts.chain.quotes).items():
        if quote.ask is None or quote.crossed or contract in busy or not out_of_the_money(contract, spot):
            continue
        depth = facts.depths.get(contract)
        if depth is None:
            lots = None if quote.ask_quantity is None else quote.ask_quantity // lot
            found.append(Candidate(contract, quote.ask, quote.bid, lots))
        elif (seen := candidate_at(depth, policy=facts.policy, spec=facts.spec)) is not None:
            found.append(seen)
    return tuple(found)


def pending_lines(facts: CycleFacts) -> tuple[MarginLine, ...]:
    """Return what our live buys may still add to the book."""
    lines = []
    for intent in facts.in_flight:
        if intent.side is Side.BUY:
            # It takes up room whether or not the chain still quotes it; what it is worth does not matter for that.
            price = facts.price_of(intent.contract) or Decimal(0)
            lines.append(MarginLine(intent.contract, intent.quantity, price, facts.session.product))
    return tuple(lines)


def _wings(facts: CycleFacts) -> tuple[HeldWing, ...]:
    lot = facts.spec.lot
    wings = []
    for wing in facts.held:
        quote = None if facts.chain is None else facts.chain.quotes.get(wing.contract)
        bid = None if quote is None else quote.sale_price
        depth = None if quote is None or quote.bid_quantity is None else quote.bid_quantity // lot
        ladder = facts.depths.get(wing.contract)
        if ladder is not None:
            wings.append(wing_at(ladder, wing.quantity // lot, policy=facts.policy, spec=facts.spec))
        else:
            wings.append(HeldWing(wing.contract, wing.quantity // lot, bid, depth))
    return tuple(wings)


def out_of_the_money(contract: Contract, spot: Decimal) -> bool:
    """Return whether a contract lies beyond `spot`; at the money it does not."""
    return contract.strike > spot if contract.right is Right.CE else contract.strike < spot
