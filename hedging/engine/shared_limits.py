"""Limits that all processes share: the rate of order requests, and the repeats of reads. One row for each account.

Both are one statement on that row, so that any number of workers together stay below what one server is to be asked for.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection

from hedging.engine.written import Change
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
    VALUES (%s, %s::timestamptz + %s, {MOST_RETRIES_SAVED})
    ON CONFLICT (account_id) DO UPDATE
    SET next_order_at = CASE WHEN l.next_order_at > %s AND l.next_order_at <= %s::timestamptz + %s
                        THEN l.next_order_at ELSE %s END + %s
    RETURNING next_order_at
"""  # noqa: S608 - the name of our own table; every value is a parameter

_SPEND = f"""
    INSERT INTO {AccountLimits._meta.db_table} AS l (account_id, retries_saved) VALUES (%(account)s, %(most)s - 1)
    ON CONFLICT (account_id) DO UPDATE SET retries_saved = least(%(most)s, l.retries_saved + %(earned)s) - 1
    WHERE least(%(most)s, l.retries_saved + %(earned)s) >= 1
    RETURNING retries_saved
"""  # noqa: S608 - the name of our own table; every value is a parameter


@dataclass(slots=True)
class OrderTurn:
    """A turn to send one order request, asked for at `wall_now`; `next_at` is when the one after it may go, once it is known.

    In any second at most `ORDERS_AT_ONCE + ORDERS_PER_SECOND` requests of all processes pass, 8 a second in the long run.
    """

    account_id: int
    wall_now: datetime
    next_at: datetime | None = None

    @property
    def reservation(self) -> Change:
        """Return the change that reserves the turn, and returns `next_at`."""
        now, longest = self.wall_now, _LONGEST_WAIT
        return Change(_TAKE_TURN, (self.account_id, now, _SPACING, now, now, longest, now, _SPACING))

    def wait_seconds(self) -> float:
        """Reserve the turn, where that was not done with other rows; return the seconds from `wall_now` on to wait for it."""
        if self.next_at is None:
            with connection.cursor() as cursor:
                cursor.execute(self.reservation.sql, self.reservation.values)
                self.next_at = cursor.fetchone()[0]
        return max(0.0, (self.next_at - ORDERS_AT_ONCE * _SPACING - self.wall_now).total_seconds())


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
