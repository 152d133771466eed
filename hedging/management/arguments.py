"""Values that several commands are given."""

from __future__ import annotations

from argparse import ArgumentTypeError
from decimal import Decimal, InvalidOperation


def money(text: str, least: Decimal = Decimal(1)) -> Decimal:
    """Return an amount of rupees, to the paisa, with or without commas. Raises `ArgumentTypeError`."""
    try:
        amount = Decimal(text.replace(",", ""))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not least <= amount < Decimal(10) ** 9:
        raise ArgumentTypeError(f"{text!r} is no amount: write rupees like 1000000 or 10,00,000, at least {least}")
    return amount.quantize(Decimal("0.01"))
