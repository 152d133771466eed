"""Decide: from facts to `Hold | AddHedge | Unwind`, each with its reason, its gates and the card that explains it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.depth import candidate_at, wing_at
from hedging.domain.entries import ComingEntry, in_time_order
from hedging.domain.exposure import ExposureKey, exposures
from hedging.domain.facts import HUNDRED, CycleFacts
from hedging.domain.guards import ACTING, KNOWING, REDUCING, SELLING, UNWINDING, Gate, first_closed
from hedging.domain.history import PastJump
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer import solve
from hedging.domain.optimizer_types import Aim, Candidate, HedgeProblem, HedgeSolution, HeldWing, Status, WingTrade
from hedging.domain.projection import Projection, ProjectionInputs, project
from hedging.domain.reasons import Reason
from hedging.domain.unwind import UnwindInputs, choose_unwind
from hedging.domain.worst_case import worst_price

BEFORE_CLOSE = timedelta(minutes=10)
"""How long before the end of our hours a wing in the money is sold, and a session's last wings are closed."""


FORECASTS_ON_CARD = 3
"""How many of the day's last forecasts a card holds against what really happened."""

MARGIN_CHECK_SECONDS = 30
CONSIDER_SALES_MINUTES = 5
"""How often a sale is considered that nothing hurries; right after a scheduled exit it is considered on every tick."""


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


Decision = Hold | AddHedge | Unwind


def wants_prices(facts: CycleFacts) -> bool:
    """Return whether a decision on these facts could depend on option prices.

    It does when an entry is near, margin is high, or a hedge could be sold. Otherwise the chain, the dearest of the
    reads, is left alone.
    """
    if facts.positions is None or facts.window is None:
        return False
    lookahead = facts.now + timedelta(minutes=facts.policy.lookahead_minutes)
    if any(entry.at <= lookahead for entry in facts.later):
        return True
    utilization = facts.utilization_pct
    if utilization is not None and utilization > facts.policy.utilization_trigger_pct:
        return True
    return considers_sales(facts)


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


def decide(facts: CycleFacts) -> Decision:
    """Return what to do now. Raises nothing for unknown figures: what is unknown holds, with the gate that says so."""
    due = _sales_due(facts)
    if due is not None:
        return due
    gates = tuple(gate(facts) for gate in KNOWING)
    # REDUCING still sells, so its own gate may be shut; every other one holds as ever.
    selling_only = facts.session.trading_state == REDUCING
    closed = first_closed(tuple(gate for gate in gates if not (selling_only and gate.gate == "trading state")))
    if closed is not None:
        return Hold(closed.reason, gates, _card(facts))
    try:
        projection = _project(facts)
    except ValueError as error:
        unknown = Gate("data", passed=False, detail=str(error), reason=Reason.HOLD_DATA_UNKNOWN)
        return Hold(Reason.HOLD_DATA_UNKNOWN, (*gates, unknown), _card(facts))
    need = _need_gate(facts, projection)
    if projection is not None and projection.need is None:
        return Hold(Reason.HOLD_DATA_UNKNOWN, (*gates, need), _card(facts, projection))
    if need.passed:
        if selling_only:
            return Hold(Reason.HOLD_TRADING_STATE, gates, _card(facts, projection))
        return _add(facts, projection, (*gates, need))
    return _unwind(facts, projection, (*gates, need))


# --- adding -----------------------------------------------------------------------------------------------------------


def _project(facts: CycleFacts) -> Projection | None:
    if facts.chain is None:
        return None
    return project(
        ProjectionInputs(
            book=facts.book(),
            coming=facts.coming,
            market=facts.market,
            parameters=facts.parameters,
            profile=facts.profile,
            policy=facts.policy,
            budget=facts.session.budget,
            used_now=facts.used,
            free_margin=facts.free_margin,
            broker=facts.increments,
            past=facts.past,
        )
    )


def _need_gate(facts: CycleFacts, projection: Projection | None) -> Gate:
    trigger = facts.policy.utilization_trigger_pct
    if projection is not None:
        worst = projection.worst
        projected = projection.utilization_now_pct if worst is None else worst.utilization_after_pct
        detail = f"{_pct(projected)} projected against a trigger of {trigger} %. {projection.reason}"
        if facts.waiting:
            detail += f" Judged after the exit before it: {', '.join(facts.waiting)}."
        reason = Reason.HOLD_WITHIN_BUDGET if projection.need is not None else Reason.HOLD_DATA_UNKNOWN
        return Gate("projection", projection.need is True, detail, reason)
    detail = f"{_pct(facts.utilization_pct)} used, nothing due within {facts.policy.lookahead_minutes} minutes"
    return Gate("projection", passed=False, detail=detail, reason=Reason.HOLD_NOTHING_DUE)


def _time_gate(facts: CycleFacts, projection: Projection | None) -> Gate:
    """Let a purchase pass when the first breach is near, or has come: what is bought earlier is often not needed then."""
    over = [] if projection is None else [e.entry for e in projection.entries if e.over_trigger or e.over_free_margin]
    utilization = facts.utilization_pct
    if not over or utilization is None or utilization > facts.policy.utilization_trigger_pct:
        return Gate("time", passed=True, detail="margin is over the trigger now", reason=Reason.HOLD_NOT_YET)
    first = min(over, key=lambda entry: entry.at)
    left, within = int((first.at - facts.now).total_seconds()), facts.policy.buy_within_seconds
    detail = f"{first.portfolio} is due in {left} s, bought for within {within} s"
    return Gate("time", left <= within, detail, Reason.HOLD_NOT_YET)


def _add(facts: CycleFacts, projection: Projection | None, gates: tuple[Gate, ...]) -> Decision:
    gates = (*gates, _time_gate(facts, projection), *(gate(facts) for gate in ACTING))
    closed = first_closed(gates)
    if closed is not None:
        return Hold(closed.reason, gates, _card(facts, projection))
    found = _solve_for_most(facts, projection)
    solution = found.solution
    card = _card(facts, projection, solution) | {"buffer": _text(found.buffer)}
    if len(found.entries) < len(facts.coming):
        card["given_up"] = [entry.portfolio for entry in facts.coming if entry not in found.entries]
    if solution.status is Status.NO_CANDIDATE_IN_BAND:
        detail = ", ".join(f"{c.strike.normalize():f} {c.right}" for c in solution.would_do) or "none"
        shut = Gate(
            "candidates",
            passed=False,
            detail=f"no strike in band; would do: {detail}",
            reason=Reason.HOLD_NO_CANDIDATE_IN_BAND,
        )
        return Hold(shut.reason, (*gates, shut), card)
    if solution.status is not Status.SOLVED or not solution.buys:
        floor = _pct(solution.floor_pct)
        shut = Gate(
            "reachable aim",
            passed=False,
            detail=f"floor {floor}, bound by {solution.binding}",
            reason=Reason.HOLD_UNREACHABLE,
        )
        return Hold(shut.reason, (*gates, shut), card)
    reached = Gate(
        "reachable aim",
        passed=True,
        detail=f"{solution.aim}: {_pct(solution.utilization_after_pct)}",
        reason=Reason.HOLD_UNREACHABLE,
    )
    over = projection is None or projection.worst is None or bool(projection.worst.over_trigger)
    reason = Reason.ADD_PROJECTION_OVER_TRIGGER if over else Reason.ADD_FREE_MARGIN_SHORT
    if solution.aim is Aim.LEAST:
        reason = Reason.ADD_LEAST_UTILIZATION
    buys = tuple(_buy(facts, trade, reason) for trade in solution.buys)
    sells = tuple(
        _sell(facts, trade.contract, trade.lots, trade.price, Reason.UNWIND_REPLACED) for trade in solution.sells
    )
    legs = (*buys, *(_after_buys(leg) for leg in sells))
    return AddHedge(reason, (*gates, reached), legs, solution, found.entries, found.buffer, card)


@dataclass(frozen=True, slots=True)
class _Found:
    """A solution, the entries that it is for, and the safety buffer (rupees) that it keeps."""

    solution: HedgeSolution
    entries: tuple[ComingEntry, ...]
    buffer: Decimal


def _solve_for_most(facts: CycleFacts, projection: Projection | None) -> _Found:
    """Solve for every coming entry; then without the safety buffer; then for as many of the first as can be helped.

    A refused entry costs more than a hedge that just suffices, and one that cannot be saved must not cost the one before
    it. Returns the whole problem's answer when nothing can be done.
    """
    entries = in_time_order(facts.coming)
    buffer = facts.session.budget * facts.profile.buffer_pct(facts.policy.safety_buffer_pct) / HUNDRED
    for count in range(len(entries), 0, -1):
        for kept in (buffer, Decimal(0)):
            part = solve(_problem(facts, projection, entries[:count], less=buffer - kept), explained=False)
            if part.status is Status.SOLVED:
                return _Found(part, entries[:count], kept)
    return _Found(solve(_problem(facts, projection, entries)), entries, buffer)


def _problem(
    facts: CycleFacts,
    projection: Projection | None,
    entries: tuple[ComingEntry, ...],
    *,
    less: Decimal = Decimal(0),
) -> HedgeProblem:
    book = _book_problem(facts, entries)
    return replace(
        book,
        candidates=_candidates(facts),
        # Without an entry there is nothing whose projection an offset could shift: the present book itself is corrected.
        used_now=book.used_now if entries else book.used_now + facts.used_correction,
        cash=book.free_margin,
        cost_cap_left=facts.cost_left,
        used_offset=facts.used_correction - less + (Decimal(0) if projection is None else projection.used_offset),
        order_offset=facts.used_correction - less + (Decimal(0) if projection is None else projection.order_offset),
        pending=_pending(facts),
        quarantined=facts.session.quarantine,
        needed_until=facts.needed_until,
    )


def _book_problem(facts: CycleFacts, entries: tuple[ComingEntry, ...]) -> HedgeProblem:
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
    for contract, quote in ({} if facts.chain is None else facts.chain.quotes).items():
        if quote.ask is None or quote.crossed or not _out_of_the_money(contract, spot):
            continue
        depth = facts.depths.get(contract)
        if depth is None:
            lots = None if quote.ask_quantity is None else quote.ask_quantity // lot
            found.append(Candidate(contract, quote.ask, quote.bid, lots))
        elif (seen := candidate_at(depth, policy=facts.policy, spec=facts.spec)) is not None:
            found.append(seen)
    return tuple(found)


def _pending(facts: CycleFacts) -> tuple[MarginLine, ...]:
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


# --- selling ----------------------------------------------------------------------------------------------------------


def _unwind(facts: CycleFacts, projection: Projection | None, gates: tuple[Gate, ...]) -> Decision:
    quiet = Reason.HOLD_NOTHING_DUE if projection is None or not facts.coming else Reason.HOLD_WITHIN_BUDGET
    card = _card(facts, projection)
    if facts.chain is None or facts.just_due or not considers_sales(facts):
        return Hold(quiet, gates, card)
    choice = choose_unwind(_unwind_inputs(facts))
    card["kept"] = [
        {"symbol": _name(kept.contract), "lots": kept.lots, "why": kept.reason.value} for kept in choice.kept
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
    legs = tuple(_sell(facts, t.contract, t.lots, t.price, reason) for t in sells)
    card["chosen"] = {"sells": [_trade(facts, t) for t in sells]}
    if sells == choice.sells:
        card["chosen"]["recovery"] = _text(choice.recovery)
        card["chosen"]["utilization_after_pct"] = _text(choice.utilization_after_pct)
    return Unwind(reason, gates, legs, card)


def _sales_due(facts: CycleFacts) -> Unwind | None:
    """Sell what the clock asks for: wings in the money before exercise, and what would be left over at the session's end.

    Needs prices and positions, but neither a baseline nor a known margin. A leg in flight waits, and no other for it.
    """
    if facts.chain is None or facts.chain_is_stale or facts.positions is None or not _ending(facts):
        return None
    gates = tuple(gate(facts) for gate in SELLING)
    if first_closed(gates) is not None or facts.session.trading_state not in {"active", REDUCING}:
        return None
    spot, lot = facts.chain.spot, facts.spec.lot
    in_the_money = [w for w in facts.held if not _out_of_the_money(w.contract, spot)] if facts.session.dte == 0 else []
    busy = {intent.contract for intent in facts.in_flight}
    reason, wings = Reason.UNWIND_BEFORE_CLOSE, [(w.contract, w.quantity // lot) for w in in_the_money]
    if not wings and facts.session.dte > 0 and not facts.policy.keep_hedges_overnight:
        reason, wings = Reason.UNWIND_SESSION_END, _leftovers(facts, busy)
    legs = []
    for contract, lots in wings:
        quote = facts.chain.quotes.get(contract)
        bid = None if quote is None else quote.sale_price
        if lots > 0 and contract not in busy and bid is not None:
            legs.append(_sell(facts, contract, lots, bid, reason, due_by_clock=True))
    return Unwind(reason, gates, tuple(legs), _card(facts)) if legs else None


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


def _unwind_inputs(facts: CycleFacts) -> UnwindInputs:
    soon = {entry.portfolio for entry in facts.soon}
    beyond = [entry for entry in facts.later if entry.portfolio not in soon]
    asks = {w.contract: _ask(facts, w.contract) for w in facts.held}
    return UnwindInputs(
        problem=_book_problem(facts, facts.soon),
        later_units={right: sum(entry.units[right] for entry in beyond) for right in Right},
        needed_later=facts.needed_later,
        rebuy_prices={contract: ask for contract, ask in asks.items() if ask is not None},
    )


def _ask(facts: CycleFacts, contract: Contract) -> Decimal | None:
    quote = None if facts.chain is None else facts.chain.quotes.get(contract)
    return None if quote is None or quote.crossed else quote.ask


# --- legs and cards -----------------------------------------------------------------------------------------------------


def _buy(facts: CycleFacts, trade: WingTrade, reason: Reason) -> LegOrder:
    worst = worst_price(side=Side.BUY, touch=trade.price, policy=facts.policy, spec=facts.spec)
    return LegOrder(trade.contract, Side.BUY, trade.lots * facts.spec.lot, trade.price, worst, reason)


def _sell(
    facts: CycleFacts, contract: Contract, lots: int, bid: Decimal, reason: Reason, *, due_by_clock: bool = False
) -> LegOrder:
    worst = worst_price(side=Side.SELL, touch=bid, policy=facts.policy, spec=facts.spec)
    return LegOrder(contract, Side.SELL, lots * facts.spec.lot, bid, worst, reason, due_by_clock=due_by_clock)


def _after_buys(leg: LegOrder) -> LegOrder:
    return LegOrder(
        leg.contract, leg.side, leg.quantity, leg.reference_price, leg.worst_price, leg.reason, after_buys=True
    )


def _out_of_the_money(contract: Contract, spot: Decimal) -> bool:
    return contract.strike > spot if contract.right is Right.CE else contract.strike < spot


def _card(
    facts: CycleFacts, projection: Projection | None = None, solution: HedgeSolution | None = None
) -> dict[str, Any]:
    card: dict[str, Any] = {
        "budget": _text(facts.session.budget),
        "used": _text(facts.used),
        "utilization_pct": _text(facts.utilization_pct),
        "free_margin": _text(facts.free_margin),
        "spot": None if facts.chain is None else _text(facts.chain.spot),
        "cost_left": _text(facts.cost_left),
        "held": [{"symbol": _name(w.contract), "quantity": w.quantity} for w in facts.held],
    }
    card["margin_model"] = {"error_pct": _text(facts.profile.error_pct), "doubled": facts.profile.wide}
    if facts.unknown:
        card["unknown"] = facts.unknown
    if facts.waiting:
        card["waiting_for_exit"] = list(facts.waiting)
    forecasts = [_forecast(jump, facts.session.budget) for jump in facts.past if jump.today][:FORECASTS_ON_CARD]
    if forecasts:
        card["forecasts"] = forecasts
    if projection is not None:
        card["projected_pct"] = _text(
            projection.worst.utilization_after_pct if projection.worst else projection.utilization_now_pct
        )
        card["projection"] = [
            {
                "portfolio": e.entry.portfolio,
                "at": e.entry.at.isoformat(),
                "at_order": _text(e.at_order),
                "used_after": _text(e.used_after),
                "used_after_pct": _text(e.utilization_after_pct),
                "source": " + ".join(e.decided_by),
                "forecast": _text(e.added),
                "forecast_at_order": _text(e.added_at_order),
                "spread_pct": _text(e.spread_pct),
                "sources": {s.source.value: {"used_after": _text(s.used_after), "note": s.note} for s in e.sources},
            }
            for e in projection.entries
        ]
    if solution is not None:
        card["floor_pct"] = _text(solution.floor_pct)
        card["binding"] = None if solution.binding is None else solution.binding.value
        card["chosen"] = {
            "status": solution.status.value,
            "aim": None if solution.aim is None else solution.aim.value,
            "relaxation": None if solution.relaxation is None else solution.relaxation.value,
            "proven": solution.proven,
            "cost": _text(solution.cost),
            "charges": _text(solution.charges),
            "expected_cost": _text(solution.expected_cost),
            "utilization_after_pct": _text(solution.utilization_after_pct),
            "buys": [_trade(facts, t) for t in solution.buys],
            "sells": [_trade(facts, t) for t in solution.sells],
            "would_do": [_name(c) for c in solution.would_do],
        }
    return card


def _forecast(jump: PastJump, budget: Decimal) -> dict[str, str | None]:
    missed = None if jump.forecast is None else (jump.realized - jump.forecast) / budget * HUNDRED
    return {
        "what": jump.what,
        "at": jump.at.isoformat(),
        "forecast": _text(jump.forecast),
        "realized": _text(jump.realized),
        "error_pct": _text(missed),
    }


def _trade(facts: CycleFacts, trade: WingTrade) -> dict[str, Any]:
    return {"symbol": _name(trade.contract), "quantity": trade.lots * facts.spec.lot, "price": _text(trade.price)}


def _name(contract: Contract) -> str:
    return f"{contract.index} {contract.expiry:%d%b%y} {contract.strike.normalize():f} {contract.right}".upper()


def _text(value: Decimal | None) -> str | None:
    return None if value is None else str(value.quantize(Decimal("0.01")))


def _pct(value: Decimal | None) -> str:
    return "unknown" if value is None else f"{value:.1f} %"
