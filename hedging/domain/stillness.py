"""Stillness: how long an index price has not moved, by readings near each other. A second opinion on "the market is open"."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

READINGS = 4
"""A price that is the same in fewer readings than this proves nothing."""
NEAR = timedelta(minutes=5)
"""Readings farther apart say nothing of what happened between them."""


def still_seconds(*, now: datetime, spot: Decimal, earlier: Iterable[tuple[datetime, Decimal]]) -> float:
    """Return for how many seconds the price has been `spot`; 0.0 while it moves or too little is known.

    `earlier` are readings before `now`, newest first.
    """
    since, equal = now, 1
    for at, seen in earlier:
        if seen != spot or since - at > NEAR:
            break
        since, equal = at, equal + 1
    return (now - since).total_seconds() if equal >= READINGS else 0.0
