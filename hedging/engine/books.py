"""Read one slice's evidence out of the account's books: its own row, its trades, and rows that look like it."""

from __future__ import annotations

from hedging.brokers.base import BrokerStatus, OrderBook, OrderRow, TradeBook
from hedging.domain.lifecycle import BookRow, BooksRead, OrderStatus, Trade
from hedging.models import HedgeOrder
from sessions_app.models import Mode

_TERMINAL = {
    BrokerStatus.COMPLETE: OrderStatus.FILLED,
    BrokerStatus.REJECTED: OrderStatus.REJECTED,
    BrokerStatus.CANCELLED: OrderStatus.CANCELLED,
    BrokerStatus.EXPIRED: OrderStatus.EXPIRED,
}


def evidence_for(order: HedgeOrder, orders: OrderBook, trades: TradeBook) -> BooksRead:
    """Return what the books say about `order` as one protocol event. One query while its id is unknown, else none."""
    if order.broker_order_id is None:
        return looked_for(order, orders)
    own = next((row for row in orders.rows if row.order_id == order.broker_order_id), None)
    return BooksRead(
        own=None if own is None else _book_row(own),
        trades=tuple(Trade(row.quantity, row.price) for row in trades.rows if row.order_id == order.broker_order_id),
    )


def looked_for(order: HedgeOrder, orders: OrderBook) -> BooksRead:
    """Return which orders bear our fingerprint, appeared after our pre-flight and belong to no other slice.

    A row whose symbol the broker has not written yet may be ours, or that of another contract at the same price.
    """
    if order.limit_price is None:
        return BooksRead()
    tx = order.transaction
    seen = set(order.seen_order_ids)
    alike = [
        row
        for row in orders.rows
        if row.order_id not in seen
        and row.paper == (order.mode == Mode.DRY_RUN)  # a dry run shows the live book too, and owns nothing there
        and (row.contract == tx.contract or not row.symbol)
        and row.product == tx.product
        and row.side.value == tx.side
        and row.quantity == order.quantity
        and row.price == order.limit_price
    ]
    if not alike:
        return BooksRead()
    claimed = HedgeOrder.objects.filter(
        account_id=order.account_id,
        trading_day=order.trading_day,
        broker_order_id__in=[row.order_id for row in alike],
    ).values_list("broker_order_id", flat=True)
    taken = set(claimed)
    free = [row for row in alike if row.order_id not in taken]
    return BooksRead(
        lookalikes=tuple(row.order_id for row in free if row.symbol),
        nameless=tuple(row.order_id for row in free if not row.symbol),
    )


def _book_row(row: OrderRow) -> BookRow:
    return BookRow(order_id=row.order_id, quantity=row.quantity, price=row.price, terminal=_TERMINAL.get(row.status))
