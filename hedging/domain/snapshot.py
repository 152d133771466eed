"""Snapshot: what was read from the broker, as frozen typed values, with the wall-clock age of each reading.

Money is `Decimal` rupees, quantities are units (signed where they are positions), times are aware UTC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.domain.instruments import Contract, Index, Product


@dataclass(frozen=True, slots=True)
class Quote:
    """A two-sided price of one option. `None` is unknown: a broker's 0 never becomes a price or a quantity here."""

    contract: Contract
    bid: Decimal | None
    ask: Decimal | None
    last: Decimal | None
    bid_quantity: int | None = None
    ask_quantity: int | None = None

    @property
    def mark(self) -> Decimal | None:
        """Return the last price, else the middle of bid and ask, else the ask; `None` where crossed or not above 0."""
        if self.crossed:
            return None  # whatever else the row says was read together with a touch that cannot be
        middle = None if self.bid is None or self.ask is None else (self.bid + self.ask) / 2
        return next((price for price in (self.last, middle, self.ask) if price is not None and price > 0), None)

    @property
    def sale_price(self) -> Decimal | None:
        """Return the bid at which a sale can be meant; `None` where nobody bids or the quote is crossed."""
        return None if self.crossed or self.bid is None or self.bid <= 0 else self.bid

    @property
    def crossed(self) -> bool:
        """Return whether the bid is above the ask, which no honest book shows."""
        return self.bid is not None and self.ask is not None and self.bid > self.ask


@dataclass(frozen=True, slots=True)
class Chain:
    """The options of one index and expiry around the money. `read_at` is wall time of the request."""

    index: Index
    expiry: date
    spot: Decimal
    previous_close: Decimal | None
    quotes: Mapping[Contract, Quote]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Level:
    """One price level of a depth ladder."""

    price: Decimal
    quantity: int


@dataclass(frozen=True, slots=True)
class Depth:
    """The best levels of one contract, best first. An empty side is a side on which nobody trades."""

    contract: Contract
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    last: Decimal | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class Position:
    """A net position of the account: signed quantity in units, one row for each contract and product."""

    contract: Contract
    product: Product
    quantity: int
    average_price: Decimal
    last: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Funds:
    """The broker's funds reading. Unknown funds are an error of the read, never a `Funds` of zeros."""

    available_cash: Decimal
    collateral: Decimal
    utilised: Decimal
    realized_pnl: Decimal
    unrealized_pnl: Decimal
    read_at: datetime


@dataclass(frozen=True, slots=True)
class BasketMargin:
    """The broker's answer for a basket. Only the total is portable between brokers; the parts may be 0."""

    total: Decimal
    span: Decimal
    exposure: Decimal
    read_at: datetime
