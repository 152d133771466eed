"""Admin of accounts, sessions and margin snapshots. What the engine counts can be seen here, and not be typed over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.http import HttpRequest

from config.edits import SaysWhatWas
from config.long_lists import LongLists
from hedging.domain.roles import Scope
from sessions_app.models import Account, Calibration, MarginSnapshot, TradingSession

if TYPE_CHECKING:
    _AccountAdmin = admin.ModelAdmin[Account]
    _SessionAdmin = admin.ModelAdmin[TradingSession]
    _SnapshotAdmin = admin.ModelAdmin[MarginSnapshot]
    _CalibrationAdmin = admin.ModelAdmin[Calibration]
else:  # Django's own class takes no type parameter at run time
    _AccountAdmin = _SessionAdmin = _SnapshotAdmin = _CalibrationAdmin = admin.ModelAdmin


@admin.register(Account)
class AccountAdmin(SaysWhatWas, _AccountAdmin):
    """Broker accounts and what their broker's numbers contain. A mode is switched where its session follows: not here."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN, "change": Scope.ADMIN}
    list_display = ["name", "mode", "product", "basket_scope", "free_margin", "premium_counted"]
    list_filter = ["mode", "product"]
    search_fields = ["name"]
    ordering = ["name", "id"]

    def get_readonly_fields(self, _request: HttpRequest, obj: Account | None = None) -> list[str]:
        """Keep the mode of an account that exists: a switch wants a reason, and today's session to follow."""
        return [] if obj is None else ["mode"]

    def has_delete_permission(self, _request: HttpRequest, _obj: Account | None = None) -> bool:
        """Refuse: the audit trail names the account for years."""
        return False


@admin.register(TradingSession)
class TradingSessionAdmin(_SessionAdmin):
    """Sessions: their policy may be changed; opening, halting and closing have rules of their own and are not edits."""

    needs = {"view": Scope.READ, "add": Scope.TRADE, "change": Scope.ADMIN}
    list_display = [
        "trading_day",
        "account",
        "mode",
        "index",
        "dte",
        "expiry",
        "baskets",
        "trading_state",
        "automation",
        "spent",
        "closed_at",
    ]
    list_filter = ["mode", "index", "trading_state", "account"]
    list_select_related = ["account"]
    search_fields = ["account__name", "index"]
    date_hierarchy = "trading_day"
    ordering = ["-trading_day", "-id"]
    readonly_fields = [
        "account",
        "trading_day",
        "mode",
        "index",
        "expiry",
        "dte",
        "lots_per_basket",
        "automation",
        "trading_state",
        "state_reason",
        "preflight",
        "cleared_at",
        "baseline",
        "baseline_at",
        "baseline_source",
        "spent",
        "reserved",
        "last_action_at",
        "quarantine",
        "calibration",
        "opened_at",
        "closed_at",
        "summary",
    ]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: a session is opened by the engine, which asks the calendar first."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: TradingSession | None = None) -> bool:
        """Refuse: a session holds its day's ledger."""
        return False


@admin.register(MarginSnapshot)
class MarginSnapshotAdmin(LongLists, _SnapshotAdmin):
    """The margin at every tick, read-only."""

    needs = {"view": Scope.READ}
    list_display = ["at", "session", "mode", "used", "utilization_pct", "free_margin", "spot", "unknown_reason"]
    list_filter = ["mode"]
    list_select_related = ["session"]
    search_fields = ["unknown_reason"]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: written by the engine only."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: MarginSnapshot | None = None) -> bool:
        """Refuse: a record of what was read."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: MarginSnapshot | None = None) -> bool:
        """Refuse: a record of what was read."""
        return False


@admin.register(Calibration)
class CalibrationAdmin(_CalibrationAdmin):
    """What was found out about each broker, and when; the newest one decides. Read-only."""

    needs = {"view": Scope.READ}
    list_display = [
        "at",
        "account",
        "index",
        "expiring",
        "found_by",
        "basket_scope",
        "scan_pct",
        "elm_pct",
        "scale",
        "error_pct",
        "note",
    ]
    list_filter = ["found_by", "index", "basket_scope", "account"]
    list_select_related = ["account"]
    search_fields = ["account__name", "note"]
    date_hierarchy = "at"
    ordering = ["-at", "-id"]

    def has_add_permission(self, _request: HttpRequest) -> bool:
        """Refuse: found by probes and fills, or stated by the command `calibrate`."""
        return False

    def has_change_permission(self, _request: HttpRequest, _obj: Calibration | None = None) -> bool:
        """Refuse: decisions were made by it."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: Calibration | None = None) -> bool:
        """Refuse: decisions were made by it."""
        return False
