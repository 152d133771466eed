"""Unwinding: which of our wings may be sold now, so that the most is recovered and no covered short is left bare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from hedging.domain.charges import order_charges, orders_for
from hedging.domain.exposure import Exposure, ExposureKey, exposures
from hedging.domain.highs import solve_program
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import rupees
from hedging.domain.optimizer_model import HedgeModel
from hedging.domain.optimizer_rows import margin_rows
from hedging.domain.optimizer_types import HedgeProblem, WingTrade
from hedging.domain.pricing import FloatArray
from hedging.domain.unwind_need import lots_needed_later

HUNDRED = Decimal(100)
TOLERANCE_RUPEES = 1.0


class Kept(StrEnum):
    """Why a wing is not sold."""

    NO_BID = "no bid"
    BELOW_MINIMUM_EXIT_VALUE = "below the minimum exit value"
    WORTH_LESS_THAN_CHARGES = "worth less than its charges"
    STILL_COVERS = "still covers shorts or a coming entry"
    FREE_MARGIN = "free margin would not bear the sale"
    NEEDED_LATER = "a later entry will need it"
    THIN_BID = "the bid takes no more"
    NOT_NET_LONG = "the account is not net long in it"


class KeptWing(NamedTuple):
    """Lots of a wing that stay, and why."""

    contract: Contract
    lots: int
    reason: Kept


@dataclass(frozen=True, slots=True)
class UnwindInputs:
    """What decides a sale: the account's book with our `wings` in it, and the rest of the day.

    `problem.coming` are the entries inside the exit buffer; nothing is bought, so candidates, cash and cap play no part.
    `later_units`: units that still later entries of today sell on each side. `needed_later`: lots of wings, the nearest of
    each side, that the rest of the day needs, where its timeline is known; else `later_units` bounds them. `rebuy_prices`: what a wing is expected to
    cost when it is bought again, rupees a unit; a wing without one is never sold for later re-buying.
    """

    problem: HedgeProblem
    later_units: Mapping[Right, int] = field(default_factory=dict)
    needed_later: Mapping[Right, int] | None = None
    rebuy_prices: Mapping[Contract, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnwindChoice:
    """What to sell at the bid, and why the rest stays. `recovery` is premium less charges, in rupees.

    `utilization_after_pct` counts every entry of the exit buffer, re-priced by the engine.
    """

    sells: tuple[WingTrade, ...]
    kept: tuple[KeptWing, ...]
    recovery: Decimal
    utilization_after_pct: Decimal


@dataclass(frozen=True, slots=True)
class _Room:
    """What bounds the sale: lots of each column that are worth selling, lots of each side, margins in float rupees.

    `used` after every moment, `order` on top of now's margin at the worst order of an entry, `rise` by the sale itself.
    """

    most: FloatArray
    each_side: dict[Right, float]
    used: float
    order: float
    rise: float

    def breached(self, model: HedgeModel, lots: FloatArray) -> Kept | None:
        """Return which margin the sale of `lots` would pass, re-priced by the engine, or `None`."""
        found = model.figures(lots)
        if found.used > self.used + TOLERANCE_RUPEES:
            return Kept.STILL_COVERS
        over_free = found.order > self.order + TOLERANCE_RUPEES or model.added_now(lots) > self.rise + TOLERANCE_RUPEES
        return Kept.FREE_MARGIN if over_free else None


def choose_unwind(inputs: UnwindInputs) -> UnwindChoice:
    """Return the sale that recovers most after charges and after buying again what later entries need.

    Permitted is what leaves the book, with every entry of the exit buffer, under the exit trigger; over it, only longs
    beyond shorts whose sale does not raise margin. What margin rises by, at once and at the orders of those entries, must
    fit free margin with the safety buffer left; a sale that raises nothing is never kept by it. Raises `MarketUnknown`
    where an index of the book has no spot.
    """
    model = HedgeModel(replace(inputs.problem, candidates=()))
    room = _room(model)
    held = _held_lots(model.problem)
    needed = inputs.needed_later
    if needed is None:
        needed = lots_needed_later(model, held=held, later_units=inputs.later_units)
    spare = {right: _spare_lots(model, right, held=held, needed=needed.get(right, 0)) for right in Right}
    lots = _best_sale(inputs, model, room, spare)
    if room.breached(model, lots):
        # Re-priced by the engine the sale costs more margin than the program saw (a calendar charge): sell nothing.
        lots = np.zeros(len(lots))
    reasons = {column.contract: _why_kept(model, room, spare, lots, row) for row, column in enumerate(model.columns)}
    return _choice(model, lots, reasons)


def _room(model: HedgeModel) -> _Room:
    problem = model.problem
    before = model.figures(np.zeros(len(model.columns)))
    worth = np.array([_worth_selling(problem, column.price) for column in model.columns], dtype=np.bool_)
    buffer = problem.profile.buffer(budget=problem.budget, safety_buffer_pct=problem.policy.safety_buffer_pct)
    exit_trigger = problem.budget * problem.policy.exit_trigger_pct / HUNDRED
    # Whatever the exit trigger: over this the next projection, buffer included, would buy again.
    trigger = float(min(exit_trigger, problem.budget * problem.policy.utilization_trigger_pct / HUNDRED - buffer))
    free = float(problem.free_margin - buffer)
    everything = dict.fromkeys(Right, float(sum(wing.lots for wing in problem.wings)))
    return _Room(
        most=np.where(worth, model.depth, 0.0),
        each_side=everything if before.used <= trigger else {r: float(_excess_lots(problem, r)) for r in Right},
        used=max(trigger, before.used),
        order=max(free, before.order),
        rise=max(free, 0.0),
    )


def _worth_selling(problem: HedgeProblem, bid: float) -> bool:
    return Decimal(repr(bid)) >= problem.policy.minimum_exit_value


def _excess_lots(problem: HedgeProblem, right: Right) -> int:
    """Return whole lots of longs beyond shorts once the entries of the exit buffer are in."""
    found = exposures(problem.book, *(entry.lines for entry in problem.coming))
    key = ExposureKey(problem.spec.index, problem.expiry, right, problem.product)
    return found.get(key, Exposure()).excess // problem.spec.lot


def _best_sale(
    inputs: UnwindInputs, model: HedgeModel, room: _Room, spare: Mapping[Right, tuple[FloatArray, FloatArray]]
) -> FloatArray:
    """Return the lots of each column to sell: a program over [sold, orders, bought again, orders of those]."""
    count = len(model.columns)
    if not room.most.any():
        return np.zeros(count)
    problem = model.problem
    freeze = float(problem.spec.freeze_lots)
    buy_rate = 1 + float(problem.rates.fraction_of_premium(Side.BUY))
    prices = [inputs.rebuy_prices.get(column.contract) for column in model.columns]
    again = np.array([0.0 if p is None else float(p) * model.lot * buy_rate for p in prices])
    can_rebuy = np.array([p is not None for p in prices], dtype=np.bool_)
    orders = np.full(count, model.fixed)
    unit, nothing, flat = np.eye(count), np.zeros((count, count)), np.zeros(count)
    matrix = [
        np.hstack([unit, -freeze * unit, nothing, nothing]),
        np.hstack([nothing, nothing, unit, -freeze * unit]),
        np.hstack([-unit, nothing, unit, nothing]),
    ]
    tops = [np.zeros(3 * count)]
    for right in Right:
        mine = model.is_right[right].astype(np.float64)
        matrix.append(np.concatenate([mine, flat, flat, flat])[None, :])
        tops.append(np.array([room.each_side[right]]))
        # Need counts the nearest wings, so these stay: of the k nearest lots min(k, needed), or they are bought again.
        nearest, most_spare = spare[right]
        none = np.zeros_like(nearest)
        matrix.append(np.hstack([nearest, none, -nearest, none]))
        tops.append(most_spare)
    for rows, bounds in _margins(model, room):
        matrix.append(np.hstack([rows, np.zeros((len(rows), 3 * count))]))
        tops.append(bounds)
    most = np.ceil(room.most / freeze)
    answer = solve_program(
        np.concatenate([-model.proceeds, orders, again, orders]),
        rows=np.vstack(matrix),
        tops=np.concatenate(tops),
        lower=np.zeros(4 * count),
        upper=np.concatenate([room.most, most, np.where(can_rebuy, room.most, 0.0), most]),
        integrality=np.ones(4 * count),
        time_limit_seconds=problem.time_limit_seconds,
    )
    return np.zeros(count) if answer.x is None else np.round(answer.x[:count])


def _held_lots(problem: HedgeProblem) -> dict[Contract, int]:
    """Return the whole lots of our wings that the present book shows, whether or not anybody bids for them."""
    net: dict[Contract, int] = {}
    for line in problem.book:
        if line.product is problem.product:
            net[line.contract] = net.get(line.contract, 0) + line.quantity
    held = {w.contract: min(w.lots, max(0, net.get(w.contract, 0)) // problem.spec.lot) for w in problem.wings}
    return {contract: lots for contract, lots in held.items() if lots}


def _spare_lots(
    model: HedgeModel, right: Right, *, held: Mapping[Contract, int], needed: int
) -> tuple[FloatArray, FloatArray]:
    """Return a row for each wing held on a side, of it and all nearer ones, and how many of their lots nothing needs later.

    What nobody bids for, or not for so many lots, is held all the same, and covers what is needed.
    """
    spot = model.problem.market.spots[model.problem.spec.index]
    mine = sorted((c for c in held if c.right is right), key=lambda c: (abs(c.strike - spot), c))
    column_of = {column.contract: number for number, column in enumerate(model.columns)}
    rows = np.zeros((len(mine), len(model.columns)))
    for place, contract in enumerate(mine):
        if contract in column_of:
            rows[place:, column_of[contract]] = 1.0
    lots = np.cumsum([float(held[contract]) for contract in mine])
    return rows, np.maximum(lots - needed, 0.0)


def _margins(model: HedgeModel, room: _Room) -> list[tuple[FloatArray, FloatArray]]:
    picked = np.arange(len(model.columns))
    slack = TOLERANCE_RUPEES / 2
    used = [(s, room.used - s.used_fixed + slack) for s in model.states if s.used_fixed is not None]
    order = [(s, room.order - s.order_fixed + slack) for s in model.states if s.order_fixed is not None]
    # Free margin is asked for the sale itself too, entry or not, and before its premium is credited.
    now = model.states[0]
    sale = [(now, room.rise + model.scale * model.universe.total(now.units) + slack)]
    return [
        margin_rows(model, picked, moments, per_lot=per_lot)
        for moments, per_lot in ((used, model.used_cash), (order, model.order_cash), (sale, np.zeros(len(picked))))
        if moments
    ]


def _why_kept(
    model: HedgeModel, room: _Room, spare: Mapping[Right, tuple[FloatArray, FloatArray]], lots: FloatArray, row: int
) -> Kept:
    column = model.columns[row]
    right = column.contract.right
    if not _worth_selling(model.problem, column.price):
        return Kept.BELOW_MINIMUM_EXIT_VALUE
    left = column.most_lots - lots[row]
    thin = left < 1 and column.most_lots in {w.depth_lots for w in model.problem.wings if w.contract == column.contract}
    if left < 1 and not thin:
        return Kept.NOT_NET_LONG
    if not thin and float(model.proceeds[row]) * left <= model.fixed:
        return Kept.WORTH_LESS_THAN_CHARGES
    more = lots.copy()
    more[row] += 1
    if float(more[model.is_right[right]].sum()) > room.each_side[right]:
        return Kept.STILL_COVERS
    nearest, most_spare = spare[right]
    needed = bool((nearest @ more > most_spare).any())
    return room.breached(model, more) or (Kept.THIN_BID if thin and not needed else Kept.NEEDED_LATER)


def _choice(model: HedgeModel, lots: FloatArray, reasons: Mapping[Contract, Kept]) -> UnwindChoice:
    problem = model.problem
    sold = {column.contract: int(count) for column, count in zip(model.columns, lots, strict=True)}
    sells, kept, recovery = [], [], Decimal(0)
    for wing in sorted(problem.wings, key=lambda held: held.contract):
        count = sold.get(wing.contract, 0)
        if count and wing.bid is not None:
            sells.append(WingTrade(wing.contract, count, wing.bid))
            premium = wing.bid * count * problem.spec.lot
            orders = orders_for(lots=count, freeze_lots=problem.spec.freeze_lots)
            recovery += premium - order_charges(
                rates=problem.rates, side=Side.SELL, premium_rupees=premium, orders=orders
            )
        if wing.lots > count:
            kept.append(KeptWing(wing.contract, wing.lots - count, reasons.get(wing.contract, Kept.NO_BID)))
    used = rupees(model.figures(lots).used)
    return UnwindChoice(tuple(sells), tuple(kept), recovery, used / problem.budget * HUNDRED)
