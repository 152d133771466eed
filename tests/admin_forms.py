"""What a browser sends back of a form as it was shown: each field's value, and the hidden one that tells what was shown."""

from __future__ import annotations

from typing import Any


def sent_back(form: Any) -> dict[str, str]:
    """Return an unbound form as it would be posted untouched; a box without a tick is not sent."""
    sent = {}
    for bound in form:
        value = bound.value()
        if not isinstance(value, bool):
            sent[bound.html_name] = _text(value)
        elif value:
            sent[bound.html_name] = "on"
        if bound.field.show_hidden_initial:
            sent[bound.html_initial_name] = _text(value)
    return sent


def _text(value: Any) -> str:
    return "" if value is None else str(value)
