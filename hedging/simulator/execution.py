"""What becomes of an accepted order: it arrives, waits for its trigger, takes what stands at its limit, and rests for the rest."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from hedging.domain.instruments import Contract, Side
from hedging.simulator import matching
from hedging.simulator.account import Account
from hedging.simulator.market import PRE_OPEN
from hedging.simulator.orders import LIVE, SECOND, Order, Origin, Status, Trade

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange


class Execution:
    """The work on one exchange's orders. Everything here runs in its events, under its lock."""

    def __init__(self, *, exchange: Exchange) -> None:
        self._exchange = exchange
        self._used: dict[tuple[Contract, Side], tuple[int, dict[int, int]]] = {}

    def arrive(self, order: Order) -> None:
        """Let an order reach the exchange, which rejects it or works it."""
        if order.status not in LIVE:
            return
        order.arrived = True
        if words := self._exchange.checks.arrival(order):
            self._reject(order, words)
        else:
            self._work(order)

    def _reject(self, order: Order, reason: str) -> None:
        order.status, order.reason = Status.REJECTED, reason
        if order.origin is Origin.STRATEGIST:
            self._exchange.strategist.on_done(order)

    def later(self, order: Order, us: int) -> None:
        """Look at the order again at a time (microseconds), unless it was changed meanwhile."""
        generation = order.generation

        def again() -> None:
            if order.generation == generation and order.status in LIVE:
                self._work(order)

        self._exchange.at(us, again)

    def _work(self, order: Order) -> None:
        """Fill what can be filled now, and come back at the next second at which somebody will be there."""
        contract, side, t = order.ticket.contract, order.ticket.side, self._exchange.t
        prices = self._exchange.market.whole_day(contract)
        last_second = self._exchange.market.grid_seconds - 1
        if order.status is Status.TRIGGER_PENDING:
            last = int(prices.last[t])
            if last < order.trigger if side is Side.BUY else last > order.trigger:
                due = matching.next_trigger(prices=prices, side=side, trigger=order.trigger, after=t, until=last_second)
                if due is not None:
                    self.later(order, due * SECOND)
                return
            order.status = Status.OPEN
        wanted = order.remaining
        if order.fill_limit is not None:
            wanted = min(wanted, order.fill_limit - order.filled)
            if wanted <= 0:
                return
        bids, asks = self._exchange.market.depth(contract, t)
        second, used = self._used.get((contract, side), (PRE_OPEN, {}))
        if second != t:
            used = {}
            self._used[(contract, side)] = (t, used)
        ladder = asks if side is Side.BUY else bids
        for ticks, units in matching.take(ladder=ladder, used=used, side=side, limit=order.price, wanted=wanted):
            self._fill(order, ticks, units)
        if order.filled == order.quantity:
            order.status = Status.COMPLETE
            self._exchange.truth.after_order(order)
            if order.origin is Origin.STRATEGIST:
                self._exchange.strategist.on_done(order)
            return
        due = matching.next_crossing(prices=prices, side=side, limit=order.price, after=t, until=last_second)
        if due is not None:
            self.later(order, due * SECOND)

    def fill_in_full(self, order: Order) -> None:
        """Fill what is missing of an order at its limit (a market order at the last price), whoever stands in the book."""
        ticks = order.price or max(1, self._exchange.market.ticks(order.ticket.contract, self._exchange.t)[0])
        self._fill(order, ticks, order.quantity - order.filled)
        order.status = Status.COMPLETE
        self._exchange.truth.after_order(order)

    def _fill(self, order: Order, ticks: int, units: int) -> None:
        self._exchange.truth.before_change()
        ticket = order.ticket
        price = self._exchange.market.price(ticket.contract.index, ticks)
        booked = partial(
            Account.trade,
            contract=ticket.contract,
            product=ticket.product,
            symbol=ticket.symbol,
            side=ticket.side,
            units=units,
            price=price,
            first_of_order=not order.trades,
        )
        charge = booked(self._exchange.account)
        self._exchange.shown.hear(booked)
        trade = Trade(order.order_id, ticket, order.origin, ticks, units, self._exchange.us)
        order.filled += units
        order.trades.append(trade)
        self._exchange.trades.append(trade)
        self._exchange.truth.traded(trade, price=price, charge=charge)
