"""Circuit breakers: rows shared by all processes that stop new orders for a minute when the server itself fails.

Only infrastructure counts (refused, timeout, 5xx), never a reject and never a 429. There is one for purchases and one for
exits. After its minute a breaker is half open: one conditional UPDATE elects one probe, which is a read. Reads of a cycle
and of reconcile are never stopped. All times here are wall time.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from hedging.brokers.base import BrokerError, BrokerUnavailable
from hedging.domain.instruments import Side
from hedging.engine.ports import Ports
from hedging.engine.standing import Standing
from notifications.models import Severity, queue_alert
from sessions_app.models import Breaker, BreakerKind

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 3
OPEN_FOR = timedelta(seconds=60)
PROBE_FOR = timedelta(seconds=15)  # a read ends after 8 s; a probe whose process died is elected anew after this
_AHEAD = timedelta(seconds=5)
"""By how much another host's clock may be ahead. A time still farther ahead was written before the clock was set back, and is over."""

_COUNT = """
    INSERT INTO {table} AS b (account_id, kind, failures, failed_cycles) VALUES (%(account)s, %(kind)s, {orders}, {cycles})
    ON CONFLICT (account_id, kind) DO UPDATE
    SET failures = b.failures + {orders}, failed_cycles = b.failed_cycles + {cycles},
        open_until = CASE WHEN greatest(b.failures + {orders}, b.failed_cycles + {cycles}) >= %(most)s
                     THEN %(until)s::timestamptz END
    WHERE b.open_until IS NULL
    RETURNING open_until IS NOT NULL
"""
_COUNT_ORDER = _COUNT.format(table=Breaker._meta.db_table, orders=1, cycles=0)
_COUNT_CYCLE = _COUNT.format(table=Breaker._meta.db_table, orders=0, cycles=1)


def kind_of(side: Side) -> BreakerKind:
    """Return the breaker that an order of this side waits for."""
    return BreakerKind.ORDERS if side is Side.BUY else BreakerKind.EXITS


def note_cycle(*, account_id: int, failed: bool, standing: Standing, now: datetime, wall_now: datetime) -> None:
    """Count a cycle whose reads met an infrastructure failure, or forget the count after a good one.

    Costs a query only where there is something to count or to forget. A good cycle does not close an open breaker, and
    does not excuse orders that failed: the server may answer reads and hang in every order.
    """
    if failed:
        what, kind = "cycles could not read from OpenAlgo", BreakerKind.ORDERS
        _count(_COUNT_CYCLE, account_id=account_id, kind=kind, what=what, now=now, wall_now=wall_now)
    elif standing.failed_cycles:
        closed = Breaker.objects.filter(account_id=account_id, kind=BreakerKind.ORDERS, open_until=None)
        closed.update(failed_cycles=0)


def note_order(*, account_id: int, side: Side, failed: bool, now: datetime, wall_now: datetime) -> None:
    """Count an order that met an infrastructure failure before or in its POST, or forget the count after an answer."""
    kind = kind_of(side)
    if failed:
        what = f"{kind.label} met a failing server"
        _count(_COUNT_ORDER, account_id=account_id, kind=kind, what=what, now=now, wall_now=wall_now)
    else:
        Breaker.objects.filter(account_id=account_id, kind=kind, open_until=None, failures__gt=0).update(failures=0)


def _count(sql: str, *, account_id: int, kind: BreakerKind, what: str, now: datetime, wall_now: datetime) -> None:
    values: dict[str, Any] = {
        "account": account_id,
        "kind": kind.value,
        "most": FAILURES_TO_OPEN,
        "until": wall_now + OPEN_FOR,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            row = cursor.fetchone()
        if row is None or not row[0]:  # open already, or not yet
            return
        queue_alert(
            kind="breaker_open",
            severity=Severity.CRITICAL,
            title=f"Circuit breaker OPEN for {kind.label}: {FAILURES_TO_OPEN} {what} in a row",
            happened_at=now,
            wall_now=wall_now,
            subject_kind="account",
            subject_id=account_id,
            account_id=account_id,
        )


def probe_if_due(*, account_id: int, standing: Standing, now: datetime, ports: Ports) -> Standing:
    """Make the one probe of a breaker whose minute is over, if this process is elected; return the standing after it.

    Without a breaker that waits for its probe this costs nothing.
    """
    wall_now = ports.wall()
    opened = [(kind, until) for kind in BreakerKind if (until := standing.open_until(kind)) is not None]
    waiting = [kind for kind, until in opened if not wall_now < until <= wall_now + OPEN_FOR + _AHEAD]
    elected = [kind for kind in waiting if elect_probe(account_id=account_id, kind=kind, wall_now=wall_now)]
    if not elected:
        return standing
    answered = _probe(ports)
    for kind in elected:
        if answered:
            standing = _closed(standing, kind) if _close(account_id, kind, now, ports.wall()) else standing
        else:
            rows = Breaker.objects.filter(account_id=account_id, kind=kind, open_until__isnull=False)
            rows.update(open_until=ports.wall() + OPEN_FOR, probe_until=None)
    return standing


def elect_probe(*, account_id: int, kind: BreakerKind, wall_now: datetime) -> bool:
    """Return whether this caller is the one that may probe a half-open breaker: one conditional UPDATE."""
    over = Q(open_until__lte=wall_now) | Q(open_until__gt=wall_now + OPEN_FOR + _AHEAD)
    half_open = Breaker.objects.filter(over, account_id=account_id, kind=kind)
    ended = Q(probe_until__lte=wall_now) | Q(probe_until__gt=wall_now + PROBE_FOR + _AHEAD)
    free = half_open.filter(Q(probe_until=None) | ended)
    return free.update(probe_until=wall_now + PROBE_FOR) == 1


def _probe(ports: Ports) -> bool:
    try:
        ports.broker.funds()
    except BrokerUnavailable as error:
        log.warning("the breaker's probe failed: %s", error)
        return False
    except BrokerError as error:  # it answered: whatever it said, the server is there
        log.info("the breaker's probe was answered: %s", error)
    return True


def _close(account_id: int, kind: BreakerKind, now: datetime, wall_now: datetime) -> bool:
    with transaction.atomic():
        rows = Breaker.objects.filter(account_id=account_id, kind=kind, open_until__isnull=False)
        if not rows.update(open_until=None, probe_until=None, failures=0, failed_cycles=0):
            return False
        queue_alert(
            kind="breaker_closed",
            severity=Severity.INFO,
            title=f"Circuit breaker closed for {kind.label}: OpenAlgo answers again",
            happened_at=now,
            wall_now=wall_now,
            subject_kind="account",
            subject_id=account_id,
            account_id=account_id,
        )
    return True


def _closed(standing: Standing, kind: BreakerKind) -> Standing:
    if kind == BreakerKind.EXITS:
        return replace(standing, exits_until=None, exit_failures=0)
    return replace(standing, orders_until=None, order_failures=0, failed_cycles=0)
