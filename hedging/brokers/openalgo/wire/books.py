"""The order book and the trade book on the wire (contract.md sections 3.6 and 3.7).

Live order rows carry no tag and no filled quantity, and a row in transit may show another row's status: only the trade
book proves a fill.
"""

from __future__ import annotations

from decimal import Decimal

from hedging.brokers.base import OrderBook, OrderRow, TradeBook, TradeRow, UnreadableAnswer
from hedging.brokers.openalgo.wire.answer import Answer, success_body
from hedging.brokers.openalgo.wire.values import (
    Json,
    as_known_price,
    as_list,
    as_object,
    as_order_id,
    as_price,
    as_quantity,
    as_side,
    as_status,
    as_text,
    contract_or_none,
)


def parse_order_book(answer: Answer) -> OrderBook:
    """Parse /orderbook. One row that cannot be read makes the whole book unreadable: absence must prove something."""
    data = as_object(success_body(answer).get("data"), "orderbook data")
    rows = tuple(_order(as_object(item, "an order")) for item in as_list(data.get("orders"), "orders"))
    if len({row.order_id for row in rows}) != len(rows):
        raise UnreadableAnswer("two orders with one id in the order book")
    return OrderBook(rows=rows, read_at=answer.asked_at)


def parse_trade_book(answer: Answer) -> TradeBook:
    """Parse /tradebook: one row for each fill. A fill of quantity 0 or without a price is an error."""
    rows = as_list(success_body(answer).get("data"), "tradebook data")
    return TradeBook(rows=tuple(_trade(as_object(item, "a trade")) for item in rows), read_at=answer.asked_at)


def _order(row: Json) -> OrderRow:
    quantity = as_quantity(row.get("quantity"), "order quantity")
    if quantity < 0:
        raise UnreadableAnswer(f"an order of {quantity} units")
    price = as_price(row.get("price"), "order price")
    if price is None and row.get("price") in (None, "") and row.get("pricetype") == "LIMIT":
        # We know our own orders again by their price: without one, "none of these is ours" would be a guess.
        raise UnreadableAnswer("a limit order without a price in the order book")
    contract, product = contract_or_none(row.get("symbol"), row.get("exchange")), as_text(row.get("product"), 20)
    if contract is not None and not product:
        raise UnreadableAnswer("an order in one of our options without a product")
    return OrderRow(
        order_id=as_order_id(row.get("orderid")),
        symbol=as_text(row.get("symbol"), 60),
        contract=contract,
        product=product,
        side=as_side(row.get("action")),
        quantity=quantity,
        price=price or Decimal(0),
        status=as_status(row.get("order_status")),
        status_text=as_text(row.get("order_status"), 60),
        timestamp_text=as_text(row.get("timestamp"), 40),
        rejection_reason=as_text(row.get("rejection_reason") or row.get("reason")),
    )


def _trade(row: Json) -> TradeRow:
    quantity = as_quantity(row.get("quantity"), "trade quantity")
    if quantity <= 0:
        raise UnreadableAnswer(f"a trade of {quantity} units")
    return TradeRow(
        order_id=as_order_id(row.get("orderid")),
        symbol=as_text(row.get("symbol"), 60),
        contract=contract_or_none(row.get("symbol"), row.get("exchange")),
        side=as_side(row.get("action")),
        quantity=quantity,
        price=as_known_price(row.get("average_price"), "average_price"),
        timestamp_text=as_text(row.get("timestamp"), 40),
    )
