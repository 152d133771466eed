"""The JSON text of answers, parts of which may have been written already: a chain is, row by row, from a form."""

from __future__ import annotations

import json
from typing import Any

_write = json.JSONEncoder(ensure_ascii=False).encode


class JsonText(str):
    """A value of an answer as JSON text."""

    __slots__ = ()


def encoded(answer: dict[str, Any]) -> bytes:
    """Return an answer as JSON."""
    if not any(isinstance(value, JsonText) for value in answer.values()):
        return _write(answer).encode()
    members = (
        f"{_write(name)}: {value if isinstance(value, JsonText) else _write(value)}" for name, value in answer.items()
    )
    return f"{{{', '.join(members)}}}".encode()


def decoded(answer: dict[str, Any]) -> dict[str, Any]:
    """Return an answer whose written parts are plain values again, for whoever changes some of them."""
    return {name: json.loads(value) if isinstance(value, JsonText) else value for name, value in answer.items()}
