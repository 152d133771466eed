"""Circuit breaker: one row, shared by all processes, that opens when the server fails several times in a row."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from hedging.engine.ports import Ports
from notifications.models import Severity, queue_alert
from sessions_app.models import Account

FAILURES_TO_OPEN = 3
OPEN_FOR = timedelta(seconds=60)  # wall time


def note(*, account: Account, failed: bool, now: datetime, ports: Ports) -> None:
    """Count a cycle whose reads met an infrastructure failure, or forget the count after a good one.

    Only new orders wait for the breaker; reads go on every tick and are its probe.
    """
    if not failed:
        if account.breaker_failures:
            Account.objects.filter(pk=account.pk).update(breaker_failures=0, breaker_open_until=None)
        return
    wall_now = ports.wall()
    with transaction.atomic():
        Account.objects.filter(pk=account.pk).update(breaker_failures=F("breaker_failures") + 1)
        opened = Account.objects.filter(pk=account.pk, breaker_failures__gte=FAILURES_TO_OPEN).filter(
            breaker_open_until=None
        )
        if opened.update(breaker_open_until=wall_now + OPEN_FOR):
            queue_alert(
                kind="breaker_open",
                severity=Severity.CRITICAL,
                title=f"Circuit breaker OPEN: {FAILURES_TO_OPEN} cycles in a row could not read from OpenAlgo",
                happened_at=now,
                wall_now=wall_now,
                subject_kind="account",
                subject_id=account.pk,
                account_id=account.pk,
            )
        else:
            Account.objects.filter(pk=account.pk, breaker_open_until__lte=wall_now).update(
                breaker_open_until=wall_now + OPEN_FOR
            )
