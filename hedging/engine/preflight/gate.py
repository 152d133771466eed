"""The gate that a pre-flight opens: two columns of the session's row, read by decisions, claims and the fence.

In the simulator's world no pre-flight is asked for: its orders can reach the simulator only (design.md §4).
"""

from __future__ import annotations

from datetime import datetime

from django.conf import settings

from hedging.domain.instruments import Side
from hedging.domain.preflight import State
from hedging.engine.hours import trading_day_of
from schedule.calendar import IST
from sessions_app.models import TradingSession


def is_asked_for() -> bool:
    """Return whether this world wants a pre-flight before anything is automatic or live."""
    return bool(settings.WORLD != "simulator")


def is_cleared(session: TradingSession) -> bool:
    """Return whether the session's last pre-flight is of its own day and not red: what automation and live buys want."""
    return not is_asked_for() or (session.preflight != State.RED and _cleared_today(session))


def may_go_live(session: TradingSession, side: Side) -> bool:
    """Return whether a live order of this side may be claimed or sent.

    Nothing goes live without a run of today that was not red. After one, a later red stops buys and not exits: what is
    surely ours may leave whatever else has failed since (invariant 18).
    """
    return is_cleared(session) if side is Side.BUY else (not is_asked_for() or _cleared_today(session))


def waive(session: TradingSession, *, now: datetime) -> None:
    """Clear a session that was opened on a simulated exchange inside another world: its orders can reach no broker."""
    TradingSession.objects.filter(pk=session.pk).update(preflight=State.GREEN.value, cleared_at=now)
    session.refresh_from_db(fields=["preflight", "cleared_at"])


def words(session: TradingSession) -> str:
    """Return what the gate says, for people."""
    if not is_asked_for():
        return "not asked for in the simulator's world"
    if session.preflight == State.RED:
        return "the last one was red: /preflight/ says what to mend"
    if not _cleared_today(session):
        return "none of today yet"
    return f"{session.preflight}, of {_ist(session.cleared_at)}"


def _cleared_today(session: TradingSession) -> bool:
    return session.cleared_at is not None and trading_day_of(session.cleared_at) == session.trading_day


def _ist(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(IST):%H:%M:%S} IST"
