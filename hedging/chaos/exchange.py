"""Exchange: the ground truth of a schedule. Orders as they were really accepted, trades as they really happened, and people.

What it is assumed to keep (anything worse is told in docs/reliability.md as not covered): a trade is in the trade book within
4 s, a row is in transition for less than 5 s, and after a cancel has taken effect nothing trades.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from hedging.brokers.base import BrokerStatus, OrderRequest
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.chaos.kernel import Kernel
from hedging.chaos.rows import MORNING_ORDER, MORNING_PRICE
from hedging.chaos.script import FREEZE_LOTS, LOT, TICK, Script, contracts
from hedging.chaos.witness import Witness
from hedging.domain.instruments import Contract, Product, Side

TRANSIT_SECONDS = 4.5
TRADE_LAG_SECONDS = 4.0
AN_ORDER_LANDS_WITHIN = timedelta(seconds=130)


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
    def average(self) -> Decimal:
        """Return the average price of what was traded, to the paisa."""
        return (sum((t.quantity * t.price for t in self.trades), Decimal(0)) / self.filled).quantize(Decimal("0.01"))

    @property
    def rest(self) -> int:
        """Return the units that may still trade."""
        return self.request.quantity - self.filled if self.status is BrokerStatus.WORKING else 0


class Exchange:
    """Matches, rejects, expires, and lets people trade beside us. Nothing of it is late or wrong: that is the gateway's part."""

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
        self.awaiting_approval: list[OrderRequest] = []
        """Orders of ours that OpenAlgo keeps until a person approves them."""
        self.down = False
        self.calm = False
        """The end of a schedule: nothing new goes wrong, what is late still comes."""

    def begin(self, *, morning: int | None) -> None:
        """Put into the book what is there at the start: our order of the morning, and a neighbour for leaking statuses."""
        at, wing = self.kernel.now - timedelta(hours=1), contracts(self.script.day)[0]
        if self.script.leaks:
            request = OrderRequest(wing, Product.NRML, Side.BUY, 4 * LOT, Decimal(1))
            status = self.kernel.random.choice((BrokerStatus.CANCELLED, BrokerStatus.REJECTED, BrokerStatus.EXPIRED))
            self.orders.append(Order("P00000", request, None, at, at, at, status, at))
        if morning is not None:
            quantity = self.script.held_lots * LOT
            request = OrderRequest(wing, Product.NRML, Side.BUY, quantity, MORNING_PRICE)
            trades = [Trade(quantity, MORNING_PRICE, at, at)]
            self.orders.append(Order(MORNING_ORDER, request, morning, at, at, at, BrokerStatus.COMPLETE, at, trades))

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
        ours = [
            o
            for o in self.orders
            if o.owner is not None and o.request.side is Side.BUY and o.status is BrokerStatus.WORKING
        ]
        if ours:
            copy = self.accept(ours[-1].request, owner=None)
            if copy is not None:  # he saw ours before he copied it
                copy.shown_at = max(copy.shown_at, ours[-1].shown_at)
            self.kernel.tally["a person copied an order of ours"] += 1
            return
        contract = contracts(self.script.day)[0]
        price = (self.asks[contract] * 4).to_integral_value() / 4
        self.accept(OrderRequest(contract, Product.NRML, Side.BUY, LOT, price), owner=None)
        self.kernel.tally["a person ordered the same contract"] += 1

    def person_sells(self) -> None:
        """Let a person sell one lot of a hedge by hand, where the account is long and no sale of ours is under way.

        A sale that waits for a person's approval is under way: he does not sell the same units twice.
        """
        looked = self.witness.last_look
        if looked is not None and self.kernel.now - looked < AN_ORDER_LANDS_WITHIN:
            return
        for contract in self.asks:
            ours = [o.request for o in self.orders if o.rest] + self.awaiting_approval
            selling = any(request.contract == contract and request.side is Side.SELL for request in ours)
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
                self.end(order, BrokerStatus.EXPIRED)

    def _touch(self, contract: Contract, side: Side) -> Decimal:
        return self.asks[contract] if side is Side.BUY else self.asks[contract] - 2 * TICK

    def accept(self, request: OrderRequest, *, owner: int | None, at_once: bool = False) -> Order | None:
        """Take an order in, unless the day is over; `at_once` it is in the book too."""
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
        kernel.tell(f"the exchange accepts {order.order_id}: {words_of(request)}{'' if owner else ', of a person'}")
        if owner is not None:
            self.witness.accepted(order, self)
        self._plan_fills(order)
        return order

    def _plan_fills(self, order: Order) -> None:
        kernel, random = self.kernel, self.kernel.random
        fate = random.random()
        if fate < 0.04:
            kernel.after(random.uniform(0.3, 3), lambda: self.end(order, BrokerStatus.REJECTED))
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
        better = TICK * (0 if self.script.joins else random.randint(0, 3))
        price = (
            max(TICK, order.request.limit_price - better) if side is Side.BUY else order.request.limit_price + better
        )
        shown = max(order.shown_at, now + timedelta(seconds=random.choice((0.0, random.uniform(0, TRADE_LAG_SECONDS)))))
        order.trades.append(Trade(quantity, price, now, shown))
        self.kernel.tell(f"the exchange trades {quantity} of {order.order_id} at {price}")
        if order.filled >= order.request.quantity:
            self.end(order, BrokerStatus.COMPLETE)
        if order.owner is not None:
            self.witness.traded(order, self)

    def end(self, order: Order, status: BrokerStatus) -> None:
        """End an order that still works."""
        if order.status is BrokerStatus.WORKING:
            order.status, order.ended_at = status, self.kernel.now
            self.kernel.tell(f"the exchange ends {order.order_id}: {status}, {order.filled} filled")
            self.witness.news()


def words_of(request: OrderRequest) -> str:
    """Return an order request in words."""
    return f"{request.side} {request.quantity} {format_symbol(request.contract)} at {request.limit_price}"
