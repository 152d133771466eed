"""The optimizer: the cheapest wings that keep every coming entry within budget and free margin, with proof.

The order of trying: aims outside, relaxations inside. The first aim that any permitted relaxation can reach is bought,
at the least relaxation that reaches it: a better aim is worth a strike outside the preferred band, and only that.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from hedging.domain.charges import order_charges, orders_for
from hedging.domain.instruments import Side
from hedging.domain.margin import rupees
from hedging.domain.optimizer_band import Level, eligible_contracts, levels
from hedging.domain.optimizer_explain import AIMS, allowed_columns, explain, least_used, limits_of, trades
from hedging.domain.optimizer_model import INFINITE, Figures, HedgeModel, Limits
from hedging.domain.optimizer_pair import best_pair
from hedging.domain.optimizer_program import Outcome, minimize
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
from hedging.domain.policy import Objective, Relaxation
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


def solve(problem: HedgeProblem, *, explained: bool = True) -> HedgeSolution:
    """Return the cheapest sufficient action, or why there is none and what stands in the way.

    Not `explained`, an answer without an action says only that no aim can be reached: a fraction of the time.
    Raises `MarketUnknown` where an index of the book has no spot, `ValueError` for a budget that is not positive.
    """
    if problem.budget <= 0:
        raise ValueError(f"The budget must be positive, got {problem.budget}.")
    model = HedgeModel(problem)
    nothing = np.zeros(len(model.columns))
    before = model.figures(nothing)
    unsolved = _solution(model, Status.NOT_NEEDED, nothing, before=before, figures=before, proven=True)
    # An aim that is met already cannot be the answer to a need: reaching it would buy nothing.
    aims = [aim for aim in AIMS if not _meets(before, limits_of(problem, aim))]
    if Aim.TRIGGER not in aims:
        return unsolved
    tried = tuple(levels(problem))
    unproven = False
    for aim in aims:
        for level in tried:
            allowed, limits = allowed_columns(model, level.contracts), limits_of(problem, aim)
            outcome = _attempt(model, allowed, limits)
            unproven |= not outcome.proven
            if outcome.lots is not None:
                return _chosen(model, outcome.lots, level, aim, before=before, proven=not unproven)
    if not explained:
        return replace(unsolved, status=Status.UNREACHABLE, proven=not unproven)
    last = tried[-1] if tried else Level(Relaxation.NONE, frozenset())
    why = explain(model, last.contracts, limits_of(problem, aims[-1]))
    if problem.policy.buy_least_utilization and why.least is not None:
        least = _chosen(model, why.least, last, Aim.LEAST, before=before, proven=not unproven and why.proven)
        return replace(least, floor_pct=least.utilization_after_pct, binding=why.binding)
    floor = unsolved.used_after if why.least is None else rupees(model.figures(why.least).used)
    return replace(
        unsolved,
        status=why.status,
        proven=not unproven and why.proven,
        floor_pct=floor / problem.budget * HUNDRED,
        binding=why.binding,
        would_do=why.would_do,
    )


def _chosen(
    model: HedgeModel, lots: FloatArray, level: Level, aim: Aim, *, before: Figures, proven: bool
) -> HedgeSolution:
    solved = _solution(model, Status.SOLVED, lots, before=before, figures=model.figures(lots), proven=proven)
    others = _alternatives(model, lots, allowed_columns(model, level.contracts), aim, before)
    return replace(solved, aim=aim, relaxation=level.relaxation, alternatives=others)


def _attempt(model: HedgeModel, allowed: BoolArray, limits: Limits) -> Outcome:
    seconds = model.problem.time_limit_seconds
    outcome = minimize(model, allowed=allowed, limits=limits, time_limit_seconds=seconds)
    if outcome.proven:
        return outcome
    pair = best_pair(model, allowed=allowed, limits=limits)
    if outcome.lots is None or (pair is not None and model.weigh(pair) < model.weigh(outcome.lots)):
        return Outcome(pair, proven=False)
    return outcome


def _alternatives(
    model: HedgeModel, chosen: FloatArray, allowed: BoolArray, aim: Aim, before: Figures
) -> tuple[Alternative, ...]:
    """Return the best action without each bought strike in turn, at the same aim and relaxation, cheapest first."""
    wanted = model.problem.alternatives
    found: dict[bytes, Alternative] = {}
    for row in np.flatnonzero((chosen >= 1) & model.is_buy) if wanted else ():
        others = allowed.copy()
        others[row] = False
        outcome = (
            least_used(model, others) if aim is Aim.LEAST else _attempt(model, others, limits_of(model.problem, aim))
        )
        if outcome.lots is None or outcome.lots.tobytes() in found:
            continue
        figures = model.figures(outcome.lots)
        other = _solution(model, Status.SOLVED, outcome.lots, before=before, figures=figures, proven=outcome.proven)
        found[outcome.lots.tobytes()] = Alternative(
            without=model.columns[row].contract,
            buys=other.buys,
            sells=other.sells,
            cost=other.cost,
            dearer=rupees(model.weigh(outcome.lots) - model.weigh(chosen)),
            utilization_after_pct=other.utilization_after_pct,
            proven=other.proven,
        )
    return tuple(sorted(found.values(), key=lambda other: (other.dearer, other.without))[:wanted])


def _meets(figures: Figures, limits: Limits) -> bool:
    return figures.used <= limits.used and figures.order <= limits.order


def _solution(
    model: HedgeModel, status: Status, lots: FloatArray, *, before: Figures, figures: Figures, proven: bool
) -> HedgeSolution:
    problem = model.problem
    buys = trades(model, lots, Side.BUY)
    sells = trades(model, lots, Side.SELL)
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
        expected_cost=None if problem.policy.objective is Objective.PREMIUM_OUTLAY else rupees(model.weigh(lots)),
    )


def _known(order: float) -> Decimal:
    # Without a coming order nothing is added at one.
    return Decimal(0) if order == -INFINITE else rupees(order)


def _premium(problem: HedgeProblem, trades: tuple[WingTrade, ...]) -> Decimal:
    return sum((trade.price * trade.lots * problem.spec.lot for trade in trades), Decimal(0))


def _charges(problem: HedgeProblem, trades: tuple[WingTrade, ...], side: Side) -> Decimal:
    total = Decimal(0)
    for trade in trades:
        orders = orders_for(lots=trade.lots, freeze_lots=problem.spec.freeze_lots)
        premium = _premium(problem, (trade,))
        total += order_charges(rates=problem.rates, side=side, premium_rupees=premium, orders=orders)
    return total
