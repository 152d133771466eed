"""Outbox: an alert is a row written in the same transaction as its cause, and delivered later by somebody else."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import models
from django.db.models import Q

LONGEST_WAIT = timedelta(hours=1)
"""No attempt is put off for longer: a row that says so was written by a clock that ran ahead, and is not believed."""


class Severity(models.TextChoices):
    """How loudly an alert speaks."""

    INFO = "info", "info"
    WARNING = "warning", "warning"
    CRITICAL = "critical", "critical"


class AlertQuerySet(models.QuerySet["Alert"]):
    """Questions asked of the outbox."""

    def due(self, *, wall_now: datetime) -> AlertQuerySet:
        """Return undelivered alerts whose next attempt is due, oldest first."""
        due = Q(next_attempt_at__lte=wall_now) | Q(next_attempt_at__gt=wall_now + LONGEST_WAIT)
        return self.filter(due, delivered_at=None).order_by("id")

    def told_lately(self, *, wall_now: datetime, within: timedelta) -> AlertQuerySet:
        """Return alerts that were queued, or tried the last time, within this time: not to be told again so soon."""
        return self.filter(next_attempt_at__gt=wall_now - within, next_attempt_at__lte=wall_now + LONGEST_WAIT)


class Alert(models.Model):
    """One message to the operator.

    It names its subject by kind and id, never by a key upward, so that this app stays at the bottom of the house.
    `happened_at` is market time; `next_attempt_at` and `delivered_at` are wall time.
    """

    kind = models.CharField(max_length=40)
    severity = models.CharField(max_length=10, choices=Severity)
    title = models.CharField(max_length=200)
    facts = models.JSONField(default=dict)
    subject_kind = models.CharField(max_length=40, blank=True)
    subject_id = models.BigIntegerField(null=True, blank=True)
    account_id = models.BigIntegerField(null=True, blank=True)
    happened_at = models.DateTimeField()
    next_attempt_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    last_error = models.CharField(max_length=300, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    objects = AlertQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(severity__in=sorted(s.value for s in Severity)), name="alert_severity_known"
            ),
        ]
        indexes = [
            models.Index(fields=["next_attempt_at"], name="alert_due", condition=models.Q(delivered_at=None)),
            models.Index(fields=["-id"], name="alert_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.severity}: {self.title}"

    def retry_delay(self) -> timedelta:
        """Return the wait before the next attempt: 5 s doubled for each failure, at most 10 minutes."""
        return timedelta(seconds=min(600, 5 * 2**self.attempts))


def queue_alert(
    *,
    kind: str,
    severity: Severity,
    title: str,
    happened_at: datetime,
    wall_now: datetime,
    facts: dict[str, Any] | None = None,
    subject_kind: str = "",
    subject_id: int | None = None,
    account_id: int | None = None,
) -> Alert:
    """Write an alert into the outbox, in the caller's transaction."""
    return Alert.objects.create(
        kind=kind,
        severity=severity,
        title=title[:200],
        facts=facts or {},
        subject_kind=subject_kind,
        subject_id=subject_id,
        account_id=account_id,
        happened_at=happened_at,
        next_attempt_at=wall_now,
    )
