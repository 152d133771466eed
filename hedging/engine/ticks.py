"""Ticks: what each beat of the clock does, for every open session. One failing session never stops another."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from hedging.domain.policy import HedgePolicy
from hedging.engine import coverage, lease
from hedging.engine.alerts import is_ahead, tell_failure, tell_set_back
from hedging.engine.calibrate import CalibrationFailed, keep_calibrated
from hedging.engine.clock import market_time_or, wall_now
from hedging.engine.cycle import run_cycle
from hedging.engine.day_end import end_day, is_over, is_past
from hedging.engine.discrepancies import follow_up
from hedging.engine.hours import trading_day_of
from hedging.engine.modes import left_behind
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.engine.reconcile import reconcile
from hedging.engine.standing import halt_file_exists
from hedging.engine.states import notice_halt_file
from hedging.models import CycleKind
from schedule.calendar import SessionHours
from sessions_app.models import TradingSession
from sessions_app.policy import policy_of

log = logging.getLogger(__name__)

LEASE_TRIES, LEASE_PAUSE_SECONDS = 12, 0.25  # 3 s: a cycle of another kind on the same account is over by then
PERIOD_SECONDS = {CycleKind.MARGIN_CHECK: 30, CycleKind.ENTRY_PROJECTION: 10}


def slot_of(kind: CycleKind, now: datetime) -> int:
    """Return the slot of a tick: the number of whole periods since the epoch, in market time."""
    return int(now.timestamp()) // PERIOD_SECONDS[kind]


def open_sessions() -> list[TradingSession]:
    """Return the open sessions with their accounts and calibrations. One query."""
    return list(TradingSession.objects.open().select_related("account", "calibration"))


class DayToCome(Exception):
    """An open session is of a day that has not come: nothing is decided, and today's cannot be opened beside it."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What a tick runs by: the ports and the plan of a session, the figures in force, the lid on automation.

    `sessions` finds the open sessions, each with its account and calibration; `pause` sleeps while another worker holds an account.
    """

    ports_for: Callable[[TradingSession], Ports]
    plan_for: Callable[[TradingSession], DayPlan]
    policy: HedgePolicy
    enabled: bool
    sessions: Callable[[], list[TradingSession]] = open_sessions
    pause: Callable[[float], None] = time.sleep


def check_margin(*, now: datetime, rules: Rules) -> dict[str, int]:
    """Run a whole cycle for every open session of today; end the sessions whose day is over. Returns counts."""
    return _for_each_session("margin check", _check_margin, now=now, rules=rules)


def project_entries(*, now: datetime, rules: Rules) -> dict[str, int]:
    """Run a cycle for every open session of which an entry falls due within the lookahead. Returns counts."""
    return _for_each_session("entry projection", _project_entries, now=now, rules=rules)


def _check_margin(session: TradingSession, now: datetime, rules: Rules) -> str:
    if is_past(session=session, now=now):
        # Without its plan: the day may have been closed, or its dated rows removed, after the session was opened.
        return _end(session, None, now, rules)
    plan = rules.plan_for(session)
    if plan.hours is not None and is_over(hours=plan.hours, now=now):
        return _end(session, plan.hours, now, rules)
    if session.trading_day != trading_day_of(now):
        raise DayToCome(
            f"the session is of {session.trading_day}, a day to come: the clock was set back since it was opened. "
            f"Close it by hand, and open today's"
        )
    coverage.tell_changes(session=session, plan=plan, now=now, wall_now=wall_now())
    return _cycle(session, plan, CycleKind.MARGIN_CHECK, now=now, rules=rules)


def _end(session: TradingSession, hours: SessionHours | None, now: datetime, rules: Rules) -> str:
    return "closed" if end_day(session=session, hours=hours, now=now, ports=rules.ports_for(session)) else ""


def _project_entries(session: TradingSession, now: datetime, rules: Rules) -> str:
    if session.trading_day != trading_day_of(now):
        return ""
    plan = rules.plan_for(session)
    horizon = now + timedelta(minutes=policy_of(session, rules.policy).lookahead_minutes)
    if not any(now < entry.entry_at <= horizon for entry in plan.of(session)):
        return ""
    return _cycle(session, plan, CycleKind.ENTRY_PROJECTION, now=now, rules=rules)


def _for_each_session(
    what: str, act: Callable[[TradingSession, datetime, Rules], str], *, now: datetime, rules: Rules
) -> dict[str, int]:
    """Do `act` for every open session, and once more, for some seconds, where another worker holds the account.

    `busy` counts accounts that were held to the end: they are being decided, or their holder died and the lease runs out.
    """
    _look_for_halt_file(now)
    counts = {"cycles": 0, "closed": 0, "failed": 0, "busy": 0}
    waiting = rules.sessions()
    for patience in reversed(range(LEASE_TRIES)):
        held: list[TradingSession] = []
        for session in waiting:
            try:
                done = act(session, now, rules)
            except Exception as error:
                log.exception("the %s of session %s failed", what, session.pk)
                done = "failed"
                _tell(session, what, error, now)
            if done == "busy" and patience:
                held.append(session)
            elif done:
                counts[done] += 1
        if not held:
            break
        rules.pause(LEASE_PAUSE_SECONDS)
        waiting, now = held, _time_again(held, rules) or now
    return counts


def _time_again(sessions: list[TradingSession], rules: Rules) -> datetime | None:
    """Return market time by the first session that can tell it; what keeps another from it is told when its turn comes."""
    for session in sessions:
        with suppress(Exception):
            return rules.ports_for(session).clock.now()
    return None


def _tell(session: TradingSession, what: str, error: Exception, now: datetime) -> None:
    """Tell of a failure if that can be. What failed may be the connection: the next session must not meet it again."""
    _leave_dead_connection()
    try:
        tell_failure(session=session, what=what, error=error, now=now, wall_now=wall_now())
    except Exception:
        log.exception("the failure of session %s could not be told", session.pk)
        _leave_dead_connection()


def _leave_dead_connection() -> None:
    if not connection.is_usable():
        connection.close()  # the next question opens another


def _look_for_halt_file(now: datetime | None = None) -> None:
    if halt_file_exists():
        wall = wall_now()
        notice_halt_file(now=now or market_time_or(wall), wall_now=wall)


def calibrate(*, now: datetime, rules: Rules) -> dict[str, int]:
    """Find out what is not known yet about the broker of every open session. Returns counts.

    `unanswered` are sessions whose probes failed: what was known stays in force, and the next minute asks again.
    """
    counts = {"found": 0, "unanswered": 0, "failed": 0}
    for session in rules.sessions():
        if session.trading_day != trading_day_of(now):
            continue
        try:
            plan = rules.plan_for(session)
            counts["found"] += (
                keep_calibrated(session=session, plan=plan, now=now, ports=rules.ports_for(session)) is not None
            )
        except CalibrationFailed as failed:
            log.warning("session %s is not calibrated: %s", session.pk, failed)
            counts["unanswered"] += 1
        except Exception as error:
            log.exception("the calibration of session %s failed", session.pk)
            counts["failed"] += 1
            _tell(session, "calibration", error, now)
    return counts


def reconcile_books(*, ports_for: Callable[[TradingSession], Ports]) -> dict[str, int]:
    """Bring the live orders of every open session, and of what a change of mode left today, up to the books.

    Returns counts.
    """
    _look_for_halt_file()
    counts = {"watched": 0, "failed": 0}
    for session in (*open_sessions(), *left_behind()):
        try:
            ports = ports_for(session)
            done = reconcile(account_id=session.account_id, day=session.trading_day, ports=ports)
            follow_up(session=session, ports=ports)
            counts["watched"] += done.watched
            counts["failed"] += not done.books_read
        except Exception:
            log.exception("reconciling session %s failed", session.pk)
            counts["failed"] += 1
            _leave_dead_connection()
    return counts


def _cycle(session: TradingSession, plan: DayPlan, kind: CycleKind, *, now: datetime, rules: Rules) -> str:
    """Run one cycle under the account's lease; return `cycles`, "" if its slot was decided, `busy` if another worker holds it."""
    number = lease.take(account_id=session.account_id, wall_now=wall_now())
    if number is None:
        return "busy"
    try:
        ports = rules.ports_for(session)
        card = run_cycle(
            session=session,
            kind=kind,
            slot=slot_of(kind, now),
            now=now,
            ports=ports,
            plan=plan,
            policy=rules.policy,
            enabled=rules.enabled,
            lease=number,
        )
    finally:
        lease.give_back(account_id=session.account_id, number=number)
    if card is None or is_ahead(session.last_action_at, now):
        # By a fresh look at the clock: this tick may be seconds old, and a card that another worker wrote meanwhile is younger.
        tell_set_back(session=session, now=ports.clock.now(), wall_now=wall_now())
    return "" if card is None else "cycles"
