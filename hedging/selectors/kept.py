"""What was made once for all who look: values of a version (`versions.py`), which no one who asks makes differ."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Callable
from threading import Lock
from typing import Any, Final, TypeVar

_KEPT: Final = 16
"""Versions of each kind of thing: of a few accounts the last ones. A status is some 50 KB, a page of 200 transactions 330 KB."""
_made: dict[str, OrderedDict[str, Any]] = defaultdict(OrderedDict)
_turns = Lock()
_Made = TypeVar("_Made")


def shared(version: str, kind: str, make: Callable[[], _Made]) -> _Made:
    """Return what was made of a version, and make it where nobody has yet. It must not hang on who asks.

    The last versions of each `kind` are kept, of which there are a handful: whoever pages through a ledger takes no other's
    place.
    """
    with _turns:
        if version in _made[kind]:
            _made[kind].move_to_end(version)
            kept: _Made = _made[kind][version]
            return kept
    fresh = make()
    with _turns:
        _made[kind][version] = fresh
        while len(_made[kind]) > _KEPT:
            _made[kind].popitem(last=False)
    return fresh
