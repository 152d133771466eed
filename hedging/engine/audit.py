"""Append to the audit trail, in the transaction of the change that it describes.

A line says who did what, and under `changes` what the rows that can be replayed became by it (`domain/replay.py`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from django.db.models import DecimalField, Model

from hedging.domain.audit_chain import AuditLine, digest_of
from hedging.domain.replay import plain
from hedging.models import AuditEvent


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
    changes: dict[str, dict[str, Any]] | None = None,
) -> AuditEvent:
    """Write one line: who did what to which row, at market time `at`. `account_id` is None for the whole installation.

    The database ties it to the chain when the transaction commits, so that no lock is held before.
    """
    told = dict(facts or {})
    if changes:
        told["changes"] = changes
    line = AuditLine(
        account_id=account_id,
        session_id=session_id,
        at=at,
        wall_at=wall_at,
        actor=actor[:80],
        event=event[:60],
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk or 0,
        facts=told,
    )
    return AuditEvent.objects.create(**asdict(line), digest=digest_of(line))


def key_of(row: Model) -> str:
    """Return the name under which a row's changes are recorded."""
    return f"{row._meta.model_name}:{row.pk}"


def became(row: Model, *names: str) -> dict[str, dict[str, Any]]:
    """Return what these columns of a row are now, as `changes` of an audit line."""
    return {key_of(row): {"set": columns_of(row, names)}}


def columns_of(row: Model, names: Iterable[str]) -> dict[str, Any]:
    """Return columns of a row as plain JSON values, decimals rounded as the column stores them."""
    values = {}
    for name in names:
        field = row._meta.get_field(name)
        places = field.decimal_places if isinstance(field, DecimalField) else None
        values[name] = plain(getattr(row, getattr(field, "attname", name)), places=places)
    return values
