"""Append to the audit trail, in the transaction of the change that it describes.

A line says who did what, and under `changes` what the rows became by it: sessions, intents, orders with their fills, and
adjustments can be rebuilt from the trail alone (`domain/replay.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import Model

from hedging.domain import replay
from hedging.domain.audit_chain import AuditLine, digest_of
from hedging.models import Adjustment, AuditEvent, Fill, HedgeOrder, HedgeTransaction
from sessions_app.models import TradingSession

REPLAYED: dict[type[Model], tuple[str, ...]] = {
    TradingSession: replay.SESSION,
    HedgeTransaction: replay.INTENT,
    HedgeOrder: replay.ORDER,
    Adjustment: replay.ADJUSTMENT,
}
"""The columns of each table that the trail can rebuild."""


def append(
    *,
    account_id: int | None,
    session_id: int | None,
    at: datetime,
    wall_at: datetime,
    actor: str,
    event: str,
    subject: Model,
    facts: dict[str, Any] | None = None,
    also: Sequence[Model] = (),
) -> AuditEvent:
    """Write one line: who did what to which row, at market time `at`. `account_id` is None for the whole installation.

    `subject` and `also` are rows that this transaction has changed, and so holds the locks of: what they are now is kept.
    The database ties the line to the chain when the transaction commits.
    """
    line = AuditLine(
        account_id=account_id,
        session_id=session_id,
        at=at,
        wall_at=wall_at,
        actor=actor[:80],
        event=event[:60],
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk or 0,
        facts=(facts or {}) | _changes([subject, *also]),
    )
    return AuditEvent.objects.create(**asdict(line), digest=digest_of(line))


def key_of(model: type[Model], pk: int) -> str:
    """Return the name under which a row's changes are kept."""
    return f"{model._meta.model_name}:{pk}"


def columns(model: type[Model], values: dict[str, Any]) -> dict[str, Any]:
    """Return the replayed columns of a row, as read from the database, as plain JSON."""
    return {name: replay.plain(values[name]) for name in REPLAYED[model]}


def _changes(rows: Sequence[Model]) -> dict[str, Any]:
    """Return what these rows are in the database now, as the `changes` of a line; nothing for rows of other tables."""
    changes: dict[str, Any] = {}
    for model in REPLAYED:
        ids = [row.pk for row in rows if isinstance(row, model)]
        if not ids:
            continue
        for values in model._default_manager.filter(pk__in=ids).order_by("pk").values("id", *REPLAYED[model]):
            changes[key_of(model, values["id"])] = columns(model, values)
        if model is HedgeOrder:
            _add_fills(changes, ids)
    return {"changes": changes} if changes else {}


def _add_fills(changes: dict[str, Any], order_ids: list[int]) -> None:
    for order_id in order_ids:
        changes[key_of(HedgeOrder, order_id)][replay.FILLS] = []
    fills = Fill.objects.filter(order_id__in=order_ids).order_by("order_id", "sequence")
    for order_id, quantity, price in fills.values_list("order_id", "quantity", "price"):
        changes[key_of(HedgeOrder, order_id)][replay.FILLS].append([quantity, str(price)])
