"""A decision's card as people read it: gates, forecasts by source, candidates, the choice with its proof, what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from hedging.models import JumpKind, MarginJump
from hedging.selectors.cards import number
from hedging.selectors.decisions import DecisionRow

_PLAIN = ("used", "free_margin", "cost_left", "budget", "buffer")
"""Facts in rupees that are shown as they are, in this order."""


def card_context(row: DecisionRow) -> dict[str, Any]:
    """Return what `_card.html` shows of a decision. One query, and none for a hold."""
    facts = row.facts
    return {
        "row": row,
        "card": row.card,
        "figures": tuple((name, number(facts[name])) for name in _PLAIN if name in facts),
        "spot": number(facts.get("spot")),
        "entries": tuple(_entry(each) for each in _rows(facts.get("projection"))),
        "candidates": tuple(_rows(facts.get("candidates"))),
        "chosen_facts": _mapping(facts.get("chosen")),
        "verified": _mapping(facts.get("verified")),
        "depth": tuple(_rows(facts.get("depth"))),
        "kept": tuple(_rows(facts.get("kept"))),
        "held": tuple(_rows(facts.get("held"))),
        "given_up": tuple(facts.get("given_up") or ()),
        "release": _release(row),
    }


def _entry(each: Mapping[str, Any]) -> dict[str, Any]:
    sources = _mapping(each.get("sources"))
    return {
        "portfolio": each.get("portfolio", ""),
        "at_order": number(each.get("at_order")),
        "used_after_pct": number(each.get("used_after_pct")),
        "spread_pct": number(each.get("spread_pct")),
        "decided_by": each.get("source", ""),
        "sources": tuple(
            (name, number(_mapping(source).get("used_after")), str(_mapping(source).get("note") or ""))
            for name, source in sources.items()
        ),
    }


def _release(row: DecisionRow) -> dict[str, Decimal | str | None] | None:
    """Return what margin the decision's hedge was to release and what it did; `None` for what traded nothing."""
    if not row.transactions:
        return None
    jump = MarginJump.objects.filter(
        session_id=row.session, kind=JumpKind.HEDGE.value, subject=str(row.card.id)
    ).first()
    if jump is None:
        return {"foretold": None, "realized": None, "note": "nothing was foretold"}
    return {
        "foretold": None if jump.forecast is None else -jump.forecast,
        "realized": None if jump.realized is None else -jump.realized,
        "note": jump.note,
    }


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _rows(value: object) -> list[Mapping[str, Any]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, list) else []
