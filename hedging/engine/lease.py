"""The account lease: one conditional UPDATE says who decides for an account now. It makes double work rare.

Any worker may take any account; a crashed holder's lease expires after 45 seconds of wall time, or as soon as somebody on
the same host asks for it and finds that process gone. Each taking has a higher number, and the claim refuses a decision that was made under an older one. What would be harmful is refused by constraints.
"""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.db import connection

from hedging.engine.watchdog import AHEAD
from sessions_app.models import AccountLease

HELD_FOR = timedelta(seconds=45)
_HELD_BY_NOBODY = datetime(1970, 1, 1, tzinfo=UTC)

_TAKE = f"""
    INSERT INTO {AccountLease._meta.db_table} AS l (account_id, number, holder, until)
    VALUES (%(account)s, 1, %(holder)s, %(until)s)
    ON CONFLICT (account_id) DO UPDATE
    SET number = l.number + 1, holder = excluded.holder, until = excluded.until
    WHERE l.until <= %(now)s OR l.until > %(ahead)s OR l.number = %(dead)s
    RETURNING number
"""  # noqa: S608 - the name of our own table; every value is a parameter

# Written as SQL, like the pulse: asked for every cycle of every account.
_GIVE_BACK = f"""
    UPDATE {AccountLease._meta.db_table} SET until = %(until)s WHERE account_id = %(account)s AND number = %(number)s
"""  # noqa: S608 - the name of our own table; every value is a parameter


def take(*, account_id: int, wall_now: datetime, holder: str = "") -> int | None:
    """Take the lease for 45 seconds and return its fencing number, or `None` while another holds it."""
    values: dict[str, Any] = {
        "account": account_id,
        "holder": holder or _me(),
        "until": wall_now + HELD_FOR,
        "now": wall_now,
        "ahead": wall_now + HELD_FOR + AHEAD,  # taken by a clock that was set back since: nobody knows when it ends
        "dead": None,
    }
    number = _try(values)
    if number is None:
        values["dead"] = _number_of_dead_holder(account_id)
        number = _try(values) if values["dead"] is not None else None
    return number


def _try(values: dict[str, Any]) -> int | None:
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, values)
        row = cursor.fetchone()
    return None if row is None else int(row[0])


def _number_of_dead_holder(account_id: int) -> int | None:
    """Return the number under which a process of this host that is gone holds the account; `None` for all others.

    Told apart wrongly, two would decide at once for a moment: the claim refuses the one with the older number.
    """
    row = AccountLease.objects.filter(account_id=account_id).first()
    if row is None:
        return None
    host, _, pid = row.holder.rpartition(":")
    if host != socket.gethostname() or not pid.isdigit():
        return None
    try:
        os.kill(int(pid), 0)  # asks, and signals nothing
    except ProcessLookupError:
        return row.number
    except (OSError, OverflowError):
        return None
    return None


def give_back(*, account_id: int, number: int) -> None:
    """Let the next one take the account at once, by any clock; a lease that was taken over meanwhile is left alone."""
    with connection.cursor() as cursor:
        cursor.execute(_GIVE_BACK, {"account": account_id, "number": number, "until": _HELD_BY_NOBODY})


@lru_cache(maxsize=4)
def _name_of(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"[:80]


def _me() -> str:
    return _name_of(os.getpid())  # not computed once: a worker forks after it has imported this
