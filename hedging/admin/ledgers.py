"""The ledgers, read-only, linked from decision to transactions to orders to fills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from config.long_lists import COUNTED, LongLists, choice_filter, newest
from hedging.admin.ledger_filters import (
    DecisionQuestions,
    EventQuestions,
    OrderQuestions,
    TransactionQuestions,
    day_filter,
)
from hedging.brokers.base import BrokerStatus
from hedging.domain.reasons import Reason
from hedging.domain.roles import Scope
from hedging.models import (
    Adjustment,
    AuditEvent,
    AuditLink,
    BookCheck,
    Fill,
    Heartbeat,
    HedgeDecision,
    HedgeOrder,
    HedgeTransaction,
    MarginJump,
    PaperOrder,
    values_of,
)
from hedging.selectors.cards import card_of

if TYPE_CHECKING:
    _Admin = admin.ModelAdmin[Model]
    _Inline = admin.TabularInline[Model, Model]
else:  # Django's own classes take no type parameter at run time
    _Admin, _Inline = admin.ModelAdmin, admin.TabularInline


ReasonFilter = choice_filter("reason", sorted(reason.value for reason in Reason))


class Ledger(LongLists, _Admin):
    """A table that only the engine writes. Nobody adds, edits or deletes here, not even the first user."""

    needs = {"view": Scope.READ}

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: written by the engine only."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Refuse: a record of what happened."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Refuse: a record of what happened."""
        return False


class LedgerInline(_Inline):
    """The rows below a row, with a link to each."""

    extra = 0
    can_delete = False
    show_change_link = True
    ordering = ("id",)

    def has_add_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Refuse: written by the engine only."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Model | None = None) -> bool:
        """Refuse: a record of what happened."""
        return False


class TransactionsOfDecision(LedgerInline):
    """The legs that a decision led to."""

    model = HedgeTransaction
    fields = ("side", "quantity", "symbol", "filled_quantity", "average_price", "charges", "is_live")
    readonly_fields = fields


class OrdersOfTransaction(LedgerInline):
    """The slices of a transaction at the broker."""

    model = HedgeOrder
    fields = ("slice", "attempt", "status", "quantity", "limit_price", "broker_order_id", "sent_at", "message")
    readonly_fields = fields


class FillsOfOrder(LedgerInline):
    """The trade-book rows of an order."""

    model = Fill
    fields = ("sequence", "quantity", "price", "at")
    readonly_fields = fields


@admin.register(HedgeDecision)
class HedgeDecisionAdmin(Ledger):
    """Decision cards: what was decided, why, and what came of it."""

    list_display = ("at", "session", "kind", "action", "reason", "mode")
    list_filter = (DecisionQuestions, day_filter("session_id"), "action", "kind", "mode", ReasonFilter)
    list_select_related = ("session",)
    fields = ("session", "mode", "kind", "slot", "at", "action", "reason", "in_words", "why", "facts", "policy")
    readonly_fields = ("in_words", "why")
    inlines = (TransactionsOfDecision,)

    @admin.display(description="in words")
    def in_words(self, decision: HedgeDecision) -> str:
        """Return the reason's sentence."""
        return card_of(decision).text

    @admin.display(description="why")
    def why(self, decision: HedgeDecision) -> SafeString:
        """Return the gates, in order."""
        gates = card_of(decision).gates
        rows = ((gate.name, "passed" if gate.passed else "stopped", gate.detail) for gate in gates)
        return format_html_join("", "<p><b>{}</b> {}: {}</p>", rows)


@admin.register(HedgeTransaction)
class HedgeTransactionAdmin(Ledger):
    """Intents and what became of them."""

    list_display = (
        "created_at",
        "side",
        "symbol",
        "quantity",
        "filled_quantity",
        "average_price",
        "charges",
        "outcome",
        "reason",
        "origin",
        "mode",
        "ways",
    )
    list_filter = (TransactionQuestions, day_filter("session_id"), "side", "mode", "origin", "index", ReasonFilter)
    search_fields = ("symbol",)
    inlines = (OrdersOfTransaction,)

    @admin.display(description="see")
    def ways(self, row: HedgeTransaction) -> SafeString:
        """Lead to the decision before, and the orders after."""
        card = reverse("admin:hedging_hedgedecision_change", args=[row.decision_id])
        orders = reverse("admin:hedging_hedgeorder_changelist")
        words = '<a href="{}">decision</a> · <a href="{}?transaction__id__exact={}">orders</a>'
        return format_html(words, card, orders, row.pk)


def _orders_found(term: str) -> Q:
    """Return which orders have this in their number at the broker or in their contract, of the newest ones.

    Contracts are looked for first, as a list of ids: an OR over a join would make the database read every transaction.
    """
    contracts = (
        newest(HedgeTransaction.objects.filter(symbol__icontains=term)).order_by("-pk").values_list("pk", flat=True)
    )
    return Q(broker_order_id__icontains=term) | Q(transaction_id__one_of=list(contracts[:COUNTED]))


@admin.register(HedgeOrder)
class HedgeOrderAdmin(Ledger):
    """Slices at the broker, and their place in the protocol."""

    list_display = (
        "created_at",
        "transaction",
        "slice",
        "attempt",
        "status",
        "quantity",
        "limit_price",
        "broker_order_id",
        "message",
        "mode",
        "ways",
    )
    list_filter = (OrderQuestions, day_filter("transaction__session_id"), "status", "mode")
    list_select_related = ("transaction",)
    search_fields = ("broker_order_id", "transaction__symbol")
    inlines = (FillsOfOrder,)

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[HedgeOrder], search_term: str
    ) -> tuple[QuerySet[HedgeOrder], bool]:
        """Return the orders that a search finds."""
        term = search_term.strip()
        return (queryset.filter(_orders_found(term)) if term else queryset), False

    @admin.display(description="see")
    def ways(self, row: HedgeOrder) -> SafeString:
        """Lead to the fills."""
        fills = reverse("admin:hedging_fill_changelist")
        return format_html('<a href="{}?order__id__exact={}">fills</a>', fills, row.pk)


@admin.register(Fill)
class FillAdmin(Ledger):
    """Trade-book rows: positions, spend and recovery are made of these alone."""

    list_display = ("at", "order", "quantity", "price", "mode")
    list_filter = (day_filter("order__transaction__session_id"), "mode")
    list_select_related = ("order",)
    search_fields = ("order__broker_order_id", "order__transaction__symbol")

    def get_search_results(
        self, _request: HttpRequest, queryset: QuerySet[Fill], search_term: str
    ) -> tuple[QuerySet[Fill], bool]:
        """Return the fills of the orders that a search finds."""
        term = search_term.strip()
        if not term:
            return queryset, False
        orders = newest(HedgeOrder.objects.filter(_orders_found(term))).order_by("-pk").values_list("pk", flat=True)
        return queryset.filter(order_id__one_of=list(orders[:COUNTED])), False


@admin.register(PaperOrder)
class PaperOrderAdmin(Ledger):
    """The dry run's own books."""

    list_display = ("placed_at", "account", "order_id", "side", "quantity", "symbol", "limit_price", "status")
    list_filter = (choice_filter("status", values_of(BrokerStatus)), "side", "account")
    list_select_related = ("account",)
    search_fields = ("order_id", "symbol")


@admin.register(MarginJump)
class MarginJumpAdmin(Ledger):
    """What entries and hedges did to used margin, as forecast and as seen. Rupees."""

    list_display = ("at", "kind", "subject", "forecast", "realized", "error", "forecast_source", "note", "mode")
    list_filter = (day_filter("session_id"), "kind", "mode", "index", "hedged")
    search_fields = ("subject",)


@admin.register(Adjustment)
class AdjustmentAdmin(Ledger):
    """Units that left our holdings without an order of ours. The database itself refuses to change these."""

    list_display = ("at", "kind", "symbol", "product", "quantity", "detail", "account", "mode")
    list_filter = (day_filter("session_id"), "kind", "mode", "account")
    list_select_related = ("account",)
    search_fields = ("symbol", "detail")


@admin.register(BookCheck)
class BookCheckAdmin(Ledger):
    """The last comparison of each session's ledger with the broker's books."""

    list_display = ("session", "read_at", "read_wall", "blocked", "error")
    list_select_related = ("session",)
    search_fields = ("error",)


@admin.register(AuditEvent)
class AuditEventAdmin(Ledger):
    """Who did what to which row. The database itself refuses to change these."""

    list_display = ("at", "actor", "event", "subject_kind", "subject_id", "account")
    list_filter = (EventQuestions, day_filter("session_id"), "account")
    list_select_related = ("account",)
    search_fields = ("actor", "event", "=subject_id")


@admin.register(AuditLink)
class AuditLinkAdmin(Ledger):
    """The hash chain over the audit events, written by the database alone."""

    list_display = ("sequence", "event", "hash")
    list_select_related = ("event",)
    search_fields = ("hash", "=sequence")
    ordering = ("-sequence",)


@admin.register(Heartbeat)
class HeartbeatAdmin(Ledger):
    """Workers' signs of life, in wall time."""

    list_display = ("name", "wall_at")
    ordering = ("name",)
