"""Paper orders: what a dry run would have sent, how it fills on the live price ladder, and the book that keeps it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from hedging.brokers.base import BrokerStatus
from hedging.domain.instruments import Contract, Product, Side


@dataclass(frozen=True, slots=True)
class PaperFill:
    """A fill on paper: units, and the live price of the level that it took."""

    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class PaperOrder:
    """One LIMIT order on paper with what became of it. Quantities in units, prices in rupees."""

    order_id: str
    contract: Contract
    product: Product
    side: Side
    quantity: int
    limit_price: Decimal
    placed_at: datetime
    fills: tuple[PaperFill, ...] = ()
    cancelled: bool = False

    @property
    def filled(self) -> int:
        """Return the units filled."""
        return sum(fill.quantity for fill in self.fills)

    @property
    def status(self) -> BrokerStatus:
        """Return the status that a broker's order book would show."""
        if self.filled >= self.quantity:
            return BrokerStatus.COMPLETE
        return BrokerStatus.CANCELLED if self.cancelled else BrokerStatus.WORKING


class PaperBook(Protocol):
    """The paper orders of one account and one trading day. Several processes may read and fill them at once."""

    def orders(self) -> tuple[PaperOrder, ...]:
        """Return every order of the day, oldest first."""

    def carried(self) -> tuple[PaperHolding, ...]:
        """Return what earlier days left: bought for carrying, not sold, not expired. It does not change during the day."""

    def closes_at(self) -> datetime | None:
        """Return the end of the day's trading; `None` when nobody knows it."""

    def append(self, order: PaperOrder) -> bool:
        """Add a new order; return False, and change nothing, when the book has its id already."""

    def fill(self, order_id: str, fills: Sequence[PaperFill], *, filled_before: int) -> bool:
        """Add fills if the order is still working with exactly `filled_before` units; return whether it was.

        Compare-and-set under one lock, since two processes may see the same live quote cross.
        """

    def cancel(self, order_id: str) -> bool:
        """Cancel what is left of the order; return False when it is unknown or no longer working."""


class InMemoryPaperBook:
    """A paper book that lives as long as its process: for tests of every kind of broker."""

    def __init__(self, *, carried: Sequence[PaperHolding] = (), closes_at: datetime | None = None) -> None:
        self._orders: dict[str, PaperOrder] = {}
        self._lock = threading.Lock()
        self._carried = tuple(carried)
        self._closes_at = closes_at

    def orders(self) -> tuple[PaperOrder, ...]:
        """Return every order, oldest first."""
        return tuple(self._orders.values())

    def carried(self) -> tuple[PaperHolding, ...]:
        """Return what earlier days left."""
        return self._carried

    def closes_at(self) -> datetime | None:
        """Return the end of the day's trading."""
        return self._closes_at

    def append(self, order: PaperOrder) -> bool:
        """Add a new order; return False when its id is taken."""
        with self._lock:
            if order.order_id in self._orders:
                return False
            self._orders[order.order_id] = order
            return True

    def fill(self, order_id: str, fills: Sequence[PaperFill], *, filled_before: int) -> bool:
        """Add fills if the order is still working with exactly `filled_before` units."""
        with self._lock:
            order = self._orders[order_id]
            if order.status is not BrokerStatus.WORKING or order.filled != filled_before:
                return False
            self._orders[order_id] = replace(order, fills=(*order.fills, *fills))
            return True

    def cancel(self, order_id: str) -> bool:
        """Cancel what is left of a working order."""
        with self._lock:
            order = self._orders.get(order_id)
            if order is None or order.status is not BrokerStatus.WORKING:
                return False
            self._orders[order_id] = replace(order, cancelled=True)
            return True


class Ladder:
    """One side of a live price ladder, best first, used up as paper orders take from it.

    A quantity of `None` is unknown (some brokers show none): such a level fills whatever is asked.
    """

    def __init__(self, levels: Iterable[tuple[Decimal, int | None]]) -> None:
        self._levels = list(levels)

    def fill(self, order: PaperOrder) -> tuple[PaperFill, ...]:
        """Return new fills of a working order at the levels' own prices, as far as its limit reaches.

        A level gives one order no more than it shows: what the order took at that price on an earlier reading is still
        in the quantity that the live market displays, since our paper took nothing from it.
        """
        fills: list[PaperFill] = []
        wanted = order.quantity - order.filled
        for n, (price, shown) in enumerate(self._levels):
            if wanted <= 0 or (price - order.limit_price) * order.side.sign > 0:
                break
            taken = sum(fill.quantity for fill in order.fills if fill.price == price)
            quantity = wanted if shown is None else min(wanted, shown - taken)
            if quantity > 0:
                fills.append(PaperFill(quantity, price))
                wanted -= quantity
                self._levels[n] = (price, None if shown is None else shown - quantity)
        return tuple(fills)


@dataclass(frozen=True, slots=True)
class PaperHolding:
    """The net of the day's paper fills in one contract and product: signed units, average price of what is open."""

    contract: Contract
    product: Product
    quantity: int
    average_price: Decimal

    @property
    def premium(self) -> Decimal:
        """Return the premium that is tied up in it, rupees; negative where it was received."""
        return self.quantity * self.average_price


def holdings_of(orders: Iterable[PaperOrder], *, carried: Iterable[PaperHolding] = ()) -> tuple[PaperHolding, ...]:
    """Net what was `carried` and the fills into open holdings, ordered by contract, at the open side's average price."""
    bought: dict[tuple[Contract, Product], list[tuple[int, Decimal]]] = {}
    sold: dict[tuple[Contract, Product], list[tuple[int, Decimal]]] = {}
    for held in carried:
        side = bought if held.quantity > 0 else sold
        side.setdefault((held.contract, held.product), []).append((abs(held.quantity), held.average_price))
    for order in orders:
        side = bought if order.side is Side.BUY else sold
        side.setdefault((order.contract, order.product), []).extend((f.quantity, f.price) for f in order.fills)
    holdings = []
    for key in sorted({*bought, *sold}):
        ups, downs = bought.get(key, []), sold.get(key, [])
        net = sum(quantity for quantity, _ in ups) - sum(quantity for quantity, _ in downs)
        if net:
            open_side = ups if net > 0 else downs
            units = sum(quantity for quantity, _ in open_side)
            average = sum((quantity * price for quantity, price in open_side), Decimal(0)) / units
            holdings.append(PaperHolding(*key, net, average))
    return tuple(holdings)


def net_premium_paid(orders: Iterable[PaperOrder]) -> Decimal:
    """Return the premium paid less the premium received over all fills, rupees, and what working buys block of it."""
    premium = Decimal(0)
    for order in orders:
        premium += sum((order.side.sign * f.quantity * f.price for f in order.fills), Decimal(0))
        if order.side is Side.BUY and order.status is BrokerStatus.WORKING:
            premium += (order.quantity - order.filled) * order.limit_price
    return premium
