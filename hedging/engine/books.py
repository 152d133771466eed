"""Read one slice's evidence out of the account's books: its own row, its trades, and rows that look like it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from hedging.brokers.base import BrokerStatus, OrderBook, OrderRow, TradeBook
from hedging.domain.lifecycle import PAISA, BookRow, BooksRead, OrderStatus, Trade
from hedging.models import HedgeOrder
from sessions_app.models import Mode

_TERMINAL = {
    BrokerStatus.COMPLETE: OrderStatus.FILLED,
    BrokerStatus.REJECTED: OrderStatus.REJECTED,
    BrokerStatus.CANCELLED: OrderStatus.CANCELLED,
    BrokerStatus.EXPIRED: OrderStatus.EXPIRED,
}


def evidence_for(order: HedgeOrder, orders: OrderBook, trades: TradeBook, *, read_at: datetime) -> BooksRead:
    """Return what the books say about `order` as one protocol event. One query while its id is unknown, else none.

    `read_at` is the market time before which nothing in them was written: when the first of them was asked for.
    """
    if order.broker_order_id is None:
        return looked_for(order, orders, trades)
    own = next((row for row in orders.rows if row.order_id == order.broker_order_id), None)
    return BooksRead(
        own=None if own is None else _book_row(own),
        # As the fill is stored, or a price with more places would be news at every reading.
        trades=tuple(
            Trade(row.quantity, row.price.quantize(PAISA))
            for row in trades.rows
            if row.order_id == order.broker_order_id
        ),
        read_at=read_at,
    )


def looked_for(order: HedgeOrder, orders: OrderBook, trades: TradeBook) -> BooksRead:
    """Return which orders bear our fingerprint, appeared after our pre-flight and belong to no other slice.

    Some may be ours and may be another's: rows whose symbol the broker has not written yet, and, since some brokers show the
    average once an order has traded, rows at a better price than our limit, and filled ones at our limit where no other row
    proves that this book keeps limits. While a refusal is to be believed, every row at a better price may be ours: its status
    may be a neighbour's, and its trades not be shown yet.
    """
    if order.limit_price is None:
        return BooksRead()
    tx, limit, seen = order.transaction, order.limit_price, set(order.seen_order_ids)
    traded = _traded(trades)
    keeps_limits = any(_shows_its_limit(row, traded.get(row.order_id)) for row in orders.rows)
    certain: list[str] = []
    doubtful: list[str] = []
    for row in orders.rows:
        if (
            row.order_id in seen
            or row.paper != (order.mode == Mode.DRY_RUN)  # a dry run shows the live book too, and owns nothing there
            or (row.symbol and row.contract != tx.contract)
            or row.product != tx.product
            or row.side.value != tx.side
            or row.quantity != order.quantity
        ):
            continue
        filled = row.status is BrokerStatus.COMPLETE or row.order_id in traded
        if row.price == limit:
            (certain if row.symbol and (keeps_limits or not filled) else doubtful).append(row.order_id)
        elif (limit - row.price) * row.side.sign > 0 and (filled or order.status == OrderStatus.SENDING):
            doubtful.append(row.order_id)
    if not certain and not doubtful:
        return BooksRead()
    claimed = HedgeOrder.objects.filter(
        account_id=order.account_id, trading_day=order.trading_day, broker_order_id__in=[*certain, *doubtful]
    )
    taken = set(claimed.values_list("broker_order_id", flat=True))
    return BooksRead(
        lookalikes=tuple(name for name in certain if name not in taken),
        doubtful=tuple(name for name in doubtful if name not in taken),
    )


def with_successor(order: HedgeOrder, evidence: BooksRead) -> BooksRead:
    """Return the evidence about an order that is over, saying whether its slice has been tried again. One query."""
    later = HedgeOrder.objects.filter(transaction_id=order.transaction_id, slice=order.slice, attempt__gt=order.attempt)
    return replace(evidence, superseded=later.exists())


@dataclass(slots=True)
class _Traded:
    """What the trade book shows of one order: its units, and the prices between which it traded."""

    units: int
    low: Decimal
    high: Decimal


def _traded(trades: TradeBook) -> dict[str, _Traded]:
    """Return what each order has traded, as far as the trade book shows it."""
    shown: dict[str, _Traded] = {}
    for row in trades.rows:
        one = shown.setdefault(row.order_id, _Traded(0, row.price, row.price))
        one.units, one.low, one.high = one.units + row.quantity, min(one.low, row.price), max(one.high, row.price)
    return shown


def _shows_its_limit(row: OrderRow, traded: _Traded | None) -> bool:
    """Return whether a row's price is surely not the average of its trades: all are shown, and it lies beyond each of them.

    While trades are still to come, or not shown yet, an average of them lies anywhere. A market order has no price.
    """
    if traded is None or row.status is not BrokerStatus.COMPLETE or traded.units < row.quantity or not row.price:
        return False
    return not traded.low - PAISA <= row.price <= traded.high + PAISA


def _book_row(row: OrderRow) -> BookRow:
    return BookRow(order_id=row.order_id, quantity=row.quantity, price=row.price, terminal=_TERMINAL.get(row.status))
