"""The timetable, the trading calendar, and the dated facts of contracts, margins and charges."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, time
from decimal import Decimal
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q

from hedging.domain.charges import ChargeRates as ChargeFacts
from hedging.domain.instruments import ContractSpec as ContractFacts
from hedging.domain.instruments import Index, Right, Side
from hedging.domain.risk import MarginParameters as MarginFacts
from schedule.legs import LegsUnreadable, leg_templates
from schedule.timetable_rows import (  # noqa: F401 - Django finds the models of an app here
    MovedEntry,
    SkippedEntry,
    TimetableVersion,
)

INDEX_CHOICES = [(i.value, i.value) for i in Index]


def short_straddle() -> list[dict[str, Any]]:
    """Return the default legs: sell one at-the-money call and put. `offset` counts strike steps out of the money."""
    return [
        {"right": Right.CE.value, "side": Side.SELL.value, "offset": 0, "lots": 1},
        {"right": Right.PE.value, "side": Side.SELL.value, "offset": 0, "lots": 1},
    ]


class Weekday(models.IntegerChoices):
    """Days on which a seed row was written down. Informative: (index, DTE) decides when an entry is due."""

    MONDAY = 0, "Monday"
    TUESDAY = 1, "Tuesday"
    WEDNESDAY = 2, "Wednesday"
    THURSDAY = 3, "Thursday"
    FRIDAY = 4, "Friday"


class StrategyEntry(models.Model):
    """A straddle that another tool sells at a fixed minute on days that are `dte` trading days before expiry.

    Times are IST. An empty exit means held to expiry: the position leaves the book at its stop or at settlement.
    """

    portfolio = models.CharField(max_length=60, unique=True)
    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    dte = models.PositiveSmallIntegerField()
    weekday = models.PositiveSmallIntegerField(choices=Weekday, null=True, blank=True)
    entry_time = models.TimeField()
    exit_time = models.TimeField(null=True, blank=True)
    legs = models.JSONField(default=short_straddle)
    active = models.BooleanField(default=True)

    class Meta:
        verbose_name_plural = "strategy entries"
        constraints = [
            models.CheckConstraint(condition=Q(index__in=sorted(i.value for i in Index)), name="entry_index_known"),
            models.CheckConstraint(
                condition=Q(exit_time=None) | Q(exit_time__gt=F("entry_time")), name="entry_exits_after_entry"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.portfolio} at {self.entry_time}"

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Refuse legs that the engine could not read.

        Not in `clean`, which is asked by forms without legs too: the list must let a row with bad ones be switched off.
        """
        super().clean_fields(exclude=exclude)
        if "legs" in (exclude or ()):
            return
        try:
            leg_templates(self.legs)
        except LegsUnreadable as unreadable:
            raise ValidationError({"legs": f"{unreadable}."}) from None


class TradingDay(models.Model):
    """Hours of one calendar day for index options (IST). No row, or an unknown year, means: no automatic order."""

    day = models.DateField(unique=True)
    is_open = models.BooleanField()
    opens_at = models.TimeField(default=time(9, 15))
    closes_at = models.TimeField(default=time(15, 40))
    act_from = models.TimeField(default=time(9, 15))
    act_until = models.TimeField(default=time(15, 30))
    note = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(closes_at__gt=F("opens_at")), name="day_closes_after_open"),
            models.CheckConstraint(
                condition=Q(act_until__lte=F("closes_at"), act_from__gte=F("opens_at")), name="day_acts_in_hours"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.day} {'open' if self.is_open else 'closed'}"


class DatedQuerySet(models.QuerySet[Any]):
    """Questions asked of rows with an effective date."""

    def in_force(self, *, day: date) -> Self:
        """Return the rows already effective on `day`, the newest first."""
        return self.filter(effective_from__lte=day).order_by("-effective_from", "-id")


class ContractSpec(models.Model):
    """Lot, step, tick, freeze and OTM bounds of an index's options from a date on."""

    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    effective_from = models.DateField()
    lot = models.PositiveIntegerField()
    strike_step = models.DecimalField(max_digits=8, decimal_places=2)
    tick = models.DecimalField(max_digits=6, decimal_places=2, default=Decimal("0.05"))
    freeze_quantity = models.PositiveIntegerField(help_text="The largest quantity that one order may carry, in units.")
    lots_per_basket = models.PositiveIntegerField(default=1)
    otm_min = models.DecimalField(max_digits=8, decimal_places=2)
    otm_max = models.DecimalField(max_digits=8, decimal_places=2)
    expiry_weekday = models.PositiveSmallIntegerField(choices=Weekday)
    weekly = models.BooleanField(default=True, help_text="Otherwise the last such weekday of the month.")

    objects = DatedQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["index", "effective_from"], name="one_spec_per_index_and_date"),
            models.CheckConstraint(
                condition=Q(lot__gte=1, freeze_quantity__gte=F("lot")), name="spec_lot_within_freeze"
            ),
            models.CheckConstraint(
                condition=Q(strike_step__gt=0, tick__gt=0, otm_max__gte=F("otm_min")), name="spec_sane"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.index} from {self.effective_from}"

    def as_facts(self) -> ContractFacts:
        """Return the row as the domain's frozen value."""
        return ContractFacts(
            index=Index(self.index),
            lot=self.lot,
            strike_step=self.strike_step,
            tick=self.tick,
            freeze_quantity=self.freeze_quantity,
            lots_per_basket=self.lots_per_basket,
            otm_min=self.otm_min,
            otm_max=self.otm_max,
        )


class MarginParameters(models.Model):
    """SPAN and ELM parameters of an index from a date on. Percentages as numbers: 9.3 means 9.3 %.

    `source` and `elm_source` name the files that the figures came from; both empty: a person or the seed wrote them.
    """

    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    effective_from = models.DateField()
    price_scan_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal("9.3"))
    volatility_scan_points = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(4))
    base_volatility_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(14))
    rate_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal("6.6"))
    calendar_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal("1.75"))
    elm_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(2))
    elm_deep_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(3))
    deep_otm_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(10))
    elm_expiry_extra_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(2))
    elm_long_dated_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(5))
    long_dated_days = models.PositiveSmallIntegerField(
        default=270, help_text="An option with more days left than this is charged the long-dated ELM."
    )
    look_ahead_days = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(1))
    extreme_share_pct = models.DecimalField(
        max_digits=6, decimal_places=3, default=Decimal(35), help_text="Share of an extreme move's loss that counts."
    )
    source = models.CharField(max_length=120, blank=True, help_text="The SPAN file that the figures came from.")
    elm_source = models.CharField(max_length=120, blank=True, help_text="The file that the ELM rates came from.")
    business_date = models.DateField(null=True, blank=True, help_text="The day that the latest file speaks of.")
    imported_by = models.CharField(max_length=150, blank=True)

    objects = DatedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "margin parameters"
        constraints = [
            models.UniqueConstraint(fields=["index", "effective_from"], name="one_margin_row_per_index_and_date"),
            models.CheckConstraint(
                condition=Q(price_scan_pct__gt=0, base_volatility_pct__gt=0), name="margin_parameters_positive"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.index} margins from {self.effective_from}"

    def as_facts(self) -> MarginFacts:
        """Return the row as the domain's frozen value."""
        return MarginFacts(
            price_scan_minimum_pct=float(self.price_scan_pct),
            volatility_scan_minimum_points=float(self.volatility_scan_points),
            base_volatility_pct=float(self.base_volatility_pct),
            rate_pct=float(self.rate_pct),
            calendar_charge_pct=float(self.calendar_pct),
            elm_pct=float(self.elm_pct),
            elm_deep_otm_pct=float(self.elm_deep_pct),
            elm_expiry_extra_pct=float(self.elm_expiry_extra_pct),
            deep_otm_from_pct=float(self.deep_otm_pct),
            elm_long_dated_pct=float(self.elm_long_dated_pct),
            long_dated_from_days=self.long_dated_days,
            look_ahead_days=float(self.look_ahead_days),
            extreme_move_share_pct=float(self.extreme_share_pct),
        )


class MarginFile(models.Model):
    """A margin file that somebody brought: what became of it, and what it changed. A record; it is never edited.

    `read_bytes` of `size_bytes` is how far a worker has come. `stored_as` is the upload's place until it is read.
    """

    class Status(models.TextChoices):
        """What became of a file."""

        WAITING = "waiting", "Waiting for a worker"
        READING = "reading", "Being read"
        DONE = "done", "Imported"
        REFUSED = "refused", "Refused: nothing was changed"

    UNDER_WAY = frozenset({Status.WAITING, Status.READING})

    name = models.CharField(max_length=120)
    status = models.CharField(max_length=8, choices=Status, default=Status.WAITING)
    brought_by = models.CharField(max_length=150)
    brought_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    effective_from = models.DateField(
        null=True, blank=True, help_text="The first day that the figures hold for; empty: the day that the file says."
    )
    size_bytes = models.BigIntegerField()
    read_bytes = models.BigIntegerField(default=0)
    stored_as = models.CharField(max_length=64, blank=True)
    problem = models.TextField(blank=True)
    report = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=["done", "reading", "refused", "waiting"]), name="margin_file_status_known"
            ),
            models.CheckConstraint(condition=Q(read_bytes__lte=F("size_bytes")), name="margin_file_read_within_size"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.brought_at:%d-%b-%Y}"

    @property
    def is_under_way(self) -> bool:
        """Return whether a worker has yet to finish with it."""
        return self.status in self.UNDER_WAY

    @property
    def percent(self) -> int:
        """Return how much of the file was read, 0 to 100."""
        return 100 * self.read_bytes // self.size_bytes if self.size_bytes else 0


class ChargeRates(models.Model):
    """What an executed option order costs on an exchange from a date on (domain.md §3). Percentages as numbers."""

    exchange = models.CharField(max_length=8)
    effective_from = models.DateField()
    brokerage_per_order = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(20))
    stt_sell_pct = models.DecimalField(max_digits=8, decimal_places=5, default=Decimal("0.15"))
    exchange_pct = models.DecimalField(max_digits=8, decimal_places=5)
    sebi_pct = models.DecimalField(max_digits=8, decimal_places=5, default=Decimal("0.0001"))
    stamp_buy_pct = models.DecimalField(max_digits=8, decimal_places=5, default=Decimal("0.003"))
    gst_pct = models.DecimalField(max_digits=6, decimal_places=3, default=Decimal(18))
    stt_exercise_pct = models.DecimalField(max_digits=8, decimal_places=5, default=Decimal("0.15"))

    objects = DatedQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "charge rates"
        constraints = [
            models.UniqueConstraint(fields=["exchange", "effective_from"], name="one_charge_row_per_exchange_and_date"),
        ]

    def __str__(self) -> str:
        return f"{self.exchange} charges from {self.effective_from}"

    def as_facts(self) -> ChargeFacts:
        """Return the row as the domain's frozen value."""
        return ChargeFacts(
            brokerage_rupees=self.brokerage_per_order,
            stt_sell_pct=self.stt_sell_pct,
            exchange_pct=self.exchange_pct,
            sebi_pct=self.sebi_pct,
            stamp_buy_pct=self.stamp_buy_pct,
            gst_pct=self.gst_pct,
        )
