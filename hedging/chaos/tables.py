"""Tables: every row that a schedule left, in words that do not depend on which database wrote it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from django.db.models import Model, QuerySet

from hedging.chaos.rows import Rows
from hedging.models import Adjustment, AuditEvent, Fill, HedgeDecision, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from sessions_app.models import MarginSnapshot, TradingSession

_KEYS = frozenset(
    {
        *("account", "decision", "order", "orders", "session", "transaction"),
        *("in_the_positions", "never_arrived", "unresolved_orders"),  # of orders that were lost
    }
)
Tables = Mapping[str, tuple[tuple[str, ...], ...]]


def tables_of(rows: Rows) -> Tables:
    """Return the rows of a schedule's account by table, oldest first; a key is the row's place in its own table."""
    found: dict[str, QuerySet[Any]] = {
        "session": TradingSession.objects.filter(pk=rows.session_id),
        "decision": HedgeDecision.objects.filter(session_id=rows.session_id),
        "transaction": HedgeTransaction.objects.filter(session_id=rows.session_id),
        "order": HedgeOrder.objects.filter(account_id=rows.account_id),
        "adjustment": Adjustment.objects.filter(session_id=rows.session_id),
        "fill": Fill.objects.filter(order__account_id=rows.account_id),
        "audit": AuditEvent.objects.filter(account_id=rows.account_id),
        "alert": Alert.objects.filter(account_id=rows.account_id),
        "snapshot": MarginSnapshot.objects.filter(session_id=rows.session_id),
    }
    listed = {name: list(query.order_by("pk")) for name, query in found.items()}
    places = {
        (row._meta.model_name, row.pk): f"{name} {number}"
        for name, table in listed.items()
        for number, row in enumerate(table, start=1)
    }
    return {name: tuple(_plain(row, places) for row in table) for name, table in listed.items()}


def _plain(row: Model, places: Mapping[tuple[str | None, Any], str]) -> tuple[str, ...]:
    values = []
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        # A digest covers the ids, and differs with them; an alert names its account by a bare number.
        if field.primary_key or field.attname == "digest" or (field.attname == "account_id" and not field.is_relation):
            continue
        if field.related_model is not None and not isinstance(field.related_model, str):
            value = places.get((field.related_model._meta.model_name, value), "elsewhere" if value else None)
        elif field.attname == "subject_id":
            value = places.get((getattr(row, "subject_kind", ""), value), "elsewhere")
        elif isinstance(value, dict | list):
            value = json.dumps(_placed(value, places), sort_keys=True)
        values.append(f"{field.attname}={value}")
    return tuple(values)


def _placed(value: Any, places: Mapping[tuple[str | None, Any], str]) -> Any:
    """Return JSON with the place of a row in its table instead of its key."""
    if isinstance(value, list):
        return [_placed(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    plain = {}
    for name, item in value.items():
        model, _, key = name.partition(":")
        known = places.get((model, int(key)), name) if key.isdecimal() else name
        if name in _KEYS or name.endswith("_id"):
            plain[known] = ["a key"] * len(item) if isinstance(item, list) else "a key"
        else:
            plain[known] = _placed(item, places)
    return plain
