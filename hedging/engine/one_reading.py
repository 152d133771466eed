"""One reading: a reader that asks the broker each question once, so that several decisions rest on the same answers."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from datetime import date
from decimal import Decimal
from typing import TypeVar

from hedging.brokers.base import BrokerError, MarginLeg, MarketReader, OrderBook, ServerStatus, TradeBook
from hedging.domain.instruments import Contract, Index
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position

T = TypeVar("T")


class OneReading:
    """A `MarketReader` over another one. What failed once fails again in the same words, without being asked again."""

    def __init__(self, reader: MarketReader) -> None:
        self._reader = reader
        self._answers: dict[Hashable, object] = {}

    def server_status(self) -> ServerStatus:
        """Return the broker's name and OpenAlgo's mode."""
        return self._once("status", self._reader.server_status)

    def funds(self) -> Funds:
        """Return the account's funds."""
        return self._once("funds", self._reader.funds)

    def positions(self) -> tuple[Position, ...]:
        """Return the open option positions."""
        return self._once("positions", self._reader.positions)

    def order_book(self) -> OrderBook:
        """Return today's orders."""
        return self._once("orders", self._reader.order_book)

    def trade_book(self) -> TradeBook:
        """Return today's trades."""
        return self._once("trades", self._reader.trade_book)

    def spot(self, index: Index) -> Decimal:
        """Return the index's last price."""
        return self._once(("spot", index), lambda: self._reader.spot(index))

    def expiries(self, index: Index) -> tuple[date, ...]:
        """Return the listed option expiries."""
        return self._once(("expiries", index), lambda: self._reader.expiries(index))

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        """Return the option chain."""
        key = ("chain", index, expiry, strikes_each_side)
        return self._once(key, lambda: self._reader.chain(index, expiry, strikes_each_side))

    def depth(self, contract: Contract) -> Depth:
        """Return the price ladder of one contract."""
        return self._once(("depth", contract), lambda: self._reader.depth(contract))

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        """Return the broker's margin for these legs."""
        return self._once(("basket", *legs), lambda: self._reader.basket_margin(legs))

    def _once(self, key: Hashable, ask: Callable[[], T]) -> T:
        if key not in self._answers:
            try:
                self._answers[key] = ask()
            except BrokerError as error:
                self._answers[key] = error
        found = self._answers[key]
        if isinstance(found, BrokerError):
            raise found
        return found  # type: ignore[return-value] # a key is always asked by the same method
