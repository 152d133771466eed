"""Legs of an entry as its row stores them: one reading for the engine, for forms and for files."""

from __future__ import annotations

import json
import re
from typing import Any

from hedging.domain.instruments import Right, Side
from hedging.domain.templates import LegTemplate

MOST_LOTS = 1_000
MOST_STEPS = 500
EXAMPLE = '[{"right": "CE", "side": "SELL", "offset": 0, "lots": 1}]'
_SHORTENED = 80


class LegsUnreadable(ValueError):
    """Stored legs are none, so what the entry needs is unknown. Correct the entry's legs in the admin."""


def leg_templates(legs: Any) -> tuple[LegTemplate, ...]:
    """Return the legs stored with an entry as values, in their order. Raises `LegsUnreadable` that names what is wrong."""
    if not isinstance(legs, list) or not legs:
        raise LegsUnreadable(f"{_shown(legs)} is no list of legs; write {EXAMPLE}")
    return tuple(map(leg_template, legs))


def leg_template(leg: Any) -> LegTemplate:
    """Return one stored leg as a value. Raises `LegsUnreadable`."""
    if not isinstance(leg, dict) or not {"right", "side", "offset", "lots"} <= set(leg):
        raise LegsUnreadable(f"{_shown(leg)} is no leg: it has right, side, offset and lots, as in {EXAMPLE}")
    if leg["right"] not in list(Right):
        raise LegsUnreadable(f"{_shown(leg['right'])} is no right; write {' or '.join(Right)}")
    if leg["side"] not in list(Side):
        raise LegsUnreadable(f"{_shown(leg['side'])} is no side; write {' or '.join(Side)}")
    offset, lots = _whole(leg["offset"]), _whole(leg["lots"])
    if offset is None or abs(offset) > MOST_STEPS:
        raise LegsUnreadable(
            f"the offset {_shown(leg['offset'])} is no whole number of strike steps; write {-MOST_STEPS} to {MOST_STEPS}"
        )
    if lots is None or not 1 <= lots <= MOST_LOTS:
        raise LegsUnreadable(f"{_shown(leg['lots'])} is no number of lots; write a whole number, 1 to {MOST_LOTS:,}")
    return LegTemplate(Right(leg["right"]), Side(leg["side"]), offset, lots)


def format_legs(legs: Any) -> str:
    """Write legs as a file spells them: `SELL CE 0 x1; SELL PE 0 x1` (steps out of the money, lots).

    What are no legs is written as it is stored: the pages that show an entry are where it is corrected.
    """
    try:
        read = leg_templates(legs)
    except LegsUnreadable:
        return json.dumps(legs)
    return "; ".join(f"{leg.side} {leg.right} {leg.offset} x{leg.lots}" for leg in read)


def _whole(number: Any) -> int | None:
    """Return a whole number, also one that a row has as text or with a point, as rows of before may; `None` for others."""
    if isinstance(number, str) and re.fullmatch(r"-?[0-9]{1,6}", number):
        return int(number)
    if isinstance(number, float) and number.is_integer():
        return int(number)
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHORTENED else f"{text[:_SHORTENED]}…"
