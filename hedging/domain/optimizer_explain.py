"""Why no aim can be reached: which limit binds, the least utilization that buying could reach, and what would have done."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.optimizer_band import buyable_contracts
from hedging.domain.optimizer_model import INFINITE, HedgeModel, Limits
from hedging.domain.optimizer_program import Goal, Outcome, minimize
from hedging.domain.optimizer_types import Aim, HedgeProblem, Limit, Status, WingTrade
from hedging.domain.pricing import BoolArray, FloatArray

HUNDRED = Decimal(100)
AIMS = (Aim.TARGET, Aim.TRIGGER, Aim.FULL)
LEAST_WITHIN_RUPEES = 1.0
"""How far above the least used margin the cheapest set that reaches it may stay: below what anybody can measure."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a need is not met. `least`: the lots that bring used margin lowest, `None` where buying cannot lower it."""

    status: Status
    proven: bool
    binding: Limit
    least: FloatArray | None
    would_do: tuple[Contract, ...]


def limits_of(problem: HedgeProblem, aim: Aim) -> Limits:
    """Return the limits of a solve for one of `AIMS`."""
    percent = {
        Aim.TARGET: problem.policy.utilization_target_pct,
        Aim.TRIGGER: problem.policy.utilization_trigger_pct,
        Aim.FULL: HUNDRED,
    }[aim]
    return Limits(
        used=float(problem.budget * percent / HUNDRED),
        order=float(problem.free_margin),
        cost=float(problem.cost_cap_left),
        cash=float(min(problem.cash, problem.free_margin)),
    )


def allowed_columns(model: HedgeModel, contracts: frozenset[Contract]) -> BoolArray:
    """Return which columns may be traded when `contracts` may be bought; what is ours may always be replaced."""
    bought = np.array([column.contract in contracts for column in model.columns], dtype=np.bool_)
    return bought | ~model.is_buy


def explain(model: HedgeModel, last: frozenset[Contract], limits: Limits) -> Explanation:
    """Explain why nothing within `limits`, those of the easiest aim, does, even when all of `last` may be bought."""
    allowed = allowed_columns(model, last)
    least = least_used(model, allowed)
    lots = least.lots
    if lots is not None and model.figures(lots).used >= model.figures(np.zeros(len(lots))).used:
        lots = None
    would_do = _would_do(model, limits)
    return Explanation(
        status=_status(model, allowed),
        proven=least.proven,
        binding=_binding(model, allowed, limits, outside_band=bool(would_do)),
        least=lots,
        would_do=would_do,
    )


def least_used(model: HedgeModel, allowed: BoolArray) -> Outcome:
    """Return what brings used margin lowest within money and capacity, and of all that does the cheapest."""
    seconds = model.problem.time_limit_seconds
    limits = replace(limits_of(model.problem, Aim.FULL), used=INFINITE, order=INFINITE)
    lowest = minimize(model, allowed=allowed, limits=limits, goal=Goal.USED, time_limit_seconds=seconds)
    if lowest.lots is None:
        return lowest
    reached = replace(limits, used=model.figures(lowest.lots).used + LEAST_WITHIN_RUPEES)
    cheapest = minimize(model, allowed=allowed, limits=reached, time_limit_seconds=seconds)
    return lowest if cheapest.lots is None else Outcome(cheapest.lots, proven=lowest.proven and cheapest.proven)


def trades(model: HedgeModel, lots: FloatArray, side: Side) -> tuple[WingTrade, ...]:
    """Return what `lots` buy or sell, by contract, at the ask or the bid."""
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


def _would_do(model: HedgeModel, limits: Limits) -> tuple[Contract, ...]:
    """Return strikes outside band and distance that reach the easiest aim; those under the floor premium only at last."""
    problem = model.problem
    buyable = buyable_contracts(problem)
    priced = {c.contract for c in problem.candidates if c.ask >= problem.policy.floor_premium}
    for contracts in (buyable & priced, buyable):
        allowed = allowed_columns(model, contracts)
        found = minimize(model, allowed=allowed, limits=limits, time_limit_seconds=problem.time_limit_seconds)
        if found.lots is not None:
            return tuple(trade.contract for trade in trades(model, found.lots, Side.BUY))
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
