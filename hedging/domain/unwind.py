"""Unwinding: which of our wings may be sold now, so that the most is recovered and no covered short is left bare."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from hedging.domain.charges import ChargeRates, order_charges, orders_for
from hedging.domain.entries import ComingEntry
from hedging.domain.exposure import Exposure, ExposureKey, exposures
from hedging.domain.highs import solve_program
from hedging.domain.instruments import Contract, ContractSpec, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, rupees
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer_model import HedgeModel
from hedging.domain.optimizer_rows import margin_rows
from hedging.domain.optimizer_types import HedgeProblem, HeldWing, WingTrade
from hedging.domain.policy import HedgePolicy
from hedging.domain.pricing import BoolArray, FloatArray
from hedging.domain.unwind_need import lots_needed_later

HUNDRED = Decimal(100)
TOLERANCE_RUPEES = 1.0
TIME_LIMIT_SECONDS = 1.0


class Kept(StrEnum):
    """Why a wing is not sold."""

    MARGIN_UNKNOWN = "margin unknown"
    NO_BID = "no bid"
    BELOW_MINIMUM_EXIT_VALUE = "below the minimum exit value"
    WORTH_LESS_THAN_CHARGES = "worth less than its charges"
    STILL_COVERS = "still covers shorts or a coming entry"
    NEEDED_LATER = "a later entry will need it"
    NOT_NET_LONG = "the account is not net long in it"


class KeptWing(NamedTuple):
    """Lots of a wing that stay, and why."""

    contract: Contract
    lots: int
    reason: Kept


@dataclass(frozen=True, slots=True)
class UnwindInputs:
    """What decides a sale. `book` holds every line of the account, the wings included; money in rupees.

    `soon`: entries inside the exit buffer. `later_units`: units that still later entries of today sell on each side.
    `needed_later`: lots of wings that the rest of the day needs, where its timeline is known; else `later_units` bounds them.
    `rebuy_prices`: what a wing is expected to cost when it is bought again, rupees a unit; a wing without one is never
    sold for later re-buying. `near_close`: wings in the money must leave now, since exercise is taxed.
    Unknown `used_now` or `free_margin` permits those forced sales only.
    """

    spec: ContractSpec
    expiry: date
    product: Product
    book: tuple[MarginLine, ...]
    soon: tuple[ComingEntry, ...]
    wings: tuple[HeldWing, ...]
    market: MarginMarket
    parameters: MarginParameters
    policy: HedgePolicy
    profile: MarginProfile
    rates: ChargeRates
    budget: Decimal
    used_now: Decimal | None
    free_margin: Decimal | None
    used_offset: Decimal = Decimal(0)
    order_offset: Decimal = Decimal(0)
    later_units: Mapping[Right, int] = field(default_factory=dict)
    needed_later: Mapping[Right, int] | None = None
    rebuy_prices: Mapping[Contract, Decimal] = field(default_factory=dict)
    near_close: bool = False


@dataclass(frozen=True, slots=True)
class UnwindChoice:
    """What to sell at the bid, and why the rest stays. `recovery` is premium less charges, in rupees.

    `used_after` and `utilization_after_pct` count every entry of `soon`, re-priced by the engine; `None` is unknown.
    `shorts_gone`: margin is over the exit trigger, so only longs beyond shorts were sold.
    """

    sells: tuple[WingTrade, ...]
    kept: tuple[KeptWing, ...]
    recovery: Decimal
    used_after: Decimal | None
    utilization_after_pct: Decimal | None
    shorts_gone: bool


@dataclass(frozen=True, slots=True)
class _Room:
    """What bounds the sale: lots of each column (least, most, worth selling), sides, and both margins in float rupees."""

    least: FloatArray
    most: FloatArray
    each_side: dict[Right, float]
    used: float
    order: float


def choose_unwind(inputs: UnwindInputs) -> UnwindChoice:
    """Return the sale that recovers most after charges and after buying again what later entries need.

    Permitted is what leaves the book, with every entry of `soon`, under the exit trigger; over it, only longs beyond
    shorts whose sale does not raise margin. Raises `MarketUnknown` where an index of the book has no spot.
    """
    model = HedgeModel(_problem(inputs))
    forced = np.array([inputs.near_close and _in_the_money(inputs, c.contract) for c in model.columns], dtype=np.bool_)
    most = np.array([column.most_lots for column in model.columns])
    if inputs.used_now is None or inputs.free_margin is None:
        lots = np.where(forced, most, 0.0)
        reasons = dict.fromkeys((wing.contract for wing in inputs.wings), Kept.MARGIN_UNKNOWN)
        return _choice(inputs, model, lots, reasons=reasons, known=False, shorts_gone=False)
    room, shorts_gone = _room(inputs, model, np.where(forced, most, 0.0), most)
    held = {column.contract: int(column.most_lots) for column in model.columns if column.most_lots >= 1}
    needed = inputs.needed_later
    if needed is None:
        needed = lots_needed_later(model, held=held, later_units=inputs.later_units)
    lots = _best_sale(inputs, model, room, needed)
    found = model.figures(lots)
    if found.used > room.used + TOLERANCE_RUPEES or found.order > room.order + TOLERANCE_RUPEES:
        # Re-priced by the engine the sale costs more margin than the program saw: sell only what must go.
        lots = room.least
    reasons = {column.contract: _why_kept(inputs, model, room, lots, row) for row, column in enumerate(model.columns)}
    return _choice(inputs, model, lots, reasons=reasons, known=True, shorts_gone=shorts_gone)


def _problem(inputs: UnwindInputs) -> HedgeProblem:
    return HedgeProblem(
        spec=inputs.spec,
        expiry=inputs.expiry,
        product=inputs.product,
        book=inputs.book,
        coming=inputs.soon,
        candidates=(),
        wings=inputs.wings,
        market=inputs.market,
        parameters=inputs.parameters,
        policy=inputs.policy,
        profile=inputs.profile,
        rates=inputs.rates,
        budget=inputs.budget,
        used_now=inputs.used_now or Decimal(0),
        free_margin=inputs.free_margin or Decimal(0),
        cash=Decimal(0),
        cost_cap_left=Decimal(0),
        used_offset=inputs.used_offset,
        order_offset=inputs.order_offset,
    )


def _in_the_money(inputs: UnwindInputs, contract: Contract) -> bool:
    spot = inputs.market.spots[inputs.spec.index]
    if contract.expiry > inputs.market.today:
        return False
    return contract.strike < spot if contract.right is Right.CE else contract.strike > spot


def _room(inputs: UnwindInputs, model: HedgeModel, least: FloatArray, most: FloatArray) -> tuple[_Room, bool]:
    """Return what bounds the sale, and whether margin is over the exit trigger, so that only excess longs may go."""
    before = model.figures(least)
    trigger = float(inputs.budget * inputs.policy.exit_trigger_pct / HUNDRED)
    over = before.used > trigger
    worth = np.array([_worth_selling(inputs, column.price) for column in model.columns], dtype=np.bool_)
    sides = {right: float(_excess_lots(inputs, right)) if over else float(most.sum()) for right in Right}
    for right in Right:
        sides[right] = max(sides[right], float(least[_side(model, right)].sum()))
    room = _Room(
        least=least,
        most=np.where(worth, most, least),
        each_side=sides,
        used=max(trigger, before.used),
        order=max(float(inputs.free_margin or 0), before.order),
    )
    return room, over


def _worth_selling(inputs: UnwindInputs, bid: float) -> bool:
    return Decimal(repr(bid)) >= inputs.policy.minimum_exit_value


def _excess_lots(inputs: UnwindInputs, right: Right) -> int:
    """Return whole lots of longs beyond shorts once the entries of the exit buffer are in."""
    found = exposures(inputs.book, *(entry.lines for entry in inputs.soon))
    key = ExposureKey(inputs.spec.index, inputs.expiry, right, inputs.product)
    return found.get(key, Exposure()).excess // inputs.spec.lot


def _side(model: HedgeModel, right: Right) -> BoolArray:
    return np.array([column.contract.right is right for column in model.columns], dtype=np.bool_)


def _best_sale(inputs: UnwindInputs, model: HedgeModel, room: _Room, needed: Mapping[Right, int]) -> FloatArray:
    """Return the lots of each column to sell: a program over [sold, orders, bought again, orders of those]."""
    count = len(model.columns)
    if count == 0:
        return np.zeros(0)
    freeze = float(inputs.spec.freeze_lots)
    buy_rate = 1 + float(inputs.rates.fraction_of_premium(Side.BUY))
    prices = [inputs.rebuy_prices.get(column.contract) for column in model.columns]
    again = np.array([0.0 if p is None else float(p) * model.lot * buy_rate for p in prices])
    can_rebuy = np.array([p is not None for p in prices], dtype=np.bool_)
    orders = np.full(count, model.fixed)
    unit, nothing = np.eye(count), np.zeros((count, count))
    matrix = [
        np.hstack([unit, -freeze * unit, nothing, nothing]),
        np.hstack([nothing, nothing, unit, -freeze * unit]),
        np.hstack([-unit, nothing, unit, nothing]),
    ]
    tops = [np.zeros(3 * count)]
    for right in Right:
        mine = _side(model, right).astype(np.float64)
        held = float(mine @ np.array([column.most_lots for column in model.columns]))
        flat = np.zeros(count)
        matrix.append(np.concatenate([mine, flat, flat, flat])[None, :])
        matrix.append(np.concatenate([mine, flat, -mine, flat])[None, :])
        forced = float(mine @ room.least)
        tops.append(np.array([room.each_side[right], max(forced, held - needed.get(right, 0))]))
    for rows, bounds in _margins(model, room):
        matrix.append(np.hstack([rows, np.zeros((len(rows), 3 * count))]))
        tops.append(bounds)
    most = np.maximum(room.most, room.least)
    upper = np.concatenate([most, np.ceil(most / freeze), np.where(can_rebuy, most, 0.0), np.ceil(most / freeze)])
    answer = solve_program(
        np.concatenate([-model.proceeds, orders, again, orders]),
        rows=np.vstack(matrix),
        tops=np.concatenate(tops),
        lower=np.concatenate([room.least, np.zeros(3 * count)]),
        upper=upper,
        integrality=np.ones(4 * count),
        time_limit_seconds=TIME_LIMIT_SECONDS,
    )
    return room.least if answer.x is None else np.round(answer.x[:count])


def _margins(model: HedgeModel, room: _Room) -> list[tuple[FloatArray, FloatArray]]:
    picked = np.arange(len(model.columns))
    slack = TOLERANCE_RUPEES / 2
    used = [(s, room.used - s.used_fixed + slack) for s in model.states if s.used_fixed is not None]
    order = [(s, room.order - s.order_fixed + slack) for s in model.states if s.order_fixed is not None]
    return [
        margin_rows(model, picked, moments, per_lot=per_lot)
        for moments, per_lot in ((used, model.used_cash), (order, model.order_cash))
        if moments
    ]


def _why_kept(inputs: UnwindInputs, model: HedgeModel, room: _Room, lots: FloatArray, row: int) -> Kept:
    column = model.columns[row]
    if not _worth_selling(inputs, column.price):
        return Kept.BELOW_MINIMUM_EXIT_VALUE
    left = column.most_lots - lots[row]
    if left < 1:
        return Kept.NOT_NET_LONG
    if float(model.proceeds[row]) * left <= model.fixed:
        return Kept.WORTH_LESS_THAN_CHARGES
    more = lots.copy()
    more[row] += 1
    found = model.figures(more)
    side = float(more[_side(model, column.contract.right)].sum())
    over = found.used > room.used + TOLERANCE_RUPEES or found.order > room.order + TOLERANCE_RUPEES
    return Kept.STILL_COVERS if over or side > room.each_side[column.contract.right] else Kept.NEEDED_LATER


def _choice(
    inputs: UnwindInputs,
    model: HedgeModel,
    lots: FloatArray,
    *,
    reasons: Mapping[Contract, Kept],
    known: bool,
    shorts_gone: bool,
) -> UnwindChoice:
    sold = {column.contract: int(count) for column, count in zip(model.columns, lots, strict=True)}
    sells, kept, recovery = [], [], Decimal(0)
    for wing in sorted(inputs.wings, key=lambda held: held.contract):
        count = sold.get(wing.contract, 0)
        if count and wing.bid is not None:
            sells.append(WingTrade(wing.contract, count, wing.bid))
            premium = wing.bid * count * inputs.spec.lot
            orders = orders_for(lots=count, freeze_lots=inputs.spec.freeze_lots)
            recovery += premium - order_charges(
                rates=inputs.rates, side=Side.SELL, premium_rupees=premium, orders=orders
            )
        if wing.lots > count:
            kept.append(KeptWing(wing.contract, wing.lots - count, reasons.get(wing.contract, Kept.NO_BID)))
    used = rupees(model.figures(lots).used) if known else None
    return UnwindChoice(
        sells=tuple(sells),
        kept=tuple(kept),
        recovery=recovery,
        used_after=used,
        utilization_after_pct=None if used is None else used / inputs.budget * HUNDRED,
        shorts_gone=shorts_gone,
    )
