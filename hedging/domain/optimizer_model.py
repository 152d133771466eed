"""The numbers behind a hedge: every contract, column and moment of a problem turned into arrays once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedging.domain.entries import order_moments
from hedging.domain.exposure import Exposure, ExposureKey, exposures
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import MarginLine, PoolMargin, Universe
from hedging.domain.optimizer_types import HedgeProblem
from hedging.domain.policy import Objective
from hedging.domain.pricing import BoolArray, FloatArray
from hedging.domain.resale import resale_values
from hedging.domain.risk import SCENARIOS
from hedging.domain.worst_case import worst_price

INFINITE = float("inf")


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one solve in float rupees; `INFINITE` lifts one. `used`, `order`: most used after, most at order."""

    used: float
    order: float
    cost: float
    cash: float
    capacity: bool = True
    depth: bool = True

    @property
    def money(self) -> float:
        """Return the most that may be set aside for buys: what cost cap and cash both leave."""
        return max(0.0, min(self.cost, self.cash))


@dataclass(frozen=True, slots=True)
class Column:
    """A tradable strike: +1 buys it at the ask, -1 sells one of ours at the bid; `most_lots` from depth or holding.

    `price` and `worst`, which no slice of the order may pass, in float rupees a unit; `bid` where anybody bids.
    """

    contract: Contract
    side: Side
    price: float
    worst: float
    bid: float | None
    most_lots: float


@dataclass(frozen=True, slots=True)
class State:
    """The book at one moment, without the action: scenario losses of the wings' scan tier, and all that is constant.

    `inner` joins the tier's scan inside max(0, .), `outer` stands outside it. `used_fixed` and `order_fixed` turn margin
    into what is compared with the budget and with free margin; `None` where this moment is not compared.
    """

    units: FloatArray
    losses: FloatArray
    inner: float
    outer: float
    used_fixed: float | None
    order_fixed: float | None


@dataclass(frozen=True, slots=True)
class Figures:
    """What an action leads to, in float rupees: the worst used of all moments, the worst addition at an order."""

    used: float
    order: float


class HedgeModel:
    """A problem turned into arrays once; every aim, relaxation and lifted limit is then one solve over them."""

    def __init__(self, problem: HedgeProblem) -> None:
        """Value every contract that is held, coming or tradable. Raises `MarketUnknown` without a spot."""
        self.problem = problem
        self.lot = problem.spec.lot
        self.columns = _columns(problem)
        self.is_buy: BoolArray = np.array([c.side is Side.BUY for c in self.columns], dtype=np.bool_)
        self.universe = _universe(problem)
        rows = [self.universe.row(column.contract, problem.product) for column in self.columns]
        self._rows = np.array(rows, dtype=np.int64)
        self._signed_lot = np.where(self.is_buy, float(self.lot), -float(self.lot))
        value = self.universe.valuation
        self.risk = value.risk[self._rows] * self._signed_lot[:, None]
        self.nov = value.prices[self._rows] * self._signed_lot
        self.premium = np.array([column.price for column in self.columns]) * self.lot
        self.depth: FloatArray = np.array([column.most_lots for column in self.columns])
        rights = np.array([column.contract.right is Right.CE for column in self.columns], dtype=np.bool_)
        self.is_right: dict[Right, BoolArray] = {Right.CE: rights, Right.PE: ~rights}
        strikes = np.array([float(column.contract.strike) for column in self.columns])
        self.distance: FloatArray = np.where(rights, strikes, -strikes)  # farther out of the money is larger
        rates = problem.rates
        buy_rate, sell_rate = (float(rates.fraction_of_premium(side)) for side in (Side.BUY, Side.SELL))
        self.fixed = float(rates.fixed_per_order)
        self.outlay = np.where(self.is_buy, self.premium * (1 + buy_rate), 0.0)
        self.proceeds = np.where(self.is_buy, 0.0, self.premium * (1 - sell_rate))
        # Cap and cash are held against the worst price with every chase, as the claim will be: what is chosen must fit.
        worst = np.array([column.worst for column in self.columns]) * self.lot
        self.reserve = np.where(self.is_buy, worst * (1 + buy_rate), 0.0)
        self.reserve_of_order = self.fixed * (1 + problem.policy.max_chases)
        self.weight, self.weight_of_order = self._weights(sell_rate)
        self.scale = float(problem.profile.scale)
        self.counted = 1.0 if problem.profile.premium_counted else 0.0
        # Cash leaves for every buy whatever the broker counts as used; cash from sells helps only where it counts it.
        self.used_cash = self.counted * np.where(self.is_buy, self.premium, -self.premium)
        self.order_cash = np.where(self.is_buy, self.outlay, -self.counted * self.premium)
        self.states = self._states()
        self.capacity = _capacity_lots(problem)

    def figures(self, lots: FloatArray) -> Figures:
        """Return the engine's own figures after trading `lots` of each column: no row of the program is used."""
        units = self._traded(lots)
        counted, gross = self.used_cash @ lots, self.order_cash @ lots
        gross += self.fixed * _orders(lots[self.is_buy], self.problem.spec.freeze_lots)
        used: float = -INFINITE
        order: float = -INFINITE
        for state in self.states:
            margin = self.scale * self.universe.total(state.units + units)
            if state.used_fixed is not None:
                used = max(used, float(state.used_fixed + margin + counted))
            if state.order_fixed is not None:
                order = max(order, float(state.order_fixed + margin + gross))
        return Figures(used, order)

    def added_now(self, lots: FloatArray) -> float:
        """Return what trading `lots` adds to the margin of the present book, in rupees; premium and charges play no part."""
        now = self.states[0].units
        return self.scale * (self.universe.total(now + self._traded(lots)) - self.universe.total(now))

    def _traded(self, lots: FloatArray) -> FloatArray:
        units = np.zeros(len(self.universe.valuation.prices))
        np.add.at(units, self._rows, lots * self._signed_lot)
        return units

    def weigh(self, lots: FloatArray) -> float:
        """Return what the policy's objective says that trading `lots` costs, in rupees."""
        orders = np.ceil(lots / self.problem.spec.freeze_lots)
        return float(self.weight @ lots + self.weight_of_order @ orders)

    def reserved(self, lots: FloatArray) -> float:
        """Return the rupees that the claim of `lots` sets aside: every buy at its worst price, each order chased out."""
        orders = _orders(lots[self.is_buy], self.problem.spec.freeze_lots)
        return float(self.reserve @ lots) + self.reserve_of_order * orders

    def most_lots(self, allowed: BoolArray, limits: Limits) -> FloatArray:
        """Return the largest lots of each column that depth, holding, capacity, cost and cash could permit."""
        depth = self.depth if limits.depth else np.where(self.is_buy, INFINITE, self.depth)
        each = np.full(len(self.columns), INFINITE)
        if limits.money < INFINITE:
            afford = np.floor(np.maximum(limits.money - self.reserve_of_order, 0.0) / np.maximum(self.reserve, 1e-9))
            each = np.where(self.is_buy, afford, INFINITE)
        room = self.room(allowed, limits)
        fits = np.where(self.is_right[Right.CE], room[Right.CE], room[Right.PE])
        fits = np.where(self.is_buy, fits, INFINITE)
        most: FloatArray = np.where(allowed, np.maximum(np.minimum(np.minimum(depth, each), fits), 0.0), 0.0)
        return most

    def room(self, allowed: BoolArray, limits: Limits) -> dict[Right, float]:
        """Return the lots that could be bought on each side if everything that may be sold there were sold."""
        room: dict[Right, float] = {}
        for right in Right:
            capacity = float(self.capacity[right])
            if not limits.capacity:
                capacity = 3 * abs(capacity) + 100
            sellable = float(self.depth[allowed & ~self.is_buy & self.is_right[right]].sum())
            room[right] = max(0.0, capacity + sellable)
        return room

    def _weights(self, sell_rate: float) -> tuple[FloatArray, FloatArray]:
        """Return what the objective counts for each lot and for each order of every column, in rupees."""
        each = np.full(len(self.columns), self.fixed)
        if self.problem.policy.objective is Objective.PREMIUM_OUTLAY:
            return self.outlay - self.proceeds, each
        problem = self.problem
        resale = resale_values(
            self.columns, until=problem.needed_until, market=problem.market, parameters=problem.parameters
        )
        resale = resale * self.lot * (1 - sell_rate)
        # A lot that would not pay for its own order is taken to be left to expire.
        resale = np.where(resale > self.fixed, resale, 0.0)
        again = np.where(self.is_buy & (resale > 0), self.fixed, 0.0)
        return self.outlay - self.proceeds + np.where(self.is_buy, -resale, resale), each + again

    def _states(self) -> tuple[State, ...]:
        problem, universe = self.problem, self.universe
        now = universe.quantities(problem.book)
        margin_now = self.scale * universe.total(now)
        used_now, counted = float(problem.used_now), self.counted
        states = [self._state(now, used_now - margin_now, None)]
        for moment in order_moments(problem.coming):
            added = universe.quantities(moment.added)
            used = used_now + float(problem.used_offset) + counted * float(moment.paid - moment.received) - margin_now
            order = (
                float(problem.order_offset) + float(moment.paid) - counted * float(moment.received_before) - margin_now
            )
            states.append(self._state(now + added, used if moment.completes_entry else None, order))
        return tuple(states)

    def _state(self, units: FloatArray, used_fixed: float | None, order_fixed: float | None) -> State:
        pools = self.universe.pools(units)
        nothing = PoolMargin(tiers={}, calendar=0.0, nov=0.0, elm=0.0)
        pool = pools.pop((self.problem.spec.index, self.problem.product), nothing)
        tier = self.problem.expiry <= self.problem.market.today
        losses = pool.tiers.get(tier, np.zeros(SCENARIOS))
        other_tiers = sum(max(0.0, float(other.max())) for name, other in pool.tiers.items() if name != tier)
        return State(
            units=units,
            losses=losses,
            inner=other_tiers + pool.calendar - pool.nov,
            outer=pool.elm + sum(other.total for other in pools.values()),
            used_fixed=used_fixed,
            order_fixed=order_fixed,
        )

    def margin_without_action(self, state: State) -> float:
        """Return the margin of a state as it stands, in float rupees."""
        return state.outer + max(0.0, state.inner + max(0.0, float(state.losses.max())))


def _orders(lots: FloatArray, freeze_lots: int) -> float:
    return float(np.ceil(lots / freeze_lots).sum())


def _columns(problem: HedgeProblem) -> tuple[Column, ...]:
    net = _net_after_coming(problem)
    lot = problem.spec.lot
    columns = []
    for c in problem.candidates:
        worst = worst_price(side=Side.BUY, touch=c.ask, policy=problem.policy, spec=problem.spec)
        bid = None if c.bid is None else float(c.bid)
        depth = INFINITE if c.depth_lots is None else float(c.depth_lots)
        columns.append(Column(c.contract, Side.BUY, float(c.ask), float(worst), bid, depth))
    for wing in problem.wings:
        if wing.bid is None or wing.bid <= 0:
            continue
        most = min(wing.lots, max(0, net.get(wing.contract, 0)) // lot)
        if wing.depth_lots is not None:
            most = min(most, wing.depth_lots)
        bid = float(wing.bid)
        columns.append(Column(wing.contract, Side.SELL, bid, 0.0, bid, float(most)))
    return tuple(columns)


def _net_after_coming(problem: HedgeProblem) -> dict[Contract, int]:
    net: dict[Contract, int] = {}
    for line in (*problem.book, *(line for entry in problem.coming for line in entry.lines)):
        if line.product is problem.product:
            net[line.contract] = net.get(line.contract, 0) + line.quantity
    return net


def _universe(problem: HedgeProblem) -> Universe:
    known: Sequence[MarginLine] = (
        *problem.book,
        *(line for entry in problem.coming for line in entry.lines),
        *(MarginLine(c.contract, 0, c.mark, problem.product) for c in problem.candidates),
        *(MarginLine(w.contract, 0, w.bid, problem.product) for w in problem.wings if w.bid is not None),
    )
    return Universe.of(known, market=problem.market, parameters=problem.parameters)


def _capacity_lots(problem: HedgeProblem) -> dict[Right, int]:
    """Return how many lots of longs fit on each side after the coming entries; negative where longs already exceed."""
    found = exposures(problem.book, problem.pending, *(entry.lines for entry in problem.coming))
    keys = {right: ExposureKey(problem.spec.index, problem.expiry, right, problem.product) for right in Right}
    sides = {right: found.get(key, Exposure()) for right, key in keys.items()}
    return {right: (side.shorts - side.longs) // problem.spec.lot for right, side in sides.items()}
