"""Gateway: OpenAlgo, broker and exchange in one, which knows the truth and tells it late, wrongly, twice or not at all.

What it is assumed to keep (anything worse is told in docs/reliability.md as not covered): an order is accepted within 115 s
of its POST or never; a transitional row shows its neighbour's status for less than 5 s; a trade is in the trade book
within 4 s; after a cancel has taken effect nothing trades.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
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
from hedging.chaos.kernel import Kernel
from hedging.chaos.replies import Accepts, draw, lateness
from hedging.chaos.script import FREEZE_LOTS, LOT, TICK, Script, contracts
from hedging.chaos.witness import Witness
from hedging.domain.instruments import Contract, Product, Side
from hedging.domain.snapshot import Depth, Level, Position

TRANSIT_SECONDS = 4.5
TRADE_LAG_SECONDS = 4.0
WALL_IS_BEHIND = timedelta(days=1000)
"""Wall time and market time are two clocks: code that mixes them must stand out."""


@dataclass(frozen=True, slots=True)
class Trade:
    """One trade at the exchange; `shown_at` is when the trade book has it."""

    quantity: int
    price: Decimal
    at: datetime
    shown_at: datetime


@dataclass(slots=True)
class Order:
    """An order as the exchange knows it. `owner` is the slice of ours that was posted, `None` for a person's order."""

    order_id: str
    request: OrderRequest
    owner: int | None
    accepted_at: datetime
    shown_at: datetime
    transit_until: datetime
    status: BrokerStatus = BrokerStatus.WORKING
    ended_at: datetime | None = None
    trades: list[Trade] = field(default_factory=list)

    @property
    def filled(self) -> int:
        """Return the units traded."""
        return sum(trade.quantity for trade in self.trades)

    @property
    def rest(self) -> int:
        """Return the units that may still trade."""
        return self.request.quantity - self.filled if self.status is BrokerStatus.WORKING else 0


class Gateway:
    """A `Broker` for the engine, and the ground truth for the judge. Every call is a point at which strands take turns."""

    paper = False

    def __init__(self, *, kernel: Kernel, script: Script, witness: Witness, closes: datetime) -> None:
        self.kernel = kernel
        self.script = script
        self.witness = witness
        self.closes = closes
        self.orders: list[Order] = []
        self.foreign: dict[Contract, int] = {}
        self.asks: dict[Contract, Decimal] = {
            contract: TICK * kernel.random.randint(40, 110) for contract in contracts(script.day)
        }
        self.down = False
        self.calm = False
        """The end of a schedule: nothing new goes wrong, what is late still comes."""

    # --- the world outside ------------------------------------------------------------------------------------------

    def move(self) -> None:
        """Let every price jump; what is reached trades."""
        for contract in self.asks:
            self.asks[contract] = max(TICK * 4, self.asks[contract] + TICK * self.kernel.random.randint(-12, 12))
        for order in self.orders:
            side, limit = order.request.side, order.request.limit_price
            reached = (limit - self._touch(order.request.contract, side)) * side.sign >= 0
            if order.rest and reached:
                self._trade(order, order.rest)

    def person_orders(self) -> None:
        """Let a person order what we ordered: before ours is there at a price of his own, after it at any."""
        ours = [order for order in self.orders if order.owner is not None and order.request.side is Side.BUY]
        if ours:
            self._accept(ours[-1].request, owner=None)
            self.kernel.tally["a person copied an order of ours"] += 1
            return
        contract = contracts(self.script.day)[0]
        price = (self.asks[contract] * 4).to_integral_value() / 4
        self._accept(OrderRequest(contract, Product.NRML, Side.BUY, LOT, price), owner=None)
        self.kernel.tally["a person ordered the same contract"] += 1

    def person_sells(self) -> None:
        """Let a person sell one lot of a hedge by hand, where the account is long and no sale of ours is under way."""
        for contract in self.asks:
            selling = any(o.rest for o in self.orders if o.request.contract == contract and o.request.side is Side.SELL)
            if self.net(contract) >= LOT and not selling:
                self.foreign[contract] = self.foreign.get(contract, 0) - LOT
                self.kernel.tally["a person sold a hedge of ours"] += 1
                self.kernel.tell(f"a person sells {LOT} {format_symbol(contract)}")
                return

    def net(self, contract: Contract) -> int:
        """Return the account's net units in a contract."""
        traded = sum(o.request.side.sign * o.filled for o in self.orders if o.request.contract == contract)
        return self.foreign.get(contract, 0) + traded

    def close(self) -> None:
        """End the exchange's day: what still works expires."""
        for order in self.orders:
            if order.status is BrokerStatus.WORKING:
                self._end(order, BrokerStatus.EXPIRED)

    # --- what the engine asks ---------------------------------------------------------------------------------------

    def place(self, request: OrderRequest) -> PlaceReply:
        """Take one order through whatever its fate is."""
        kernel, random = self.kernel, self.kernel.random
        strand = kernel.current
        owner = strand.order_id if strand is not None else None
        self.witness.fence_passed(request, owner)
        kernel.pause(random.choice((0.01, 0.01, 1.0)), "before the request is written")
        fault = draw(random)
        if self.down:
            kernel.tell("POST: connection refused")
            return PlaceReply(ReplyClass.NOT_SENT, message="connection refused")
        kernel.tally[f"POST: {fault.name}"] += 1
        kernel.tell(f"POST {_words(request)}: {fault.name}")
        if fault.status != -1:
            self.witness.posted(request, owner)
        order: Order | None = None
        seconds = random.uniform(0.05, fault.slowest)
        asked_at = kernel.now
        if fault.accepts is Accepts.LATE:
            kernel.after(lateness(random, after=seconds), lambda: self._accept(request, owner=owner))
        elif fault.accepts is Accepts.QUEUED and random.random() < 0.5:
            kernel.after(random.uniform(5, 1500), lambda: self._accept(request, owner=owner))
        elif fault.accepts is Accepts.NOW:
            order = self._accept(request, owner=owner, at_once=fault.status == 400)
        kernel.pause(seconds, "the order is on the wire")
        kernel.pause(0.0, "the reply is read and not yet written down")
        return fault.reply(order_id=order.order_id if order else None, asked_at=asked_at)

    def cancel(self, order_id: str) -> CancelReply:
        """Take a cancel: it takes effect a little later, the answer may be lost, and a fill may be faster."""
        kernel, random = self.kernel, self.kernel.random
        self.witness.lockless("cancel")
        kernel.pause(0.05, "before the cancel is written")
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
        kernel.after(random.uniform(0, 3), lambda: self._end(order, BrokerStatus.CANCELLED))
        kernel.pause(0.1, "the cancel is on the wire")
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
            rows.append(_row(order, status, named=not (self.script.nameless and in_transit)))
        book = OrderBook(tuple(rows), read_at=self.wall())
        self._travel("the order book's answer travels")
        return book

    def trade_book(self) -> TradeBook:
        """Return the trades that are shown by now."""
        self._read("the trade book")
        rows = tuple(
            _trade_row(order, trade)
            for order in self.orders
            for trade in order.trades
            if trade.shown_at <= self.kernel.now
        )
        return TradeBook(rows, read_at=self.wall())

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

    def _touch(self, contract: Contract, side: Side) -> Decimal:
        return self.asks[contract] if side is Side.BUY else self.asks[contract] - 2 * TICK

    def _accept(self, request: OrderRequest, *, owner: int | None, at_once: bool = False) -> Order | None:
        kernel, random = self.kernel, self.kernel.random
        if kernel.now >= self.closes:
            kernel.tally["an order reached the exchange after its close"] += 1
            return None
        lag = 0.0 if at_once else random.uniform(0, 1.5)
        shown = kernel.now + timedelta(seconds=lag)
        order = Order(
            order_id=f"E{len(self.orders) + 1:05d}",
            request=request,
            owner=owner,
            accepted_at=kernel.now,
            shown_at=shown,
            transit_until=kernel.now + timedelta(seconds=random.uniform(0, TRANSIT_SECONDS)),
        )
        self.orders.append(order)
        kernel.tell(f"the exchange accepts {order.order_id}: {_words(request)}{'' if owner else ', of a person'}")
        if owner is not None:
            self.witness.accepted(order, self)
        self._plan_fills(order)
        return order

    def _plan_fills(self, order: Order) -> None:
        kernel, random = self.kernel, self.kernel.random
        fate = random.random()
        if fate < 0.04:
            kernel.after(random.uniform(0.3, 3), lambda: self._end(order, BrokerStatus.REJECTED))
            kernel.tally["rejected after acceptance"] += 1
        elif fate < (0.45 if self.script.thin else 0.75):
            kernel.after(random.choice((0.0, random.uniform(0, 3))), lambda: self._trade(order, order.rest))
        elif fate < (0.85 if self.script.thin else 0.9):
            for _ in range(random.randint(1, 2 * FREEZE_LOTS)):
                kernel.after(random.uniform(0, 25), lambda: self._trade(order, LOT))

    def _trade(self, order: Order, quantity: int) -> None:
        quantity = min(quantity, order.rest)
        if not quantity:
            return
        random, side, now = self.kernel.random, order.request.side, self.kernel.now
        better = TICK * random.randint(0, 3)
        price = max(TICK, order.request.limit_price - better) if side is Side.BUY else order.request.limit_price + better
        shown = max(order.shown_at, now + timedelta(seconds=random.choice((0.0, random.uniform(0, TRADE_LAG_SECONDS)))))
        order.trades.append(Trade(quantity, price, now, shown))
        self.kernel.tell(f"the exchange trades {quantity} of {order.order_id} at {price}")
        if order.filled >= order.request.quantity:
            self._end(order, BrokerStatus.COMPLETE)
        if order.owner is not None:
            self.witness.traded(order, self)

    def _end(self, order: Order, status: BrokerStatus) -> None:
        if order.status is BrokerStatus.WORKING:
            order.status, order.ended_at = status, self.kernel.now
            self.kernel.tell(f"the exchange ends {order.order_id}: {status}, {order.filled} filled")
            self.witness.news()


def _words(request: OrderRequest) -> str:
    return f"{request.side} {request.quantity} {format_symbol(request.contract)} at {request.limit_price}"


def _row(order: Order, status: BrokerStatus, *, named: bool) -> OrderRow:
    request = order.request
    return OrderRow(
        order_id=order.order_id,
        symbol=format_symbol(request.contract) if named else "",
        contract=request.contract if named else None,
        product=request.product.value,
        side=request.side,
        quantity=request.quantity,
        price=request.limit_price,
        status=status,
        status_text=status.value,
        timestamp_text="",
    )


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


