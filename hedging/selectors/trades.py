"""Transactions, newest first: pages by key on indexed columns, and one with its orders and fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal

from django.db import connection
from django.db.models import QuerySet

from hedging.domain.lifecycle import outcome_words
from hedging.models import Fill, HedgeOrder, HedgeTransaction
from hedging.selectors.cards import reason_text
from sessions_app.models import TradingSession

CHUNK = 1000
"""Transactions that are in memory at once where all of them are wanted."""


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted; what is `None` does not matter. `day` is a trading day, `account` its name."""

    session_id: int | None = None
    account: str | None = None
    day: date | None = None
    side: str | None = None
    mode: str | None = None
    origin: str | None = None
    reason: str | None = None
    symbol: str | None = None
    live: bool | None = None


@dataclass(frozen=True, slots=True)
class FillLine:
    """One trade of an order: units, and rupees a unit."""

    id: int
    quantity: int
    price: Decimal
    at: datetime


@dataclass(frozen=True, slots=True)
class OrderRow:
    """One slice of a transaction at the broker. `fills` is `None` where they were not asked for."""

    id: int
    slice: int
    attempt: int
    status: str
    quantity: int
    limit_price: Decimal | None
    broker_order_id: str | None
    sent_at: datetime | None
    message: str
    fills: tuple[FillLine, ...] | None = None


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """An intent and what became of it. Rupees a unit; `reserve` and `charges` in rupees."""

    id: int
    session: int
    trading_day: date
    mode: str
    decision: int
    symbol: str
    side: str
    quantity: int
    filled_quantity: int
    average_price: Decimal | None
    worst_price: Decimal
    reserve: Decimal
    charges: Decimal
    reason: str
    origin: str
    live: bool
    created_at: datetime
    ended_at: datetime | None
    orders: tuple[OrderRow, ...] = ()

    @property
    def outcome(self) -> str:
        """Return what became of it: `working`, `filled`, `partly filled` or `nothing filled`."""
        return outcome_words(live=self.live, quantity=self.quantity, filled=self.filled_quantity)

    @property
    def text(self) -> str:
        """Return the sentence of its reason."""
        return reason_text(self.reason)


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Transactions, newest first, and where the next page begins (None: this was the last)."""

    results: tuple[TransactionRow, ...]
    next_cursor: int | None


# Columns, not rows of models: a page is fifty of them, and is asked for all day.
_READ_FROM = {
    "session": "session_id",
    "trading_day": "session__trading_day",
    "decision": "decision_id",
    "live": "is_live",
}
_COLUMNS = tuple(_READ_FROM.get(each.name, each.name) for each in fields(TransactionRow) if each.name != "orders")
_FILL_COLUMNS = tuple(each.name for each in fields(FillLine))
_ORDER_COLUMNS = tuple(each.name for each in fields(OrderRow) if each.name != "fills")
# Written out, since composing them takes longer than answering them.
_ROWS = f"""
    SELECT {", ".join(f"s.{column.partition('__')[2]}" if "__" in column else f"t.{column}" for column in _COLUMNS)}
    FROM {HedgeTransaction._meta.db_table} t JOIN {TradingSession._meta.db_table} s ON s.id = t.session_id
    WHERE t.id = ANY(%s) ORDER BY t.id DESC
"""  # noqa: S608 - names of our own tables; the only value is a parameter
_ORDERS = f"""
    SELECT transaction_id, {", ".join(_ORDER_COLUMNS)} FROM {HedgeOrder._meta.db_table}
    WHERE transaction_id = ANY(%s) ORDER BY slice, attempt
"""  # noqa: S608


def transactions(
    *,
    session_id: int | None = None,
    wanted: TransactionFilter | None = None,
    before: int | None = None,
    limit: int = 50,
) -> TransactionPage:
    """Return one page of transactions, newest first, from below the id `before`. Three queries, and one for a day."""
    ids = page_ids(wanted or TransactionFilter(session_id=session_id), before=before, limit=limit)
    return page_of(ids, limit=limit)


def page_ids(wanted: TransactionFilter, *, before: int | None, limit: int) -> list[int]:
    """Return the ids of one page, and one more where there is a next page. One query, and one for a day."""
    return list(_matching(wanted, before=before).values_list("pk", flat=True)[: limit + 1])


def page_of(ids: Sequence[int], *, limit: int) -> TransactionPage:
    """Return the page of `page_ids`, with its orders. Two queries, and none for a page without rows."""
    shown = list(ids[:limit])
    if not shown:
        return TransactionPage((), None)
    with connection.cursor() as cursor:
        cursor.execute(_ROWS, [shown])
        rows = cursor.fetchall()
        cursor.execute(_ORDERS, [shown])
        slices = cursor.fetchall()
    orders: dict[int, list[OrderRow]] = {pk: [] for pk in shown}
    for transaction_id, *columns in slices:
        orders[transaction_id].append(OrderRow(*columns))
    found = tuple(TransactionRow(*(*row, tuple(orders[row[0]]))) for row in rows)
    return TransactionPage(found, shown[-1] if len(ids) > limit else None)


def all_transactions(wanted: TransactionFilter) -> Iterator[TransactionRow]:
    """Yield every transaction that is wanted, newest first, without their orders.

    Page by page: neither memory nor the time of a database transaction grows with their number.
    """
    before: int | None = None
    while True:
        rows = list(_matching(wanted, before=before).values_list(*_COLUMNS)[:CHUNK])
        for row in rows:
            yield TransactionRow(*row)
        if len(rows) < CHUNK:
            return
        before = rows[-1][0]


def transaction(pk: int) -> TransactionRow | None:
    """Return one transaction with its orders and their fills, `None` when there is none. Three queries."""
    found = page_of([pk], limit=1).results
    if not found:
        return None
    fills: dict[int, list[FillLine]] = {order.id: [] for order in found[0].orders}
    rows = Fill.objects.filter(order_id__in=list(fills)).order_by("sequence")
    for order_id, *columns in rows.values_list("order_id", *_FILL_COLUMNS) if fills else ():
        fills[order_id].append(FillLine(*columns))
    return replace(found[0], orders=tuple(replace(order, fills=tuple(fills[order.id])) for order in found[0].orders))


def _matching(wanted: TransactionFilter, *, before: int | None = None) -> QuerySet[HedgeTransaction]:
    """Return what is wanted, newest first. Asks for the sessions of a day, one query."""
    given = {
        "session_id": wanted.session_id,
        "side": wanted.side,
        "mode": wanted.mode,
        "origin": wanted.origin,
        "reason": wanted.reason,
        "symbol": wanted.symbol,
        "is_live": wanted.live,
    }
    rows = HedgeTransaction.objects.filter(**{name: value for name, value in given.items() if value is not None})
    if wanted.day is not None:
        rows = rows.filter(session_id__in=sessions_of(wanted.day))
    if wanted.account is not None:
        own = TradingSession.objects.filter(account__name=wanted.account).values_list("id", flat=True)
        rows = rows.filter(session_id__in=list(own))
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return rows.order_by("-id")


def sessions_of(day: date) -> list[int]:
    """Return the ids of a day's sessions: as values, so that the planner sees how few rows they have. One query."""
    return list(TradingSession.objects.filter(trading_day=day).values_list("id", flat=True))
