"""Selling: when a sale of hedges is looked at, which one the clock asks for, and which one nothing needs any more."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

from hedging.domain.cards import card_of, contract_name, trade_line, two_places
from hedging.domain.decided import Decision, Hold, Unwind, sell_leg
from hedging.domain.exposure import ExposureKey, exposures
from hedging.domain.facts import CycleFacts
from hedging.domain.guards import REDUCING, SELLING, UNWINDING, Gate, first_closed
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.optimizer_types import HedgeProblem
from hedging.domain.problem import book_problem, out_of_the_money
from hedging.domain.projection import Projection
from hedging.domain.reasons import Reason
from hedging.domain.unwind import UnwindInputs, choose_unwind

BEFORE_CLOSE = timedelta(minutes=10)
"""How long before the end of our hours a wing in the money is sold, and a session's last wings are closed."""


MARGIN_CHECK_SECONDS = 30


CONSIDER_SALES_MINUTES = 5
"""How often a sale is considered that nothing hurries; right after a scheduled exit it is considered on every tick."""


def considers_sales(facts: CycleFacts) -> bool:
    """Return whether a sale of hedges is looked at now: near the end always, else on a beat and after exits."""
    if not facts.held:
        return False
    if _ending(facts):
        return True
    utilization = facts.utilization_pct
    if not _excess(facts) and (utilization is None or utilization >= facts.policy.exit_trigger_pct):
        return False
    on_the_beat = facts.now.minute % CONSIDER_SALES_MINUTES == 0 and facts.now.second < MARGIN_CHECK_SECONDS
    return facts.just_exited or on_the_beat


def unwind(facts: CycleFacts, projection: Projection | None, gates: tuple[Gate, ...]) -> Decision:
    """Return the sale of what nothing needs any more, or a Hold; `gates` are those passed so far.

    Nothing is sold while an entry is still to come of which nobody knows what it sells.
    """
    quiet = Reason.HOLD_NOTHING_DUE if projection is None or not facts.coming else Reason.HOLD_WITHIN_BUDGET
    card = card_of(facts, projection)
    if unread := [entry.portfolio for entry in facts.later if entry.units is None]:
        card["need_unknown"] = unread  # it may be all that is held
        return Hold(quiet, gates, card)
    if facts.chain is None or facts.just_due or not considers_sales(facts):
        return Hold(quiet, gates, card)
    choice = choose_unwind(_unwind_inputs(facts, projection))
    card["kept"] = [
        {"symbol": contract_name(kept.contract), "lots": kept.lots, "why": kept.reason.value} for kept in choice.kept
    ]
    busy = {intent.contract for intent in facts.in_flight}
    sells = tuple(trade for trade in choice.sells if trade.contract not in busy)  # selling less needs no new choice
    if not sells:
        return Hold(quiet, gates, card)
    acting = tuple(gate(facts) for gate in UNWINDING)
    closed = first_closed(acting)
    if closed is not None:
        return Hold(closed.reason, (*gates, *acting), card)
    reason = Reason.UNWIND_SHORTS_GONE if _excess(facts) else Reason.UNWIND_UNDER_EXIT_TRIGGER
    legs = tuple(sell_leg(facts, t.contract, t.lots, t.price, reason) for t in sells)
    card["chosen"] = {"sells": [trade_line(facts, t) for t in sells]}
    if sells == choice.sells:
        card["chosen"]["recovery"] = two_places(choice.recovery)
        card["chosen"]["utilization_after_pct"] = two_places(choice.utilization_after_pct)
    return Unwind(reason, gates, legs, card)


def sales_due(facts: CycleFacts) -> Unwind | None:
    """Sell what the clock asks for: wings in the money before exercise, and what would be left over at the session's end.

    Needs prices and positions, but neither a baseline nor a known margin. A leg in flight waits, and no other for it.
    """
    if facts.chain is None or facts.chain_is_stale or facts.positions is None or not _ending(facts):
        return None
    gates = tuple(gate(facts) for gate in SELLING)
    if first_closed(gates) is not None or facts.session.trading_state not in {"active", REDUCING}:
        return None
    spot, lot = facts.chain.spot, facts.spec.lot
    in_the_money = [w for w in facts.held if not out_of_the_money(w.contract, spot)] if facts.session.dte == 0 else []
    busy = {intent.contract for intent in facts.in_flight}
    reason, wings = Reason.UNWIND_BEFORE_CLOSE, [(w.contract, w.quantity // lot) for w in in_the_money]
    # What is left over is counted in the position book, which may still show what was just sold: the next one would uncover.
    counted = not facts.settling_seconds
    if not wings and counted and facts.session.dte > 0 and not facts.policy.keep_hedges_overnight:
        reason, wings = Reason.UNWIND_SESSION_END, _leftovers(facts, busy)
    legs = []
    for contract, lots in wings:
        quote = facts.chain.quotes.get(contract)
        bid = None if quote is None else quote.sale_price
        if lots > 0 and contract not in busy and bid is not None:
            legs.append(sell_leg(facts, contract, lots, bid, reason, due_by_clock=True))
    return Unwind(reason, gates, tuple(legs), card_of(facts)) if legs else None


def _leftovers(facts: CycleFacts, busy: set[Contract]) -> list[tuple[Contract, int]]:
    """Return whole lots of our wings beyond the shorts of their side, the cheapest first, those in `busy` left out."""
    left: list[tuple[Contract, int]] = []
    book = exposures(facts.positions or ())
    session = facts.session
    for right in Right:
        key = ExposureKey(session.index, session.expiry, right, session.product)
        excess = book[key].excess if key in book else 0
        excess -= sum(i.quantity for i in facts.in_flight if i.side is Side.SELL and i.contract.right is right)
        excess = max(0, excess) // facts.spec.lot
        mine = sorted(
            (
                wing
                for wing in facts.held
                if wing.contract.right is right and wing.contract.expiry == session.expiry and wing.contract not in busy
            ),
            key=lambda wing: facts.price_of(wing.contract, Decimal(0)) or Decimal(0),
        )
        for wing in mine:
            lots = min(excess, wing.quantity // facts.spec.lot)
            excess -= lots
            left.append((wing.contract, lots))
    return left


def _excess(facts: CycleFacts) -> bool:
    return any(exposure.excess for exposure in exposures(facts.positions or ()).values())


def _ending(facts: CycleFacts) -> bool:
    return facts.window is not None and facts.now >= facts.window.act_until - BEFORE_CLOSE


def _unwind_inputs(facts: CycleFacts, projection: Projection | None) -> UnwindInputs:
    soon = {entry.portfolio for entry in facts.soon}
    beyond = [entry.units for entry in facts.later if entry.units is not None and entry.portfolio not in soon]
    asks = {w.contract: _ask(facts, w.contract) for w in facts.held}
    return UnwindInputs(
        problem=_sale_problem(facts, projection),
        later_units={right: sum(units[right] for units in beyond) for right in Right},
        needed_later=facts.needed_later,
        rebuy_prices={contract: ask for contract, ask in asks.items() if ask is not None},
    )


def _sale_problem(facts: CycleFacts, projection: Projection | None) -> HedgeProblem:
    """Return the problem of a sale, with what broker and history are known to count beyond the engine for coming entries."""
    problem = book_problem(facts, facts.soon)
    if projection is None:
        return problem
    # The safety buffer in these offsets is kept by `choose_unwind` itself.
    buffer = facts.profile.buffer(budget=facts.session.budget, safety_buffer_pct=facts.policy.safety_buffer_pct)
    used, order = (max(Decimal(0), offset - buffer) for offset in (projection.used_offset, projection.order_offset))
    return replace(problem, used_offset=used, order_offset=order)


def _ask(facts: CycleFacts, contract: Contract) -> Decimal | None:
    quote = None if facts.chain is None else facts.chain.quotes.get(contract)
    return None if quote is None or quote.crossed else quote.ask
