"""Filters that an operator asks a ledger for: a day, what is unresolved, what was denied, what a person did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from django.contrib import admin
from django.db.models import Model, Q, QuerySet
from django.http import HttpRequest

from hedging.domain.lifecycle import LIVE, UNCERTAIN, OrderStatus
from hedging.domain.reasons import Reason
from hedging.models import Action, CycleKind, HedgeDecision, HedgeOrder, Origin, values_of
from sessions_app.models import Mode, TradingSession

DAYS_SHOWN = 10
DENIED = values_of(reason for reason in Reason if reason.value.startswith("DENY_"))
REFUSED = values_of({OrderStatus.DENIED, OrderStatus.REJECTED, OrderStatus.NOT_SENT})


def day_filter(session: str) -> type[admin.SimpleListFilter]:
    """Return a filter by trading day; `session` is the way from a row to its session. Rows of a day are found by index."""

    class Day(admin.SimpleListFilter):
        title = "trading day"
        parameter_name = "day"

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
            """Name the last days that had a session."""
            days = TradingSession.objects.order_by("-trading_day").values_list("trading_day", flat=True).distinct()
            return [(day.isoformat(), f"{day:%a %d-%b-%Y}") for day in days[:DAYS_SHOWN]]

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            """Return the rows of the chosen day's sessions, of both modes; nothing of what is no day."""
            try:
                day = None if self.value() is None else date.fromisoformat(self.value() or "")
            except ValueError:
                return queryset.none()
            if day is None:
                return queryset
            return queryset.filter(_of_day(queryset.model, session, day))

    return Day


def asked_for(choices: Mapping[str, tuple[str, Callable[[], Q]]]) -> type[admin.SimpleListFilter]:
    """Return the filter of ready questions: parameter → (words, condition)."""

    class Asked(admin.SimpleListFilter):
        title = "question"
        parameter_name = "asked"

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
            """Name the questions."""
            return [(name, words) for name, (words, _) in choices.items()]

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            """Return the rows that answer the question."""
            chosen = choices.get(self.value() or "")
            return queryset if chosen is None else queryset.filter(chosen[1]())

    return Asked


def _of_day(model: type[Model], session: str, day: date) -> Q:
    """Return the rows of a day's sessions, found hop by hop as lists of ids: a join would walk the whole ledger backwards."""
    hop, _, further = session.partition("__")
    if not further:
        found = TradingSession.objects.filter(trading_day=day)
    else:
        related: Any = model._meta.get_field(hop).related_model
        found = related.objects.filter(_of_day(related, further, day))
    return Q(**{f"{hop}__one_of": list(found.values_list("pk", flat=True))})


def _open_today(model: type[Model], session: str) -> Q:
    """Return the rows of the newest trading day: today's while one trades, the last one afterwards."""
    newest = TradingSession.objects.order_by("-trading_day").values_list("trading_day", flat=True).first()
    return Q(pk__in=()) if newest is None else _of_day(model, session, newest)


def _orders_in(statuses: list[str], *, today: bool = False) -> Q:
    orders = HedgeOrder.objects.filter(status__in=statuses)
    if today:
        orders = orders.filter(_open_today(HedgeOrder, "transaction__session_id"))
    return Q(pk__in=orders.values("transaction_id"))


DecisionQuestions = asked_for(
    {
        "acted": ("bought or sold", lambda: Q(action__in=values_of({Action.ADD, Action.UNWIND}))),
        "denied": ("denied today", lambda: Q(reason__in=DENIED) & _open_today(HedgeDecision, "session_id")),
        "by_hand": ("by hand", lambda: Q(kind=CycleKind.MANUAL.value)),
        "live": ("live only", lambda: Q(mode=Mode.LIVE)),
    }
)
TransactionQuestions = asked_for(
    {
        "unresolved": ("unresolved", lambda: Q(is_live=True) & _orders_in(values_of(UNCERTAIN))),
        "working": ("may still fill", lambda: Q(is_live=True)),
        "denied": ("denied or rejected today", lambda: _orders_in(REFUSED, today=True)),
        "by_hand": ("by hand", lambda: ~Q(origin=Origin.AUTO.value)),
        "live": ("live only", lambda: Q(mode=Mode.LIVE)),
    }
)
OrderQuestions = asked_for(
    {
        "unresolved": ("unresolved", lambda: Q(status__in=values_of(UNCERTAIN))),
        "working": ("may still fill", lambda: Q(status__in=values_of(LIVE))),
        "denied": (
            "denied or rejected today",
            lambda: Q(status__in=REFUSED) & _open_today(HedgeOrder, "transaction__session_id"),
        ),
        "ended": ("ended", lambda: ~Q(status__in=values_of(LIVE))),
        "live": ("live only", lambda: Q(mode=Mode.LIVE)),
    }
)
EventQuestions = asked_for(
    {
        "sessions": (
            "sessions and baselines",
            lambda: Q(event__startswith="session_") | Q(event__startswith="baseline_"),
        ),
        "edits": ("edits in the admin", lambda: Q(event__startswith="admin_") | Q(event="setting_deleted")),
        "logins": ("failed logins", lambda: Q(event="login_failed")),
    }
)
