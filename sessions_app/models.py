"""Accounts and their trading sessions: budget, baseline, mode, trading state, spend and cooldown counters."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils.timezone import localtime

from hedging.domain.calibration import Calibration as CalibrationFacts
from hedging.domain.calibration import FoundBy, Scope
from sessions_app.choices import Mode, TradingState
from sessions_app.controls import AccountLease, AccountLimits, Breaker, BreakerKind, Installation
from sessions_app.preflight import VERDICTS, PreflightRun

__all__ = [
    "Account",
    "AccountLease",
    "AccountLimits",
    "BasketScope",
    "Breaker",
    "BreakerKind",
    "Calibration",
    "FreeMargin",
    "Installation",
    "MarginSnapshot",
    "Mode",
    "PreflightRun",
    "TradingSession",
    "TradingState",
]


class BasketScope(models.TextChoices):
    """What the broker's basket-margin call counts (the values of `hedging.brokers.base.BasketScope`).

    UNKNOWN is settled by calibration once the account holds positions; until then no basket answer beside a book counts.
    """

    UNKNOWN = "unknown", "not known yet"
    LEGS_ONLY = "legs_only", "only the legs sent"
    INCREMENT = "increment", "the increase over the account's book"
    TOTAL = "total", "book and legs together"
    NONE = "none", "the broker has no such call, or none that nets"


class FreeMargin(models.TextChoices):
    """How this broker's funds say what is free (contract.md §7.2)."""

    CASH_LESS_USED = "cash_less_used", "cash + collateral - utilised"
    CASH = "cash", "cash + collateral, already net of margin"
    CASH_HOLDS_ALL = "cash_holds_all", "cash alone: collateral in it, already net of margin"
    CASH_HOLDS_COLLATERAL = "cash_holds_collateral", "cash - utilised: collateral in it"

    @property
    def holds_collateral(self) -> bool:
        """Return whether `availablecash` contains the collateral."""
        return self in {FreeMargin.CASH_HOLDS_ALL, FreeMargin.CASH_HOLDS_COLLATERAL}

    @property
    def is_net(self) -> bool:
        """Return whether `availablecash` has the used margin taken off already."""
        return self in {FreeMargin.CASH, FreeMargin.CASH_HOLDS_ALL}


class Account(models.Model):
    """A broker account behind one OpenAlgo server, with its margin profile: what this broker's numbers contain."""

    name = models.CharField(max_length=60, unique=True)
    mode = models.CharField(max_length=10, choices=Mode, default=Mode.DRY_RUN)
    product = models.CharField(
        max_length=8, default="NRML", help_text="Product of the shorts; a hedge carries the same."
    )
    basket_scope = models.CharField(
        max_length=12,
        choices=BasketScope,
        default=BasketScope.UNKNOWN,
        help_text="Found out by calibration; set by hand, it stands until that has settled it.",
    )
    free_margin = models.CharField(
        max_length=24,
        choices=FreeMargin,
        default=FreeMargin.CASH_LESS_USED,
        help_text="Whether margin is taken off is learned from the first fills; whether collateral is in it is not.",
    )
    premium_counted = models.BooleanField(
        default=True,
        help_text="The broker's used margin contains premium paid, less received. Stands until it is learned.",
    )
    expected_broker = models.CharField(
        max_length=60,
        blank=True,
        help_text="What OpenAlgo must call the broker behind it; kept from the first pre-flight that was not red.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="account_mode_known"),
            models.CheckConstraint(condition=Q(product__in=["MIS", "NRML"]), name="account_product_known"),
        ]

    def __str__(self) -> str:
        return self.name


class CalibrationQuerySet(models.QuerySet["Calibration"]):
    """Questions asked of calibrations."""

    def in_force(self, *, account_id: int, index: str, day: date, expiring: bool) -> Calibration | None:
        """Return the newest one of this account and index that a session of `day` may be decided by. One query.

        One of an expiry day says nothing about the exposure rate of another day; one older than a week, about today's.
        """
        known = self.filter(
            account_id=account_id, index=index, expiring=expiring, trading_day__lte=day, trading_day__gte=day - KEPT_FOR
        )
        return known.order_by("-trading_day", "-id").first()


KEPT_FOR = timedelta(days=7)


class Calibration(models.Model):
    """What was found out about an account's broker: what its margin figures mean, and the rates it charges by. History.

    Columns mean what `hedging.domain.calibration.Calibration` says. `at` is market time. `probes` are the baskets asked and
    the answers; `funds` the reading beside it, for the comparison after the first fills; `jumps` how many fills were used.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="calibrations")
    index = models.CharField(max_length=12)
    trading_day = models.DateField()
    expiring = models.BooleanField()
    at = models.DateTimeField()
    found_by = models.CharField(max_length=8, choices=[(found.value, found.value) for found in FoundBy])
    nets = models.BooleanField(null=True)
    basket_scope = models.CharField(max_length=12, choices=BasketScope, default=BasketScope.UNKNOWN)
    counts_book_from = models.PositiveSmallIntegerField(null=True)
    paid_in_answer = models.BooleanField(default=True)
    credit_from_legs = models.PositiveSmallIntegerField(null=True)
    scan_pct = models.FloatField()
    elm_pct = models.FloatField()
    elm_deep_pct = models.FloatField()
    elm_expiry_extra_pct = models.FloatField()
    scale = models.DecimalField(max_digits=6, decimal_places=4, default=Decimal(1))
    error_pct = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    premium_in_used = models.BooleanField(null=True)
    cash_is_net = models.BooleanField(null=True)
    probes = models.JSONField(default=list)
    funds = models.JSONField(default=dict)
    jumps = models.PositiveIntegerField(default=0)
    note = models.CharField(max_length=200, blank=True)

    objects = CalibrationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(found_by__in=sorted(found.value for found in FoundBy)), name="calibration_source_known"
            ),
            models.CheckConstraint(
                condition=Q(scan_pct__gt=0, elm_pct__gte=0, elm_deep_pct__gte=0, scale__gt=0),
                name="calibration_rates_sane",
            ),
        ]
        indexes = [models.Index(fields=["account", "index", "-trading_day", "-id"], name="calibration_latest")]

    def __str__(self) -> str:
        error = "not calibrated" if self.error_pct is None else f"error {self.error_pct} %"
        return f"{self.account} {self.index} {self.trading_day} by {self.found_by}, {error}"

    def as_facts(self) -> CalibrationFacts:
        """Return the row as the domain's frozen value."""
        return CalibrationFacts(
            found_by=FoundBy(self.found_by),
            nets=self.nets,
            scope=None if self.basket_scope == BasketScope.UNKNOWN else Scope(self.basket_scope),
            counts_book_from=self.counts_book_from,
            paid_in_answer=self.paid_in_answer,
            credit_from_legs=self.credit_from_legs,
            scan_pct=self.scan_pct,
            elm_pct=self.elm_pct,
            elm_deep_pct=self.elm_deep_pct,
            elm_expiry_extra_pct=self.elm_expiry_extra_pct,
            scale=self.scale,
            error_pct=self.error_pct,
            premium_in_used=self.premium_in_used,
            cash_is_net=self.cash_is_net,
        )


class TradingSessionQuerySet(models.QuerySet["TradingSession"]):
    """Questions asked of sessions."""

    def open(self) -> TradingSessionQuerySet:
        """Return the sessions that are open: at most one for each account."""
        return self.filter(closed_at=None).order_by("account_id")


class TradingSession(models.Model):
    """One account, one trading day, one mode. The counters of invariants 2, 3 and 16 live in this row.

    Nullable policy columns override the environment's figures for this session only.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="sessions")
    trading_day = models.DateField()
    mode = models.CharField(max_length=10, choices=Mode)
    index = models.CharField(max_length=12)
    expiry = models.DateField()
    dte = models.PositiveSmallIntegerField()
    baskets = models.PositiveIntegerField(default=1)
    budget_per_basket = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(1_000_000))
    lots_per_basket = models.PositiveIntegerField(default=1)
    automation = models.BooleanField(default=True)
    trading_state = models.CharField(max_length=10, choices=TradingState, default=TradingState.ACTIVE)
    state_reason = models.CharField(max_length=200, blank=True)

    baseline = models.DecimalField(max_digits=14, decimal_places=2, null=True, blank=True)
    baseline_at = models.DateTimeField(null=True, blank=True)
    baseline_source = models.CharField(max_length=200, blank=True)

    spent = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    reserved = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    last_action_at = models.DateTimeField(null=True, blank=True)
    quarantine = models.JSONField(default=list, help_text="Symbols that the broker refused today.")
    calibration = models.ForeignKey(
        Calibration,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="sessions",
        help_text="By which the session is decided now.",
    )

    trigger_pct = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    target_pct = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    exit_trigger_pct = models.DecimalField(max_digits=6, decimal_places=2, null=True, blank=True)
    lookahead_minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    exit_buffer_minutes = models.PositiveSmallIntegerField(null=True, blank=True)
    min_premium = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    max_premium = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)
    max_cost_per_day = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    cooldown_seconds = models.PositiveIntegerField(null=True, blank=True)

    preflight = models.CharField(max_length=5, blank=True, choices=[(verdict, verdict) for verdict in VERDICTS])
    cleared_at = models.DateTimeField(
        null=True, blank=True, help_text="Market time of the last pre-flight that was not red."
    )

    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    summary = models.JSONField(default=dict, blank=True)

    objects = TradingSessionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "trading_day", "mode"], name="one_session_per_day_and_mode"),
            models.UniqueConstraint(
                fields=["account"], condition=Q(closed_at=None), name="one_open_session_per_account"
            ),
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="session_mode_known"),
            models.CheckConstraint(
                condition=Q(trading_state__in=sorted(s.value for s in TradingState)), name="session_trading_state_known"
            ),
            models.CheckConstraint(
                condition=Q(baskets__gte=1, budget_per_basket__gt=0), name="session_budget_positive"
            ),
            models.CheckConstraint(condition=Q(preflight__in=["", *VERDICTS]), name="session_preflight_known"),
            models.CheckConstraint(
                condition=Q(cleared_at__isnull=False) | ~Q(preflight__in=["amber", "green"]),
                name="session_cleared_when_not_red",
            ),
            models.CheckConstraint(condition=Q(spent__gte=0, reserved__gte=0), name="session_counters_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.index} {self.dte}DTE {self.trading_day} ({self.get_mode_display()})"

    @property
    def budget(self) -> Decimal:
        """Return the margin budget in rupees."""
        return self.baskets * self.budget_per_basket

    @property
    def is_open(self) -> bool:
        """Return whether the session has not been closed."""
        return self.closed_at is None


class MarginSnapshot(models.Model):
    """What the margin looked like at one tick. `used` is null when it was unknown, and `unknown_reason` says why."""

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="snapshots")
    mode = models.CharField(max_length=10, choices=Mode)
    at = models.DateTimeField()
    broker_used = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    used = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    utilization_pct = models.DecimalField(max_digits=8, decimal_places=2, null=True)
    free_margin = models.DecimalField(max_digits=14, decimal_places=2, null=True)
    spot = models.DecimalField(max_digits=12, decimal_places=2, null=True)
    unknown_reason = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(used__isnull=False) | ~Q(unknown_reason=""), name="snapshot_unknown_says_why"
            ),
        ]
        indexes = [models.Index(fields=["session", "-at"], name="snapshot_latest")]

    def __str__(self) -> str:
        return f"{localtime(self.at):%H:%M:%S} {self.utilization_pct}"
