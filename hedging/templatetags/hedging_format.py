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
    figure = _decimal(value)
    if figure is None:
        return UNKNOWN
    rounded = figure.quantize(Decimal(1).scaleb(-int(places)), ROUND_HALF_UP)
    sign = "−" if rounded < 0 else ""
    whole, _, rest = f"{abs(rounded):f}".partition(".")
    return f"{sign}₹{grouped(whole)}{'.' + rest if rest else ''}"


@register.filter
def units(value: object) -> str:
    """Write a whole number in Indian grouping."""
    figure = _decimal(value)
    return UNKNOWN if figure is None else f"{'−' if figure < 0 else ''}{grouped(str(abs(int(figure))))}"


@register.filter
def percent(value: object) -> str:
    """Write a percentage with one decimal: 107.6 %."""
    figure = _decimal(value)
    return UNKNOWN if figure is None else f"{figure.quantize(Decimal('0.1'), ROUND_HALF_UP)} %"


@register.filter
def duration(seconds: object) -> str:
    """Write seconds as people say them: 45 s, 12 min, 2 h 05 min."""
    figure = _decimal(seconds)
    if figure is None:
        return UNKNOWN
    total = int(timedelta(seconds=int(figure)).total_seconds())
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


def _decimal(value: object) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        figure = Decimal(str(value))
    except InvalidOperation:
        return None
    return figure if figure.is_finite() else None
