"""Template tags of the dashboard's frame: instants for scripts, the icon of a mode, the sign of a gain."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from django import template
from django.templatetags.static import static

from hedging.templatetags.hedging_format import as_decimal

register = template.Library()


@register.filter
def epoch_ms(at: datetime) -> int:
    """Write an instant as milliseconds since 1970, as scripts count."""
    return int(at.timestamp() * 1000)


@register.filter
def day_words(text: str) -> str:
    """Write a day that is given as text, as the keys of the analytics are: Tue 1 Dec 2026."""
    day = date.fromisoformat(text)
    return f"{day:%a} {day.day} {day:%b %Y}"


@register.filter
def sign(value: object) -> str:
    """Name a figure's sign for its colour: `gain`, `loss`, or nothing where it is 0 or unknown."""
    figure = as_decimal(value)
    return "" if not figure else "gain" if figure > 0 else "loss"


@register.simple_tag(takes_context=True)
def mode_icon(context: Mapping[str, Any]) -> str:
    """Return the address of the icon that shows where orders go, or that nothing is sent."""
    status, state = context.get("status"), context.get("halted", "active")
    if state == "halted":
        name = "halted"
    elif context.get("world") == "simulator":
        name = "simulated"
    elif status is None:
        name = "none"
    else:
        name = "live" if status.session.mode == "live" else "dry_run"
    return static(f"hedging/icons/{name}.svg")
