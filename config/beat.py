"""The beat table: which task is nudged how often, written so that an operator's pause survives every start."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks

FLOOR_SECONDS = 0.5
LONGEST_LIFE_SECONDS = 25
AHEAD = timedelta(seconds=5)
"""How far ahead of now a last run is believed: one beyond was written by a clock that ran ahead."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: `every_seconds` of market time if `scaled`, else of wall time."""

    name: str
    task: str
    every_seconds: float
    scaled: bool = True


ENTRIES = (
    Entry("Margin check", "hedging.tasks.check_margin", 30),
    Entry("Entry projection", "hedging.tasks.project_entries", 10),
    Entry("Reconcile books", "hedging.tasks.reconcile_books", 5),
    # Mostly nothing is due: probes once a day, and whatever the first positions and fills make visible.
    Entry("Calibration", "hedging.tasks.calibrate", 30),
    Entry("Deliver alerts", "hedging.tasks.deliver_alerts", 5),
    # Its age is judged on the wall clock, which no speed changes.
    Entry("Heartbeat", "hedging.tasks.heartbeat", 30, scaled=False),
    Entry("Heartbeat of orders", "hedging.tasks.heartbeat_orders", 30, scaled=False),
    Entry("Heartbeat of exits", "hedging.tasks.heartbeat_exits", 30, scaled=False),
    Entry("Heartbeat of books", "hedging.tasks.heartbeat_books", 30, scaled=False),
    # Mostly none is due: at 09:00, when a session is opened, and while the last one is red.
    Entry("Pre-flight", "hedging.tasks.run_preflights", 10, scaled=False),
)


def ensure_beat_entries(speed: float, *, wall_now: datetime) -> None:
    """Create or correct the beat entries for a market that runs `speed` times as fast as the wall clock.

    Intervals are divided by the speed, never below half a second. A tick that no worker took within about two
    intervals is dropped; the next one does its work. Whether an entry is enabled is the operator's word, and is kept.
    A last run that lies ahead of now is forgotten.
    """
    for entry in ENTRIES:
        seconds = max(FLOOR_SECONDS, entry.every_seconds / speed) if entry.scaled else entry.every_seconds
        fields = {
            "task": entry.task,
            "interval": _interval(seconds),
            "crontab": None,
            "solar": None,
            "clocked": None,
            # Only `expire_seconds` is honoured by the database scheduler; a plain `expires` date is dropped.
            "expire_seconds": min(LONGEST_LIFE_SECONDS, max(2, math.ceil(2 * seconds))),
        }
        PeriodicTask.objects.update_or_create(
            name=entry.name, defaults=fields, create_defaults=fields | {"enabled": True}
        )
    PeriodicTask.objects.filter(last_run_at__gt=wall_now + AHEAD).update(last_run_at=None)
    PeriodicTasks.update_changed()


def _interval(seconds: float) -> IntervalSchedule:
    if seconds == int(seconds):
        every, period = int(seconds), IntervalSchedule.SECONDS
    else:
        every, period = round(seconds * 1_000_000), IntervalSchedule.MICROSECONDS
    found = IntervalSchedule.objects.filter(every=every, period=period).order_by("pk").first()
    return found or IntervalSchedule.objects.create(every=every, period=period)
