"""The broker protocol: what the engine may ask of a broker, and everything that a broker may answer.

Three shapes of broker exist and one contract suite runs against all of them: OpenAlgo live, dry run, recorded answers.
A dry-run broker is built over a `MarketReader` alone, so no path from it leads to an order endpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol

from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position


class BrokerError(Exception):
    """Base of every error that a broker raises. `str(error)` says what to do next, and holds no secret."""


class BrokerUnavailable(BrokerError):
    """Infrastructure failed (refused, timeout, 5xx, not JSON). Nothing may be inferred. Retry on a later tick."""


class BrokerRefused(BrokerError):
    """The server understood and said no (4xx). Retrying the same request is useless; read the message."""


class NotOffered(BrokerRefused):
    """501: this broker has no such call at all. Do without it; asking again is useless."""


class AuthenticationFailed(BrokerRefused):
    """Wrong API key, or no broker session behind it. Stop and ask a person to log in to OpenAlgo."""


class RateLimited(BrokerRefused):
    """429. Nothing was done. Slow down and try on a later tick."""


class UnreadableAnswer(BrokerError):
    """The answer arrived but is not what the contract promises: a wrong shape, a zero price, an empty `data`.

    The value asked for is *unknown*. It is never zero, never empty, never a guess.
    """


class AnalyzerMode(BrokerRefused):
    """OpenAlgo is in analyzer mode: what it answered is paper money and paper books. Switch it off there."""


class NotSent(BrokerUnavailable):
    """A write never left this machine (refused connection, DNS, TLS): nothing was done. A later cycle decides anew."""


class OutcomeUnknown(BrokerError):
    """A write may or may not have been accepted. Never repeat it: observe the books."""


class BasketScope(StrEnum):
    """What a broker's margin answer for a basket covers (domain.md §6).

    LEGS_ONLY: the legs sent and nothing else. INCREMENT: what the legs add to the book as it stands (Zerodha and our
    simulator, from two legs up). TOTAL: the whole book with the legs in it.
    """

    LEGS_ONLY = "legs_only"
    INCREMENT = "increment"
    TOTAL = "total"


class BrokerStatus(StrEnum):
    """An order's status, normalized. WORKING covers every word that is not surely terminal."""

    WORKING = "working"
    COMPLETE = "complete"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


TERMINAL_BROKER_STATUSES = frozenset(BrokerStatus) - {BrokerStatus.WORKING}


class ReplyClass(StrEnum):
    """What the reply to an order POST proves (orders.md §4). The default is UNKNOWN."""

    ACKED = "acked"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    UNKNOWN = "unknown"
    QUEUED_UPSTREAM = "queued_upstream"
    MODE_MISMATCH = "mode_mismatch"


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One LIMIT order: quantity in units (whole lots, at most the freeze quantity), price on tick in rupees."""

    contract: Contract
    product: Product
    side: Side
    quantity: int
    limit_price: Decimal
    strategy: str = "auto-hedge"


@dataclass(frozen=True, slots=True)
class PlaceReply:
    """The classified reply to one order POST. `order_id` is set only for ACKED.

    `needs_book_check` marks a REJECTED that wants one clean book reading before it is believed. `infrastructure` tells that
    the server or the way to it failed (refused, timeout, 5xx): that, and nothing else, is what a circuit breaker counts.
    `unread` marks a REJECTED that came before the server looked at the order: too many requests, the key, the address.
    """

    outcome: ReplyClass
    order_id: str | None = None
    message: str = ""
    needs_book_check: bool = False
    infrastructure: bool = False
    unread: bool = False


@dataclass(frozen=True, slots=True)
class CancelReply:
    """The reply to a cancel. `accepted` is `None` when nobody can say; the books decide in every case."""

    accepted: bool | None
    message: str = ""


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One row of the broker's order book. `contract` is `None` where the symbol is null or not an option of ours.

    `paper`: it is in a dry run's own book, and at no broker. Orders of one kind are never looked for among the other.
    """

    order_id: str
    symbol: str
    contract: Contract | None
    product: str
    side: Side
    quantity: int
    price: Decimal
    status: BrokerStatus
    status_text: str
    timestamp_text: str
    rejection_reason: str = ""
    paper: bool = False


@dataclass(frozen=True, slots=True)
class TradeRow:
    """One row of the broker's trade book: one fill (or part) of an order."""

    order_id: str
    symbol: str
    contract: Contract | None
    side: Side
    quantity: int
    price: Decimal
    timestamp_text: str


@dataclass(frozen=True, slots=True)
class OrderBook:
    """Today's orders of the whole account, ours and foreign."""

    rows: tuple[OrderRow, ...]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class TradeBook:
    """Today's trades of the whole account, ours and foreign."""

    rows: tuple[TradeRow, ...]
    read_at: datetime


@dataclass(frozen=True, slots=True)
class MarginLeg:
    """One leg of a basket for the broker's margin call. `price` is a LIMIT price in rupees."""

    contract: Contract
    product: Product
    side: Side
    quantity: int
    price: Decimal


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """Who answers: the broker's name behind OpenAlgo, and whether orders there are paper (analyzer mode).

    `skew_seconds` is how far the server's clock is surely from ours: 0 within what the answer took, `None` when untold.
    """

    broker: str
    analyze_mode: bool
    skew_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """What the server's master contract says of one option. `freeze_quantity` is `None` where it is not configured."""

    lot: int
    tick: Decimal
    freeze_quantity: int | None


class MarketReader(Protocol):
    """Everything that can be read. Each method raises a `BrokerError`; none returns a guess."""

    def server_status(self) -> ServerStatus:
        """Return the broker's name and OpenAlgo's mode."""

    def funds(self) -> Funds:
        """Return the account's funds; `UnreadableAnswer` for `{}`."""

    def positions(self) -> tuple[Position, ...]:
        """Return the open option positions (quantity not 0) of indices that we know."""

    def order_book(self) -> OrderBook:
        """Return today's orders."""

    def trade_book(self) -> TradeBook:
        """Return today's trades."""

    def spot(self, index: Index) -> Decimal:
        """Return the index's last price."""

    def expiries(self, index: Index) -> tuple[date, ...]:
        """Return the listed option expiries, ascending."""

    def chain(self, index: Index, expiry: date, strikes_each_side: int) -> Chain:
        """Return the option chain; `UnreadableAnswer` when every price is 0."""

    def depth(self, contract: Contract) -> Depth:
        """Return the price ladder of one contract."""

    def basket_margin(self, legs: Sequence[MarginLeg]) -> BasketMargin:
        """Return the broker's margin for 1 to 50 legs; `BrokerRefused` where the broker has no such call."""


class SetupReader(MarketReader, Protocol):
    """A reader that can also be asked how its server is set up, for the pre-flight."""

    def listing(self, contract: Contract) -> Listing:
        """Return the master contract's lot, tick and freeze quantity of an option; `BrokerRefused` for one not listed."""

    def open_exchanges(self, day: date) -> frozenset[str]:
        """Return the exchanges that are open on a day by the server's calendar."""


class Broker(MarketReader, Protocol):
    """A reader that also takes orders, on paper or for real."""

    @property
    def paper(self) -> bool:
        """Return whether orders fill on paper."""

    def place(self, request: OrderRequest) -> PlaceReply:
        """Send exactly one order and classify the reply. Never raises, never retries."""

    def cancel(self, order_id: str) -> CancelReply:
        """Ask for a cancel, once. The books decide what became of it."""
