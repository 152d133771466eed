"""Controls: rows shared by all processes and origins that decide whether an account may act now.

Changed by conditional UPDATEs only (`hedging/engine/{states,breaker,lease,shared_limits}.py`). A row that is absent means
that nothing ever happened: nobody halted, nothing failed, nobody holds the lease. All times here are wall time.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from sessions_app.choices import TradingState


class Installation(models.Model):
    """The trading state of everything that uses this database: one row. The tighter of it and the session's counts."""

    ONLY = 1

    trading_state = models.CharField(max_length=10, choices=TradingState, default=TradingState.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)
    state_by = models.CharField(max_length=80, blank=True)
    state_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(pk=1), name="one_installation"),
            models.CheckConstraint(
                condition=Q(trading_state__in=sorted(s.value for s in TradingState)),
                name="installation_trading_state_known",
            ),
        ]

    def __str__(self) -> str:
        return TradingState(self.trading_state).label


class BreakerKind(models.TextChoices):
    """What a breaker stops. Exits have their own, so that failing purchases never keep a hedge from being sold."""

    ORDERS = "orders", "purchases"
    EXITS = "exits", "exits"


class Breaker(models.Model):
    """A circuit breaker of one account. Closed while `open_until` is null.

    `failures` counts orders and `failed_cycles` cycles of reads that met a failing server, each in a row. After
    `open_until` the breaker is half open: whoever wins `probe_until` by one conditional UPDATE makes one read.
    """

    account = models.ForeignKey("sessions_app.Account", on_delete=models.PROTECT, related_name="breakers")
    kind = models.CharField(max_length=10, choices=BreakerKind)
    failures = models.PositiveIntegerField(default=0)
    failed_cycles = models.PositiveIntegerField(default=0)
    open_until = models.DateTimeField(null=True, blank=True)
    probe_until = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "kind"], name="one_breaker_of_a_kind"),
            models.CheckConstraint(
                condition=Q(kind__in=sorted(kind.value for kind in BreakerKind)), name="breaker_kind_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {'closed' if self.open_until is None else 'OPEN'}"


class AccountLease(models.Model):
    """Who decides for an account now. `number` grows with every taking: a claim under an older one is refused."""

    account = models.OneToOneField("sessions_app.Account", on_delete=models.PROTECT, related_name="lease")
    number = models.PositiveBigIntegerField(default=0)
    holder = models.CharField(max_length=80)
    until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.holder} until {self.until:%H:%M:%S}"


class AccountLimits(models.Model):
    """What all processes together may ask of an account's server.

    `next_order_at` is the moment from which the next order request is free of any wait (a token bucket as one time);
    `retries_saved` are the repeats of reads that may still be made.
    """

    account = models.OneToOneField("sessions_app.Account", on_delete=models.PROTECT, related_name="limits")
    next_order_at = models.DateTimeField(null=True, blank=True)
    retries_saved = models.FloatField(default=0)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(retries_saved__gte=0), name="retries_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.retries_saved:.1f} repeats saved"
