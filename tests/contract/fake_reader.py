"""A broker's reading side in memory, which owns behaviour: a book, a margin rule, ladders. Real trades can be booked on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal

from hedging.brokers.base import (
    BasketScope,
    BrokerError,
    MarginLeg,
    OrderBook,
    ServerStatus,
    TradeBook,
    UnreadableAnswer,
)
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Level, Position, Quote

NOW = datetime(2026, 12, 1, 4, 30, tzinfo=UTC)
EXPIRY = date(2026, 12, 1)
Book = dict[tuple[Contract, Product], int]


def option(strike: int, right: Right) -> Contract:
    return Contract(Index.NIFTY, EXPIRY, Decimal(strike), right)


def requirement(book: Book) -> Decimal:
    """₹1000 for each short unit, ₹600 less for each that a long of the same right covers; longs beyond shorts do nothing."""
    total = Decimal(0)
    for right in Right:
        held = [quantity for (contract, _), quantity in book.items() if contract.right is right]
        shorts = -sum(quantity for quantity in held if quantity < 0)
        longs = sum(quantity for quantity in held if quantity > 0)
        total += 1000 * shorts - 600 * min(shorts, longs)
    return total


class FakeReader:
    """`scope`, `premium_in_basket` and `net_cash` are what brokers differ in."""

    def __init__(
        self, *, scope: BasketScope = BasketScope.INCREMENT, premium_in_basket: bool = True, net_cash: bool = False
    ) -> None:
        self.scope = scope
        self.premium_in_basket = premium_in_basket
        self.net_cash = net_cash
        self.book: Book = {}
        self.premium_paid = Decimal(0)
        self.ladders: dict[Contract, tuple[list[tuple[str, int]], list[tuple[str, int]]]] = {}
        self.touches: dict[Contract, tuple[str, str]] = {}
        self.lasts: dict[Contract, Decimal] = {}
        self.level = Decimal(26000)
        self.failing: dict[str, BrokerError] = {}
        self.calls: list[str] = []

    def trade(self, contract: Contract, side: Side, quantity: int, price: str, product: Product = Product.NRML) -> None:
        """Book a real trade."""
        self.book[contract, product] = self.book.get((contract, product), 0) + side.sign * quantity
        self.premium_paid += side.sign * quantity * Decimal(price)

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name in self.failing:
            raise self.failing[name]

    def server_status(self) -> ServerStatus:
        return ServerStatus("fake", analyze_mode=False)

    def funds(self) -> Funds:
        self._called("funds")
        used = requirement(self.book) + self.premium_paid
        cash = Decimal(10_000_000) - (used if self.net_cash else 0)
        return Funds(cash, Decimal(0), used, Decimal(0), Decimal(0), NOW)

    def positions(self) -> tuple[Position, ...]:
        self._called("positions")
        return tuple(
            Position(contract, product, quantity, Decimal(5), Decimal(5))
            for (contract, product), quantity in self.book.items()
            if quantity
        )

    def order_book(self) -> OrderBook:
        self._called("order_book")
        return OrderBook((), NOW)

    def trade_book(self) -> TradeBook:
        self._called("trade_book")
        return TradeBook((), NOW)

    def spot(self, index: Index) -> Decimal:
        self._called("spot")
        return self.level

    def expiries(self, index: Index) -> tuple[date, ...]:
        return (EXPIRY,)

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        self._called("chain")
        quotes = {
            contract: Quote(contract, Decimal(bid), Decimal(ask), None) for contract, (bid, ask) in self.touches.items()
        }
        return Chain(index, expiry, Decimal(26000), None, quotes, NOW)

    def depth(self, contract: Contract) -> Depth:
        self._called("depth")
        if contract not in self.ladders:
            raise UnreadableAnswer("no depth")
        bids, asks = ([Level(Decimal(price), quantity) for price, quantity in side] for side in self.ladders[contract])
        return Depth(contract, tuple(bids), tuple(asks), self.lasts.get(contract), NOW)

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        self._called("basket_margin")
        counted = self.scope is not BasketScope.LEGS_ONLY and len(legs) > 1
        before: Book = dict(self.book) if counted else {}
        after = dict(before)
        premium = Decimal(0)
        for leg in legs:
            after[leg.contract, leg.product] = after.get((leg.contract, leg.product), 0) + leg.side.sign * leg.quantity
            premium += leg.side.sign * leg.quantity * leg.price
        total = requirement(after) - (requirement(before) if self.scope is BasketScope.INCREMENT else 0)
        if self.premium_in_basket:
            total += premium
        return BasketMargin(total, total, Decimal(0), NOW)
