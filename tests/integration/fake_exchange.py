"""A small exchange and broker in memory: it matches, remembers, and misbehaves on demand. Ground truth for engine tests."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from hedging.brokers.base import (
    BasketScope,
    BrokerError,
    BrokerStatus,
    CancelReply,
    MarginLeg,
    OrderBook,
    OrderRequest,
    OrderRow,
    PlaceReply,
    ReplyClass,
    ServerStatus,
    TradeBook,
    TradeRow,
)
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Level, Position, Quote

SPOT = Decimal(26000)


@dataclass(slots=True)
class Resting:
    """An order as the exchange knows it."""

    order_id: str
    request: OrderRequest
    trades: list[tuple[int, Decimal]] = field(default_factory=list)
    status: BrokerStatus = BrokerStatus.WORKING
    shown: BrokerStatus | None = None
    """What the order book says instead of the truth: adapters leak a neighbour's status."""

    @property
    def rest(self) -> int:
        return self.request.quantity - sum(quantity for quantity, _ in self.trades)

    @property
    def average(self) -> Decimal:
        units = sum(quantity for quantity, _ in self.trades)
        return (sum((quantity * price for quantity, price in self.trades), Decimal(0)) / units).quantize(
            Decimal("0.01")
        )


Misbehaviour = Callable[["FakeExchange", OrderRequest], PlaceReply]


def placed_but_timed_out(exchange: FakeExchange, request: OrderRequest) -> PlaceReply:
    exchange.accept(request)
    return PlaceReply(ReplyClass.UNKNOWN, message="read timeout", infrastructure=True)


def timed_out(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.UNKNOWN, message="read timeout", infrastructure=True)


def refused(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.REJECTED, message="400: quantity must be positive")


def refused_by_broker(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.REJECTED, message="margin exceeds", needs_book_check=True)


def refused_but_placed(exchange: FakeExchange, request: OrderRequest) -> PlaceReply:
    exchange.accept(request)
    return PlaceReply(ReplyClass.REJECTED, message="something failed", needs_book_check=True)


def not_sent(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.NOT_SENT, message="connection refused", infrastructure=True)


def queued_upstream(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.QUEUED_UPSTREAM, message="semi_auto")


def another_mode(_: FakeExchange, __: OrderRequest) -> PlaceReply:
    return PlaceReply(ReplyClass.MODE_MISMATCH, message="analyze")


class FakeExchange:
    """A `Broker` over one order book. Buys take the ladder's asks, sells its bids; what does not match rests.

    `replies` are misbehaviours for the next orders, first come first served; `failing` maps a read to the error that it
    raises; `before` maps a method to something that happens just before it answers; a book without `named` has no symbols yet;
    one with `averages` shows the average price of what has traded, as some brokers do.
    """

    paper = False

    def __init__(self, *, wall: Callable[[], datetime]) -> None:
        self.wall = wall
        self.orders: dict[str, Resting] = {}
        self.foreign: dict[tuple[Contract, Product], int] = {}
        self.ladders: dict[Contract, tuple[list[Level], list[Level]]] = {}
        self.replies: list[Misbehaviour] = []
        self.failing: dict[str, BrokerError] = {}
        self.before: dict[str, Callable[[], object]] = {}
        self.posts: list[OrderRequest] = []
        self.cancels: list[str] = []
        self.calls: list[str] = []
        self.lose_cancels = 0
        self.trades_shown: int | None = None  # of each order; all
        self.named = True
        self.averages = False
        self.used = Decimal(0)
        self.cash = Decimal(2_000_000)
        self.added_by_basket: Callable[[Sequence[MarginLeg]], Decimal] = lambda _: Decimal(0)
        self.scope = BasketScope.INCREMENT
        self._lock = threading.Lock()

    # what a test does to it

    def quote(self, contract: Contract, bid: str | None, ask: str | None, quantity: int = 10_000) -> None:
        """Show one level on each side, `None` for an empty side."""
        bids, asks = ([] if price is None else [Level(Decimal(price), quantity)] for price in (bid, ask))
        self.ladders[contract] = (bids, asks)

    def accept(self, request: OrderRequest) -> Resting:
        """Take an order into the book and match it, whatever the reply will say."""
        resting = Resting(f"B{len(self.orders) + 1:04d}", request)
        self.orders[resting.order_id] = resting
        self.match(resting)
        return resting

    def match(self, resting: Resting) -> None:
        """Fill an order at the levels that its limit reaches; they are used up."""
        bids, asks = self.ladders.get(resting.request.contract, ([], []))
        side = resting.request.side
        levels = asks if side is Side.BUY else bids
        while levels and resting.rest and (resting.request.limit_price - levels[0].price) * side.sign >= 0:
            quantity = min(resting.rest, levels[0].quantity)
            resting.trades.append((quantity, levels[0].price))
            levels[0] = Level(levels[0].price, levels[0].quantity - quantity)
            if not levels[0].quantity:
                levels.pop(0)
        if not resting.rest:
            resting.status = BrokerStatus.COMPLETE

    def fill(self, resting: Resting, quantity: int, price: str) -> None:
        """Trade a part of an order, cancelled or not: a fill may race anything."""
        resting.trades.append((quantity, Decimal(price)))
        if not resting.rest:
            resting.status = BrokerStatus.COMPLETE

    def only(self) -> Resting:
        """Return the single order of the book."""
        (resting,) = self.orders.values()
        return resting

    def net(self, contract: Contract) -> int:
        """Return the units held in a contract, foreign ones included."""
        return sum(p.quantity for p in self._positions() if p.contract == contract)

    # what the engine asks

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.before:
            self.before[name]()
        if name in self.failing:
            raise self.failing[name]

    def place(self, request: OrderRequest) -> PlaceReply:
        with self._lock:
            self._called("place")
            self.posts.append(request)
            if self.replies:
                return self.replies.pop(0)(self, request)
            return PlaceReply(ReplyClass.ACKED, self.accept(request).order_id)

    def cancel(self, order_id: str) -> CancelReply:
        self._called("cancel")
        self.cancels.append(order_id)
        resting = self.orders[order_id]
        if self.lose_cancels:
            self.lose_cancels -= 1
            return CancelReply(accepted=None)
        if resting.status is not BrokerStatus.WORKING:
            return CancelReply(accepted=False)
        resting.status = BrokerStatus.CANCELLED
        return CancelReply(accepted=True)

    def order_book(self) -> OrderBook:
        self._called("order_book")
        return OrderBook(
            tuple(_order_row(order, named=self.named, averages=self.averages) for order in self.orders.values()),
            self.wall(),
        )

    def trade_book(self) -> TradeBook:
        self._called("trade_book")
        shown = [row for order in self.orders.values() for row in list(_trade_rows(order))[: self.trades_shown]]
        return TradeBook(tuple(shown), self.wall())

    def positions(self) -> tuple[Position, ...]:
        self._called("positions")
        return self._positions()

    def _positions(self) -> tuple[Position, ...]:
        net = dict(self.foreign)
        for order in self.orders.values():
            key = (order.request.contract, order.request.product)
            units = order.request.side.sign * sum(quantity for quantity, _ in order.trades)
            net[key] = net.get(key, 0) + units
        return tuple(
            Position(contract, product, quantity, Decimal(4), Decimal(4))
            for (contract, product), quantity in net.items()
            if quantity
        )

    def depth(self, contract: Contract) -> Depth:
        self._called("depth")
        bids, asks = self.ladders.get(contract, ([], []))
        return Depth(contract, tuple(bids), tuple(asks), None, self.wall())

    def funds(self) -> Funds:
        self._called("funds")
        return Funds(self.cash, Decimal(0), self.used, Decimal(0), Decimal(0), self.wall())

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        self._called("chain")
        quotes = {
            contract: Quote(
                contract,
                bids[0].price if bids else None,
                asks[0].price if asks else None,
                asks[0].price if asks else None,
                bids[0].quantity if bids else None,
                asks[0].quantity if asks else None,
            )
            for contract, (bids, asks) in self.ladders.items()
            if (contract.index, contract.expiry) == (index, expiry)
        }
        return Chain(index, expiry, SPOT, SPOT, quotes, self.wall())

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        self._called("basket_margin")
        return BasketMargin(self.added_by_basket(legs), Decimal(0), Decimal(0), self.wall())

    def spot(self, index: Index) -> Decimal:
        return SPOT

    def expiries(self, index: Index) -> tuple[date, ...]:
        return ()

    def server_status(self) -> ServerStatus:
        return ServerStatus("fake", analyze_mode=False)


def _order_row(order: Resting, *, named: bool, averages: bool) -> OrderRow:
    status = order.shown or order.status
    return OrderRow(
        order_id=order.order_id,
        symbol=format_symbol(order.request.contract) if named else "",
        contract=order.request.contract if named else None,
        product=order.request.product.value,
        side=order.request.side,
        quantity=order.request.quantity,
        price=order.average if averages and order.trades else order.request.limit_price,
        status=status,
        status_text=status.value,
        timestamp_text="",
    )


def _trade_rows(order: Resting) -> list[TradeRow]:
    return [
        TradeRow(
            order_id=order.order_id,
            symbol=format_symbol(order.request.contract),
            contract=order.request.contract,
            side=order.request.side,
            quantity=quantity,
            price=price,
            timestamp_text="",
        )
        for quantity, price in order.trades
    ]
