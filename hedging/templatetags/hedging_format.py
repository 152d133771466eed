"""Template filters: figures as people in India read them, and what is unknown said in words."""

from __future__ import annotations

from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django import template

register = template.Library()

UNKNOWN = "unknown"


@register.filter
def rupees(value: object, places: int = 0) -> str:
    """Write rupees in Indian grouping: ₹12,34,567; with `places` decimals."""
    amount = as_decimal(value)
    if amount is None:
        return UNKNOWN
    rounded = amount.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)
    sign = "−" if rounded < 0 else ""
    whole, _, rest = f"{abs(rounded):f}".partition(".")
    return f"{sign}₹{grouped(whole)}{'.' + rest if rest else ''}"


@register.filter
def figure(value: object, places: int = 2) -> str:
    """Write a figure that is no money, such as an index, in Indian grouping with `places` decimals."""
    return rupees(value, places).replace("₹", "")


@register.filter
def units(value: object) -> str:
    """Write a whole number in Indian grouping."""
    count = as_decimal(value)
    return UNKNOWN if count is None else f"{'−' if count < 0 else ''}{grouped(str(abs(int(count))))}"


@register.filter
def percent(value: object) -> str:
    """Write a percentage with one decimal: 107.6 %."""
    share = as_decimal(value)
    return UNKNOWN if share is None else f"{share.quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


@register.filter
def duration(seconds: object) -> str:
    """Write seconds as people say them: 45 s, 12 min, 2 h 05 min."""
    given = as_decimal(seconds)
    if given is None:
        return UNKNOWN
    total = int(timedelta(seconds=int(given)).total_seconds())
    if total < 60:
        return f"{total} s"
    minutes = total // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


@register.filter
def words(code: object) -> str:
    """Write a code as words: `entry_projection` becomes `entry projection`."""
    return str(code).replace("_", " ")


def grouped(digits: str) -> str:
    """Group a string of digits as in India: the last three, then pairs."""
    head, tail = digits[:-3], digits[-3:]
    pairs: list[str] = []
    while head:
        pairs.insert(0, head[-2:])
        head = head[:-2]
    return ",".join([*pairs, tail])


def as_decimal(value: object) -> Decimal | None:
    """Read a figure; None when it is absent or no finite number."""
    if value is None or value == "":
        return None
    try:
        read = Decimal(str(value))
    except InvalidOperation:
        return None
    return read if read.is_finite() else None
