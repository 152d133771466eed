"""Decide: from facts to `Hold | AddHedge | Unwind`, each with its reason, its gates and the card that explains it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal

from hedging.domain.cards import candidate_lines, card_of, percent, two_places
from hedging.domain.decided import AddHedge, ByHand, Decision, Hold, LegOrder, Unwind, after_buys, buy_leg, sell_leg
from hedging.domain.entries import ComingEntry, in_time_order
from hedging.domain.facts import CycleFacts, OwnWing
from hedging.domain.guards import ACTING, KNOWING, REDUCING, Gate, first_closed
from hedging.domain.optimizer import solve
from hedging.domain.optimizer_types import Aim, HedgeProblem, HedgeSolution, Status
from hedging.domain.plausible import too_little
from hedging.domain.problem import hedge_problem
from hedging.domain.projection import Projection, ProjectionInputs, project
from hedging.domain.reasons import Reason
from hedging.domain.selling import considers_sales, sales_due, unwind

__all__ = ["AddHedge", "ByHand", "Decision", "Hold", "LegOrder", "Unwind", "considers_sales", "decide", "wants_prices"]


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


def decide(facts: CycleFacts) -> Decision:
    """Return what to do now. Raises nothing for unknown figures: what is unknown holds, with the gate that says so."""
    due = sales_due(facts)
    if due is not None:
        return due
    gates = tuple(gate(facts) for gate in KNOWING)
    # REDUCING still sells, so its own gate may be shut; every other one holds as ever.
    selling_only = facts.session.trading_state == REDUCING
    closed = first_closed(tuple(gate for gate in gates if not (selling_only and gate.gate == "trading state")))
    if closed is not None:
        return Hold(closed.reason, gates, card_of(facts))
    try:
        projection = _project(facts)
    except ValueError as error:
        unknown = Gate("data", passed=False, detail=str(error), reason=Reason.HOLD_DATA_UNKNOWN)
        return Hold(Reason.HOLD_DATA_UNKNOWN, (*gates, unknown), card_of(facts) | {"unknown": str(error)})
    need = _need_gate(facts, projection)
    if projection is not None and projection.need is None:
        return Hold(Reason.HOLD_DATA_UNKNOWN, (*gates, need), card_of(facts, projection))
    if need.passed:
        if selling_only:
            return Hold(Reason.HOLD_TRADING_STATE, gates, card_of(facts, projection))
        return _add(facts, projection, (*gates, need))
    believed = _believed_gate(facts, projection)
    if not believed.passed:
        # Nothing is sold on it; a need that it hides is not known either, and somebody must look.
        card = card_of(facts, projection) | {"unknown": believed.detail}
        return Hold(believed.reason, (*gates, need, believed), card)
    return unwind(facts, projection, (*gates, need))


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
        detail = f"{percent(projected)} projected against a trigger of {trigger} %. {projection.reason}"
        if facts.waiting:
            detail += f" Judged after the exit before it: {', '.join(facts.waiting)}."
        reason = Reason.HOLD_WITHIN_BUDGET if projection.need is not None else Reason.HOLD_DATA_UNKNOWN
        return Gate("projection", projection.need is True, detail, reason)
    detail = f"{percent(facts.utilization_pct)} used, nothing due within {facts.policy.lookahead_minutes} minutes"
    return Gate("projection", passed=False, detail=detail, reason=Reason.HOLD_NOTHING_DUE)


def _believed_gate(facts: CycleFacts, projection: Projection | None) -> Gate:
    """Let nothing be sold on a used margin far below what the book must take. An entry that just filled may be ahead of it."""
    doubt = ""
    if projection is not None and projection.book_margin is not None and facts.used is not None and not facts.just_due:
        doubt = too_little(
            used=facts.used + (facts.session.baseline or Decimal(0)),
            margin=projection.book_margin,
            positions=facts.positions or (),
            realized_pnl=Decimal(0) if facts.funds is None else facts.funds.realized_pnl,
        )
    return Gate("used margin", not doubt, doubt or "as much as the book must take", Reason.HOLD_DATA_UNKNOWN)


def _time_gate(facts: CycleFacts, projection: Projection | None) -> Gate:
    """Let a purchase pass when the first breach is near, or has come: what is bought earlier is often not needed then."""
    over = [] if projection is None else [e.entry for e in projection.entries if e.over_trigger or e.over_free_margin]
    utilization = facts.utilization_pct
    if not over or utilization is None or utilization > facts.policy.utilization_trigger_pct:
        return Gate("time", passed=True, detail="margin is over the trigger now", reason=Reason.HOLD_NOT_YET)
    first = min(over, key=lambda entry: entry.at)
    left, within = (first.at - facts.now).total_seconds(), facts.policy.buy_within_seconds
    detail = f"{first.portfolio} is due in {left:.0f} s, bought for within {within} s"
    return Gate("time", left <= within, detail, Reason.HOLD_NOT_YET)


def _replaceable(facts: CycleFacts, projection: Projection | None) -> tuple[OwnWing, ...]:
    """Return the wings of ours that may be sold for better ones.

    None on a used margin that cannot be believed: that buys what is needed at the least. Nor what the last purchase bought,
    while it is completed.
    """
    if not _believed_gate(facts, projection).passed:
        return ()
    kept = facts.unfinished.bought if facts.completing and facts.unfinished is not None else frozenset()
    return tuple(wing for wing in facts.held if wing.contract not in kept)


def _add(facts: CycleFacts, projection: Projection | None, gates: tuple[Gate, ...]) -> Decision:
    gates = (*gates, _time_gate(facts, projection), *(gate(facts) for gate in ACTING))
    closed = first_closed(gates)
    if closed is not None:
        return Hold(closed.reason, gates, card_of(facts, projection))
    found = _solve_for_most(replace(facts, held=_replaceable(facts, projection)), projection)
    solution = found.solution
    card = card_of(facts, projection, solution) | {"buffer": two_places(found.buffer)}
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
        floor = percent(solution.floor_pct)
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
        detail=f"{solution.aim}: {percent(solution.utilization_after_pct)}",
        reason=Reason.HOLD_UNREACHABLE,
    )
    card["bought_for"] = [entry.portfolio for entry in found.entries]
    if facts.completing and facts.unfinished is not None:
        card["completes"] = facts.unfinished.completes + 1
    card["candidates"] = candidate_lines(found.problem, solution)
    over = projection is None or projection.worst is None or bool(projection.worst.over_trigger)
    reason = Reason.ADD_PROJECTION_OVER_TRIGGER if over else Reason.ADD_FREE_MARGIN_SHORT
    if solution.aim is Aim.LEAST:
        reason = Reason.ADD_LEAST_UTILIZATION
    buys = tuple(buy_leg(facts, trade, reason) for trade in solution.buys)
    sells = tuple(
        sell_leg(facts, trade.contract, trade.lots, trade.price, Reason.UNWIND_REPLACED) for trade in solution.sells
    )
    legs = (*buys, *(after_buys(leg) for leg in sells))
    return AddHedge(reason, (*gates, reached), legs, solution, found.entries, found.buffer, card)


@dataclass(frozen=True, slots=True)
class _Found:
    """A solution, its problem, the entries that it is for, and the safety buffer (rupees) that it keeps."""

    problem: HedgeProblem
    solution: HedgeSolution
    entries: tuple[ComingEntry, ...]
    buffer: Decimal


def _solve_for_most(facts: CycleFacts, projection: Projection | None) -> _Found:
    """Solve for every coming entry; then without the safety buffer; then for as many of the first as can be helped.

    A refused entry costs more than a hedge that just suffices, and one that cannot be saved must not cost the one before
    it. Returns the whole problem's answer when nothing can be done.
    """
    entries = in_time_order(facts.coming)
    buffer = facts.profile.buffer(budget=facts.session.budget, safety_buffer_pct=facts.policy.safety_buffer_pct)
    if not entries:
        return _solve_for_the_present(facts, projection, buffer)
    for count in range(len(entries), 0, -1):
        for kept in (buffer, Decimal(0)):
            problem = hedge_problem(facts, projection, entries[:count], less=buffer - kept)
            part = solve(problem, explained=False)
            if part.status is Status.SOLVED:
                return _Found(problem, part, entries[:count], kept)
    whole = hedge_problem(facts, projection, entries)
    return _Found(whole, solve(whole), entries, buffer)


def _solve_for_the_present(facts: CycleFacts, projection: Projection | None, buffer: Decimal) -> _Found:
    """Solve for the book as it is, which is no projection: its target keeps no buffer.

    Where the target is out of reach, the buffer is kept below the trigger, if it can be: a hedge that just suffices is replaced
    over and over as prices move, and each time a cooldown begins that the next entry may need.
    """
    problem = hedge_problem(facts, projection, ())
    solution = solve(problem)
    if solution.aim is Aim.TRIGGER:
        with_buffer = hedge_problem(facts, projection, (), less=-buffer)
        roomier = solve(with_buffer, explained=False)
        if roomier.aim is Aim.TRIGGER:
            return _Found(with_buffer, roomier, (), buffer)
    return _Found(problem, solution, (), Decimal(0))
