"""Pre-flight runs: what was checked before trading, how each check came out, and so whether the account may act today."""

from __future__ import annotations

from datetime import date

from django.db import models
from django.db.models import Q

from hedging.domain.preflight import State
from sessions_app.choices import Mode

VERDICTS = sorted(state.value for state in (State.GREEN, State.AMBER, State.RED))


class PreflightRunQuerySet(models.QuerySet["PreflightRun"]):
    """Questions asked of runs."""

    def latest_of(self, *, account_id: int, day: date) -> PreflightRun | None:
        """Return the newest run of an account on a trading day, finished or not. One query."""
        return self.filter(account_id=account_id, trading_day=day).order_by("-id").first()


class PreflightRun(models.Model):
    """One run for one account. `verdict` is "" until it is over; `results` are the checks in the table's order.

    `session` is the one that was open then. `at` is market time, `wall_at` wall time, `asked_by` who or what asked.
    """

    account = models.ForeignKey("sessions_app.Account", on_delete=models.PROTECT, related_name="preflights")
    session = models.ForeignKey(
        "sessions_app.TradingSession", on_delete=models.PROTECT, null=True, related_name="preflights"
    )
    trading_day = models.DateField()
    mode = models.CharField(max_length=10, choices=Mode)
    at = models.DateTimeField()
    wall_at = models.DateTimeField()
    asked_by = models.CharField(max_length=80)
    verdict = models.CharField(max_length=5, blank=True, choices=[(verdict, verdict) for verdict in VERDICTS])
    broker = models.CharField(max_length=60, blank=True, help_text="The broker behind OpenAlgo, as it named itself.")
    results = models.JSONField(default=list)

    objects = PreflightRunQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(verdict__in=["", *VERDICTS]), name="preflight_verdict_known"),
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="preflight_mode_known"),
        ]
        indexes = [models.Index(fields=["account", "trading_day", "-id"], name="preflight_latest")]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.verdict or 'running'}"

    @property
    def failing(self) -> tuple[str, ...]:
        """Return the names of the checks that are red or amber."""
        return tuple(row["name"] for row in self.results if row["state"] in {State.RED, State.AMBER})

    @property
    def red(self) -> tuple[str, ...]:
        """Return the names of the checks that are red."""
        return tuple(row["name"] for row in self.results if row["state"] == State.RED)
