"""Versions: names of what a caller would be shown, cheap to ask for, so that "nothing new" is said without drawing it.

What was made of a version serves all who ask for it: fifty open pages cost one. The ages in it are as of the moment at which
it was made. PostgreSQL stamps every row with the transaction that wrote it (`xmin`) and its place (`ctid`): what was changed
in any way has another stamp.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection

from hedging.domain.lifecycle import LIVE
from hedging.engine.standing import halt_file_exists
from hedging.models import (
    Adjustment,
    BookCheck,
    Heartbeat,
    HedgeDecision,
    HedgeOrder,
    HedgeTransaction,
    MarginJump,
    values_of,
)
from hedging.selectors.facts import Status
from hedging.selectors.kept import shared
from hedging.selectors.moment import HEARTBEAT_AHEAD, HEARTBEAT_LIMIT, status
from schedule.stamps import TIMETABLE
from sessions_app.models import Account, Breaker, Calibration, Installation, MarginSnapshot, TradingSession

SEEN_AS_NOW = timedelta(seconds=30)
"""Market time after which an answer is drawn again although no row changed: the next entry comes nearer."""
_LIVE = ", ".join(f"'{status}'" for status in values_of(LIVE))


def _table(model: type) -> str:
    return str(model._meta.db_table)  # type: ignore[attr-defined]


_SESSION = f"""
    SELECT concat(s.xmin, s.ctid), concat(a.xmin, a.ctid),
           (SELECT concat(xmin, ctid) FROM {_table(Installation)} WHERE id = {Installation.ONLY}),
           (SELECT string_agg(concat(xmin, ctid), ',' ORDER BY id) FROM {_table(Breaker)} WHERE account_id = s.account_id),
           (SELECT concat(xmin, ctid) FROM {_table(BookCheck)} WHERE session_id = s.id),
           (SELECT concat(xmin, ctid) FROM {_table(Calibration)} WHERE id = s.calibration_id),
           (SELECT max(id) FROM {_table(HedgeDecision)} WHERE session_id = s.id),
           (SELECT id FROM {_table(MarginSnapshot)} WHERE session_id = s.id ORDER BY at DESC, id DESC LIMIT 1),
           (SELECT max(id) FROM {_table(Adjustment)} WHERE session_id = s.id),
           (SELECT string_agg(concat(xmin, ctid), ',' ORDER BY id) FROM {_table(HedgeOrder)}
             WHERE account_id = s.account_id AND status IN ({_LIVE})),
           (SELECT string_agg(concat(xmin, ctid), ',' ORDER BY id) FROM {_table(MarginJump)} WHERE session_id = s.id),
           (SELECT string_agg(concat(id, ':', wall_at BETWEEN %s AND %s), ',' ORDER BY id) FROM {_table(Heartbeat)}),
           (SELECT string_agg(concat(xmin, ctid), ',' ORDER BY id) FROM {_table(HedgeTransaction)}
             WHERE session_id = s.id AND is_live),
           {TIMETABLE}
    FROM {_table(TradingSession)} s JOIN {_table(Account)} a ON a.id = s.account_id
    WHERE s.id = %s
"""  # noqa: S608 - names of our own tables and words; every value is a parameter

_TRANSACTIONS = f"""
    SELECT t.id, concat(t.xmin, t.ctid), (SELECT string_agg(concat(o.xmin, o.ctid), ',' ORDER BY o.id) FROM {_table(HedgeOrder)} o
                                 WHERE o.transaction_id = t.id)
    FROM {_table(HedgeTransaction)} t WHERE t.id = ANY(%s) ORDER BY t.id
"""  # noqa: S608 - names of our own tables; the only value is a parameter


def session_version(*, session: TradingSession, now: datetime, wall_now: datetime) -> str:
    """Return a name that changes when anything of a session that is shown does, and every 30 s of market time. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_SESSION, [wall_now - HEARTBEAT_LIMIT, wall_now + HEARTBEAT_AHEAD, session.pk])
        row = cursor.fetchone()
    stretch = int(now.timestamp() // SEEN_AS_NOW.total_seconds())
    lids = (settings.WORLD, settings.AUTO_HEDGE_ENABLED, settings.AUTO_HEDGE_DRY_RUN, settings.HEDGE_POLICY)
    return repr((session.pk, stretch, lids, halt_file_exists(), row))


def transactions_version(ids: Sequence[int]) -> str:
    """Return a name that changes when any of these transactions or of their orders does. One query."""
    with connection.cursor() as cursor:
        cursor.execute(_TRANSACTIONS, [list(ids)])
        return repr(cursor.fetchall())


def status_seen(version: str, *, session: TradingSession, now: datetime, wall_now: datetime) -> Status:
    """Return the status of this version, as of when somebody first asked; no query when somebody has."""
    return shared(version, "status", lambda: status(session=session, now=now, wall_now=wall_now))
