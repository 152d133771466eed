"""API keys, of which only a hash is kept, and failures, counted for all processes together."""

from __future__ import annotations

from datetime import datetime

from django.db import models
from django.db.models import Q

from hedging.domain.roles import MEANS, Scope

SCOPE_CHOICES = [(scope.value, f"{scope.value}: {MEANS[scope]}") for scope in Scope]


class ApiKey(models.Model):
    """A key of the API: `ah_<prefix>_<secret>`. The secret is shown once and kept as SHA-256. All times are wall time."""

    name = models.CharField(max_length=60, help_text="Who or what uses it: a dashboard, a script.")
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(editable=False)
    created_by = models.CharField(max_length=150, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True, help_text="IST; empty: it does not expire.")
    revoked_at = models.DateTimeField(null=True, blank=True, editable=False)
    revoked_by = models.CharField(max_length=150, blank=True, editable=False)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        verbose_name = "API key"
        # The permissions that stand for scopes; the groups of the roles hold them (hedging/domain/roles.py).
        permissions = [(scope.value, f"Scope {scope.value}") for scope in Scope]
        constraints = [
            models.CheckConstraint(
                condition=Q(scopes__contained_by=sorted(scope.value for scope in Scope)), name="key_scopes_known"
            ),
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="key_digest_is_sha256"),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix})"

    def refusal(self, *, wall_now: datetime) -> str:
        """Return why the key opens nothing any more, "" while it does. For those only who showed its secret."""
        if self.revoked_at is not None and self.revoked_at <= wall_now:
            return "This API key was revoked."
        if self.expires_at is not None and self.expires_at <= wall_now:
            return "This API key has expired."
        return ""


class Failure(models.Model):
    """Wrong keys, passwords and codes of one source within a window. Wall time; rows of yesterday are thrown away.

    `source` names what is counted: an address, the prefix of a key, or the hash of a user's name.
    """

    source = models.CharField(max_length=80, unique=True)
    count = models.PositiveIntegerField(default=0)
    since = models.DateTimeField()
    locked_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.source}: {self.count}"
