"""Watchdog: tell the operator when workers have fallen silent, from a process that needs neither beat nor Redis."""

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
AHEAD = timedelta(seconds=5)
"""How far ahead of now a sign of life is believed: one beyond was written by a clock that ran ahead, and says nothing of now."""
_UNWATCHED = "No margin check for more than 75 seconds: margin is not watched"
_QUIET = timedelta(minutes=10)  # wall time in which the same silence is not told again


def beat(*, name: str, wall_now: datetime) -> None:
    """Write a sign of life."""
    Heartbeat.objects.update_or_create(name=name, defaults={"wall_at": wall_now})


def forget_others() -> None:
    """Remove signs of life under names that this version does not use: they would look like dead workers for ever."""
    Heartbeat.objects.exclude(name__in=ALL).delete()


def is_alive(*, name: str, wall_now: datetime) -> bool:
    """Return whether this queue's worker gave a sign of life within the last 75 seconds."""
    return Heartbeat.objects.filter(name=name, wall_at__range=(wall_now - SILENCE, wall_now + AHEAD)).exists()


def is_silent(at: datetime | None, *, wall_now: datetime) -> bool:
    """Return whether a last sign of life of this time, `None` for never, is too old or lies ahead of now."""
    return at is None or not -AHEAD <= wall_now - at <= SILENCE


def bark(*, now: datetime, wall_now: datetime) -> bool:
    """Queue an alert if a session is open in market hours and a queue gave no sign of life for 75 seconds; return whether it did."""
    day = trading_day_of(now)
    if not TradingSession.objects.open().filter(trading_day=day).exists():
        return False
    hours = acting_hours(day)
    if hours is None or not hours.act_from <= now < hours.act_until:
        return False
    seen = dict(Heartbeat.objects.filter(name__in=ALL).values_list("name", "wall_at"))
    silent = [name for name in ALL if is_silent(seen.get(name), wall_now=wall_now)]
    if not silent:
        return False
    title = _UNWATCHED if HEDGE in silent else f"No sign of life for more than 75 seconds: {', '.join(silent)}"
    if Alert.objects.told_lately(wall_now=wall_now, within=_QUIET).filter(kind="worker_silent", title=title).exists():
        return False
    queue_alert(
        kind="worker_silent",
        severity=Severity.CRITICAL,
        title=title,
        happened_at=now,
        wall_now=wall_now,
        facts={name: seen[name].isoformat() if name in seen else "never" for name in silent},
    )
    return True
