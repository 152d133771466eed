"""Manual requests: one row for each confirmed preview, so that a repeated confirmation gets the first answer again.

The row is written in the transaction that claims the order. Whoever sends the same again waits for that transaction at the
unique constraint, and then reads its answer.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from sessions_app.models import TradingSession

LONGEST_KEY = 128


class ManualRequest(models.Model):
    """A confirmation by a person or a key. UNIQUE (actor, key), and a preview is confirmed once.

    `body_hash` is the SHA-256 of what was sent, `preview` names the preview that was confirmed. `at` is market time,
    `wall_at` wall time. `answer` is what was answered: of an accepted one the ids of decision and transactions, else code,
    message and facts.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="manual_requests")
    actor = models.CharField(max_length=200)
    key = models.CharField(max_length=LONGEST_KEY)
    body_hash = models.CharField(max_length=64)
    preview = models.CharField(max_length=64, unique=True)
    at = models.DateTimeField()
    wall_at = models.DateTimeField()
    accepted = models.BooleanField(default=False)
    answer = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["actor", "key"], name="one_answer_per_key"),
            models.CheckConstraint(condition=~Q(key="") & ~Q(preview=""), name="manual_request_named"),
        ]

    def __str__(self) -> str:
        return f"{self.actor} {self.key}"
