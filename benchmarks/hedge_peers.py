"""Other ways to choose a hedge, written apart from the optimizer: brute force, a plain program, and two rules of thumb.

They share with it only the words of a problem and the risk array of a single contract. Every contract, moment and row is
rebuilt here from the book, the plain way: nothing is filtered, projected out or scaled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import product as every
from math import ceil

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from hedging.domain.charges import order_charges, orders_for
from hedging.domain.instruments import Contract, Right, Side
from hedging.domain.margin import MarginLine, requirement
from hedging.domain.optimizer_types import Aim, Candidate, HedgeProblem, HedgeSolution, HeldWing
from hedging.domain.pricing import BoolArray, FloatArray
from hedging.domain.risk import value_contracts

AIMS = (Aim.TARGET, Aim.TRIGGER, Aim.FULL)
MISSED_RUPEES = 0.05  # half a paisa of rounding at each of a few figures
INFEASIBLE = 2


@dataclass(frozen=True, slots=True)
class Reached:
    """The first aim that a way of choosing reaches, and what that costs in rupees; both `None` where it reaches none."""

    aim: Aim | None
    cost: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """The book after some of the coming legs, premium flows so far, and which of both figures are compared then."""

    lines: tuple[MarginLine, ...]
    paid: float
    received: float
    received_before: float
    counts_used: bool
    counts_order: bool


def moments(asked: HedgeProblem) -> Iterator[Moment]:
    lines = asked.book
    paid = received = 0.0
    yield Moment(lines, paid, received, received, counts_used=True, counts_order=False)
    for entry in sorted(asked.coming, key=lambda e: (e.at, e.portfolio)):
        for number, leg in enumerate(entry.legs, start=1):
            before = received
            signed = leg.quantity if leg.side is Side.BUY else -leg.quantity
            lines = (*lines, MarginLine(leg.contract, signed, leg.price, entry.product))
            if leg.side is Side.BUY:
                paid += float(leg.premium)
            else:
                received += float(leg.premium)
            yield Moment(lines, paid, received, before, counts_used=number == len(entry.legs), counts_order=True)


def percent(asked: HedgeProblem, aim: Aim) -> Decimal:
    policy = asked.policy
    return {Aim.TARGET: policy.utilization_target_pct, Aim.TRIGGER: policy.utilization_trigger_pct}.get(
        aim, Decimal(100)
    )


def permitted(asked: HedgeProblem) -> list[Candidate]:
    """Return what may be bought in band and bounds, without any relaxation."""
    spot = asked.market.spots[asked.spec.index]
    short = {
        line.contract
        for line in (*asked.book, *(line for entry in asked.coming for line in entry.lines))
        if line.quantity < 0
    }
    found = []
    for offer in asked.candidates:
        away = (offer.contract.strike - spot) * (1 if offer.contract.right is Right.CE else -1)
        in_band = asked.policy.min_premium <= offer.ask <= asked.policy.max_premium
        if in_band and asked.spec.otm_min <= away <= asked.spec.otm_max and offer.contract not in short:
            found.append(offer)
    return found


@dataclass(frozen=True, slots=True)
class State:
    """A moment's scenario losses, option value and ELM; `used` and `order` are all else that is compared, if it is."""

    losses: FloatArray
    value: float
    elm: float
    used: float | None
    order: float | None


class Sheet:
    """A problem laid out as a spreadsheet: one row for each offer (a strike to buy, a wing to sell), figures a lot."""

    def __init__(self, asked: HedgeProblem) -> None:
        self.asked = asked
        spec, policy, rates = asked.spec, asked.policy, asked.rates
        self.lot, self.freeze = spec.lot, spec.freeze_lots
        net: dict[Contract, int] = {}
        for line in list(moments(asked))[-1].lines:
            net[line.contract] = net.get(line.contract, 0) + line.quantity
        self.capacity = {
            right: -sum(units for contract, units in net.items() if contract.right is right) // spec.lot
            for right in Right
        }
        self.buys = permitted(asked)
        self.wings = [wing for wing in asked.wings if wing.bid]
        self.offers: list[Candidate | HeldWing] = [*self.buys, *self.wings]
        contracts = [offer.contract for offer in self.offers]
        prices = [offer.mark if isinstance(offer, Candidate) else offer.bid or Decimal(0) for offer in self.offers]
        valued = value_contracts(contracts=contracts, prices=prices, market=asked.market, parameters=asked.parameters)
        self.side = np.array([1.0] * len(self.buys) + [-1.0] * len(self.wings))
        self.risk = valued.risk * self.lot * self.side[:, None]
        self.value = valued.prices * self.lot * self.side
        self.right = [contract.right for contract in contracts]
        self.away = np.array([float(c.strike) if c.right is Right.CE else -float(c.strike) for c in contracts])
        premiums = np.array(
            [float(o.ask if isinstance(o, Candidate) else o.bid or 0) * self.lot for o in self.offers], dtype=float
        )
        buy, sell = (float(rates.fraction_of_premium(side)) for side in (Side.BUY, Side.SELL))
        is_buy = self.side > 0
        self.premium = premiums * self.side
        self.cost = np.where(is_buy, premiums * (1 + buy), -premiums * (1 - sell))
        self.fee = float(rates.fixed_per_order)
        worst = [self._worst(o.ask) if isinstance(o, Candidate) else 0.0 for o in self.offers]
        self.reserve = np.array(worst) * self.lot * (1 + buy)
        self.reserve_fee = np.where(is_buy, self.fee * (1 + policy.max_chases), 0.0)
        counted = 1.0 if asked.profile.premium_counted else 0.0
        self.counted = counted
        self.used_cash = counted * self.premium
        self.order_cash = np.where(is_buy, self.cost, counted * self.premium)
        self.order_fee = np.where(is_buy, self.fee, 0.0)
        self.most = np.array([self._most(offer, net) for offer in self.offers], dtype=float)
        self.money = float(min(asked.cost_cap_left, asked.cash, asked.free_margin))
        self.states = self._states()

    def of(self, right: Right) -> BoolArray:
        """Return which offers are of one side."""
        return np.array([mine is right for mine in self.right], dtype=np.bool_)

    def _worst(self, ask: Decimal) -> float:
        policy, tick = self.asked.policy, self.asked.spec.tick
        slack = max(policy.order_buffer_ticks * tick, ask * policy.order_buffer_pct / 100)
        return float((ask + slack) // tick * tick)

    def _most(self, offer: Candidate | HeldWing, net: dict[Contract, int]) -> float:
        if isinstance(offer, HeldWing):
            most = min(offer.lots, max(0, net.get(offer.contract, 0)) // self.lot)
        else:
            held = sum(wing.lots for wing in self.asked.wings if wing.contract.right is offer.contract.right)
            most = max(0, self.capacity[offer.contract.right]) + held
        return float(most if offer.depth_lots is None else min(most, offer.depth_lots))

    def _states(self) -> list[State]:
        """Return the book at each moment; figures that no action changes are gathered in `used` and `order`."""
        asked = self.asked
        scale, now = float(asked.profile.scale), float(asked.used_now)
        states: list[State] = []
        base = 0.0
        for number, moment in enumerate(moments(asked)):
            valued = value_contracts(
                contracts=[line.contract for line in moment.lines],
                prices=[line.price for line in moment.lines],
                market=asked.market,
                parameters=asked.parameters,
            )
            units = np.array([float(line.quantity) for line in moment.lines])
            losses, value = units @ valued.risk, float(units @ valued.prices)
            rate = {line.contract: float(elm) for line, elm in zip(moment.lines, valued.elm, strict=True)}
            net = dict.fromkeys(rate, 0.0)
            for line in moment.lines:
                net[line.contract] += line.quantity
            elm = sum(max(0.0, -units) * rate[contract] for contract, units in net.items())
            if number == 0:
                base = scale * (max(0.0, max(0.0, float(losses.max())) - value) + elm)
            used = now + (float(asked.used_offset) if number else 0.0) + self.counted * (moment.paid - moment.received)
            order = float(asked.order_offset) + moment.paid - self.counted * moment.received_before
            states.append(
                State(
                    losses=losses,
                    value=value,
                    elm=elm,
                    used=used - base if moment.counts_used else None,
                    order=order - base if moment.counts_order else None,
                )
            )
        return states


def brute_force(asked: HedgeProblem) -> Reached:
    """Try every number of lots of every offer."""
    sheet = Sheet(asked)
    lots = np.array(list(every(*(range(int(most) + 1) for most in sheet.most))), dtype=float)
    orders = np.ceil(lots / sheet.freeze)
    fits = lots @ sheet.reserve + orders @ sheet.reserve_fee <= sheet.money + 1e-9
    for right in Right:
        mine = sheet.of(right)
        added, bought = lots @ np.where(mine, sheet.side, 0.0), lots @ (mine & (sheet.side > 0)) > 0
        fits &= added <= np.where(bought, sheet.capacity[right], max(0, sheet.capacity[right]))
        for wing in np.flatnonzero(mine & (sheet.side < 0)):
            inside = mine & (sheet.away <= sheet.away[wing])
            fits &= lots @ np.where(inside, sheet.side, 0.0) >= 0
    lots, orders = lots[fits], orders[fits]
    cost = lots @ sheet.cost + orders.sum(axis=1) * sheet.fee
    scale = float(asked.profile.scale)
    used = np.full(len(lots), -np.inf)
    order = np.full(len(lots), -np.inf)
    for state in sheet.states:
        scan = np.maximum((state.losses + lots @ sheet.risk).max(axis=1), 0.0)
        margin = scale * (np.maximum(scan - state.value - lots @ sheet.value, 0.0) + state.elm)
        if state.used is not None:
            used = np.maximum(used, state.used + margin + lots @ sheet.used_cash)
        if state.order is not None:
            order = np.maximum(order, state.order + margin + lots @ sheet.order_cash + orders @ sheet.order_fee)
    for aim in AIMS:
        good = (used <= float(asked.budget * percent(asked, aim) / 100)) & (order <= float(asked.free_margin))
        if good.any() and cost[good].min() != 0:
            return Reached(aim, float(cost[good].min()))
    return Reached(None, None)


def plain_program(asked: HedgeProblem, *, time_limit_seconds: float = 60.0) -> Reached:
    """Solve it as a textbook would write it: z and SPAN are variables of every moment, every strike has its column."""
    sheet = Sheet(asked)
    for aim in AIMS:
        found = _plain_solve(sheet, float(asked.budget * percent(asked, aim) / 100), time_limit_seconds)
        if found:  # an aim that nothing at all meets is not one that is reached by buying
            return Reached(aim, found)
    return Reached(None, None)


class Rows:
    """Rows of a plain program over [lots, orders, scan of every moment, SPAN of every moment, two switches]."""

    def __init__(self, offers: int, moments: int) -> None:
        self.offers = offers
        self.width = 2 * offers + 2 * moments + 2
        self.rows: list[FloatArray] = []
        self.tops: list[float] = []

    def add(
        self, top: float, lots: FloatArray, orders: FloatArray | None = None, at: dict[int, float] | None = None
    ) -> None:
        row = np.zeros(self.width)
        row[: self.offers] = lots
        if orders is not None:
            row[self.offers : 2 * self.offers] = orders
        for column, coefficient in (at or {}).items():
            row[column] = coefficient
        self.rows.append(row)
        self.tops.append(top)

    def margins(self, sheet: Sheet, most_used: float) -> None:
        scale, free = float(sheet.asked.profile.scale), float(sheet.asked.free_margin)
        for number, state in enumerate(sheet.states):
            z = 2 * self.offers + number
            span = z + len(sheet.states)
            for scenario in range(sheet.risk.shape[1]):
                self.add(-state.losses[scenario], sheet.risk[:, scenario], at={z: -1.0})
            self.add(state.value, -sheet.value, at={z: 1.0, span: -1.0})
            if state.used is not None:
                self.add(most_used - state.used - scale * state.elm, sheet.used_cash, at={span: scale})
            if state.order is not None:
                room = free - state.order - scale * state.elm
                self.add(room, sheet.order_cash, sheet.order_fee, at={span: scale})

    def trades(self, sheet: Sheet) -> None:
        self.add(sheet.money, sheet.reserve, sheet.reserve_fee)
        for unit in np.eye(self.offers):
            self.add(0.0, unit, -unit * sheet.freeze)
        for right in Right:
            mine = sheet.of(right)
            buys, capacity = mine & (sheet.side > 0), sheet.capacity[right]
            # A side that has longs beyond shorts is bought (its switch is 1) only if that ends with the action.
            switch = self.width - 1 - (right is Right.PE)
            self.add(float(max(0, capacity)), np.where(mine, sheet.side, 0.0), at={switch: float(max(0, -capacity))})
            self.add(0.0, buys.astype(float), at={switch: -float(sheet.most[buys].sum())})
            for wing in np.flatnonzero(mine & (sheet.side < 0)):
                self.add(0.0, np.where(mine & (sheet.away <= sheet.away[wing]), -sheet.side, 0.0))


def _plain_solve(sheet: Sheet, most_used: float, seconds: float) -> float | None:
    count, states = len(sheet.offers), len(sheet.states)
    found = Rows(count, states)
    found.margins(sheet, most_used)
    found.trades(sheet)
    answer = milp(
        np.concatenate([sheet.cost, np.full(count, sheet.fee), np.zeros(2 * states + 2)]),
        constraints=LinearConstraint(np.array(found.rows), -np.inf, np.array(found.tops)),
        integrality=np.concatenate([np.ones(2 * count), np.zeros(2 * states), np.ones(2)]),
        bounds=Bounds(
            np.zeros(found.width), np.concatenate([sheet.most, np.full(count + 2 * states, np.inf), np.ones(2)])
        ),
        options={"mip_rel_gap": 0.0, "time_limit": seconds},
    )
    if answer.status == INFEASIBLE:
        return None
    if answer.status != 0:
        raise RuntimeError(f"the plain program was not solved: {answer.message}")
    lots = np.round(answer.x[:count])
    return float(sheet.cost @ lots + np.ceil(lots / sheet.freeze).sum() * sheet.fee)


def cheapest_first(asked: HedgeProblem) -> Reached:
    """Take the cheapest strike of each side, as few equal lots as do; if none do, the next cheapest, and so on."""
    sheet = Sheet(asked)
    sides = [_by_ask(sheet, right) for right in Right]
    return _least(sheet, list(zip(*sides, strict=False)), first=True)


def best_equal_pair(asked: HedgeProblem) -> Reached:
    """Take the cheapest of all pairs of a call and a put in equal lots."""
    sheet = Sheet(asked)
    return _least(sheet, list(every(*(_by_ask(sheet, right) for right in Right))), first=False)


def _by_ask(sheet: Sheet, right: Right) -> list[int]:
    rows = [row for row, offer in enumerate(sheet.buys) if offer.contract.right is right]
    return sorted(rows, key=lambda row: (sheet.buys[row].ask, -sheet.away[row]))


def _least(sheet: Sheet, pairs: list[tuple[int, ...]], *, first: bool) -> Reached:
    """Return what the first pair that does costs, or the cheapest of all; pairs take the fewest lots that do."""
    asked = sheet.asked
    capacity = max(0, min(sheet.capacity.values()))
    for aim in AIMS:
        most_used = float(asked.budget * percent(asked, aim) / 100)
        best: float | None = None
        for pair in pairs:
            most = int(min([capacity, *(sheet.most[row] for row in pair)]))
            cost = next(
                (c for n in range(1, most + 1) if (c := _pair_cost(sheet, pair, n, most_used)) is not None), None
            )
            if cost is not None and (best is None or cost < best):
                best = cost
            if best is not None and first:
                break
        if best is not None:
            return Reached(aim, best)
    return Reached(None, None)


def _pair_cost(sheet: Sheet, pair: tuple[int, ...], lots: int, most_used: float) -> float | None:
    """Return the cost of so many lots of both, or `None` where that misses a limit."""
    rows = list(pair)
    orders = ceil(lots / sheet.freeze)
    if lots * sheet.reserve[rows].sum() + orders * sheet.reserve_fee[rows].sum() > sheet.money:
        return None
    scale = float(sheet.asked.profile.scale)
    for state in sheet.states:
        scan = max(0.0, float((state.losses + lots * sheet.risk[rows].sum(axis=0)).max()))
        margin = scale * (max(0.0, scan - state.value - lots * float(sheet.value[rows].sum())) + state.elm)
        paid = lots * sheet.order_cash[rows].sum() + orders * sheet.order_fee[rows].sum()
        if state.used is not None and state.used + margin + lots * sheet.used_cash[rows].sum() > most_used:
            return None
        if state.order is not None and state.order + margin + paid > float(sheet.asked.free_margin):
            return None
    return float(lots * sheet.cost[rows].sum() + 2 * orders * sheet.fee)


def missed_rupees(asked: HedgeProblem, answer: HedgeSolution) -> float:
    """Return by how much the answer, re-priced by the margin engine book by book, misses a limit of its own aim; 0 is met."""
    marks = {offer.contract: offer.mark for offer in asked.candidates}
    traded = [MarginLine(t.contract, t.lots * asked.spec.lot, marks[t.contract], asked.product) for t in answer.buys]
    traded += [MarginLine(t.contract, -t.lots * asked.spec.lot, t.price, asked.product) for t in answer.sells]
    counted = 1.0 if asked.profile.premium_counted else 0.0
    paid = sum(float(t.price) * t.lots * asked.spec.lot for t in answer.buys)
    received = sum(float(t.price) * t.lots * asked.spec.lot for t in answer.sells)
    out = paid + sum(
        float(
            order_charges(
                rates=asked.rates,
                side=Side.BUY,
                premium_rupees=t.price * t.lots * asked.spec.lot,
                orders=orders_for(lots=t.lots, freeze_lots=asked.spec.freeze_lots),
            )
        )
        for t in answer.buys
    )

    def margin(lines: list[MarginLine]) -> float:
        found = requirement(lines=lines, market=asked.market, parameters=asked.parameters)
        return float(found.total * asked.profile.scale)

    base = margin(list(asked.book))
    most_used = float(asked.budget * percent(asked, answer.aim or Aim.FULL) / 100)
    missed = 0.0
    for moment in moments(asked):
        total = margin([*moment.lines, *traded]) - base
        if moment.counts_used:
            flows = counted * (moment.paid - moment.received + paid - received)
            missed = max(missed, float(asked.used_now) + total + flows - most_used)
        if moment.counts_order:
            gross = moment.paid + out - counted * (moment.received_before + received)
            missed = max(missed, total + gross - float(asked.free_margin))
    return 0.0 if missed <= MISSED_RUPEES else missed
