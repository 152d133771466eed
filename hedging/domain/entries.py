"""Coming entries: what the strategist will sell and when, and the books that arise leg by leg."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.domain.margin import MarginLine


@dataclass(frozen=True, slots=True)
class EntryLeg:
    """One order of an entry: quantity in units, positive; `price` the market price now, rupees a unit."""

    contract: Contract
    side: Side
    quantity: int
    price: Decimal

    @property
    def premium(self) -> Decimal:
        """Return the rupees of premium that change hands."""
        return self.price * self.quantity


@dataclass(frozen=True, slots=True)
class ComingEntry:
    """An entry of the timetable that is due, with its legs in the order in which they will be sent.

    `dte` counts trading days to expiry, `baskets` is how many baskets it enters; both serve the fallback numbers only.
    Raises `ValueError` without legs: an entry that sells nothing is a mistake of the timetable.
    """

    portfolio: str
    index: Index
    expiry: date
    product: Product
    at: datetime
    legs: tuple[EntryLeg, ...]
    dte: int = 0
    baskets: int = 1

    def __post_init__(self) -> None:
        if not self.legs:
            raise ValueError(f"The entry {self.portfolio} has no legs.")

    @property
    def lines(self) -> tuple[MarginLine, ...]:
        """Return what the entry adds to the book."""
        return tuple(
            MarginLine(leg.contract, leg.side.sign * leg.quantity, leg.price, self.product) for leg in self.legs
        )


@dataclass(frozen=True, slots=True)
class OrderMoment:
    """The book right after one leg of one entry, everything before it included.

    `paid` counts premium of buys through this leg; `received_before` premium of sells before it, since a broker checks
    an order without its own credit; `received` premium of sells through it. All cumulative from now, in rupees.
    """

    entry: ComingEntry
    added: tuple[MarginLine, ...]
    paid: Decimal
    received_before: Decimal
    received: Decimal
    completes_entry: bool


def order_moments(coming: Sequence[ComingEntry]) -> Iterator[OrderMoment]:
    """Yield the moments of all coming orders: entries by time, then legs in their order."""
    added: tuple[MarginLine, ...] = ()
    paid = received = Decimal(0)
    for entry in in_time_order(coming):
        for number, (leg, line) in enumerate(zip(entry.legs, entry.lines, strict=True), start=1):
            before = received
            added = (*added, line)
            if leg.side is Side.BUY:
                paid += leg.premium
            else:
                received += leg.premium
            yield OrderMoment(entry, added, paid, before, received, number == len(entry.legs))


def in_time_order(coming: Sequence[ComingEntry]) -> tuple[ComingEntry, ...]:
    """Return the entries by time; entries of the same second by name, so that the same day decides the same."""
    return tuple(sorted(coming, key=lambda entry: (entry.at, entry.portfolio)))
