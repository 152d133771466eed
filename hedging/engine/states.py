"""Trading states by hand: halt, reduce and resume a session or the whole installation. Audited and told in one transaction.

Restricting is always possible and never loosens; resuming is deliberate and wants a reason. A halt keeps positions, has
working orders cancelled by the next reconcile, and survives restarts, since it is a row.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction

from hedging.engine import audit
from hedging.engine.sessions import SessionRefused
from hedging.engine.standing import halt_file_exists
from notifications.models import Severity, queue_alert
from sessions_app.models import Installation, TradingSession, TradingState

_LOOSER = {
    TradingState.REDUCING: (TradingState.ACTIVE,),
    TradingState.HALTED: (TradingState.ACTIVE, TradingState.REDUCING),
}
HALT_FILE_ACTOR = "halt file"


@dataclass(frozen=True, slots=True)
class Act:
    """Who does something, why and when: `now` is market time, `wall_now` wall time."""

    actor: str
    reason: str
    now: datetime
    wall_now: datetime


def restrict_session(*, session: TradingSession, state: TradingState, act: Act) -> bool:
    """Tighten a session's state to REDUCING or HALTED; return whether it was looser. Never loosens."""
    with transaction.atomic():
        row = TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        if not row.is_open:
            raise SessionRefused(
                "SESSION_CLOSED", f"The session of {row.trading_day} is closed: there is nothing to halt."
            )
        if row.trading_state not in _LOOSER[state]:
            return False
        _store_session(row, state, act)
    return True


def resume_session(*, session: TradingSession, act: Act) -> bool:
    """Make a session ACTIVE again; return whether it was not. Raises `SessionRefused` without a reason."""
    _want_reason(act)
    with transaction.atomic():
        row = TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        if not row.is_open:
            raise SessionRefused("SESSION_CLOSED", f"The session of {row.trading_day} is closed: open today's first.")
        if row.trading_state == TradingState.ACTIVE:
            return False
        _store_session(row, TradingState.ACTIVE, act)
    return True


def restrict_installation(*, state: TradingState, act: Act) -> bool:
    """Tighten the state of the whole installation; return whether it was looser. Never loosens."""
    with transaction.atomic():
        row = _installation()
        if row.trading_state not in _LOOSER[state]:
            return False
        _store_installation(row, state, act)
    return True


def resume_installation(*, act: Act) -> bool:
    """Make the installation ACTIVE again; return whether it was not. Sessions keep their own states.

    Raises `SessionRefused` without a reason, and while the halt file exists.
    """
    _want_reason(act)
    if halt_file_exists():
        raise SessionRefused("HALT_FILE", f"The file {settings.PLACES.halt} still halts: remove it first.")
    with transaction.atomic():
        row = _installation()
        if row.trading_state == TradingState.ACTIVE:
            return False
        _store_installation(row, TradingState.ACTIVE, act)
    return True


def notice_halt_file(*, now: datetime, wall_now: datetime) -> bool:
    """Write the halt of a file down, once, with its alert; return whether this call did. Costs a `stat` without a file.

    The file's removal does not resume: the row stays as it is until a person resumes.
    """
    if not halt_file_exists():
        return False
    reason = f"the file {settings.PLACES.halt.name} in {settings.PLACES.var} exists"
    act = Act(actor=HALT_FILE_ACTOR, reason=reason, now=now, wall_now=wall_now)
    return restrict_installation(state=TradingState.HALTED, act=act)


def _installation() -> Installation:
    """Return the installation's row under its lock, made on first need."""
    Installation.objects.get_or_create(pk=Installation.ONLY)
    return Installation.objects.select_for_update().get(pk=Installation.ONLY)


def _store_installation(row: Installation, state: TradingState, act: Act) -> None:
    row.trading_state, row.state_reason = state, act.reason[:200]
    row.state_by, row.state_at = act.actor[:80], act.wall_now
    row.save(update_fields=["trading_state", "state_reason", "state_by", "state_at"])
    _record(row, f"installation_{state}", act)
    _tell(f"{_words(state)}, whole installation: {act.reason}", row, state, act)


def _store_session(row: TradingSession, state: TradingState, act: Act) -> None:
    row.trading_state, row.state_reason = state, act.reason[:200]
    row.save(update_fields=["trading_state", "state_reason"])
    _record(row, f"trading_state_{state}", act, account_id=row.account_id, session_id=row.pk)
    facts = {"mode": row.mode, "index": row.index}
    _tell(f"{_words(state)}: {act.reason}", row, state, act, facts=facts, account_id=row.account_id)


def _words(state: TradingState) -> str:
    return "Resumed" if state == TradingState.ACTIVE else state.label


def _want_reason(act: Act) -> None:
    if not act.reason.strip():
        raise SessionRefused("REASON_NEEDED", "Resuming wants a reason: say why it is safe now.")


def _record(
    row: TradingSession | Installation,
    event: str,
    act: Act,
    *,
    account_id: int | None = None,
    session_id: int | None = None,
) -> None:
    audit.append(
        account_id=account_id,
        session_id=session_id,
        at=act.now,
        wall_at=act.wall_now,
        actor=act.actor,
        event=event,
        subject=row,
        facts={"reason": act.reason} if act.reason else {},
    )


def _tell(
    title: str,
    row: TradingSession | Installation,
    state: TradingState,
    act: Act,
    *,
    facts: dict[str, str] | None = None,
    account_id: int | None = None,
) -> None:
    resumed = state == TradingState.ACTIVE
    queue_alert(
        kind="trading_resumed" if resumed else "trading_state",
        severity=Severity.WARNING if resumed else Severity.CRITICAL,
        title=title,
        happened_at=act.now,
        wall_now=act.wall_now,
        facts={**(facts or {}), "by": act.actor},
        subject_kind=row._meta.model_name or "",
        subject_id=row.pk,
        account_id=account_id,
    )
