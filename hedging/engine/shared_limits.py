"""Limits that all processes share: the rate of order requests, and the repeats of reads. One row for each account.

Both are one statement on that row, so that any number of workers together stay below what one server is to be asked for.
"""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection

from sessions_app.models import AccountLimits

log = logging.getLogger(__name__)

ORDERS_PER_SECOND = 8  # under OpenAlgo's 10; placing, changing and cancelling count together
ORDERS_AT_ONCE = 2
_SPACING = timedelta(seconds=1) / ORDERS_PER_SECOND
_LONGEST_WAIT = timedelta(seconds=5)
"""No queue of ours is that long: a row that says so was written by a clock that ran ahead, and is not believed."""

RETRY_SHARE = 0.10
MOST_RETRIES_SAVED = 3.0

_TAKE_TURN = f"""
    INSERT INTO {AccountLimits._meta.db_table} AS l (account_id, next_order_at, retries_saved)
    VALUES (%(account)s, %(now)s::timestamptz + %(spacing)s, %(saved)s)
    ON CONFLICT (account_id) DO UPDATE
    SET next_order_at = CASE WHEN l.next_order_at > %(now)s AND l.next_order_at <= %(now)s::timestamptz + %(longest)s
                        THEN l.next_order_at ELSE %(now)s END + %(spacing)s
    RETURNING next_order_at
"""  # noqa: S608 - the name of our own table; every value is a parameter

_SPEND = f"""
    INSERT INTO {AccountLimits._meta.db_table} AS l (account_id, retries_saved) VALUES (%(account)s, %(most)s - 1)
    ON CONFLICT (account_id) DO UPDATE SET retries_saved = least(%(most)s, l.retries_saved + %(earned)s) - 1
    WHERE least(%(most)s, l.retries_saved + %(earned)s) >= 1
    RETURNING retries_saved
"""  # noqa: S608 - the name of our own table; every value is a parameter


def reserve_order_turn(*, account_id: int, wall_now: datetime) -> float:
    """Reserve the next turn to send an order request; return the seconds to wait before using it.

    In any second at most `ORDERS_AT_ONCE + ORDERS_PER_SECOND` requests of all processes pass, 8 a second in the long run.
    """
    values: dict[str, Any] = {
        "account": account_id,
        "now": wall_now,
        "spacing": _SPACING,
        "longest": _LONGEST_WAIT,
        "saved": MOST_RETRIES_SAVED,
    }
    with connection.cursor() as cursor:
        cursor.execute(_TAKE_TURN, values)
        next_at: datetime = cursor.fetchone()[0]
    return max(0.0, (next_at - ORDERS_AT_ONCE * _SPACING - wall_now).total_seconds())


class SharedRetryBudget:
    """The retry budget of an account's reads, one for all processes (see `hedging.brokers.openalgo.limits.RetryBudget`).

    First tries are counted here and carried to the row only with a wish to repeat: a read that succeeds costs no query.
    Where the row cannot be asked nothing is repeated.
    """

    def __init__(self, *, account_id: int) -> None:
        self._account_id = account_id
        self._earned = 0.0
        self._lock = threading.Lock()

    def earn(self) -> None:
        """Note a first try."""
        with self._lock:
            self._earned = min(MOST_RETRIES_SAVED, self._earned + RETRY_SHARE)

    def spend(self) -> bool:
        """Return whether one repeat is affordable, and pay for it by one conditional UPDATE."""
        with self._lock:
            earned, self._earned = self._earned, 0.0
        values: dict[str, Any] = {"account": self._account_id, "most": MOST_RETRIES_SAVED, "earned": earned}
        try:
            with connection.cursor() as cursor:
                cursor.execute(_SPEND, values)
                affordable = cursor.fetchone() is not None
        except DatabaseError as error:
            log.warning("the retry budget could not be asked: %s", error)
            affordable = False
        if not affordable:
            with self._lock:
                self._earned = min(MOST_RETRIES_SAVED, self._earned + earned)
        return affordable
