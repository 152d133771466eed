"""The integer program of a hedge: its rows, and one solve to proven optimality by HiGHS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp

from hedging.domain.instruments import Right
from hedging.domain.optimizer_model import INFINITE, HedgeModel, Limits, State
from hedging.domain.pricing import BoolArray, FloatArray

LAKH = 1e5
SLACK_RUPEES = 0.1  # aims are tightened by this, so that the solver's tolerance can never miss one
ROUNDS = 3
_INFEASIBLE = 2


class Objective(StrEnum):
    """What a solve minimizes."""

    COST = "cost"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One solve: lots of each column or `None`, and whether this is proven (optimal, or infeasible)."""

    lots: FloatArray | None
    proven: bool


def minimize(
    model: HedgeModel,
    *,
    allowed: BoolArray,
    limits: Limits,
    time_limit_seconds: float,
    objective: Objective = Objective.COST,
) -> Outcome:
    """Return the least `objective` over the `allowed` columns within `limits`, proven or not.

    The calendar charge is not convex; it enters as it is without wings, and is raised where re-pricing finds it higher.
    """
    tight = limits
    for _ in range(ROUNDS):
        program = _Program(model, model.most_lots(allowed, limits), limits)
        if objective is Objective.USED:
            program.minimize_used()
        else:
            program.limit_used(tight.used)
            program.limit_order(tight.order)
        outcome = program.run(time_limit_seconds)
        if outcome.lots is None or objective is Objective.USED:
            return outcome
        found = model.figures(outcome.lots)
        missed = max(found.used - limits.used, found.order - limits.order)
        if missed <= 0:
            return outcome
        tight = replace(tight, used=tight.used - missed - 1.0, order=tight.order - missed - 1.0)
    return Outcome(None, proven=False)


@dataclass(frozen=True, slots=True)
class _Ledger:
    """What is compared beside margin: cash of one lot of each column, cash of an order, and the most it can come to."""

    per_lot: FloatArray
    per_order: float
    most: float


class _Program:
    """Rows of one program over columns [lots, orders, u]. Rupees in lakh but in the objective.

    Only one scan tier of each state holds tradable strikes, so its z >= every scenario loss, z >= 0 is projected out:
    each comparison becomes one row for each scenario and one for z = 0. Same optimum, no continuous columns.
    """

    def __init__(self, model: HedgeModel, most: FloatArray, limits: Limits) -> None:
        self.model = model
        self.picked = np.flatnonzero((most > 0) & ~_outdone(model, most))
        self.most = most[self.picked]
        self.is_buy = model.is_buy[self.picked]
        self.trades = len(self.picked)
        self.orders = self.trades if model.fixed > 0 else 0
        self.width = self.trades + self.orders + 1
        self.rows: list[FloatArray] = []
        self.tops: list[float] = []
        self.cost = np.zeros(self.width)
        self.cost[: self.trades] = (model.outlay - model.proceeds)[self.picked]
        self.cost[self.trades : self.trades + self.orders] = model.fixed
        self.free_u = False
        outlay = min(limits.cost, limits.cash)
        self._used = _Ledger(model.used_cash[self.picked], 0.0, outlay if model.counted else 0.0)
        self._order = _Ledger(model.order_cash[self.picked], model.fixed, outlay)
        self._count_orders()
        self._limit_money(limits)
        self._limit_capacity(limits)
        self._only_inward()

    def limit_used(self, most: float) -> None:
        for state in self.model.states:
            if state.used_fixed is not None and most < INFINITE:
                self._limit(state, self._used, fixed=state.used_fixed, most=most)

    def limit_order(self, most: float) -> None:
        for state in self.model.states:
            if state.order_fixed is not None and most < INFINITE:
                self._limit(state, self._order, fixed=state.order_fixed, most=most)

    def minimize_used(self) -> None:
        self.cost = np.zeros(self.width)
        self.cost[-1] = LAKH
        self.free_u = True
        for state in self.model.states:
            if state.used_fixed is not None:
                self._limit(state, self._used, fixed=state.used_fixed, most=None)

    def run(self, seconds: float) -> Outcome:
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        upper[: self.trades] = self.most
        upper[self.trades : self.trades + self.orders] = np.ceil(self.most / self.model.problem.spec.freeze_lots)
        if self.free_u:
            lower[-1] = -np.inf
        else:
            upper[-1] = 0.0
        integrality = np.zeros(self.width)
        integrality[: self.trades + self.orders] = 1
        answer = milp(
            self.cost,
            constraints=LinearConstraint(np.array(self.rows), -np.inf, np.array(self.tops)) if self.rows else None,
            integrality=integrality,
            bounds=Bounds(lower, upper),
            options={"mip_rel_gap": 0.0, "time_limit": seconds},
        )
        if answer.status == _INFEASIBLE:
            return Outcome(None, proven=True)
        if answer.x is None:
            return Outcome(None, proven=False)
        lots = np.zeros(len(self.model.columns))
        lots[self.picked] = np.round(answer.x[: self.trades])
        return Outcome(lots, proven=answer.status == 0)

    def _add(self, row: FloatArray, top: float) -> None:
        self.rows.append(row)
        self.tops.append(top)

    def _row(self, trades: FloatArray) -> FloatArray:
        row = np.zeros(self.width)
        row[: self.trades] = trades
        return row

    def _limit(self, state: State, ledger: _Ledger, *, fixed: float, most: float | None) -> None:
        if most is not None and self._fits_anyway(state, fixed + ledger.most, most):
            return
        top = -SLACK_RUPEES + most if most is not None else 0.0
        matrix, tops = margin_rows(self.model, self.picked, state, per_lot=ledger.per_lot, most=top - fixed)
        for trades, bound in zip(matrix, tops, strict=True):
            row = self._row(trades)
            row[self.trades : self.trades + self.orders] = self.is_buy[: self.orders] * ledger.per_order / LAKH
            row[-1] = 0.0 if most is not None else -1.0
            self._add(row, bound)

    def _fits_anyway(self, state: State, fixed: float, most: float) -> bool:
        # Longs alone never raise margin, so a moment that fits with all the money spent needs no row.
        margin = self.model.scale * self.model.margin_without_action(state)
        return bool(self.is_buy.all()) and fixed + margin <= most - SLACK_RUPEES

    def _count_orders(self) -> None:
        freeze = self.model.problem.spec.freeze_lots
        for position in range(self.orders):
            row = np.zeros(self.width)
            row[position] = 1.0
            row[self.trades + position] = -min(float(freeze), self.most[position])
            self._add(row, 0.0)

    def _limit_money(self, limits: Limits) -> None:
        model = self.model
        buys = self.is_buy
        for top, paid, every_order in (
            (limits.cost, model.outlay + model.sell_charges, True),
            (limits.cash, model.outlay, False),
        ):
            if top == INFINITE:
                continue
            row = self._row(paid[self.picked] / LAKH)
            if self.orders:
                counted = np.ones(self.orders) if every_order else buys.astype(np.float64)
                row[self.trades : self.trades + self.orders] = counted * model.fixed / LAKH
            self._add(row, max(top, 0.0) / LAKH)

    def _limit_capacity(self, limits: Limits) -> None:
        if not limits.capacity:
            return
        for right in Right:
            mine = self._of(right)
            if mine.any():
                signs = np.where(self.is_buy, 1.0, -1.0)
                self._add(self._row(np.where(mine, signs, 0.0)), max(0.0, float(self.model.capacity[right])))

    def _only_inward(self) -> None:
        """Let a wing be sold only against a bought one at least as near: a replacement moves inward, never outward."""
        strikes = np.array([float(self.model.columns[position].contract.strike) for position in self.picked])
        buys = self.is_buy
        for right in Right:
            distance = strikes if right is Right.CE else -strikes
            mine = self._of(right)
            for position in np.flatnonzero(mine & ~buys):
                near = mine & (distance <= distance[position])
                self._add(self._row(np.where(near, np.where(buys, -1.0, 1.0), 0.0)), 0.0)

    def _of(self, right: Right) -> BoolArray:
        return np.array([self.model.columns[p].contract.right is right for p in self.picked], dtype=np.bool_)


def margin_rows(
    model: HedgeModel, picked: npt.NDArray[np.int64], state: State, *, per_lot: FloatArray, most: float
) -> tuple[FloatArray, FloatArray]:
    """Return rows and tops, in lakh over the lots of `picked`, that say scale x margin + per_lot <= most.

    One row for each scenario that no other dominates, one for a scan of 0, and one (the first) for a SPAN of 0.
    """
    table = np.column_stack([state.losses, model.risk[picked].T])
    table = np.vstack([np.zeros(table.shape[1]), table]) * model.scale
    table = table[_undominated(table)]
    outer = most - model.scale * state.outer
    inner = outer - model.scale * state.inner - table[:, 0]
    rows = table[:, 1:] - model.scale * model.nov[picked] + per_lot
    return np.vstack([per_lot, rows]) / LAKH, np.concatenate([[outer], inner]) / LAKH


def _outdone(model: HedgeModel, most: FloatArray) -> BoolArray:
    """Return which buys another one outdoes: nearer or as near, no dearer, releasing no less in any scenario.

    Moving all lots of such a strike to the other one keeps every row satisfied and costs no more (orders only merge),
    provided that nothing but capacity bounds the other one; so dropping it cannot cost the optimum.
    """
    outdone = np.zeros(len(most), dtype=np.bool_)
    for right in Right:
        rows = np.array(
            [r for r, c in enumerate(model.columns) if model.is_buy[r] and c.contract.right is right and most[r] > 0]
        )
        if len(rows) < 2:
            continue
        roomy = np.array([model.columns[row].most_lots >= most[rows].sum() for row in rows])
        strikes = np.array([float(model.columns[row].contract.strike) for row in rows])
        distance = strikes if right is Right.CE else -strikes
        effect = np.column_stack(
            [model.risk[rows] - model.nov[rows, None], -model.nov[rows], model.outlay[rows], distance]
        )
        outdone[rows] = (_at_least(-effect) & roomy[:, None]).any(axis=0)
    return outdone


def _undominated(table: FloatArray) -> list[int]:
    """Return the rows that no other row is at least equal to everywhere; of equal rows the first stays."""
    beats = _at_least(table)
    return [int(row) for row in np.flatnonzero(~beats.any(axis=0))]


def _at_least(table: FloatArray) -> BoolArray:
    """Return [i, j]: row i is at least row j everywhere, and not merely equal to an earlier j."""
    better = (table[:, None, :] >= table[None, :, :]).all(axis=2)
    earlier = np.tri(len(table), dtype=np.bool_).T
    beats: BoolArray = better & (~better.T | earlier)
    np.fill_diagonal(beats, val=False)
    return beats
