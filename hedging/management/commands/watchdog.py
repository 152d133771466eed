"""Look after the workers: tell the operator when a queue falls silent, also while beat, Redis or all workers hang.

Where the database itself cannot be used no alert can be written down: it is then told straight through the transport.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, connection

from config.logging import redact
from hedging.engine import watchdog
from hedging.engine.clock import market_clock, wall_now
from notifications.delivery import deliver_due
from notifications.messages import render
from notifications.models import Alert, Severity
from notifications.transports import Transport, TransportFailed, transport_from_settings
from schedule.calendar import IST

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0
BLIND_AFTER = 3  # looks in a row that fail: 90 seconds
QUIET = timedelta(minutes=10)  # wall time in which the same is not told again


class Command(BaseCommand):
    help = "Look every 30 seconds whether all queues give signs of life, and tell when one does not. Runs until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        time.sleep(watchdog.SILENCE.total_seconds())  # who has just been started gives its first sign within this time
        blindness = Blindness()
        while True:
            blindness.note(look(), wall_now=wall_now(), transport=transport_from_settings())
            time.sleep(EVERY_SECONDS)


@dataclass(slots=True)
class Blindness:
    """How long looking has failed, kept in memory: the database, where alerts wait, is what cannot be used."""

    failures: int = 0
    since: datetime | None = None
    told_at: datetime | None = None

    def note(self, error: Exception | None, *, wall_now: datetime, transport: Transport) -> None:
        """Count a look that failed, or forget them after a good one; tell of the third in a row, then every ten minutes."""
        if error is None:
            self.failures, self.since = 0, None
            return
        self.failures, self.since = self.failures + 1, self.since or wall_now
        told_lately = self.told_at is not None and abs(wall_now - self.told_at) < QUIET
        if self.failures < BLIND_AFTER or told_lately:
            return
        try:
            transport.send(render(_alert(error, since=self.since, wall_now=wall_now)))
            self.told_at = wall_now
        except TransportFailed as failure:
            log.warning("nobody could be told that the watchdog cannot look: %s", failure)


def _alert(error: Exception, *, since: datetime, wall_now: datetime) -> Alert:
    database = isinstance(error, Error)
    what = "The database cannot be used" if database else "The watchdog cannot look"
    so = "nothing is decided, and no other alert can come" if database else "nobody would tell of a silent worker"
    return Alert(
        kind="watchdog_blind",
        severity=Severity.CRITICAL,
        title=f"{what} since {since.astimezone(IST):%H:%M:%S} IST: {so}",
        facts={"error": redact(f"{type(error).__name__}: {error}")[:300], "fix": "Look at the disk and at var/log"},
        happened_at=wall_now,
    )


def look() -> Exception | None:
    """Look once; where the worker that delivers alerts is silent itself, deliver them. Return what kept it from that."""
    try:
        now = wall_now()
        watchdog.bark(now=market_clock().now(), wall_now=now)
        if not watchdog.is_alive(name=watchdog.IO, wall_now=now):
            deliver_due(wall_now=now, transport=transport_from_settings())
    except Exception as error:
        log.exception("the watchdog could not look")
        connection.close()  # a server that went away is asked for anew
        return error
    return None
