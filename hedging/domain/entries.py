"""Coming entries: what the strategist will sell and when, and the books that arise leg by leg."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal

from hedging.domain.instruments import Contract, Index, Product, Side
from hedging.domain.margin import MarginLine

EXIT_SETTLES = timedelta(seconds=20)
"""How long after its time a scheduled exit may take until funds and positions show it."""

TIME_TO_HEDGE = timedelta(seconds=30)
"""What must be left before an entry: three projections of ten seconds, and the fills of a set."""


def waits_for_exit(entry_at: datetime, exits: Iterable[datetime], *, now: datetime) -> bool:
    """Return whether an entry is judged only once a scheduled exit before it has shown what it releases.

    A hedge bought minutes before an exit that makes it needless is money lost; and if the exit does not come, the book
    still shows its shorts, and there is time left to buy. Without that time nothing waits.
    """
    return any(now < gone + EXIT_SETTLES <= entry_at - TIME_TO_HEDGE for gone in exits)


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
    `exit_at`: when it is scheduled to leave the book, `None` when it is held to expiry.
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
    exit_at: datetime | None = None

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
class PlannedExit:
    """A portfolio that leaves the book at a known time: `lines` are what it holds then, priced as of now."""

    portfolio: str
    at: datetime
    lines: tuple[MarginLine, ...]


@dataclass(frozen=True, slots=True)
class OrderMoment:
    """The book right after one leg of one entry, or right after one exit, everything before it included.

    `added` is the change of the book since now: each moment's begins with the one before. `paid` counts premium of buys
    through this order; `received_before` premium of sells before it, since a broker checks an order without its own
    credit; `received` premium of sells through it. All cumulative from now, in rupees, at the prices of now.
    `completes_entry`: this is the last order of its entry; true for an exit, which is one moment as a whole.
    """

    portfolio: str
    at: datetime
    is_exit: bool
    added: tuple[MarginLine, ...]
    paid: Decimal
    received_before: Decimal
    received: Decimal
    completes_entry: bool


def order_moments(coming: Sequence[ComingEntry], exits: Sequence[PlannedExit] = ()) -> Iterator[OrderMoment]:
    """Yield the moments of all coming orders and of `exits` by time: entries before exits of the same second.

    That is the safe side, since nobody promises that a release comes first. Legs are in their order.
    """
    added: tuple[MarginLine, ...] = ()
    paid = received = Decimal(0)
    entries = [(entry.at, False, entry.portfolio, entry.lines) for entry in coming]
    leaving = [(gone.at, True, gone.portfolio, _closing(gone)) for gone in exits]
    for at, is_exit, portfolio, lines in sorted((*entries, *leaving), key=lambda step: step[:3]):
        for number, line in enumerate(lines, start=1):
            before = received
            added = (*added, line)
            premium = line.price * line.quantity
            paid += max(premium, Decimal(0))
            received += max(-premium, Decimal(0))
            if not is_exit:
                last = number == len(lines)
                yield OrderMoment(portfolio, at, is_exit, added, paid, before, received, last)
        if is_exit:
            yield OrderMoment(portfolio, at, is_exit, added, paid, received, received, completes_entry=True)


def _closing(gone: PlannedExit) -> tuple[MarginLine, ...]:
    return tuple(MarginLine(line.contract, -line.quantity, line.price, line.product) for line in gone.lines)


def in_time_order(coming: Sequence[ComingEntry]) -> tuple[ComingEntry, ...]:
    """Return the entries by time; entries of the same second by name, so that the same day decides the same."""
    return tuple(sorted(coming, key=lambda entry: (entry.at, entry.portfolio)))
