"""Append to the audit trail, in the transaction of the change that it describes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db.models import Model

from hedging.models import AuditEvent


def append(
    *,
    account_id: int,
    session_id: int | None,
    at: datetime,
    wall_at: datetime,
    actor: str,
    event: str,
    subject: Model,
    facts: dict[str, Any] | None = None,
) -> AuditEvent:
    """Write one line: who did what to which row, at market time `at`."""
    return AuditEvent.objects.create(
        account_id=account_id,
        session_id=session_id,
        at=at,
        wall_at=wall_at,
        actor=actor,
        event=event,
        subject_kind=subject._meta.model_name or "",
        subject_id=subject.pk,
        facts=facts or {},
    )
