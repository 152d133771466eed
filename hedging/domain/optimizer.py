"""The optimizer: the cheapest wings that keep every coming entry within budget and free margin, with proof.

The order of trying: aims outside, relaxations inside. The first aim that any permitted relaxation can reach is bought,
at the least relaxation that reaches it: a better aim is worth a strike outside the preferred band, and only that.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from hedging.domain.charges import order_charges, orders_for
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import rupees
from hedging.domain.optimizer_band import buyable_contracts, eligible_contracts, levels
from hedging.domain.optimizer_model import INFINITE, Figures, HedgeModel, Limits
from hedging.domain.optimizer_pair import best_pair
from hedging.domain.optimizer_program import Objective, Outcome, minimize
from hedging.domain.optimizer_types import (
    Aim,
    Alternative,
    Candidate,
    HedgeProblem,
    HedgeSolution,
    HeldWing,
    Limit,
    Status,
    WingTrade,
)
from hedging.domain.pricing import BoolArray, FloatArray

__all__ = [
    "Aim",
    "Alternative",
    "Candidate",
    "HedgeProblem",
    "HedgeSolution",
    "HeldWing",
    "Limit",
    "Status",
    "WingTrade",
    "eligible_contracts",
    "solve",
]

HUNDRED = Decimal(100)


def solve(problem: HedgeProblem) -> HedgeSolution:
    """Return the cheapest sufficient action, or why there is none and what stands in the way.

    Raises `MarketUnknown` where an index of the book has no spot, `ValueError` for a budget that is not positive.
    """
    if problem.budget <= 0:
        raise ValueError(f"The budget must be positive, got {problem.budget}.")
    model = HedgeModel(problem)
    nothing = np.zeros(len(model.columns))
    before = model.figures(nothing)
    unsolved = _solution(model, Status.NOT_NEEDED, nothing, before=before, figures=before, proven=True)
    # An aim that is met already cannot be the answer to a need: reaching it would buy nothing.
    aims = [aim for aim in Aim if not _meets(before, _limits(problem, aim))]
    if Aim.TRIGGER not in aims:
        return unsolved
    tried = tuple(levels(problem))
    unproven = False
    for aim in aims:
        for level in tried:
            allowed, limits = _allowed(model, level.contracts), _limits(problem, aim)
            outcome = _attempt(model, allowed, limits)
            unproven |= not outcome.proven
            if outcome.lots is not None:
                figures = model.figures(outcome.lots)
                solved = _solution(
                    model, Status.SOLVED, outcome.lots, before=before, figures=figures, proven=not unproven
                )
                others = _alternatives(model, outcome.lots, allowed, limits, before)
                return replace(solved, aim=aim, relaxation=level.relaxation, alternatives=others)
    last = tried[-1].contracts if tried else frozenset()
    return _explain(model, last, _limits(problem, aims[-1]), replace(unsolved, proven=not unproven))


def _attempt(model: HedgeModel, allowed: BoolArray, limits: Limits) -> Outcome:
    seconds = model.problem.time_limit_seconds
    outcome = minimize(model, allowed=allowed, limits=limits, time_limit_seconds=seconds)
    if outcome.proven:
        return outcome
    pair = best_pair(model, allowed=allowed, limits=limits)
    if outcome.lots is None or (pair is not None and model.cost(pair) < model.cost(outcome.lots)):
        return Outcome(pair, proven=False)
    return outcome


def _alternatives(
    model: HedgeModel, chosen: FloatArray, allowed: BoolArray, limits: Limits, before: Figures
) -> tuple[Alternative, ...]:
    """Return the best action without each bought strike in turn, at the same aim and relaxation, cheapest first."""
    wanted = model.problem.alternatives
    found: dict[bytes, Alternative] = {}
    for row in np.flatnonzero((chosen >= 1) & model.is_buy) if wanted else ():
        others = allowed.copy()
        others[row] = False
        outcome = _attempt(model, others, limits)
        if outcome.lots is None or outcome.lots.tobytes() in found:
            continue
        figures = model.figures(outcome.lots)
        other = _solution(model, Status.SOLVED, outcome.lots, before=before, figures=figures, proven=outcome.proven)
        found[outcome.lots.tobytes()] = Alternative(
            without=model.columns[row].contract,
            buys=other.buys,
            sells=other.sells,
            cost=other.cost,
            dearer=rupees(model.cost(outcome.lots) - model.cost(chosen)),
            utilization_after_pct=other.utilization_after_pct,
            proven=other.proven,
        )
    return tuple(sorted(found.values(), key=lambda other: (other.dearer, other.without))[:wanted])


def _meets(figures: Figures, limits: Limits) -> bool:
    return figures.used <= limits.used and figures.order <= limits.order


def _limits(problem: HedgeProblem, aim: Aim) -> Limits:
    cash = min(problem.cash, problem.free_margin)
    return Limits(
        used=_most_used(problem, aim),
        order=float(problem.free_margin),
        cost=float(problem.cost_cap_left),
        cash=float(cash),
    )


def _most_used(problem: HedgeProblem, aim: Aim) -> float:
    percent = {
        Aim.TARGET: problem.policy.utilization_target_pct,
        Aim.TRIGGER: problem.policy.utilization_trigger_pct,
        Aim.FULL: HUNDRED,
    }[aim]
    return float(problem.budget * percent / HUNDRED)


def _allowed(model: HedgeModel, contracts: frozenset[Contract]) -> BoolArray:
    bought = np.array([column.contract in contracts for column in model.columns], dtype=np.bool_)
    return bought | ~model.is_buy


def _solution(
    model: HedgeModel, status: Status, lots: FloatArray, *, before: Figures, figures: Figures, proven: bool
) -> HedgeSolution:
    problem = model.problem
    buys = _trades(model, lots, Side.BUY)
    sells = _trades(model, lots, Side.SELL)
    charges = _charges(problem, buys, Side.BUY) + _charges(problem, sells, Side.SELL)
    premium = _premium(problem, buys) - _premium(problem, sells)
    used = rupees(figures.used)
    return HedgeSolution(
        status=status,
        proven=proven,
        utilization_before_pct=rupees(before.used) / problem.budget * HUNDRED,
        at_order_before=_known(before.order),
        used_after=used,
        utilization_after_pct=used / problem.budget * HUNDRED,
        at_order_after=_known(figures.order),
        buys=buys,
        sells=sells,
        cost=premium + charges,
        charges=charges,
    )


def _known(order: float) -> Decimal:
    # Without a coming order nothing is added at one.
    return Decimal(0) if order == -INFINITE else rupees(order)


def _trades(model: HedgeModel, lots: FloatArray, side: Side) -> tuple[WingTrade, ...]:
    prices: dict[Contract, Decimal | None] = (
        {c.contract: c.ask for c in model.problem.candidates}
        if side is Side.BUY
        else {wing.contract: wing.bid for wing in model.problem.wings}
    )
    found = [
        WingTrade(column.contract, int(count), prices[column.contract] or Decimal(0))
        for column, count in zip(model.columns, lots, strict=True)
        if column.side is side and count >= 1
    ]
    return tuple(sorted(found))


def _premium(problem: HedgeProblem, trades: tuple[WingTrade, ...]) -> Decimal:
    return sum((trade.price * trade.lots * problem.spec.lot for trade in trades), Decimal(0))


def _charges(problem: HedgeProblem, trades: tuple[WingTrade, ...], side: Side) -> Decimal:
    total = Decimal(0)
    for trade in trades:
        orders = orders_for(lots=trade.lots, freeze_lots=problem.spec.freeze_lots)
        premium = _premium(problem, (trade,))
        total += order_charges(rates=problem.rates, side=side, premium_rupees=premium, orders=orders)
    return total


def _explain(model: HedgeModel, last: frozenset[Contract], limits: Limits, unsolved: HedgeSolution) -> HedgeSolution:
    """Say which limit binds, the least utilization that buying could reach, and which strikes would have done."""
    problem = model.problem
    allowed = _allowed(model, last)
    seconds = problem.time_limit_seconds
    best = minimize(
        model,
        allowed=allowed,
        limits=replace(limits, used=INFINITE, order=INFINITE),
        objective=Objective.USED,
        time_limit_seconds=seconds,
    )
    floor = unsolved.used_after
    if best.lots is not None:
        floor = min(floor, rupees(model.figures(best.lots).used))
    would_do = _would_do(model, limits)
    return replace(
        unsolved,
        status=_status(model, allowed),
        floor_pct=floor / problem.budget * HUNDRED,
        binding=_binding(model, allowed, limits, outside_band=bool(would_do)),
        would_do=would_do,
    )


def _would_do(model: HedgeModel, limits: Limits) -> tuple[Contract, ...]:
    """Return strikes outside band and distance that reach the easiest aim; those under the floor premium only at last."""
    problem = model.problem
    buyable = buyable_contracts(problem)
    priced = {c.contract for c in problem.candidates if c.ask >= problem.policy.floor_premium}
    for contracts in (buyable & priced, buyable):
        allowed = _allowed(model, contracts)
        found = minimize(model, allowed=allowed, limits=limits, time_limit_seconds=problem.time_limit_seconds)
        if found.lots is not None:
            return tuple(trade.contract for trade in _trades(model, found.lots, Side.BUY))
    return ()


def _status(model: HedgeModel, allowed: BoolArray) -> Status:
    """Return NO_CANDIDATE_IN_BAND where a side that could take wings has no strike: one side alone releases nothing."""
    for right in Right:
        strikes = any(
            ok and column.side is Side.BUY and column.contract.right is right
            for column, ok in zip(model.columns, allowed, strict=True)
        )
        if model.capacity[right] > 0 and not strikes:
            return Status.NO_CANDIDATE_IN_BAND
    return Status.UNREACHABLE


def _binding(model: HedgeModel, allowed: BoolArray, limits: Limits, *, outside_band: bool) -> Limit:
    """Return the first limit that, lifted alone, makes the easiest aim reachable; else `BUDGET`, where none does."""
    money = {Limit.COST_CAP: replace(limits, cost=INFINITE), Limit.CASH: replace(limits, cash=INFINITE)}
    book = {
        Limit.DEPTH: replace(limits, depth=False),
        Limit.CAPACITY: replace(limits, capacity=False),
        Limit.FREE_MARGIN: replace(limits, order=INFINITE),
    }
    for group in (money, book):
        for limit, without in group.items():
            seconds = model.problem.time_limit_seconds
            found = minimize(model, allowed=allowed, limits=without, time_limit_seconds=seconds)
            if found.lots is not None:
                return limit
        if outside_band:
            return Limit.BAND
    return Limit.BUDGET
