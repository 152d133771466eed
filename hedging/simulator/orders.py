"""Orders and trades as the exchange keeps them. Times are microseconds since the open."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from hedging.domain.instruments import Contract, Product, Side

SECOND = 1_000_000  # in microseconds, in which market time is kept


class PriceType(StrEnum):
    """The kinds of order that the broker takes."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    SL = "SL"


class Status(StrEnum):
    """Order status, in the words that a Zerodha account shows through OpenAlgo."""

    OPEN = "open"
    TRIGGER_PENDING = "trigger pending"
    COMPLETE = "complete"
    REJECTED = "rejected"
    CANCELLED = "cancelled"


LIVE = frozenset({Status.OPEN, Status.TRIGGER_PENDING})


class Origin(StrEnum):
    """Who sent an order: a client over HTTP, the strategist of this world, the broker, or a person at another terminal."""

    HTTP = "http"
    STRATEGIST = "strategist"
    BROKER = "broker"
    HUMAN = "human"


class OrderRefused(Exception):
    """The broker said no at placement, or to a change. `str(error)` is the broker's text."""

    def __init__(self, message: str, *, margin: bool = False) -> None:
        super().__init__(message)
        self.margin = margin


@dataclass(frozen=True, slots=True)
class Ticket:
    """What is asked for: prices in ticks, quantity in units."""

    contract: Contract
    symbol: str
    side: Side
    quantity: int
    product: Product
    kind: PriceType
    price: int = 0
    trigger: int = 0
    strategy: str = ""


@dataclass(slots=True)
class Order:
    """An accepted order. `placed_us` and trade times are microseconds since the open of the market."""

    order_id: str
    ticket: Ticket
    origin: Origin
    placed_us: int
    price: int
    trigger: int
    quantity: int
    status: Status = Status.OPEN
    arrived: bool = False
    lapsed: bool = False
    filled: int = 0
    reason: str = ""
    generation: int = 0
    fill_limit: int | None = None
    trades: list[Trade] = field(default_factory=list)

    @property
    def remaining(self) -> int:
        """Return the units that may still fill."""
        return self.quantity - self.filled if self.status in LIVE else 0


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill: price in ticks, units, time."""

    order_id: str
    ticket: Ticket
    origin: Origin
    price: int
    units: int
    at_us: int
