"""The integer program of a hedge: its rows, and one solve to proven optimality by HiGHS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from hedging.domain.highs import solve_program
from hedging.domain.instruments import Right
from hedging.domain.optimizer_model import INFINITE, HedgeModel, Limits
from hedging.domain.optimizer_rows import LAKH, binding_rows, margin_rows, outdone_buys
from hedging.domain.pricing import BoolArray, FloatArray

SLACK_RUPEES = 0.1  # aims are tightened by this, so that the solver's tolerance can never miss one
ROUNDS = 3
_INFEASIBLE = 2


class Goal(StrEnum):
    """What a solve minimizes: the policy's objective, or what is used afterwards."""

    COST = "cost"
    USED = "used"


@dataclass(frozen=True, slots=True)
class Outcome:
    """One solve: lots of each column or `None`, and whether this is proven (optimal, or infeasible)."""

    lots: FloatArray | None
    proven: bool


def minimize(
    model: HedgeModel, *, allowed: BoolArray, limits: Limits, time_limit_seconds: float, goal: Goal = Goal.COST
) -> Outcome:
    """Return the least of `goal` over the `allowed` columns within `limits`, proven or not.

    The calendar charge is not convex; it enters as it is without wings, and is raised where re-pricing finds it higher.
    """
    tight = limits
    for _ in range(ROUNDS):
        program = _Program(model, allowed, limits)
        if goal is Goal.USED:
            program.minimize_used()
        else:
            program.limit_margin(used=tight.used, order=tight.order)
        outcome = program.run(time_limit_seconds)
        if outcome.lots is None or goal is Goal.USED:
            return outcome
        found = model.figures(outcome.lots)
        missed = max(found.used - limits.used, found.order - limits.order)
        if missed <= 0:
            return outcome
        tight = replace(tight, used=tight.used - missed - 1.0, order=tight.order - missed - 1.0)
    return Outcome(None, proven=False)


class _Program:
    """Rows of one program over columns [lots, orders, u]: margin in lakh, money and the objective in rupees."""

    def __init__(self, model: HedgeModel, allowed: BoolArray, limits: Limits) -> None:
        self.model = model
        self.limits = limits
        most, self.room = model.most_lots(allowed, limits), model.room(allowed, limits)
        self.picked = np.flatnonzero((most > 0) & ~outdone_buys(model, most, self.room if limits.capacity else None))
        self.most = most[self.picked]
        self.is_buy = model.is_buy[self.picked]
        self.freeze = float(model.problem.spec.freeze_lots)
        self.trades = len(self.picked)
        self.width = 2 * self.trades + 1
        self.rows: list[FloatArray] = []
        self.tops: list[FloatArray] = []
        self.cost = np.concatenate([model.weight[self.picked], model.weight_of_order[self.picked], [0.0]])
        self.hopeless = False
        self.free_u = False
        self._count_orders()
        self._limit_money()
        self._limit_capacity()
        self._only_inward()

    def limit_margin(self, *, used: float, order: float) -> None:
        """Keep every moment under `used` of the budget's and `order` of free margin's figure."""
        model = self.model
        by_used, by_order = model.used_cash[self.picked], model.order_cash[self.picked]
        spent = self.limits.money if model.counted else 0.0
        of_used = [(s, used - s.used_fixed) for s in model.states if s.used_fixed is not None and used < INFINITE]
        of_order = [(s, order - s.order_fixed) for s in model.states if s.order_fixed is not None and order < INFINITE]
        found = []
        for moments, per_lot, per_order, most_spent in (
            (of_used, by_used, 0.0, spent),
            (of_order, by_order, model.fixed, self.limits.money),
        ):
            # Longs alone never raise margin, so a moment that fits with all the money spent needs no row.
            needed = [
                (state, most - SLACK_RUPEES)
                for state, most in moments
                if not self.is_buy.all()
                or model.scale * model.margin_without_action(state) + most_spent > most - SLACK_RUPEES
            ]
            if needed:
                matrix, tops = margin_rows(model, self.picked, needed, per_lot=per_lot)
                rows = np.zeros((len(matrix), self.width))
                rows[:, : self.trades] = matrix
                rows[:, self.trades : -1] = self.is_buy * per_order / LAKH
                found.append((rows, tops))
        if found:
            rows, tops = np.vstack([rows for rows, _ in found]), np.concatenate([tops for _, tops in found])
            kept = binding_rows(rows, tops)
            self._add(rows[kept], tops[kept])
            self.hopeless = bool((self._least(rows[kept, : self.trades]) > tops[kept]).any())

    def minimize_used(self) -> None:
        """Minimize the worst used of all moments instead of cost."""
        self.cost = np.zeros(self.width)
        self.cost[-1] = LAKH
        self.free_u = True
        moments = [(s, -s.used_fixed) for s in self.model.states if s.used_fixed is not None]
        matrix, tops = margin_rows(self.model, self.picked, moments, per_lot=self.model.used_cash[self.picked])
        rows = np.zeros((len(matrix), self.width))
        rows[:, : self.trades] = matrix
        rows[:, -1] = -1.0
        kept = binding_rows(rows[:, :-1], tops)
        self._add(rows[kept], tops[kept])

    def run(self, seconds: float) -> Outcome:
        if self.hopeless:
            return Outcome(None, proven=True)
        if not self.trades and not self.free_u:
            # Nothing may be traded: what the book is without an action, which the rows' tops say.
            return Outcome(
                None if (np.concatenate(self.tops) < 0).any() else np.zeros(len(self.model.columns)), proven=True
            )
        lower, upper = np.zeros(self.width), np.full(self.width, np.inf)
        upper[: self.trades] = self.most
        upper[self.trades : -1] = np.ceil(self.most / self.freeze)
        lower[-1], upper[-1] = (-np.inf, np.inf) if self.free_u else (0.0, 0.0)
        integrality = np.ones(self.width)
        integrality[-1] = 0
        answer = solve_program(
            self.cost,
            rows=np.vstack(self.rows),
            tops=np.concatenate(self.tops),
            lower=lower,
            upper=upper,
            integrality=integrality,
            time_limit_seconds=seconds,
        )
        if answer.status == _INFEASIBLE:
            return Outcome(None, proven=True)
        if answer.x is None:
            return Outcome(None, proven=False)
        lots = np.zeros(len(self.model.columns))
        lots[self.picked] = np.round(answer.x[: self.trades])
        return Outcome(lots, proven=answer.status == 0)

    def _add(self, rows: FloatArray, tops: FloatArray) -> None:
        self.rows.append(rows)
        self.tops.append(tops)

    def _add_one(self, trades: FloatArray, orders: FloatArray | None, top: float) -> None:
        row = np.zeros((1, self.width))
        row[0, : self.trades] = trades
        if orders is not None:
            row[0, self.trades : -1] = orders
        self._add(row, np.array([top]))

    def _count_orders(self) -> None:
        unit = np.eye(self.trades)
        each = np.minimum(self.freeze, self.most)
        self._add(np.hstack([unit, -unit * each, np.zeros((self.trades, 1))]), np.zeros(self.trades))

    def _limit_money(self) -> None:
        if self.limits.money < INFINITE:
            model = self.model
            orders = np.where(self.is_buy, model.reserve_of_order, 0.0)
            self._add_one(model.reserve[self.picked], orders, self.limits.money)

    def _limit_capacity(self) -> None:
        signs = np.where(self.is_buy, 1.0, -1.0)
        for right in Right if self.limits.capacity else ():
            mine = self.model.is_right[right][self.picked]
            capacity = float(self.model.capacity[right])
            if mine.any() and capacity >= 0:
                self._add_one(np.where(mine, signs, 0.0), None, capacity)
            # Where longs exceed shorts already, whoever buys must sell that many more: by the buy's own order.
            for position in np.flatnonzero(mine & self.is_buy) if capacity < 0 else ():
                self._add_one(np.where(mine, signs, 0.0), np.eye(self.trades)[position] * -capacity, 0.0)

    def _only_inward(self) -> None:
        """Let a wing be sold only against a bought one at least as near: a replacement moves inward, never outward."""
        distance = self.model.distance[self.picked]
        for right in Right:
            mine = self.model.is_right[right][self.picked]
            for position in np.flatnonzero(mine & ~self.is_buy):
                near = mine & (distance <= distance[position])
                self._add_one(np.where(near, np.where(self.is_buy, -1.0, 1.0), 0.0), None, 0.0)

    def _least(self, rows: FloatArray) -> FloatArray:
        """Return a lower bound of each row over what could be traded: each side filled by what helps that row most."""
        sold = np.minimum(rows[:, ~self.is_buy], 0.0) @ self.most[~self.is_buy]
        least: FloatArray = sold
        for right in Right:
            mine = self.model.is_right[right][self.picked] & self.is_buy
            helpful = np.minimum(rows[:, mine], 0.0)
            order = np.argsort(helpful, axis=1)
            most = self.room[right] if self.limits.capacity else INFINITE
            filled = np.minimum(np.cumsum(self.most[mine][order], axis=1), most)
            lots = np.diff(filled, axis=1, prepend=0.0)
            least = least + (np.take_along_axis(helpful, order, axis=1) * lots).sum(axis=1)
        return least
