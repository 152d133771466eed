"""The exchange and the broker: takes orders in market time, keeps the books, settles. `execution` fills.

Everything happens in events on one queue, ordered by market time; `advance_to` runs what is due. What happens depends on
the seed and on the orders' times alone, never on how often the clock is asked.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from threading import RLock
from typing import Any

from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.instruments import Contract, Product, Right, Side
from hedging.simulator.account import Account
from hedging.simulator.chance import hash01
from hedging.simulator.checks import SQUARE_OFF, Checks
from hedging.simulator.day import SimulatedDay
from hedging.simulator.execution import Execution
from hedging.simulator.funds import FundsView, Risk, blocked_book, funds_view, rupees, second_of
from hedging.simulator.margin import MarginModel, MarginParameters
from hedging.simulator.market import Market
from hedging.simulator.orders import LIVE, Order, OrderRefused, Origin, PriceType, Status, Ticket, Trade
from hedging.simulator.peaks import PeakMargin
from hedging.simulator.ranges import DayRanges
from hedging.simulator.rules import AccountRules
from hedging.simulator.shown import ShownBooks
from hedging.simulator.strategist import Strategist
from hedging.simulator.truth import Truth

_LATENCY_US = (200_000, 900_000)

Basket = list[tuple[Contract, Product, int, Decimal]]
"""Legs of a basket: contract, product, signed units, price in rupees."""


class Exchange:
    """One trading day of the simulated world. Thread-safe: every public call takes `lock`."""

    def __init__(
        self,
        *,
        day: SimulatedDay,
        seed: int,
        cash: Decimal,
        margin: MarginParameters | None = None,
        rules: AccountRules | None = None,
    ) -> None:
        self.day = day
        self.seed = seed
        self.lock = RLock()
        self.market = Market(day=day, seed=seed)
        self.ranges = DayRanges(market=self.market)
        self.model = MarginModel(today=day.date, parameters=margin)
        self.risk = Risk(market=self.market, model=self.model)
        self.rules = rules or AccountRules()
        self.account = Account(cash=cash)
        self.orders: dict[str, Order] = {}
        self.trades: list[Trade] = []
        self.settled = False
        self._queue: list[tuple[int, int, Callable[[], None]]] = []
        self._event_number = 0
        self._us = self._micros(day.start_at)
        for carried in day.carried:
            contract = parse_symbol(carried.symbol)
            position = self.account.position(contract, carried.product, carried.symbol)
            position.quantity, position.average = carried.quantity, carried.average_price
        self.shown = ShownBooks(exchange=self)
        self.truth = Truth(exchange=self)
        self.checks = Checks(exchange=self)
        self.execution = Execution(exchange=self)
        self.peaks = PeakMargin(exchange=self)
        self.strategist = Strategist(exchange=self, entries=day.entries, judge=day.judge)
        self.at(self._micros(day.moment(SQUARE_OFF)), self._square_off)
        self.at(self._micros(self.market.closes_at), self._close)

    # -- time -------------------------------------------------------------------------------------------------------

    def _micros(self, moment: datetime) -> int:
        return (moment - self.market.opens_at) // timedelta(microseconds=1)

    @property
    def us(self) -> int:
        """Return market time in microseconds since the open."""
        return self._us

    @property
    def t(self) -> int:
        """Return the grid second of market time."""
        return second_of(self.market, self._us)

    @property
    def now(self) -> datetime:
        """Return market time."""
        return self.moment(self._us)

    def moment(self, us: int) -> datetime:
        """Return the moment of a time in microseconds since the open."""
        return self.market.opens_at + timedelta(microseconds=us)

    def at(self, us: int, action: Callable[[], None]) -> None:
        """Run `action` at a market time; actions of one time run in the order in which they were asked for."""
        self._event_number += 1
        heapq.heappush(self._queue, (us, self._event_number, action))

    def advance_to(self, now: datetime) -> None:
        """Run everything that is due up to `now`. Going back does nothing."""
        with self.lock:
            target = self._micros(now)
            while self._queue and self._queue[0][0] <= target:
                us, _, action = heapq.heappop(self._queue)
                self._us = max(self._us, us)
                action()
            self._us = max(self._us, target)

    @property
    def is_open(self) -> bool:
        """Return whether orders are taken now."""
        return self.market.is_open(self.now)

    # -- orders -----------------------------------------------------------------------------------------------------

    def live_orders(self) -> list[Order]:
        """Return the orders that may still fill, oldest first."""
        return [order for order in self.orders.values() if order.status in LIVE]

    def place(self, ticket: Ticket, *, origin: Origin = Origin.HTTP) -> Order:
        """Take an order; it reaches the exchange 200 to 900 ms later. Raise `OrderRefused` with the broker's text."""
        with self.lock:
            self.checks.placement(ticket, origin=origin)
            self.checks.funds(ticket, quantity=ticket.quantity, replacing=None)
            number = len(self.orders) + 1
            order = Order(
                order_id=f"{self.day.date:%y%m%d}{number:09d}",
                ticket=ticket,
                origin=origin,
                placed_us=self._us,
                price=0 if ticket.kind is PriceType.MARKET else ticket.price,
                trigger=ticket.trigger,
                quantity=ticket.quantity,
                status=Status.TRIGGER_PENDING if ticket.kind is PriceType.SL else Status.OPEN,
            )
            self.orders[order.order_id] = order
            low, high = _LATENCY_US
            latency = low + int((high - low) * float(hash01(self.seed, self.day.date.toordinal(), 77, number)[0]))
            self.at(self._us + latency, lambda: self.execution.arrive(order))
            return order

    def modify(self, order_id: str, *, quantity: int, price: int, trigger: int) -> Order:
        """Change a live order's quantity and prices. Raise `OrderRefused` if it is unknown or no longer live."""
        with self.lock:
            order = self.orders.get(order_id)
            if order is None:
                raise OrderRefused("Couldn't find that `order_id`.")
            if order.status not in LIVE:
                raise OrderRefused("Order cannot be cancelled as it is being processed. Try later.")
            if quantity <= order.filled or quantity % self.day.specs[order.ticket.contract.index].lot:
                raise OrderRefused("Invalid quantity for the modification of a partly filled order.")
            if order.ticket.kind is not PriceType.MARKET and price <= 0:
                raise OrderRefused("Price cannot be zero for LIMIT orders.")
            if not self.is_open:
                raise OrderRefused("Markets are closed right now.")
            if words := self.checks.outside_band(order.ticket, price=price, trigger=trigger):
                raise OrderRefused(words)
            self.checks.funds(order.ticket, quantity=quantity - order.filled, replacing=order, price=price)
            order.quantity, order.trigger = quantity, trigger
            if order.ticket.kind is not PriceType.MARKET:
                order.price = price
            order.generation += 1
            if order.arrived:
                self.execution.later(order, self._us)
            return order

    def cancel(self, order_id: str) -> Order:
        """Cancel what is left of a live order. Raise `OrderRefused` if there is nothing left to cancel."""
        with self.lock:
            order = self.orders.get(order_id)
            if order is None:
                raise OrderRefused("Couldn't find that `order_id`.")
            if order.status is Status.CANCELLED:
                raise OrderRefused("Order is already cancelled.")
            if order.status not in LIVE:
                raise OrderRefused("Order cannot be cancelled as it is being processed. Try later.")
            order.status = Status.CANCELLED
            return order

    # -- end of the day ---------------------------------------------------------------------------------------------

    def _square_off(self) -> None:
        """Close every MIS position at the market, as brokers do."""
        for (contract, product), position in list(self.account.positions.items()):
            if product is Product.MIS and position.quantity:
                side = Side.SELL if position.quantity > 0 else Side.BUY
                ticket = Ticket(contract, position.symbol, side, abs(position.quantity), product, PriceType.MARKET)
                try:
                    self.place(ticket, origin=Origin.BROKER)
                except OrderRefused:
                    continue  # left to settlement

    def _close(self) -> None:
        """End the session: open orders lapse, expired contracts settle at their intrinsic value."""
        for order in self.live_orders():
            order.status, order.lapsed = Status.CANCELLED, True
        self.truth.before_change()
        self._settle(self.account)
        self.shown.hear(self._settle)
        self.settled = True
        self.strategist.on_close()

    def _settle(self, account: Account) -> None:
        for position in account.positions.values():
            contract = position.contract
            if contract.expiry <= self.day.date and position.quantity:
                account.settle(position=position, intrinsic=self.settlement_value(contract))

    def settlement_value(self, contract: Contract) -> Decimal:
        """Return the intrinsic value of an expired contract at the index's close, in rupees."""
        spot = Decimal(str(round(float(self.market.paths[contract.index].spot[-1]), 2)))
        sign = 1 if contract.right is Right.CE else -1
        return max(Decimal(0), sign * (spot - contract.strike))

    # -- views ------------------------------------------------------------------------------------------------------

    def funds(self) -> FundsView:
        """Return the account's money as the broker shows it now: of a late fill neither the margin nor what its order blocked."""
        with self.lock:
            return funds_view(account=self.shown.funds, live=self.live_orders(), risk=self.risk, t=self.t)

    def margin_of_basket(self, legs: Basket, *, alone: bool) -> tuple[Decimal, ...]:
        """Return (total, span, elm) of a basket of (contract, product, signed units, price in rupees).

        `alone` ignores the book (one leg at this broker); else the figures are what the book's requirement grows by.
        The total is net of premium: paid premium is added, received premium taken off (not for a single short leg).
        """
        with self.lock:
            book = {} if alone else blocked_book(self.account, self.live_orders())
            after = dict(book)
            premium = Decimal(0)
            for contract, product, signed, price in legs:
                after[(contract, product)] = after.get((contract, product), 0) + signed
                premium += price * signed
            before, wanted = self.risk.need(book, self.t), self.risk.need(after, self.t)
            span, elm = rupees(wanted.span - before.span), rupees(wanted.elm - before.elm)
            if alone:
                premium = max(premium, Decimal(0))
            return span + elm + premium.quantize(Decimal("0.01")), span, elm

    def report(self) -> dict[str, Any]:
        """Return the ground truth of the day so far as JSON-able values."""
        with self.lock:
            return self.truth.report()
