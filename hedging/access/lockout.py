"""Lockout: count wrong keys, passwords and codes for all processes together, and refuse a source that had too many.

The count is one statement of the database, so that a hundred guesses at once count as a hundred.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import connection
from django.db.models import Max

from hedging.access.models import Failure

WINDOW: Final = timedelta(minutes=15)
"""Failures of a source within this time add up; afterwards they are forgotten."""
LOCK: Final = timedelta(minutes=15)
"""For so long a source is refused after too many."""
MOST_FAILURES: Final = 10
_KEPT: Final = timedelta(days=1)

# One row a source. A new window starts when the old one is over or a lock has run out.
_COUNT = """
INSERT INTO access_failure AS f (source, count, since, locked_until) VALUES (%(source)s, 1, %(now)s, NULL)
ON CONFLICT (source) DO UPDATE SET
    count = CASE WHEN f.since <= %(window)s OR f.locked_until <= %(now)s THEN 1 ELSE f.count + 1 END,
    since = CASE WHEN f.since <= %(window)s OR f.locked_until <= %(now)s THEN %(now)s ELSE f.since END,
    locked_until = CASE
        WHEN f.locked_until > %(now)s THEN f.locked_until
        WHEN f.since > %(window)s AND f.locked_until IS NULL AND f.count + 1 >= %(most)s THEN %(until)s
        ELSE NULL END
"""


def seconds_locked(sources: Sequence[str], *, wall_now: datetime) -> int:
    """Return for how many seconds any of the sources is still refused; 0 when none is."""
    until: datetime | None = Failure.objects.filter(source__in=sources, locked_until__gt=wall_now).aggregate(
        until=Max("locked_until")
    )["until"]
    return 0 if until is None else max(1, math.ceil((until - wall_now).total_seconds()))


def count_failure(sources: Sequence[str], *, wall_now: datetime) -> None:
    """Count one failure against each source, and lock what had too many within the window."""
    Failure.objects.filter(since__lt=wall_now - _KEPT).delete()
    values: dict[str, Any] = {
        "now": wall_now,
        "window": wall_now - WINDOW,
        "until": wall_now + LOCK,
        "most": MOST_FAILURES,
    }
    with connection.cursor() as cursor:
        for source in sorted(sources):  # in one order, so that two processes never wait for each other
            cursor.execute(_COUNT, {**values, "source": source})
