"""Pulse: the one question that every cycle asks first, in one round trip. Most cycles need no other row.

Written as SQL because it is asked some two thousand times a day for each account, and composing three querysets each time
costs more than answering them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db import connection
from django.db.models import Max, Q

from hedging.domain.lifecycle import LIVE, OrderStatus
from hedging.engine.standing import STANDING, Standing, standing_from
from hedging.models import (
    BookCheck,
    CycleKind,
    Fill,
    HedgeDecision,
    HedgeOrder,
    HedgeTransaction,
    MarginJump,
    values_of,
)
from hedging.selectors.ledger import LEDGER, asked_of_ledger
from sessions_app.models import MarginSnapshot

LATE_NEWS_WINDOW = timedelta(minutes=10)  # market time in which an ended order may still show a fill
SPOTS_WINDOW = timedelta(minutes=10)  # market time
_WATCHED = values_of({*LIVE, OrderStatus.LOST})
_LATE_NEWS = values_of((OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.EXPIRED))

_JUMPS = MarginJump._meta.db_table
_ORDERS = f"""
    SELECT id FROM {HedgeOrder._meta.db_table}
    WHERE account_id = %s AND trading_day = %s AND mode = %s
      AND (status = ANY(%s) OR (status = ANY(%s) AND sent_at >= %s))
    ORDER BY id
"""  # noqa: S608 - names of our own tables; every value is a parameter
_SPOTS = f"""
    FROM {MarginSnapshot._meta.db_table}
    WHERE session_id = %s AND at > %s AND at < %s AND spot IS NOT NULL ORDER BY at DESC, id DESC LIMIT 30
"""
_CHECK = f"""
    FROM {BookCheck._meta.db_table} WHERE session_id = %s AND read_wall IS NOT NULL
"""
_FILLED = f"""
    SELECT max(f.at) FROM {HedgeTransaction._meta.db_table} t JOIN {HedgeOrder._meta.db_table} o ON o.transaction_id = t.id
    JOIN {Fill._meta.db_table} f ON f.order_id = o.id WHERE t.session_id = %s
"""  # noqa: S608 - names of our own tables; the only value is a parameter
_PULSE = f"""
    SELECT EXISTS (SELECT 1 FROM {HedgeDecision._meta.db_table} WHERE session_id = %s AND kind = %s AND slot = %s),
           ARRAY ({_ORDERS}),
           {LEDGER},
           (SELECT read_at {_CHECK}), ARRAY (SELECT jsonb_array_elements_text(blocked) {_CHECK}),
           ARRAY (SELECT id FROM {_JUMPS} WHERE session_id = %s AND at < %s AND after IS NULL AND note = '' ORDER BY id),
           (SELECT count(*) FROM {_JUMPS} WHERE session_id = %s AND after IS NOT NULL),
           ARRAY (SELECT at {_SPOTS}), ARRAY (SELECT spot {_SPOTS}), ({_FILLED}),
           standing.*
    FROM ({STANDING}) standing
"""  # noqa: S608 - names of our own tables; every value is a parameter


@dataclass(frozen=True, slots=True)
class KnownCheck:
    """The last comparison with the broker's books since start-up: market time, and symbols not to be bought."""

    read_at: datetime
    blocked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pulse:
    """What the database says at the start of a cycle.

    `decided`: this slot was decided before. `watched`: ids of the day's orders that may still change. `ledger` names the
    state of the account's fills and adjustments. `jumps_due`: ids of the session's margin jumps that are to be measured;
    `jumps_measured`: how many were. `standing`: what the rows shared by all processes allow. `spots`: the index price at the
    last moments that read it, newest first. `check`: the last comparison with the books, `None` before the first since the
    session was opened or the service started. `filled_at`: the market time of the last fill of the session's orders.
    """

    decided: bool
    watched: tuple[int, ...]
    ledger: int
    standing: Standing
    jumps_due: tuple[int, ...] = ()
    jumps_measured: int = 0
    spots: tuple[tuple[datetime, Decimal], ...] = ()
    check: KnownCheck | None = None
    filled_at: datetime | None = None


def take_pulse(
    *, session_id: int, account_id: int, day: date, mode: str, kind: CycleKind, slot: int | None, now: datetime
) -> Pulse:
    """Return the pulse of a session at market time `now`. One round trip."""
    with connection.cursor() as cursor:
        watching = _watching(account_id, day, mode, now)
        spots = [session_id, now - SPOTS_WINDOW, now]
        check = [session_id, session_id]
        jumps = [session_id, now, session_id]
        ledger = asked_of_ledger(account_id=account_id, mode=mode, day=day)
        asked = [
            session_id,
            kind.value,
            slot,
            *watching,
            *ledger,
            *check,
            *jumps,
            *spots,
            *spots,
            session_id,
            session_id,
        ]
        cursor.execute(_PULSE, asked)
        decided, watched, ledger, read_at, blocked, *rest = cursor.fetchone()
    jumps_due, jumps_measured, times, prices, filled_at, *standing = rest
    known = standing_from(tuple(standing))
    spots_seen = tuple(zip(times, prices, strict=True))
    known_check = None if read_at is None else KnownCheck(read_at, tuple(blocked))
    return Pulse(
        decided, tuple(watched), ledger, known, tuple(jumps_due), jumps_measured, spots_seen, known_check, filled_at
    )


def last_fill_at(session_id: int) -> datetime | None:
    """Return the market time of the last fill of a session's orders, `None` before the first. One query."""
    at: datetime | None = Fill.objects.filter(order__transaction__session_id=session_id).aggregate(at=Max("at"))["at"]
    return at


def watched_orders(*, account_id: int, day: date, mode: str, now: datetime) -> tuple[int, ...]:
    """Return the ids of the day's orders of one mode that may still change, oldest first. One round trip."""
    still_news = Q(status__in=_LATE_NEWS, sent_at__gte=now - LATE_NEWS_WINDOW)
    of_the_day = HedgeOrder.objects.filter(account_id=account_id, trading_day=day, mode=mode)
    return tuple(of_the_day.filter(Q(status__in=_WATCHED) | still_news).order_by("id").values_list("id", flat=True))


def _watching(account_id: int, day: date, mode: str, now: datetime) -> list[Any]:
    return [account_id, day, str(mode), _WATCHED, _LATE_NEWS, now - LATE_NEWS_WINDOW]
