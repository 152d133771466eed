"""JSON values to typed ones: OpenAlgo sends numbers as strings, strings as numbers, and 0 for "I do not know".

Every function raises `UnreadableAnswer` for anything that it cannot read for certain; none returns a guess.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import cast

from hedging.brokers.base import BrokerStatus, UnreadableAnswer
from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_symbol
from hedging.domain.instruments import Contract, Exchange, Index, Product, Side

Json = dict[str, object]

LARGEST_AMOUNT = Decimal(10) ** 12
"""Rupees. A lakh crore: beyond any account, far below where decimals overflow."""
LARGEST_QUANTITY = 10**9
_SMALLEST_PRICE = Decimal("1e-9")

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][+-]?[0-9]{1,2})?")
_NUMBERS = (int, float, Decimal, str)
_LONGEST_KEPT = 64
_ORDER_ID = re.compile(r"[!-~]{1,60}")
_OURS = re.compile(rf"({'|'.join(Index.__members__)})\d{{2}}[A-Z].*(CE|PE)", re.IGNORECASE | re.DOTALL)
_NAMED_LIKE_OURS = re.compile(rf"(?:[A-Z]+:)?({'|'.join(Index.__members__)})(?![A-Z])", re.IGNORECASE)
_TRANSLATED = re.compile(r".+\d{2}[A-Z]{3}\d{2}(?:FUT|\d{1,40}(?:\.\d{1,9})?(?:CE|PE))")
# Derivatives that are not ours trade on NFO and BFO too, so a row that nobody can read is harmless only outside of them.
CASH_EXCHANGES = frozenset({"NSE", "BSE", "CDS", "BCD", "MCX", "NCDEX", "NCO", "CRYPTO"}) - set(Exchange)
_LEAST_STRIKE, _FIRST_YEAR = 1000, 2020  # no index of ours has a strike below, and no book a contract from before
_SIDES = {side.value: side for side in Side}
_STATUS_WORDS = {
    "complete": BrokerStatus.COMPLETE,
    "rejected": BrokerStatus.REJECTED,
    "cancelled": BrokerStatus.CANCELLED,
    "canceled": BrokerStatus.CANCELLED,
    "expired": BrokerStatus.EXPIRED,
}


def as_object(value: object, name: str) -> Json:
    """Return `value` as a JSON object."""
    if not isinstance(value, dict):
        raise UnreadableAnswer(f"{name} is {_shown(value)}, not an object")
    return cast("Json", value)


def as_list(value: object, name: str) -> list[object]:
    """Return `value` as a JSON array."""
    if not isinstance(value, list):
        raise UnreadableAnswer(f"{name} is {_shown(value)}, not a list")
    return cast("list[object]", value)


def as_text(value: object, limit: int = 300) -> str:
    """Return any JSON value as one printable line of at most `limit` characters; null gives an empty line."""
    if value is None:
        return ""
    return _one_line(str(value)[: 4 * limit], limit)


@lru_cache(maxsize=8192)
def _one_line(text: str, limit: int) -> str:
    # The rows of a book come again with every read, all day.
    # Null characters and lone surrogates would be refused by the database, line breaks would forge log lines.
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(text.split())[:limit]


def as_amount(value: object, name: str) -> Decimal:
    """Return a finite number of any sign, given as number or string."""
    # bool is an int for Python, and `true` is no amount.
    if isinstance(value, _NUMBERS) and not isinstance(value, bool):
        text = str(value).strip() if not isinstance(value, Decimal) else _plain(value)
        number = _amount_or_none(text) if len(text) <= _LONGEST_KEPT else None  # what is kept must be short
        if number is not None:
            return number
    raise UnreadableAnswer(f"{name} is {_shown(value)}, not a plausible number")


@lru_cache(maxsize=32768)
def _amount_or_none(text: str) -> Decimal | None:
    # The same few thousand prices and quantities come again all day.
    number = Decimal(text) if _NUMBER.fullmatch(text) else None
    return number if number is not None and abs(number) <= LARGEST_AMOUNT else None


def as_price(value: object, name: str) -> Decimal | None:
    """Return a price in rupees; 0, null and an empty string are `None`: OpenAlgo writes 0 for a missing price."""
    if type(value) is float and (written := _as_written(value)) is not None:
        return written  # most prices of a chain
    if type(value) is Decimal and _SMALLEST_PRICE <= value <= LARGEST_AMOUNT:
        return value  # most prices of the books
    if value is None or value == "":
        return None
    price = as_amount(value, name)
    if price < 0:
        raise UnreadableAnswer(f"{name} is negative: {price}")
    return price or None


@lru_cache(maxsize=32768)
def _as_written(number: float) -> Decimal | None:
    """Return the decimal that a float was read from, as short as it can be written; `None` where it may be no price."""
    return Decimal(repr(number)) if _SMALLEST_PRICE <= number <= LARGEST_AMOUNT else None


def as_known_price(value: object, name: str) -> Decimal:
    """Return a price that must be there, greater than 0."""
    price = as_price(value, name)
    if price is None:
        raise UnreadableAnswer(f"{name} is {_shown(value)}: no price")
    return price


def as_quantity(value: object, name: str) -> int:
    """Return a signed whole number of units."""
    if type(value) is int and -LARGEST_QUANTITY <= value <= LARGEST_QUANTITY:
        return value  # most rows of a chain and of the books
    number = as_amount(value, name)
    if number != int(number) or abs(number) > LARGEST_QUANTITY:
        raise UnreadableAnswer(f"{name} is {_shown(value)}, not a whole quantity")
    return int(number)


def as_open_quantity(value: object, name: str) -> int | None:
    """Return the quantity at a touch; 0, null and an empty string are `None`, since Zerodha's chain always says 0."""
    if type(value) is int and 0 <= value <= LARGEST_QUANTITY:
        return value or None
    if value is None or value == "":
        return None
    quantity = as_quantity(value, name)
    if quantity < 0:
        raise UnreadableAnswer(f"{name} is negative: {quantity}")
    return quantity or None


def order_id_or_none(value: object) -> str | None:
    """Return an order id as text (some brokers send integers), or `None` where there is none to rely on."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    text = str(value).strip()
    return text if len(text) <= _LONGEST_KEPT and _is_order_id(text) else None


@lru_cache(maxsize=8192)
def _is_order_id(text: str) -> bool:
    return _ORDER_ID.fullmatch(text) is not None and text.lower() not in {"0", "null", "none"}


def as_order_id(value: object) -> str:
    """Return an order id that must be there."""
    order_id = order_id_or_none(value)
    if order_id is None:
        raise UnreadableAnswer(f"orderid is {_shown(value)}")
    return order_id


def as_side(value: object) -> Side:
    """Return BUY or SELL, in any case."""
    if type(value) is str and (side := _SIDES.get(value)) is not None:
        return side
    try:
        return Side(str(value).strip().upper())
    except ValueError:
        raise UnreadableAnswer(f"action is {_shown(value)}, neither BUY nor SELL") from None


def as_product(value: object) -> Product:
    """Return MIS or NRML. A cover or bracket product on an index option is nothing that we can count."""
    try:
        return Product(str(value).strip().upper())
    except ValueError:
        raise UnreadableAnswer(f"product is {_shown(value)}, neither MIS nor NRML") from None


def as_status(value: object) -> BrokerStatus:
    """Return the normalized status; unknown, empty and null words are WORKING (contract.md section 4)."""
    word = " ".join(str(value).lower().replace("_", " ").split())
    return _STATUS_WORDS.get(word, BrokerStatus.WORKING)


def contract_or_none(symbol: object, exchange: object) -> Contract | None:
    """Return the option of an index that we know, `None` for everything else (futures, equities, null).

    A symbol that looks like one of our options and cannot be read, or sits on another exchange, is an error:
    to overlook a short would be worse than to read nothing. So is one in the broker's own spelling, which some adapters
    leave where OpenAlgo's master contract is not loaded.
    """
    if not isinstance(symbol, str):
        return None
    contract = _option_in(symbol) if len(symbol) <= _LONGEST_KEPT else _option_in.__wrapped__(symbol)
    untranslated = _is_untranslated(symbol.strip()) if contract is None else _is_of_another_spelling(contract)
    if untranslated and str(exchange) not in CASH_EXCHANGES:
        raise UnreadableAnswer(f"{_shown(symbol)} is no symbol of OpenAlgo: its master contract is not loaded")
    if contract is not None and str(exchange) != contract.exchange:
        raise UnreadableAnswer(f"{symbol} on exchange {_shown(exchange)}, not on {contract.exchange}")
    return contract


@lru_cache(maxsize=8192)
def _option_in(symbol: str) -> Contract | None:
    if not _OURS.fullmatch(symbol.strip()):
        return None
    try:
        return parse_symbol(symbol)
    except UnknownSymbol as error:
        raise UnreadableAnswer(str(error)) from None


def _is_untranslated(symbol: str) -> bool:
    return _NAMED_LIKE_OURS.match(symbol) is not None and _TRANSLATED.fullmatch(symbol) is None


def _is_of_another_spelling(contract: Contract) -> bool:
    """Return whether this is a monthly option as Zerodha and Fyers spell it: NIFTY26NOV26000CE is no 000 of 26 Nov 2026.

    Its year was read as the day, and two digits of its strike as the year: what is left of five is below 1000, of six there is
    a year in the teens.
    """
    return contract.strike < _LEAST_STRIKE or contract.expiry.year < _FIRST_YEAR


def _plain(number: Decimal) -> str:
    # A huge exponent must not be written out: format(Decimal("1e99999999"), "f") would take all memory.
    return format(number, "f") if number.is_finite() and -18 <= number.adjusted() <= 18 else "out of range"


def _shown(value: object) -> str:
    return as_text(repr(value), 60)
