"""Gateway: OpenAlgo and the broker before the exchange. It tells the truth late, wrongly, twice or not at all.

It is assumed to pass an order on within 115 s of its POST or never, and to show a neighbour's status for less than 5 s.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from hedging.brokers.base import (
    BrokerStatus,
    BrokerUnavailable,
    CancelReply,
    NotOffered,
    OrderBook,
    OrderRequest,
    OrderRow,
    PlaceReply,
    RateLimited,
    ReplyClass,
    TradeBook,
    TradeRow,
    UnreadableAnswer,
)
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.chaos.exchange import TRANSIT_SECONDS, Exchange, Order, Trade, words_of
from hedging.chaos.replies import Accepts, draw, lateness
from hedging.chaos.script import LOT, TICK
from hedging.domain.instruments import Contract, Product
from hedging.domain.snapshot import Depth, Level, Position

WALL_IS_BEHIND = timedelta(days=1000)
"""Wall time and market time are two clocks: code that mixes them must stand out."""


class Gateway(Exchange):
    """A `Broker` for the engine over the exchange. Every call is a point at which strands take turns."""

    paper = False

    def place(self, request: OrderRequest) -> PlaceReply:
        """Take one order through whatever its fate is."""
        kernel, random = self.kernel, self.kernel.random
        strand = kernel.current
        owner = strand.order_id if strand is not None else None
        self.witness.fence_passed(request, owner)
        kernel.pause(random.choice((0.01, 0.01, 1.0)), "before the request is written", peril=4)
        fault = draw(random)
        if self.down:
            kernel.tell("POST: connection refused")
            return PlaceReply(ReplyClass.NOT_SENT, message="connection refused")
        kernel.tally[f"POST: {fault.name}"] += 1
        kernel.tell(f"POST {words_of(request)}: {fault.name}")
        if fault.status != -1:
            self.witness.posted(request, owner)
        order: Order | None = None
        seconds = random.uniform(0.05, fault.slowest)
        asked_at = kernel.now
        if fault.accepts is Accepts.LATE:
            kernel.after(lateness(random, after=seconds), lambda: self.accept(request, owner=owner))
        elif fault.accepts is Accepts.QUEUED and random.random() < 0.5:
            self.awaiting_approval.append(request)
            kernel.after(random.uniform(5, 1500), lambda: self._approve(request, owner))
        elif fault.accepts is Accepts.NOW:
            order = self.accept(request, owner=owner, at_once=fault.status == 400)
        kernel.pause(seconds, "the order is on the wire", peril=4)
        kernel.pause(0.0, "the reply is read and not yet written down", peril=4)
        return fault.reply(order_id=order.order_id if order else None, asked_at=asked_at)

    def cancel(self, order_id: str) -> CancelReply:
        """Take a cancel: it takes effect a little later, the answer may be lost, and a fill may be faster."""
        kernel, random = self.kernel, self.kernel.random
        self.witness.lockless("cancel")
        kernel.pause(0.05, "before the cancel is written", peril=4)
        order = next((o for o in self.orders if o.order_id == order_id), None)
        fate = 1.0 if self.calm else random.random()
        if self.down or fate < 0.08:
            kernel.tally["cancel lost"] += 1
            kernel.tell(f"cancel {order_id}: lost on the way")
            return CancelReply(None, "no answer")
        if order is None or order.status is not BrokerStatus.WORKING:
            return CancelReply(accepted=False, message="400: order is not open")
        if fate < 0.14:
            kernel.tally["cancel refused although the order works"] += 1
            return CancelReply(accepted=False, message="400: order cannot be cancelled while in transit")
        kernel.tell(f"cancel {order_id}: taken")
        order.transit_until = kernel.now + timedelta(seconds=random.uniform(0, TRANSIT_SECONDS))
        kernel.after(random.uniform(0, 3), lambda: self.end(order, BrokerStatus.CANCELLED))
        kernel.pause(0.1, "the cancel is on the wire", peril=4)
        if fate < 0.3:
            kernel.tally["cancel made, reply lost"] += 1
            return CancelReply(None, "read timeout")
        return CancelReply(accepted=True)

    def order_book(self) -> OrderBook:
        """Return the rows as they are shown: some not yet, some with a neighbour's status."""
        self._read("the order book")
        now = self.kernel.now
        rows: list[OrderRow] = []
        for order in self.orders:
            if order.shown_at > now:
                continue
            status = order.status
            in_transit = self.script.leaks and now < order.transit_until and not self.calm
            if in_transit:
                if not rows:
                    self.kernel.tally["order book: 500, its first row is in transit"] += 1
                    raise BrokerUnavailable("500: cannot access local variable 'order_status'")
                if rows[-1].status is not status:
                    self.kernel.tally["order book: a row with its neighbour's status"] += 1
                    self.kernel.tell(f"the book shows {order.order_id} as {rows[-1].status}, which is its neighbour's")
                status = rows[-1].status
            price = order.average if self.script.averages and order.trades else order.request.limit_price
            rows.append(_row(order, status, price=price, named=not (self.script.nameless and in_transit)))
        book = OrderBook(tuple(rows), read_at=self.wall())
        self._travel("the order book's answer travels")
        return book

    def trade_book(self) -> TradeBook:
        """Return the trades that are shown by now."""
        self._read("the trade book")
        now = self.kernel.now
        rows = [_trade_row(order, trade) for order in self.orders for trade in order.trades if trade.shown_at <= now]
        return TradeBook(_joined(rows) if self.script.joins else tuple(rows), read_at=self.wall())

    def positions(self) -> tuple[Position, ...]:
        """Return the account's net positions."""
        self._read("the positions")
        self.witness.positions_read()
        held = {contract: self.net(contract) for contract in self.asks}
        return tuple(Position(c, Product.NRML, units, self.asks[c], self.asks[c]) for c, units in held.items() if units)

    def depth(self, contract: Contract) -> Depth:
        """Return one level on each side; now and then an empty, a crossed or an old one."""
        asked_at = self.wall()
        self._read("the depth")
        ask = self.asks[contract]
        bid: Decimal = ask - 2 * TICK
        fate = 1.0 if self.calm else self.kernel.random.random()
        if fate < 0.01:
            return Depth(contract, (), (), None, asked_at)
        if fate < 0.02:
            ask, bid = bid, ask
        self._travel("the depth's answer travels")
        level = 40 * LOT
        return Depth(contract, (Level(bid, level),), (Level(ask, level),), ask, asked_at)

    def wall(self) -> datetime:
        """Return wall time: it runs as market time does, a thousand days behind."""
        return self.kernel.now - WALL_IS_BEHIND

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        """Refuse every other call of a broker: the protocol needs none."""

        def refuse(*_: object, **__: object) -> NoReturn:
            raise NotOffered(f"501: {name} is not offered here")

        return refuse

    # --- inside -----------------------------------------------------------------------------------------------------

    def _approve(self, request: OrderRequest, owner: int | None) -> None:
        self.awaiting_approval.remove(request)
        self.accept(request, owner=owner)

    def _read(self, what: str) -> None:
        kernel, random = self.kernel, self.kernel.random
        self.witness.lockless(what)
        slow = 0.0 if self.calm else random.random()
        kernel.pause(random.uniform(0.02, 0.3) if slow < 0.95 else random.uniform(1, 9), f"reading {what}")
        if self.down:
            raise BrokerUnavailable("connection refused")
        if not self.calm and random.random() < self.script.read_failure_rate:
            kernel.tally["a read failed"] += 1
            kernel.tell(f"reading {what} fails")
            raise random.choice((BrokerUnavailable("500"), RateLimited("429"), UnreadableAnswer("empty data")))

    def _travel(self, where: str) -> None:
        if not self.calm and self.kernel.random.random() < 0.12:
            self.kernel.pause(self.kernel.random.uniform(0.1, 4.0), where)


def _row(order: Order, status: BrokerStatus, *, price: Decimal, named: bool) -> OrderRow:
    request = order.request
    return OrderRow(
        order_id=order.order_id,
        symbol=format_symbol(request.contract) if named else "",
        contract=request.contract if named else None,
        product=request.product.value,
        side=request.side,
        quantity=request.quantity,
        price=price,
        status=status,
        status_text=status.value,
        timestamp_text="",
    )


def _joined(rows: list[TradeRow]) -> tuple[TradeRow, ...]:
    """Return one row for what each order has traded at one price."""
    grown: dict[tuple[str, Decimal], TradeRow] = {}
    for row in rows:
        before = grown.get((row.order_id, row.price))
        grown[row.order_id, row.price] = replace(
            row, quantity=row.quantity + (0 if before is None else before.quantity)
        )
    return tuple(grown.values())


def _trade_row(order: Order, trade: Trade) -> TradeRow:
    request = order.request
    return TradeRow(
        order_id=order.order_id,
        symbol=format_symbol(request.contract),
        contract=request.contract,
        side=request.side,
        quantity=trade.quantity,
        price=trade.price,
        timestamp_text="",
    )
