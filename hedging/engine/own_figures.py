"""Own figures: a session's budget, and what it has of its own in place of the environment's policy, changed during the day."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db import transaction

from hedging.engine import audit
from hedging.engine.sessions import SessionRefused
from sessions_app.models import TradingSession
from sessions_app.policy import OVERRIDES, contradictions, policy_of

BUDGET: Final = ("baskets", "budget_per_basket")
CHANGEABLE: Final = frozenset({*OVERRIDES, *BUDGET})
"""Columns of a session that a person may change while it is open."""


def change_figures(
    *,
    session: TradingSession,
    figures: Mapping[str, Any],
    now: datetime,
    wall_now: datetime,
    actor: str,
    reason: str = "",
) -> TradingSession:
    """Set columns of `CHANGEABLE` of an open session; `None` gives a figure back to the environment. Return the session.

    The next cycle decides by them; an intent in flight keeps the policy it was made by. What changes leaves one line of the
    trail, before → after; what is so already leaves none. Raises `SessionRefused` (SESSION_CLOSED, and POLICY_CONTRADICTS
    with the fix by column).
    """
    with transaction.atomic():
        row = TradingSession.objects.select_for_update(of=("self",)).select_related("account").get(pk=session.pk)
        if not row.is_open:
            raise SessionRefused("SESSION_CLOSED", f"The session of {row.trading_day} is closed: its figures stay.")
        changed = {name: value for name, value in figures.items() if getattr(row, name) != value}
        before = {name: getattr(row, name) for name in changed}
        for name, value in changed.items():
            setattr(row, name, value)
        _refuse_contradictions(row, changed)
        if changed:
            row.save(update_fields=sorted(changed))
            audit.append(
                account_id=row.account_id,
                session_id=row.pk,
                at=now,
                wall_at=wall_now,
                actor=actor,
                event="figures_changed",
                subject=row,
                facts={
                    "before": {name: _text(value) for name, value in before.items()},
                    "after": {name: _text(value) for name, value in changed.items()},
                    **({"reason": reason} if reason else {}),
                },
            )
    return row


def _refuse_contradictions(row: TradingSession, changed: Mapping[str, Any]) -> None:
    """Refuse a policy that cannot be meant; a change of the budget alone says nothing about it."""
    if not set(changed) & set(OVERRIDES):
        return
    wrong = contradictions(policy_of(row, settings.HEDGE_POLICY))
    if wrong:
        raise SessionRefused("POLICY_CONTRADICTS", "Nothing was changed. " + " ".join(wrong.values()), wrong)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
