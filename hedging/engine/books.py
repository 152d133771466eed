"""Read one slice's evidence out of the account's books: its own row, its trades, and rows that look like it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

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


PAISA = Decimal("0.01")


def evidence_for(order: HedgeOrder, orders: OrderBook, trades: TradeBook, *, read_at: datetime) -> BooksRead:
    """Return what the books say about `order` as one protocol event. One query while its id is unknown, else none.

    `read_at` is the market time before which nothing in them was written: when the first of them was asked for.
    """
    if order.broker_order_id is None:
        return looked_for(order, orders, traded=frozenset(row.order_id for row in trades.rows))
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


def looked_for(order: HedgeOrder, orders: OrderBook, *, traded: frozenset[str] = frozenset()) -> BooksRead:
    """Return which orders bear our fingerprint, appeared after our pre-flight and belong to no other slice.

    Two kinds of rows may be ours and may be another's: one whose symbol the broker has not written yet, and one that has
    filled (its id is in `traded`, or it says so) at a better price than our limit, since some brokers show the average there.
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
        and (row.price == order.limit_price or (row.symbol and _filled_within(row, order.limit_price, traded)))
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
        lookalikes=tuple(row.order_id for row in free if row.symbol and row.price == order.limit_price),
        doubtful=tuple(row.order_id for row in free if not row.symbol or row.price != order.limit_price),
    )


def _filled_within(row: OrderRow, limit: Decimal, traded: frozenset[str]) -> bool:
    filled = row.status is BrokerStatus.COMPLETE or row.order_id in traded
    return filled and (limit - row.price) * row.side.sign > 0


def _book_row(row: OrderRow) -> BookRow:
    return BookRow(order_id=row.order_id, quantity=row.quantity, price=row.price, terminal=_TERMINAL.get(row.status))
