"""Append to the audit trail, in the transaction of the change that it describes.

A line says who did what, and under `changes` what the rows became by it: sessions, intents, orders with their fills, and
adjustments can be rebuilt from the trail alone (`domain/replay.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import MappingProxyType
from typing import Any

from django.db.models import DecimalField, Model

from hedging.domain import replay
from hedging.domain.audit_chain import AuditLine, digest_of
from hedging.domain.lifecycle import Trade
from hedging.engine.written import insert
from hedging.models import Adjustment, AuditEvent, HedgeOrder, HedgeTransaction
from sessions_app.models import TradingSession

REPLAYED: dict[type[Model], tuple[str, ...]] = {
    TradingSession: replay.SESSION,
    HedgeTransaction: replay.INTENT,
    HedgeOrder: replay.ORDER,
    Adjustment: replay.ADJUSTMENT,
}
"""The columns of each table that the trail can rebuild."""
_FILL_PLACES = 2


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
    fills: Mapping[int, Sequence[Trade]] = MappingProxyType({}),
) -> AuditEvent:
    """Write one line: who did what to which row, at market time `at`. `account_id` is None for the whole installation.

    `subject` and `also` are rows that this transaction has changed, and so holds the locks of: what they are now is kept.
    Sessions are read again, since their counters are changed in place; of intents and orders the values at hand are the
    new ones. `fills` are all fills of these orders, by id. The database ties the line to the chain as it commits.
    """
    event_row = line(
        account_id=account_id,
        session_id=session_id,
        at=at,
        wall_at=wall_at,
        actor=actor,
        event=event,
        subject=subject,
        facts=facts,
        also=also,
        fills=fills,
    )
    insert([event_row])
    return event_row


def line(
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
    fills: Mapping[int, Sequence[Trade]] = MappingProxyType({}),
    session_now: TradingSession | None = None,
) -> AuditEvent:
    """Return the line that `append` would write, for a caller that writes it together with other rows.

    `session_now` is a session whose object holds what its locked row holds by now: it is kept and not read again.
    """
    content = AuditLine(
        account_id=account_id,
        session_id=session_id,
        at=at,
        wall_at=wall_at,
        actor=actor[:80],
        event=event[:60],
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk or 0,
        facts=(facts or {}) | _changes([subject, *also], fills, session_now),
    )
    columns_of = {
        field.name: getattr(content, field.name) for field in fields(content)
    }  # `asdict` would copy all facts
    return AuditEvent(**columns_of, digest=digest_of(content))


def key_of(model: type[Model], pk: int) -> str:
    """Return the name under which a row's changes are kept."""
    return f"{model._meta.model_name}:{pk}"


def columns(model: type[Model], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the replayed columns of a row as plain JSON, decimals as their column stores them."""
    return {name: replay.plain(values[name], places=places) for name, places in _places(model).items()}


@cache
def _places(model: type[Model]) -> dict[str, int | None]:
    """Return the replayed columns of a table with the decimal places of each, `None` for what is no decimal."""
    fields = {name: model._meta.get_field(name) for name in REPLAYED[model]}
    return {name: field.decimal_places if isinstance(field, DecimalField) else None for name, field in fields.items()}


def _changes(
    rows: Sequence[Model], fills: Mapping[int, Sequence[Trade]], session_now: TradingSession | None
) -> dict[str, Any]:
    """Return what these rows are now, as the `changes` of a line; nothing for rows of other tables."""
    changes: dict[str, Any] = {}
    if session_now is not None:
        changes[key_of(TradingSession, session_now.pk)] = columns(TradingSession, _values(session_now))
    sessions = [row.pk for row in rows if isinstance(row, TradingSession)]
    if sessions:
        kept = TradingSession.objects.filter(pk__in=sessions).order_by("pk").values("id", *replay.SESSION)
        changes |= {key_of(TradingSession, values["id"]): columns(TradingSession, values) for values in kept}
    for row in rows:
        model = type(row)
        if model not in REPLAYED or model is TradingSession:
            continue
        changes[key_of(model, row.pk)] = columns(model, _values(row))
        if model is HedgeOrder:
            known = fills.get(row.pk, ())
            changes[key_of(model, row.pk)][replay.FILLS] = [fill_of(trade.quantity, trade.price) for trade in known]
    return {"changes": changes} if changes else {}


def _values(row: Model) -> dict[str, Any]:
    return {name: getattr(row, attribute) for name, attribute in _attributes(type(row)).items()}


@cache
def _attributes(model: type[Model]) -> dict[str, str]:
    """Return the replayed columns of a table with the attribute of its objects that holds each."""
    return {name: getattr(model._meta.get_field(name), "attname", name) for name in REPLAYED[model]}


def fill_of(quantity: int, price: Decimal) -> list[Any]:
    """Return a fill as the trail keeps it."""
    return [quantity, replay.plain(price, places=_FILL_PLACES)]
