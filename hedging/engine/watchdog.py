"""Watchdog: tell the operator when the margin checks have stopped, from a worker that still lives."""

from __future__ import annotations

from datetime import datetime, timedelta

from hedging.engine.hours import acting_hours, trading_day_of
from hedging.models import Heartbeat
from notifications.models import Alert, Severity, queue_alert
from sessions_app.models import TradingSession

HEDGE = "hedge"  # written by every margin check
ORDERS, EXITS, BOOKS, IO = "orders", "exits", "books", "io"  # each written by a heartbeat task on the queue of its name
BEAT = "beat"  # written by every heartbeat: nobody but beat sends one
ALL = (HEDGE, ORDERS, EXITS, BOOKS, IO, BEAT)
SILENCE = timedelta(seconds=75)  # wall time
_QUIET = timedelta(minutes=10)  # wall time in which the same silence is not told again


def beat(*, name: str, wall_now: datetime) -> None:
    """Write a sign of life."""
    Heartbeat.objects.update_or_create(name=name, defaults={"wall_at": wall_now})


def forget_others() -> None:
    """Remove signs of life under names that this version does not use: they would look like dead workers for ever."""
    Heartbeat.objects.exclude(name__in=ALL).delete()


def is_alive(*, name: str, wall_now: datetime) -> bool:
    """Return whether this queue's worker gave a sign of life within the last 75 seconds."""
    return Heartbeat.objects.filter(name=name, wall_at__gte=wall_now - SILENCE).exists()


def bark(*, now: datetime, wall_now: datetime) -> bool:
    """Queue an alert if a session is open in market hours and no margin check ran for 75 seconds; return whether it did."""
    day = trading_day_of(now)
    if not TradingSession.objects.open().filter(trading_day=day).exists():
        return False
    hours = acting_hours(day)
    if hours is None or not hours.act_from <= now < hours.act_until:
        return False
    last = Heartbeat.objects.filter(name=HEDGE).values_list("wall_at", flat=True).first()
    if last is not None and wall_now - last <= SILENCE:
        return False
    if Alert.objects.filter(kind="worker_silent", next_attempt_at__gt=wall_now - _QUIET).exists():
        return False
    queue_alert(
        kind="worker_silent",
        severity=Severity.CRITICAL,
        title="No margin check for more than 75 seconds: margin is not watched",
        happened_at=now,
        wall_now=wall_now,
        facts={} if last is None else {"last": last.isoformat()},
    )
    return True
