"""Delivery: bring due alerts of the outbox to the operator, at least once, without ever holding a lock across HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from notifications.messages import render
from notifications.models import Alert
from notifications.transports import Transport, TransportFailed

BATCH = 10
# A claim outlives the slowest batch (10 × 10 s), so no other worker sends what is being sent; after a crash between
# sending and marking it runs out, and the alert is sent again.
CLAIM = timedelta(seconds=120)


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """What one call did: alerts sent, and attempts that failed (they are tried again later)."""

    sent: int
    failed: int


def deliver_due(*, wall_now: datetime, transport: Transport, limit: int = BATCH) -> DeliveryCounts:
    """Send due alerts, oldest first, at most `limit` of them.

    Any number of workers may call it at once. A failure that concerns every message ends the call, so that a dead
    transport costs one timeout; the wait before the next attempt doubles, and what the transport asks for is honoured.
    """
    sent = failed = 0
    while sent + failed < limit:
        alert = _claim(wall_now)
        if alert is None:
            break
        try:
            transport.send(render(alert))
        except TransportFailed as failure:
            failed += 1
            _postpone(alert, failure, wall_now)
            if failure.everything:
                break
        else:
            sent += 1
            Alert.objects.filter(pk=alert.pk).update(delivered_at=wall_now, last_error="")
    return DeliveryCounts(sent=sent, failed=failed)


def _claim(wall_now: datetime) -> Alert | None:
    """Take the oldest due alert by moving its next attempt ahead; a short transaction, others' rows are skipped."""
    with transaction.atomic():
        alert = Alert.objects.due(wall_now=wall_now).select_for_update(skip_locked=True).first()
        if alert is None:
            return None
        Alert.objects.filter(pk=alert.pk).update(attempts=F("attempts") + 1, next_attempt_at=wall_now + CLAIM)
    return alert


def _postpone(alert: Alert, failure: TransportFailed, wall_now: datetime) -> None:
    """Set the next attempt: 5 s, then doubled (`alert.attempts` counts the attempts before this one)."""
    wait = max(alert.retry_delay(), failure.retry_after or timedelta(0))
    Alert.objects.filter(pk=alert.pk).update(next_attempt_at=wall_now + wait, last_error=str(failure)[:300])
    if failure.retry_after is not None:  # the limit is the chat's, not this message's
        earliest = wall_now + failure.retry_after
        Alert.objects.filter(delivered_at=None, next_attempt_at__lt=earliest).update(next_attempt_at=earliest)
