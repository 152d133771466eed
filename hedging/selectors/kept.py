"""What was made once for all who look: values of a version (`versions.py`), which no one who asks makes differ."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, TypeVar

_KEPT: Final = 64
"""Things made of the last versions: of a few accounts, five or so of each; the largest are some 50 KB."""
_made: OrderedDict[tuple[str, str], Any] = OrderedDict()
_turns = Lock()
_Made = TypeVar("_Made")


def shared(version: str, name: str, make: Callable[[], _Made]) -> _Made:
    """Return what was made of a version under this name, and make it where nobody has yet. It must not hang on who asks."""
    key = (version, name)
    with _turns:
        if key in _made:
            _made.move_to_end(key)
            kept: _Made = _made[key]
            return kept
    fresh = make()
    with _turns:
        _made[key] = fresh
        while len(_made) > _KEPT:
            _made.popitem(last=False)
    return fresh
