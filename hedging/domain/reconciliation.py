"""Reconciliation: our ledger against the broker's books, and what follows from each difference. Pure.

`compare` names differences; `settle` says which of them have been seen twice and may be acted on: a broker's books lag
behind each other, so one reading proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType

from hedging.domain.instruments import Contract, Product, Side
from hedging.domain.snapshot import Position

SECOND_LOOK = timedelta(seconds=5)
"""Market time between two equal readings, before anything is done about a difference that a trade explains."""

UNEXPLAINED_LOOK = timedelta(seconds=60)
"""The same where nothing in the trade book explains it: an empty book may be a lie."""


class Kind(StrEnum):
    """What a difference is."""

    FOREIGN_POSITION = "foreign_position"
    FOREIGN_ORDER = "foreign_order"
    SOLD_BY_HAND = "sold_by_hand"
    BOUGHT_BY_HAND = "bought_by_hand"
    SQUARED_OFF = "squared_off"
    EXPIRED = "expired"
    GONE = "gone"
    UNKNOWN_FILL = "unknown_fill"
    LOST_FOUND = "lost_found"
    OVERFILLED = "overfilled"
    LOOKALIKE = "lookalike"


KIND_TEXT: dict[Kind, str] = {
    Kind.FOREIGN_POSITION: "Not ours: shown, and blocks nothing.",
    Kind.FOREIGN_ORDER: "A working order that is not ours: shown, and blocks nothing.",
    Kind.SOLD_BY_HAND: "Somebody else sold our hedge: it is taken off our holdings and never sold again.",
    Kind.BOUGHT_BY_HAND: "The broker holds more than we bought: nothing is bought there automatically until that is gone.",
    Kind.SQUARED_OFF: "The broker squared our hedge off: it is taken off our holdings.",
    Kind.EXPIRED: "The contract has expired: the hedge is taken off our holdings.",
    Kind.GONE: "The hedge is not at the broker and no trade says why: it is taken off our holdings after a minute.",
    Kind.UNKNOWN_FILL: "The trade book has a fill of our order that we did not know: it is booked.",
    Kind.LOST_FOUND: "An order believed lost shows in the positions: nothing is bought there automatically.",
    Kind.OVERFILLED: "More was filled than was decided, by a fill that came late: it is held, counted, and sold by the usual rules.",
    Kind.LOOKALIKE: "Another order looks exactly like one of ours: a copy, or we follow the wrong one. Look at the broker's screen.",
}

FOREIGN = frozenset({Kind.FOREIGN_POSITION, Kind.FOREIGN_ORDER})
"""Facts about others, no discrepancy of ours."""

BLOCKS_BUYS = frozenset({Kind.BOUGHT_BY_HAND, Kind.LOST_FOUND})
"""Kinds for which automatic buys of that contract wait until the difference is gone."""

REMOVES = frozenset({Kind.SOLD_BY_HAND, Kind.SQUARED_OFF, Kind.EXPIRED, Kind.GONE})
"""Kinds that take units off our holdings."""


ACTED_ON = REMOVES | {Kind.UNKNOWN_FILL}
"""Kinds of which something follows beside the alert: at each second sight anew."""


@dataclass(frozen=True, slots=True)
class Held:
    """What we hold of one contract and product by our own fills and adjustments, in units."""

    contract: Contract
    product: Product
    quantity: int


@dataclass(frozen=True, slots=True)
class OwnOrder:
    """A slice of ours of today. `filled` are the units that we know of, `lost` that it was given up without a trace.

    `intent` is the number of its intent, of which `wanted` units were decided. `price` and `seen` (the ids in the book before
    it was sent) tell it from others.
    """

    number: int
    order_id: str | None
    contract: Contract
    product: Product
    side: Side
    quantity: int
    filled: int
    live: bool
    lost: bool
    intent: int = 0
    wanted: int = 0
    price: Decimal | None = None
    seen: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """A row of the order book. `contract` is None for what we cannot name."""

    order_id: str
    symbol: str
    contract: Contract | None
    side: Side
    quantity: int
    working: bool
    product: str = ""
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class BrokerTrade:
    """A row of the trade book."""

    order_id: str
    contract: Contract | None
    side: Side
    quantity: int


@dataclass(frozen=True, slots=True)
class Books:
    """What the broker says, each part read successfully. `paper`: orders fill on paper, where nobody else can trade."""

    positions: tuple[Position, ...]
    orders: tuple[BrokerOrder, ...]
    trades: tuple[BrokerTrade, ...]
    paper: bool = False


@dataclass(frozen=True, slots=True)
class Moment:
    """When the books are judged: market time, the trading day, its close and the broker's square-off, where known."""

    now: datetime
    day: date
    closes_at: datetime | None
    squares_off_at: datetime | None = None

    def has_expired(self, contract: Contract) -> bool:
        """Return whether a contract can no longer be traded."""
        closed = self.closes_at is not None and self.now >= self.closes_at
        return contract.expiry < self.day or (contract.expiry == self.day and closed)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One difference. `quantity` is in units and positive, except for a foreign position, where it is signed.

    `order` is the number of our order for UNKNOWN_FILL, LOST_FOUND, OVERFILLED and LOOKALIKE, `order_id` the broker's id where
    one is meant.
    """

    kind: Kind
    contract: Contract | None
    product: Product | None
    quantity: int
    ours: int = 0
    broker: int = 0
    detail: str = ""
    order: int | None = None
    order_id: str = ""

    @property
    def key(self) -> str:
        """Return a name under which two equal readings of the same difference are the same."""
        what = self.order_id or (f"{self.contract} {self.product}" if self.order is None else f"order {self.order}")
        return f"{self.kind}|{what}|{self.quantity}"

    @property
    def patience(self) -> timedelta:
        """Return how long it must be seen before anything is done about it; an expiry needs no second look."""
        if self.kind is Kind.EXPIRED:
            return timedelta(0)
        return UNEXPLAINED_LOOK if self.kind is Kind.GONE else SECOND_LOOK


def compare(
    *,
    held: Iterable[Held],
    own: Sequence[OwnOrder],
    books: Books,
    moment: Moment,
    unsettled: frozenset[Contract],
    expired: Mapping[tuple[Contract, Product], int] = MappingProxyType({}),
    explained: Mapping[Contract, int] = MappingProxyType({}),
) -> tuple[Discrepancy, ...]:
    """Return every difference between our ledger and the broker's books, ours first, in a stable order.

    `unsettled` are contracts in which something of ours is live or has just filled: the position book may be a moment
    behind the trade book there, so nothing is said about them. `expired` are units that were taken off our holdings at their
    expiry, which the broker may show for the rest of the day; `explained` are units of today's sales by others for which ours
    were taken off already.
    """
    found = list(_unknown_fills(own, books))
    unbooked = {(d.contract, d.product) for d in found}
    ours = {(row.contract, row.product): row.quantity for row in held}
    theirs = {(row.contract, row.product): row.quantity for row in books.positions}
    found += _overfilled(own, ours)
    for key in sorted({*ours, *theirs}):
        line = _Line(*key, held=ours.get(key, 0), net=theirs.get(key, 0))
        settled = key not in unbooked and key[0] not in unsettled
        if moment.has_expired(key[0]):
            if settled and not books.paper:
                # An order that nobody saw fill was paid for, expired or not.
                found += _lost_found(replace(line, held=line.held + expired.get(key, 0)), own)
            found += _expired(key, ours.get(key, 0))
        elif settled:
            found += _difference(line, own, books, moment, explained.get(key[0], 0))
    found += _foreign_orders(own, books)
    return tuple(sorted(found, key=lambda d: d.kind in FOREIGN))


def settle(
    found: Sequence[Discrepancy], *, seen: Mapping[str, datetime], now: datetime
) -> tuple[tuple[Discrepancy, ...], dict[str, datetime]]:
    """Return which differences have been seen long enough to act on, and the first sight of each that is still there."""
    ours = [difference for difference in found if difference.kind not in FOREIGN]
    first = {difference.key: min(seen.get(difference.key, now), now) for difference in ours}
    return tuple(d for d in ours if now - first[d.key] >= d.patience), first


def _unknown_fills(own: Sequence[OwnOrder], books: Books) -> Iterable[Discrepancy]:
    traded: dict[str, int] = {}
    for trade in books.trades:
        traded[trade.order_id] = traded.get(trade.order_id, 0) + trade.quantity
    for order in own:
        fresh = traded.get(order.order_id or "", 0) - order.filled
        if fresh > 0 and not order.live:  # of a live one the order's own reconciliation takes care
            yield Discrepancy(
                Kind.UNKNOWN_FILL,
                order.contract,
                order.product,
                fresh,
                ours=order.filled,
                broker=order.filled + fresh,
                detail=f"order {order.order_id}, which we believe over",
                order=order.number,
            )


def _expired(key: tuple[Contract, Product], held: int) -> Iterable[Discrepancy]:
    contract, product = key
    if held > 0:
        yield Discrepancy(Kind.EXPIRED, contract, product, held, ours=held, detail=f"expired on {contract.expiry}")


@dataclass(frozen=True, slots=True)
class _Line:
    """One contract and product: what we hold of it and the broker's net, in units."""

    contract: Contract
    product: Product
    held: int
    net: int

    def found(self, kind: Kind, quantity: int, detail: str = "", order: int | None = None) -> Discrepancy:
        return Discrepancy(kind, self.contract, self.product, quantity, self.held, self.net, detail, order)

    def is_of(self, order: OwnOrder) -> bool:
        return (order.contract, order.product) == (self.contract, self.product)


def _difference(
    line: _Line, own: Sequence[OwnOrder], books: Books, moment: Moment, explained: int
) -> Iterable[Discrepancy]:
    held, net = line.held, line.net
    if net == held:
        return
    if books.paper:
        if line.product is Product.MIS and 0 <= net < held and held - net <= _left_paper(line, own, books):
            yield line.found(Kind.SQUARED_OFF, held - net, "no intraday holding outlives its day on paper either")
            return
        # Nobody else can touch paper: whatever else is beside our holdings is the account's own book.
        yield line.found(Kind.FOREIGN_POSITION, net - held)
        return
    lost = tuple(_lost_found(line, own))
    if lost:
        yield from lost
    elif held > 0 and net < held:
        yield _shortage(line, own, books, moment, explained)
        if net < 0:
            yield line.found(Kind.FOREIGN_POSITION, net)
    else:
        touched = held > 0 or any(line.is_of(order) and order.filled for order in own)
        kind = Kind.BOUGHT_BY_HAND if touched and net > 0 else Kind.FOREIGN_POSITION
        yield line.found(kind, net - max(held, 0))


def _left_paper(line: _Line, own: Sequence[OwnOrder], books: Books) -> int:
    """Return the units that surely left the paper book: squared off by it today, or of an earlier day, which it forgets."""
    our_ids = {order.order_id for order in own}
    closed = (t for t in books.trades if t.contract == line.contract and t.order_id not in our_ids)
    today = sum(order.side.sign * order.filled for order in own if line.is_of(order))
    return sum(trade.quantity for trade in closed if trade.side is Side.SELL) + max(0, line.held - today)


def _lost_found(line: _Line, own: Sequence[OwnOrder]) -> Iterable[Discrepancy]:
    """Yield the order believed lost that explains why the broker's net is not what we hold, if one does."""
    apart = line.net - line.held
    one = next((o for o in own if apart and o.lost and line.is_of(o) and (o.side is Side.BUY) == (apart > 0)), None)
    if one is not None:
        detail = f"our {one.side} of {one.quantity} was given up as lost"
        yield line.found(Kind.LOST_FOUND, min(one.quantity, abs(apart)), detail, one.number)


def _overfilled(own: Sequence[OwnOrder], ours: Mapping[tuple[Contract, Product], int]) -> Iterable[Discrepancy]:
    """Yield each intent of which more was filled than was decided, as long as we hold of it (or are short by it)."""
    last = {order.intent: order for order in own if order.intent}
    for order in last.values():
        filled = sum(other.filled for other in own if other.intent == order.intent)
        held = order.side.sign * ours.get((order.contract, order.product), 0)
        surplus = filled - order.wanted if order.side is Side.SELL else min(filled - order.wanted, held)
        if surplus > 0:
            detail = f"{filled} filled of an intent of {order.wanted}"
            yield Discrepancy(
                Kind.OVERFILLED, order.contract, order.product, surplus, filled, filled, detail, order.number
            )


def _shortage(line: _Line, own: Sequence[OwnOrder], books: Books, moment: Moment, explained: int) -> Discrepancy:
    missing = line.held - max(line.net, 0)
    our_ids = {order.order_id for order in own}
    others = [t for t in books.trades if t.contract == line.contract and t.order_id not in our_ids]
    sales = [trade for trade in others if trade.side is Side.SELL]
    # What they bought and sold again was theirs.
    if -sum(trade.side.sign * trade.quantity for trade in others) - explained < missing:
        return line.found(Kind.GONE, missing, "no trade explains it")
    ids = ", ".join(sorted({trade.order_id for trade in sales})[:5])
    late = moment.squares_off_at is not None and moment.now >= moment.squares_off_at
    kind = Kind.SQUARED_OFF if line.product is Product.MIS and late else Kind.SOLD_BY_HAND
    return line.found(kind, missing, f"sold by order {ids}")


def _foreign_orders(own: Sequence[OwnOrder], books: Books) -> Iterable[Discrepancy]:
    our_ids = {order.order_id for order in own}
    traded = {trade.order_id for trade in books.trades}
    for row in books.orders:
        if row.order_id in our_ids or not (row.working or row.order_id in traded):
            continue
        alike = (order for order in own if order.order_id and not books.paper and _looks_like(row, order))
        twin = next(alike, None)
        if twin is not None:
            detail = f"{row.order_id} looks like our {twin.order_id}"
            yield Discrepancy(
                Kind.LOOKALIKE, twin.contract, twin.product, row.quantity, detail=detail, order=twin.number,
                order_id=row.order_id,
            )  # fmt: skip
        elif row.working:
            yield Discrepancy(
                Kind.FOREIGN_ORDER,
                row.contract,
                None,
                row.quantity,
                detail=f"{row.side} {row.symbol}".strip(),
                order_id=row.order_id,
            )


def _looks_like(row: BrokerOrder, order: OwnOrder) -> bool:
    """Return whether a row carries the fingerprint of an order of ours, and was not there before it."""
    ours = (order.contract, order.product.value, order.side, order.quantity, order.price)
    return (row.contract, row.product, row.side, row.quantity, row.price) == ours and row.order_id not in order.seen
