"""Decisions, intents, orders, fills and the audit trail: what was decided, what was sent, what became of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum

from django.db import models
from django.db.models import F, Q
from django.utils.timezone import localtime

from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import LIVE, OrderStatus, outcome_words
from hedging.manual_requests import ManualRequest  # noqa: F401 - Django finds the models of an app here
from hedging.querysets import OrderQuerySet, TransactionQuerySet
from schedule.models import INDEX_CHOICES
from sessions_app.models import Account, Mode, TradingSession


def choices_of(enum: type[StrEnum]) -> list[tuple[str, str]]:
    """Return an enum's members as Django choices."""
    return [(member.value, member.value.replace("_", " ")) for member in enum]


def values_of(members: Iterable[StrEnum]) -> list[str]:
    """Return the sorted values of enum members, so that constraints do not change by themselves."""
    return sorted(member.value for member in members)


class CycleKind(StrEnum):
    """Which beat of the loop a decision belongs to."""

    MARGIN_CHECK = "margin_check"
    ENTRY_PROJECTION = "entry_projection"
    MANUAL = "manual"


class Action(StrEnum):
    """What a decision does."""

    HOLD = "hold"
    ADD = "add"
    UNWIND = "unwind"


class Origin(StrEnum):
    """Who wanted the order."""

    AUTO = "auto"
    ADMIN = "admin"
    API = "api"
    COMMAND = "command"


class HedgeDecision(models.Model):
    """A decision card: what was decided at one slot, why, by which figures. UNIQUE (session, kind, slot)."""

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="decisions")
    mode = models.CharField(max_length=10, choices=Mode)
    kind = models.CharField(max_length=20, choices=choices_of(CycleKind))
    slot = models.BigIntegerField(null=True, blank=True)
    at = models.DateTimeField()
    action = models.CharField(max_length=10, choices=choices_of(Action))
    reason = models.CharField(max_length=40)
    facts = models.JSONField(default=dict)
    gates = models.JSONField(default=list)
    policy = models.JSONField(default=dict)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "kind", "slot"], name="one_decision_per_slot"),
            models.CheckConstraint(condition=Q(action__in=values_of(Action)), name="decision_action_known"),
            models.CheckConstraint(condition=Q(kind__in=values_of(CycleKind)), name="decision_kind_known"),
        ]
        indexes = [
            models.Index(fields=["session", "-id"], name="decision_latest"),
            # Pages of the ledger by one filter: newest first, without a walk over what does not fit.
            models.Index(fields=["reason", "-id"], name="decision_by_reason"),
            models.Index(fields=["action", "-id"], name="decision_by_action"),
            models.Index(fields=["-id"], name="decision_denied", condition=Q(reason__startswith="DENY_")),
        ]

    def __str__(self) -> str:
        return f"{self.reason} at {localtime(self.at):%H:%M:%S}"


class HedgeTransaction(models.Model):
    """An intent: one decided leg, and what became of it. Its position is the sum of its fills.

    `worst_price` is the price that no slice may pass; `reserve` the rupees set aside from the cost cap (buys only);
    `is_live` is true until nothing of it can fill any more.
    """

    decision = models.ForeignKey(HedgeDecision, on_delete=models.PROTECT, related_name="transactions")
    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="transactions")
    mode = models.CharField(max_length=10, choices=Mode)
    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    expiry = models.DateField()
    strike = models.DecimalField(max_digits=10, decimal_places=2)
    right = models.CharField(max_length=2, choices=choices_of(Right))
    product = models.CharField(max_length=8, choices=choices_of(Product))
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4, choices=choices_of(Side))
    quantity = models.PositiveIntegerField()
    lot = models.PositiveIntegerField()
    reference_price = models.DecimalField(max_digits=10, decimal_places=2)
    worst_price = models.DecimalField(max_digits=10, decimal_places=2)
    reserve = models.DecimalField(max_digits=14, decimal_places=2, default=0)
    reason = models.CharField(max_length=40)
    origin = models.CharField(max_length=10, choices=choices_of(Origin), default=Origin.AUTO)
    due_by_clock = models.BooleanField(default=False)
    created_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    is_live = models.BooleanField(default=True)
    ended_at = models.DateTimeField(null=True, blank=True)
    filled_quantity = models.PositiveIntegerField(default=0)
    average_price = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    charges = models.DecimalField(max_digits=12, decimal_places=2, default=0)

    objects = TransactionQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["session", "symbol", "side"], condition=Q(is_live=True), name="one_live_intent_per_leg"
            ),
            models.UniqueConstraint(
                fields=["session", "symbol"], condition=Q(is_live=True), name="no_buy_and_sell_of_a_leg_at_once"
            ),
            models.CheckConstraint(condition=Q(quantity__gt=0, lot__gt=0), name="intent_quantity_positive"),
            models.CheckConstraint(condition=Q(quantity=F("quantity") / F("lot") * F("lot")), name="intent_whole_lots"),
            models.CheckConstraint(condition=Q(worst_price__gt=0, reserve__gte=0), name="intent_price_positive"),
            models.CheckConstraint(condition=Q(side__in=values_of(Side)), name="intent_side_known"),
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="intent_mode_known"),
            models.CheckConstraint(condition=Q(product__in=values_of(Product)), name="intent_product_known"),
        ]
        indexes = [
            models.Index(fields=["session", "-id"], name="transaction_latest"),
            models.Index(fields=["is_live"], name="transaction_live", condition=Q(is_live=True)),
            models.Index(
                fields=["expiry"], name="transaction_expiry"
            ),  # of what is held, only what still lives is asked
            # Pages of the ledger by one filter: newest first, without a walk over what does not fit.
            models.Index(fields=["mode", "-id"], name="transaction_by_mode"),
            models.Index(fields=["origin", "-id"], name="transaction_by_origin"),
            models.Index(fields=["reason", "-id"], name="transaction_by_reason"),
            models.Index(fields=["symbol", "-id"], name="transaction_by_symbol"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.quantity} {self.symbol}"

    @property
    def contract(self) -> Contract:
        """Return the contract as the domain's value."""
        return Contract(Index(self.index), self.expiry, self.strike.normalize(), Right(self.right))

    @property
    def outcome(self) -> str:
        """Return `working`, `filled`, `partly filled` or `nothing filled`."""
        return outcome_words(live=self.is_live, quantity=self.quantity, filled=self.filled_quantity)


class HedgeOrder(models.Model):
    """A freeze-sized slice of an intent at the broker, and its place in the protocol (`domain/lifecycle.py`).

    Another attempt at the same slice (a chase) is a new row; never two live ones at once. `sent_at` and
    `claimed_end_at` are market time, `touched_wall` is the wall time of the last change.
    """

    transaction = models.ForeignKey(HedgeTransaction, on_delete=models.PROTECT, related_name="orders")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="hedge_orders")
    trading_day = models.DateField()
    mode = models.CharField(max_length=10, choices=Mode)
    slice = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField(default=1)
    status = models.CharField(max_length=16, choices=choices_of(OrderStatus), default=OrderStatus.NEW)
    quantity = models.PositiveIntegerField()
    limit_price = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    broker_order_id = models.CharField(max_length=60, null=True, blank=True)  # noqa: DJ001 - unknown is not empty
    seen_order_ids = models.JSONField(default=list)
    sent_at = models.DateTimeField(null=True, blank=True)
    clean_reads = models.PositiveSmallIntegerField(default=0)
    claimed_end = models.CharField(max_length=16, blank=True)
    claimed_end_at = models.DateTimeField(null=True, blank=True)
    refused_by_reply = models.BooleanField(default=False)
    cancel_asked = models.BooleanField(default=False, db_default=False)
    message = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField()
    touched_wall = models.DateTimeField()
    version = models.PositiveIntegerField(default=0)

    objects = OrderQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["transaction", "slice", "attempt"], name="one_row_per_attempt"),
            models.UniqueConstraint(
                fields=["transaction", "slice"],
                condition=Q(status__in=values_of(LIVE)),
                name="one_live_order_per_slice",
            ),
            models.UniqueConstraint(
                fields=["account", "trading_day", "broker_order_id"],
                condition=Q(broker_order_id__isnull=False),
                name="a_broker_order_belongs_to_one_slice",
            ),
            models.CheckConstraint(condition=Q(status__in=values_of(OrderStatus)), name="order_status_known"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="order_quantity_positive"),
            models.CheckConstraint(condition=Q(limit_price=None) | Q(limit_price__gt=0), name="order_price_positive"),
        ]
        indexes = [models.Index(fields=["account"], name="order_live", condition=Q(status__in=values_of(LIVE)))]

    def __str__(self) -> str:
        return f"{self.transaction_id}/{self.slice}.{self.attempt} {self.status}"


class Fill(models.Model):
    """One trade-book row of an order. The ledger of positions, spend and recovery is made of these alone."""

    order = models.ForeignKey(HedgeOrder, on_delete=models.PROTECT, related_name="fills")
    mode = models.CharField(max_length=10, choices=Mode)
    sequence = models.PositiveIntegerField()
    quantity = models.PositiveIntegerField()
    price = models.DecimalField(max_digits=10, decimal_places=2)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["order", "sequence"], name="one_row_per_fill"),
            models.CheckConstraint(condition=Q(quantity__gt=0, price__gte=0), name="fill_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} at {self.price}"


class PaperOrder(models.Model):
    """An order that filled (or rests) on paper: the dry-run broker's own order and trade book."""

    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="paper_orders")
    trading_day = models.DateField()
    order_id = models.CharField(max_length=60)
    symbol = models.CharField(max_length=40)
    product = models.CharField(max_length=8)
    side = models.CharField(max_length=4, choices=choices_of(Side))
    quantity = models.PositiveIntegerField()
    limit_price = models.DecimalField(max_digits=10, decimal_places=2)
    status = models.CharField(max_length=16)
    placed_at = models.DateTimeField()
    trades = models.JSONField(default=list, help_text="Fills as [quantity, price] pairs, in order.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "trading_day", "order_id"], name="one_paper_order_per_id"),
        ]

    def __str__(self) -> str:
        return f"{self.order_id} {self.side} {self.quantity} {self.symbol}"


class AdjustmentKind(StrEnum):
    """Why what we hold changed without an order of ours."""

    SOLD_BY_HAND = "sold_by_hand"
    SQUARED_OFF = "squared_off"
    EXPIRED = "expired"
    GONE = "gone"


class Adjustment(models.Model):
    """Units of a hedge that are no longer ours although we sold none. Append-only; holdings count it like a sale.

    `quantity` units left the account; `kind` and `detail` say how that was concluded. It is no trade of ours: no spend, no
    recovery, no charges come of it.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="adjustments")
    account = models.ForeignKey(Account, on_delete=models.PROTECT, related_name="adjustments")
    mode = models.CharField(max_length=10, choices=Mode)
    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    expiry = models.DateField()
    strike = models.DecimalField(max_digits=10, decimal_places=2)
    right = models.CharField(max_length=2, choices=choices_of(Right))
    product = models.CharField(max_length=8, choices=choices_of(Product))
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4, choices=choices_of(Side), default=Side.SELL)
    quantity = models.PositiveIntegerField()
    kind = models.CharField(max_length=16, choices=choices_of(AdjustmentKind))
    detail = models.CharField(max_length=300)
    at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="adjustment_quantity_positive"),
            models.CheckConstraint(condition=Q(side=Side.SELL.value), name="adjustment_only_takes_away"),
            models.CheckConstraint(condition=Q(kind__in=values_of(AdjustmentKind)), name="adjustment_kind_known"),
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="adjustment_mode_known"),
        ]
        indexes = [models.Index(fields=["account", "mode", "expiry"], name="adjustment_held")]

    def __str__(self) -> str:
        return f"{self.quantity} {self.symbol} {self.kind}"


class BookCheck(models.Model):
    """The last comparison of a session's ledger with the broker's books. One row for each session.

    `read_wall` is the wall time of the last comparison for which every book was read, `None` before the first: nothing is
    decided then. `found` are its findings as stored values, `watched` what is waiting for a second equal reading (key and
    wall time of the first), `blocked` the symbols that are not bought automatically, `told` the keys an alert was sent for.
    `requested_wall` asks for another comparison, `error` says why the last attempt failed.
    """

    session = models.OneToOneField(TradingSession, on_delete=models.PROTECT, related_name="book_check")
    read_at = models.DateTimeField(null=True, blank=True)
    read_wall = models.DateTimeField(null=True, blank=True)
    found = models.JSONField(default=list)
    watched = models.JSONField(default=dict)
    blocked = models.JSONField(default=list)
    told = models.JSONField(default=list)
    requested_wall = models.DateTimeField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True)

    def __str__(self) -> str:
        return f"{len(self.found)} findings"


class AuditEvent(models.Model):
    """One line of the audit trail. Append-only: triggers of the database refuse UPDATE, DELETE and TRUNCATE.

    `account` is null for what concerns the whole installation. `digest` is the SHA-256 of the line's canonical content
    (`domain/audit_chain.py`); another trigger links it into the chain when its transaction commits.
    """

    account = models.ForeignKey(Account, on_delete=models.PROTECT, null=True, related_name="audit_events")
    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, null=True, related_name="audit_events")
    at = models.DateTimeField()
    wall_at = models.DateTimeField()
    actor = models.CharField(max_length=80)
    event = models.CharField(max_length=60)
    subject_kind = models.CharField(max_length=40)
    subject_id = models.BigIntegerField()
    facts = models.JSONField(default=dict)
    digest = models.CharField(max_length=64)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(digest__regex=r"^[0-9a-f]{64}$"), name="audit_digest_whole"),
        ]
        indexes = [
            models.Index(fields=["subject_kind", "subject_id"], name="audit_subject"),
            models.Index(fields=["session", "-id"], name="audit_latest"),
            models.Index(fields=["at", "id"], name="audit_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.subject_kind} {self.subject_id}"


class AuditLink(models.Model):
    """An audit event's place in the hash chain, written by the database alone. Append-only.

    `hash` = SHA-256 of the hash before it and the event's digest, both in hexadecimal; `sequence` counts from 1.
    """

    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, primary_key=True, related_name="link")
    sequence = models.BigIntegerField(unique=True)
    hash = models.CharField(max_length=64)

    def __str__(self) -> str:
        return f"{self.sequence} {self.hash[:12]}"


class JumpKind(StrEnum):
    """What made the used margin jump: a timetable entry, or a hedge action of ours."""

    ENTRY = "entry"
    HEDGE = "hedge"


class MarginJump(models.Model):
    """What one entry or hedge action did to used margin, as forecast and as seen. UNIQUE (session, kind, subject).

    `subject` is the entry's portfolio, or the id of the decision whose orders filled. `forecast` is the change of used
    that the last projection before it promised (a hedge's is negative), `forecast_at_order` what it said the order would
    ask of free margin, without buffers; `before` and `after` are readings of used. All in rupees; `None` is unknown.
    `at` (due, or last fill) and `measured_at` are market time. `hedged` tells that longs covered shorts on both sides
    afterwards. `book` holds the figures that calibration learns from: spot, previous close, and the lines of the account
    before and after as [symbol, product, quantity, price]; an entry's holds as `static` what a bot that always hedges would
    pay and get (`engine/static_hedge.py`). `note` says why a jump without `after` is not usable.
    """

    session = models.ForeignKey(TradingSession, on_delete=models.PROTECT, related_name="margin_jumps")
    mode = models.CharField(max_length=10, choices=Mode)
    kind = models.CharField(max_length=10, choices=choices_of(JumpKind))
    subject = models.CharField(max_length=80)
    at = models.DateTimeField()
    forecast = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    forecast_at_order = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    forecast_source = models.CharField(max_length=40, blank=True)
    before = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    after = models.DecimalField(max_digits=16, decimal_places=2, null=True, blank=True)
    measured_at = models.DateTimeField(null=True, blank=True)
    hedged = models.BooleanField(default=False)
    baskets = models.PositiveIntegerField()
    index = models.CharField(max_length=12, choices=INDEX_CHOICES)
    dte = models.PositiveSmallIntegerField()
    book = models.JSONField(default=dict)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["session", "kind", "subject"], name="one_jump_per_subject"),
            models.CheckConstraint(condition=Q(kind__in=values_of(JumpKind)), name="jump_kind_known"),
            models.CheckConstraint(condition=Q(mode__in=sorted(m.value for m in Mode)), name="jump_mode_known"),
            models.CheckConstraint(
                condition=Q(after__isnull=True) | Q(before__isnull=False, measured_at__isnull=False),
                name="jump_measured_whole",
            ),
        ]
        indexes = [models.Index(fields=["session", "at"], name="jump_latest")]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject} at {localtime(self.at):%H:%M:%S}"

    @property
    def realized(self) -> Decimal | None:
        """Return the change of used margin in rupees, `None` while it is unknown."""
        if self.before is None or self.after is None:
            return None
        return self.after - self.before

    @property
    def error(self) -> Decimal | None:
        """Return realized less forecast in rupees: positive when more was taken than foretold; `None` is unknown."""
        realized = self.realized
        return None if realized is None or self.forecast is None else realized - self.forecast


class Heartbeat(models.Model):
    """A worker's sign of life, by queue, in wall time."""

    name = models.CharField(max_length=40, unique=True)
    wall_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} {localtime(self.wall_at):%H:%M:%S}"
