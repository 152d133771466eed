"""Admin of the timetable, the calendar, and the dated facts: where an operator edits what exchanges and plans change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest

from config.edits import SaysWhatWas
from hedging.domain.roles import Scope
from schedule.margin_files.admin import MarginFileAdmin
from schedule.models import ChargeRates, ContractSpec, MarginFile, MarginParameters, StrategyEntry, TradingDay

if TYPE_CHECKING:
    _EntryAdmin = admin.ModelAdmin[StrategyEntry]
    _DayAdmin = admin.ModelAdmin[TradingDay]
    _SpecAdmin = admin.ModelAdmin[ContractSpec]
    _MarginAdmin = admin.ModelAdmin[MarginParameters]
    _ChargeAdmin = admin.ModelAdmin[ChargeRates]
else:  # Django's own class takes no type parameter at run time
    _EntryAdmin = _DayAdmin = _SpecAdmin = _MarginAdmin = _ChargeAdmin = admin.ModelAdmin


@admin.register(StrategyEntry)
class StrategyEntryAdmin(SaysWhatWas, _EntryAdmin):
    """The timetable: when another tool sells which straddle. Entries are switched off rather than deleted."""

    needs = {"view": Scope.READ, "add": Scope.TRADE, "change": Scope.TRADE, "delete": Scope.TRADE}
    list_display = ["portfolio", "index", "dte", "weekday", "entry_time", "exit_time", "active"]
    list_filter = ["index", "dte", "active"]
    search_fields = ["portfolio"]
    ordering = ["index", "-dte", "entry_time", "portfolio"]


@admin.register(TradingDay)
class TradingDayAdmin(SaysWhatWas, _DayAdmin):
    """Open and closed days and their hours (IST)."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN, "change": Scope.ADMIN, "delete": Scope.ADMIN}
    list_display = ["day", "is_open", "opens_at", "closes_at", "act_from", "act_until", "note"]
    list_filter = ["is_open"]
    search_fields = ["note"]
    date_hierarchy = "day"
    ordering = ["day"]


@admin.register(ContractSpec)
class ContractSpecAdmin(SaysWhatWas, _SpecAdmin):
    """Lots, steps, freeze quantities, bounds and expiry days. A change of the exchange is a new row, not an edit."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN, "change": Scope.ADMIN, "delete": Scope.ADMIN}
    save_as = True
    list_display = [
        "index",
        "effective_from",
        "lot",
        "strike_step",
        "freeze_quantity",
        "otm_min",
        "otm_max",
        "expiry_weekday",
        "weekly",
    ]
    list_filter = ["index"]
    ordering = ["index", "-effective_from", "-id"]


@admin.register(MarginParameters)
class MarginParametersAdmin(SaysWhatWas, _MarginAdmin):
    """SPAN and ELM parameters, typed or out of margin files. A change is a new row with its date, not an edit."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN, "change": Scope.ADMIN, "delete": Scope.ADMIN}
    save_as = True
    list_display = [
        "index",
        "effective_from",
        "price_scan_pct",
        "volatility_scan_points",
        "base_volatility_pct",
        "elm_pct",
        "elm_expiry_extra_pct",
        "source",
        "elm_source",
    ]
    list_filter = ["index"]
    ordering = ["index", "-effective_from", "-id"]
    readonly_fields = ["source", "elm_source", "business_date", "imported_by"]

    def save_model(
        self,
        request: HttpRequest,
        obj: MarginParameters,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Make a row that a person edits a person's row, which no later file of that day writes over."""
        if change and form.changed_data:
            obj.source = obj.elm_source = obj.imported_by = ""
            obj.business_date = None
            obj.save(update_fields=[*form.changed_data, *self.readonly_fields])
        else:
            super().save_model(request, obj, form, change)


@admin.register(ChargeRates)
class ChargeRatesAdmin(SaysWhatWas, _ChargeAdmin):
    """Brokerage, taxes and fees. A change is a new row with its date, not an edit."""

    needs = {"view": Scope.READ, "add": Scope.ADMIN, "change": Scope.ADMIN, "delete": Scope.ADMIN}
    save_as = True
    list_display = [
        "exchange",
        "effective_from",
        "brokerage_per_order",
        "stt_sell_pct",
        "exchange_pct",
        "stamp_buy_pct",
        "gst_pct",
    ]
    list_filter = ["exchange"]
    ordering = ["exchange", "-effective_from", "-id"]


admin.site.register(MarginFile, MarginFileAdmin)
