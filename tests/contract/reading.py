"""How each recorded endpoint is read: the parse function of the product, fed with what the recorded request asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from hedging.brokers.base import MarginLeg
from hedging.brokers.openalgo import wire
from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_expiry, parse_symbol
from hedging.domain.instruments import Contract, Index, Product, Right, Side

SOME_EXPIRY = date(2026, 12, 1)
SOME_CONTRACT = Contract(Index.NIFTY, SOME_EXPIRY, Decimal(26000), Right.CE)
Asked = dict[str, Any]


def _margin(answer: wire.Answer, asked: Asked) -> object:
    legs = [
        MarginLeg(SOME_CONTRACT, Product.NRML, Side(row["action"].upper()), 65, Decimal(1))
        for row in asked["positions"]
    ]
    return wire.parse_margin(answer, legs)


def _chain(answer: wire.Answer, asked: Asked) -> object:
    try:
        expiry = parse_expiry(asked.get("expiry_date", "01DEC26").upper())
    except UnknownSymbol:
        expiry = SOME_EXPIRY
    return wire.parse_chain(answer, Index(asked["underlying"]), expiry)


def _depth(answer: wire.Answer, asked: Asked) -> object:
    try:
        return wire.parse_depth(answer, parse_symbol(asked["symbol"]))
    except UnknownSymbol:
        return wire.parse_depth(answer, SOME_CONTRACT)


READERS: dict[str, Callable[[wire.Answer, Asked], object]] = {
    "analyzer_status": lambda answer, _: wire.parse_analyzer(answer),
    "cancelorder": lambda answer, _: wire.classify_cancel(answer),
    "depth": _depth,
    "expiry": lambda answer, _: wire.parse_expiries(answer),
    "funds": lambda answer, _: wire.parse_funds(answer),
    "margin": _margin,
    "optionchain": _chain,
    "orderbook": lambda answer, _: wire.parse_order_book(answer),
    "ping": lambda answer, _: wire.parse_ping(answer),
    "placeorder": lambda answer, _: wire.classify_place(answer),
    "positionbook": lambda answer, _: wire.parse_positions(answer),
    "quotes": lambda answer, _: wire.parse_spot(answer),
    "tradebook": lambda answer, _: wire.parse_trade_book(answer),
}
"""One reader for each recorded endpoint that the product calls."""
