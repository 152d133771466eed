"""Transactions, newest first: pages by key on indexed columns, and one with its orders and fills."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from django.db.models import Prefetch, QuerySet

from hedging.models import Fill, HedgeOrder, HedgeTransaction
from hedging.selectors.cards import reason_text
from sessions_app.models import TradingSession

CHUNK = 1000
"""Transactions that are in memory at once where all of them are wanted."""


@dataclass(frozen=True, slots=True)
class TransactionFilter:
    """Which transactions are wanted; what is `None` does not matter. `day` is a trading day."""

    session_id: int | None = None
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
    text: str
    origin: str
    outcome: str
    live: bool
    created_at: datetime
    ended_at: datetime | None
    orders: tuple[OrderRow, ...]


@dataclass(frozen=True, slots=True)
class TransactionPage:
    """Transactions, newest first, and where the next page begins (None: this was the last)."""

    results: tuple[TransactionRow, ...]
    next_cursor: int | None


def transactions(
    *,
    session_id: int | None = None,
    wanted: TransactionFilter | None = None,
    before: int | None = None,
    limit: int = 50,
) -> TransactionPage:
    """Return one page of transactions, newest first, from below the id `before`. Two queries, and one for a day."""
    these = wanted or TransactionFilter(session_id=session_id)
    found = _matching(these, before=before).select_related("session").prefetch_related("orders")
    rows = list(found[: limit + 1])
    return _page(rows[:limit], more=len(rows) > limit)


def transaction_ids(wanted: TransactionFilter, *, before: int | None, limit: int) -> list[int]:
    """Return the ids of one page, newest first, and one more where there is a next page. One query, and one for a day."""
    return list(_matching(wanted, before=before).values_list("id", flat=True)[: limit + 1])


def transactions_of(ids: list[int], *, limit: int) -> TransactionPage:
    """Return the page of `transaction_ids`. Two queries."""
    rows = HedgeTransaction.objects.filter(pk__in=ids[:limit]).select_related("session").prefetch_related("orders")
    return _page(list(rows.order_by("-id")), more=len(ids) > limit)


def _page(rows: list[HedgeTransaction], *, more: bool) -> TransactionPage:
    return TransactionPage(tuple(_transaction(row) for row in rows), rows[-1].pk if more and rows else None)


def all_transactions(wanted: TransactionFilter) -> Iterator[TransactionRow]:
    """Yield every transaction that is wanted, newest first, without their orders.

    Page by page: neither memory nor the time of a database transaction grows with their number.
    """
    before: int | None = None
    while True:
        rows = list(_matching(wanted, before=before).select_related("session")[:CHUNK])
        for row in rows:
            yield _transaction(row, with_orders=False)
        if len(rows) < CHUNK:
            return
        before = rows[-1].pk


def transaction(pk: int) -> TransactionRow | None:
    """Return one transaction with its orders and their fills, `None` when there is none. Three queries."""
    fills = Prefetch("fills", Fill.objects.order_by("sequence"))
    orders = Prefetch("orders", HedgeOrder.objects.order_by("slice", "attempt").prefetch_related(fills))
    row = HedgeTransaction.objects.select_related("session").prefetch_related(orders).filter(pk=pk).first()
    return None if row is None else _transaction(row, with_fills=True)


def _matching(wanted: TransactionFilter, *, before: int | None = None) -> QuerySet[HedgeTransaction]:
    """Return the transactions that are wanted, newest first. Asks for the sessions of a day, one query."""
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
    if before is not None:
        rows = rows.filter(pk__lt=before)
    return rows.order_by("-id")


def sessions_of(day: date) -> list[int]:
    """Return the ids of a day's sessions: as values, so that the planner sees how few rows they have. One query."""
    return list(TradingSession.objects.filter(trading_day=day).values_list("id", flat=True))


def _transaction(row: HedgeTransaction, *, with_orders: bool = True, with_fills: bool = False) -> TransactionRow:
    orders = sorted(row.orders.all(), key=lambda o: (o.slice, o.attempt)) if with_orders else ()
    return TransactionRow(
        id=row.pk,
        session=row.session_id,
        trading_day=row.session.trading_day,
        mode=row.mode,
        decision=row.decision_id,
        symbol=row.symbol,
        side=row.side,
        quantity=row.quantity,
        filled_quantity=row.filled_quantity,
        average_price=row.average_price,
        worst_price=row.worst_price,
        reserve=row.reserve,
        charges=row.charges,
        reason=row.reason,
        text=reason_text(row.reason),
        origin=row.origin,
        outcome=row.outcome,
        live=row.is_live,
        created_at=row.created_at,
        ended_at=row.ended_at,
        orders=tuple(_order(order, with_fills=with_fills) for order in orders),
    )


def _order(order: HedgeOrder, *, with_fills: bool) -> OrderRow:
    return OrderRow(
        id=order.pk,
        slice=order.slice,
        attempt=order.attempt,
        status=order.status,
        quantity=order.quantity,
        limit_price=order.limit_price,
        broker_order_id=order.broker_order_id,
        sent_at=order.sent_at,
        message=order.message,
        fills=tuple(FillLine(fill.pk, fill.quantity, fill.price, fill.at) for fill in order.fills.all())
        if with_fills
        else None,
    )
