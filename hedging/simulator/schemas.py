"""Request schemas: which fields each endpoint takes, and the words with which a wrong one is refused.

The real server refuses unknown fields, coerces numeric strings where a number is wanted, and never a number where a string
is wanted; its four groups of endpoints wrap the same messages differently (contract.md §1.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

EXCHANGES = tuple(
    "NSE NFO CDS BSE BFO BCD MCX NCDEX NCO NSE_INDEX BSE_INDEX MCX_INDEX GLOBAL_INDEX CRYPTO".split()  # noqa: SIM905
)
EXPIRY_EXCHANGES = ("NFO", "BFO", "MCX", "CDS", "NCO", "BCD", "NCDEX", "CRYPTO")
ACTIONS = ("BUY", "SELL", "buy", "sell")
PRICE_TYPES = ("MARKET", "LIMIT", "SL", "SL-M")
PRODUCTS = ("MIS", "NRML", "CNC")

Messages = dict[Any, Any]


class _Missing:
    """The absence of a default: the field is required."""


MISSING = _Missing()


class Invalid(Exception):
    """A value that its field refuses; `messages` is a list, or a dict for nested items."""

    def __init__(self, messages: list[str] | Messages) -> None:
        super().__init__(messages)
        self.messages = messages


@dataclass(frozen=True, slots=True)
class Field:
    """One field: how it is read, and its default (required if there is none)."""

    read: Callable[[Any], Any]
    default: Any = MISSING
    nullable: bool = False


def text(*, choices: tuple[str, ...] = (), shortest: int = 0, longest: int = 0) -> Callable[[Any], Any]:
    """Read a string, which a number is not."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise Invalid(["Not a valid string."])
        if choices and value not in choices:
            raise Invalid([f"Must be one of: {', '.join(choices)}."])
        if longest and not shortest <= len(value) <= longest:
            raise Invalid([f"Length must be between {shortest} and {longest}."])
        return value

    return read


def number(*, lowest: float | None = None, message: str = "") -> Callable[[Any], Any]:
    """Read a number or a numeric string as a float."""

    def read(value: Any) -> float:
        try:
            got = float(value)
        except (TypeError, ValueError):
            raise Invalid(["Not a valid number."]) from None
        if isinstance(value, bool) or got != got or got in {float("inf"), float("-inf")}:  # noqa: PLR0124
            raise Invalid(["Not a valid number."])
        if lowest is not None and got < lowest:
            raise Invalid([message or f"Must be greater than or equal to {lowest}."])
        return got

    return read


def whole(*, lowest: int | None = None, highest: int | None = None, message: str = "") -> Callable[[Any], Any]:
    """Read a whole number or its string as an int."""

    def read(value: Any) -> int:
        try:
            got = int(value)
        except (TypeError, ValueError):
            raise Invalid(["Not a valid integer."]) from None
        if isinstance(value, bool):
            raise Invalid(["Not a valid integer."])
        if (lowest is not None and got < lowest) or (highest is not None and got > highest):
            raise Invalid([message])
        return got

    return read


def boolean(value: Any) -> bool:
    """Read a boolean the forgiving way."""
    if value in (True, "true", "True", 1, "1"):
        return True
    if value in (False, "false", "False", 0, "0"):
        return False
    raise Invalid(["Not a valid boolean."])


def quantity(value: Any) -> int:
    """Read an order quantity: a positive whole number, as number or string."""
    got = number()(value)
    if got <= 0:
        raise Invalid(["Quantity must be a positive number."])
    if got % 1:
        raise Invalid([f"Fractional quantity ({value}) is not allowed for non-crypto exchanges."])
    return int(got)


def items(schema: Mapping[str, Field], *, least: int, most: int, message: str, keys: type) -> Callable[[Any], Any]:
    """Read a list of objects; `keys` is how item positions are named in messages (int or str)."""

    def read(value: Any) -> list[dict[str, Any]]:
        if not isinstance(value, list):
            raise Invalid(["Not a valid list."])
        good, bad = [], {}
        for n, item in enumerate(value):
            if not isinstance(item, dict):
                bad[keys(n)] = {"_schema": ["Invalid input type."]}
                continue
            loaded, errors = load(schema, item)
            if errors:
                bad[keys(n)] = errors
            good.append(loaded)
        if bad:
            raise Invalid(bad)
        if not least <= len(value) <= most:
            raise Invalid([message])
        return good

    return read


def load(schema: Mapping[str, Field], body: Mapping[str, Any]) -> tuple[dict[str, Any], Messages]:
    """Return the values of a body, defaults filled in, and the messages of what is wrong with it (empty if nothing)."""
    values: dict[str, Any] = {}
    errors: Messages = {}
    for name, field in schema.items():
        if name not in body:
            if isinstance(field.default, _Missing):
                errors[name] = ["Missing data for required field."]
            else:
                values[name] = field.default
            continue
        given = body[name]
        if given is None:
            if field.nullable:
                values[name] = None
            else:
                errors[name] = ["Field may not be null."]
            continue
        try:
            values[name] = field.read(given)
        except Invalid as invalid:
            errors[name] = invalid.messages
    for name in body:
        if name not in schema:
            errors[name] = ["Unknown field."]
    return values, errors


_KEY = {"apikey": Field(text(shortest=1, longest=256))}
_STRATEGY = {"strategy": Field(text())}
_SYMBOL = {"symbol": Field(text()), "exchange": Field(text(choices=EXCHANGES))}
_NOT_NEGATIVE = number(lowest=0, message="Price must be a non-negative number.")
_DISCLOSED = whole(lowest=0, message="Disclosed quantity must be a non-negative integer.")
_COUNT = whole(lowest=1, highest=100, message="Must be greater than or equal to 1 and less than or equal to 100.")


def _offset(value: Any) -> str:
    got = str(text()(value)).upper()
    tail = got[3:]
    if got != "ATM" and not (got[:3] in {"ITM", "OTM"} and tail.isdigit() and 1 <= int(tail) <= 50):
        raise Invalid(["Offset must be ATM, ITM1-ITM50, or OTM1-OTM50"])
    return got


_MARGIN_LEG = {
    "symbol": Field(text(shortest=1, longest=50)),
    "exchange": Field(text(choices=EXCHANGES)),
    "action": Field(text(choices=ACTIONS)),
    "quantity": Field(text()),
    "product": Field(text(choices=PRODUCTS)),
    "pricetype": Field(text(choices=PRICE_TYPES)),
    "price": Field(text(), default="0"),
    "trigger_price": Field(text(), default="0"),
}

SCHEMAS: dict[str, dict[str, Field]] = {
    "ping": _KEY,
    "funds": _KEY,
    "positionbook": _KEY,
    "orderbook": _KEY,
    "tradebook": _KEY,
    "analyzer": _KEY,
    "openposition": _KEY
    | _STRATEGY
    | {"symbol": Field(text()), "exchange": Field(text()), "product": Field(text(choices=PRODUCTS))},
    "orderstatus": _KEY | _STRATEGY | {"orderid": Field(text())},
    "cancelorder": _KEY | _STRATEGY | {"orderid": Field(text())},
    "placeorder": _KEY
    | _STRATEGY
    | {
        "exchange": Field(text(choices=EXCHANGES)),
        "symbol": Field(text()),
        "action": Field(text(choices=ACTIONS)),
        "quantity": Field(quantity),
        "pricetype": Field(text(choices=PRICE_TYPES), default="MARKET"),
        "product": Field(text(choices=PRODUCTS), default="MIS"),
        "price": Field(_NOT_NEGATIVE, default=0.0),
        "trigger_price": Field(_NOT_NEGATIVE, default=0.0),
        "disclosed_quantity": Field(_DISCLOSED, default=0),
        "underlying_ltp": Field(number(), default=None, nullable=True),
    },
    "modifyorder": _KEY
    | _STRATEGY
    | {
        "exchange": Field(text(choices=EXCHANGES)),
        "symbol": Field(text()),
        "orderid": Field(text()),
        "action": Field(text(choices=ACTIONS)),
        "product": Field(text(choices=PRODUCTS)),
        "pricetype": Field(text(choices=PRICE_TYPES)),
        "price": Field(_NOT_NEGATIVE),
        "quantity": Field(quantity),
        "disclosed_quantity": Field(_DISCLOSED),
        "trigger_price": Field(_NOT_NEGATIVE),
    },
    "margin": _KEY
    | {
        "positions": Field(
            items(_MARGIN_LEG, least=1, most=50, message="Positions must contain 1 to 50 items.", keys=int)
        )
    },
    "quotes": _KEY | _SYMBOL,
    "depth": _KEY | _SYMBOL,
    "symbol": _KEY | _SYMBOL,
    "multiquotes": _KEY
    | {"symbols": Field(items(_SYMBOL, least=1, most=100_000, message="Shorter than minimum length 1.", keys=str))},
    "expiry": _KEY
    | {
        "symbol": Field(text()),
        "exchange": Field(text(choices=EXPIRY_EXCHANGES)),
        "instrumenttype": Field(text(choices=("futures", "options"))),
    },
    "optionchain": _KEY
    | {
        "underlying": Field(text()),
        "exchange": Field(text(choices=EXCHANGES)),
        "expiry_date": Field(text()),
        "strike_count": Field(_COUNT, default=None, nullable=True),
        "with_greeks": Field(boolean, default=False),
        "interest_rate": Field(number(lowest=0), default=None, nullable=True),
    },
    "optionsymbol": _KEY
    | {
        "strategy": Field(text(), default="", nullable=True),
        "underlying": Field(text()),
        "exchange": Field(text(choices=EXCHANGES)),
        "expiry_date": Field(text()),
        "strike_int": Field(
            whole(lowest=1, message="Must be greater than or equal to 1."), default=None, nullable=True
        ),
        "offset": Field(_offset),
        "option_type": Field(text(choices=("CE", "PE", "ce", "pe"))),
    },
    "market/holidays": _KEY
    | {
        "year": Field(
            whole(
                lowest=2020,
                highest=2050,
                message="Must be greater than or equal to 2020 and less than or equal to 2050.",
            ),
            default=None,
            nullable=True,
        )
    },
    "market/timings": _KEY | {"date": Field(text())},
}

GROUP_A = frozenset({"placeorder", "modifyorder", "cancelorder", "margin", "orderstatus", "openposition", "analyzer"})
GROUP_C = frozenset({"optionchain", "optionsymbol"})


def refusal(endpoint: str, errors: Messages) -> dict[str, Any]:
    """Return the body of a 400 for wrong fields, in the shape of the endpoint's group."""
    if endpoint in GROUP_A:
        return {"message": str(errors), "status": "error"}
    if endpoint in GROUP_C:
        return {"status": "error", "message": "Validation error", "errors": errors}
    return {"message": errors, "status": "error"}
