"""Look after the workers: tell the operator when a queue falls silent, also while beat, Redis or all workers hang."""

from __future__ import annotations

import logging
import time
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

from hedging.engine import watchdog
from hedging.engine.clock import market_clock, wall_now
from notifications.delivery import deliver_due
from notifications.transports import transport_from_settings

log = logging.getLogger(__name__)

EVERY_SECONDS = 30.0


class Command(BaseCommand):
    help = "Look every 30 seconds whether all queues give signs of life, and tell when one does not. Runs until it is stopped."

    def handle(self, *_args: Any, **_options: Any) -> None:
        time.sleep(watchdog.SILENCE.total_seconds())  # who has just been started gives its first sign within this time
        while True:
            look()
            time.sleep(EVERY_SECONDS)


def look() -> None:
    """Look once; where the worker that delivers alerts is silent itself, deliver them. Whatever fails, the next look comes."""
    try:
        now = wall_now()
        watchdog.bark(now=market_clock().now(), wall_now=now)
        if not watchdog.is_alive(name=watchdog.IO, wall_now=now):
            deliver_due(wall_now=now, transport=transport_from_settings())
    except Exception:
        log.exception("the watchdog could not look")
        connection.close()  # a server that went away is asked for anew
