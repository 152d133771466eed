"""The broker's view of money: requirement of the book, what is used, what is free. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.simulator.account import Account
from hedging.simulator.margin import Floats, Holding, IndexState, MarginModel
from hedging.simulator.market import PRE_OPEN, Market
from hedging.simulator.orders import Order

_PAISA = Decimal("0.01")

Book = dict[tuple[Contract, Product], int]


def rupees(value: float) -> Decimal:
    """Return a float of the margin maths as rupees and paise."""
    return Decimal(repr(float(value))).quantize(_PAISA)


@dataclass(frozen=True, slots=True)
class Need:
    """SPAN and ELM of a book at one second, in rupees."""

    span: float
    elm: float

    @property
    def total(self) -> float:
        """Return SPAN + ELM."""
        return self.span + self.elm


@dataclass(frozen=True, slots=True)
class FundsView:
    """The account's money at one moment, in rupees."""

    cash: Decimal
    collateral: Decimal
    utilised: Decimal
    realized: Decimal
    unrealized: Decimal

    @property
    def free(self) -> Decimal:
        """Return what a new order may need at most."""
        return self.cash + self.collateral - self.utilised


class Risk:
    """Ask what a book requires, with live prices of the market."""

    def __init__(self, *, market: Market, model: MarginModel) -> None:
        self.market = market
        self.model = model
        self._cache: dict[tuple[int, frozenset[tuple[tuple[Contract, Product], int]]], Need] = {}

    def need(self, book: Book, t: int) -> Need:
        """Return SPAN and ELM of a book at a grid second."""
        key = (t, frozenset(item for item in book.items() if item[1]))
        found = self._cache.get(key)
        if found is None:
            prices = {c: np.array([self.market.value(c, t)]) for (c, _), q in book.items() if q}
            required = self._required(book, np.array([t]), prices)
            found = Need(span=float(required[0][0]), elm=float(required[1][0]))
            if len(self._cache) > 256:
                self._cache.clear()
            self._cache[key] = found
        return found

    def need_path(self, book: Book, seconds: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Floats:
        """Return SPAN + ELM of an unchanged book at many grid seconds."""
        if not any(book.values()):
            return np.zeros(len(seconds))
        prices = {c: self.market.whole_day(c).value[seconds] for (c, _), q in book.items() if q}
        span, elm = self._required(book, seconds, prices)
        return span + elm

    def _required(
        self, book: Book, seconds: np.ndarray[tuple[int], np.dtype[np.int64]], prices: dict[Contract, Floats]
    ) -> tuple[Floats, Floats]:
        holdings = [
            Holding(contract, product, quantity, prices[contract])
            for (contract, product), quantity in book.items()
            if quantity
        ]
        if not holdings:
            return np.zeros(len(seconds)), np.zeros(len(seconds))
        expiries: dict[Index, set[object]] = {}
        states: dict[Index, IndexState] = {}
        for holding in holdings:
            index, expiry = holding.contract.index, holding.contract.expiry
            if index not in states:
                spot = np.array([self.market.spot(index, int(seconds[0]))])
                if len(seconds) > 1:
                    spot = self.market.paths[index].spot[seconds]
                states[index] = IndexState(spot=spot, previous_close=self.market.paths[index].previous_close)
            if expiry not in expiries.setdefault(index, set()):
                expiries[index].add(expiry)
                left = self.market.years_left(expiry, np.maximum(seconds, 0).astype(np.float64))
                states[index].years_left[expiry] = left
        required = self.model.requirement(holdings, states)
        return required.span, required.elm


def filled_book(account: Account) -> Book:
    """Return the positions as a book."""
    return {key: position.quantity for key, position in account.positions.items() if position.quantity}


def blocked_book(account: Account, live: Iterable[Order]) -> Book:
    """Return the positions and every live sell as if filled: a live buy releases nothing before its fill."""
    book = filled_book(account)
    for order in live:
        if order.ticket.side is Side.SELL and order.remaining:
            key = (order.ticket.contract, order.ticket.product)
            book[key] = book.get(key, 0) - order.remaining
    return book


def blocked_premium(*, account: Account, live: Sequence[Order], market: Market, t: int) -> Decimal:
    """Return the premium of live buys that open something, at their limit (a market order at the ask)."""
    total = Decimal(0)
    for order in live:
        ticket = order.ticket
        if ticket.side is not Side.BUY or not order.remaining:
            continue
        closing = max(0, -account.quantity(ticket.contract, ticket.product))
        opening = max(0, order.remaining - closing)
        ticks = order.price or market.ticks(ticket.contract, t)[2]
        total += market.price(ticket.contract.index, ticks) * opening
    return total


def funds_view(*, account: Account, live: Sequence[Order], risk: Risk, t: int) -> FundsView:
    """Return the account's money at a grid second."""
    market = risk.market
    need = rupees(risk.need(blocked_book(account, live), t).total)
    blocked = blocked_premium(account=account, live=live, market=market, t=t)
    realized, unrealized = Decimal(0), Decimal(0)
    for position in account.positions.values():
        realized += position.realized
        if position.quantity:
            last = market.price(position.contract.index, market.ticks(position.contract, t)[0])
            unrealized += (last - position.average) * position.quantity
    return FundsView(
        cash=account.cash,
        collateral=account.collateral,
        utilised=need + account.premium_paid + blocked,
        realized=realized.quantize(_PAISA),
        unrealized=unrealized.quantize(_PAISA),
    )


def second_of(market: Market, us: int) -> int:
    """Return the grid second of a time in microseconds since the open."""
    return PRE_OPEN if us < 0 else min(us // 1_000_000, market.grid_seconds - 1)
