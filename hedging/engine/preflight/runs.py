"""Runs of the pre-flight: which are due, running one, and keeping what it came to with its alert and its audit line."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta

from django.db import transaction

from hedging.brokers.base import ServerStatus
from hedging.domain.preflight import Result, State, verdict
from hedging.engine import audit, watchdog
from hedging.engine.hours import acting_hours, trading_day_of
from hedging.engine.preflight.asking import Around, examine
from notifications.models import Severity, queue_alert
from schedule.calendar import at_ist
from sessions_app.models import Account, PreflightRun, TradingSession

MORNING = time(9, 0)
AGAIN_AFTER = timedelta(minutes=2)  # market time between two runs while the last one is red
WAKING_AGAIN_AFTER = timedelta(
    seconds=8
)  # the same while workers wake up: each tick of ten seconds, however late the last was
MOST_WHILE_WAKING = 20  # runs: far more than fit into the time of waking up
GIVEN_UP_AFTER = timedelta(seconds=75)  # wall time after which a run that never ended is taken for dead

_SEVERITY = {State.GREEN: Severity.INFO, State.AMBER: Severity.WARNING, State.RED: Severity.CRITICAL}


def session_of(account: Account, day: date) -> TradingSession | None:
    """Return the account's open session of `day`, with account and calibration. One query."""
    sessions = TradingSession.objects.open().select_related("account", "calibration")
    return sessions.filter(account_id=account.pk, trading_day=day).first()


def why_due(*, account: Account, now: datetime, wall_now: datetime) -> str:
    """Return why a run is due at market time `now`, "" when none is.

    At 09:00 on every day that trades, as soon as a session is open that no run has seen (one that was moved to another
    expiry is new to them), and every two minutes while the last one is red and a session waits for it; at each tick while
    only workers are red that may still be waking up.
    """
    day = trading_day_of(now)
    hours = acting_hours(day)
    if hours is None or now >= hours.act_until:
        return ""
    last = PreflightRun.objects.latest_of(account_id=account.pk, day=day)
    if last is not None and not last.verdict and abs(wall_now - last.wall_at) < GIVEN_UP_AFTER:
        return ""  # it is being run
    session = session_of(account, day)
    if session is not None and (last is None or last.session_id != session.pk):
        return "session opened"
    if session is not None and last is not None and last.verdict and not session.preflight:
        return "session moved"
    if now >= at_ist(day, MORNING) and (last is None or last.at < at_ist(day, MORNING)):
        return "09:00"
    if session is None or last is None or last.verdict in {State.GREEN, State.AMBER}:
        return ""
    # A last run that lies ahead of now was written before the clock was set back: it is not waited for.
    return "again" if abs(now - last.at) >= (WAKING_AGAIN_AFTER if _is_waking(last) else AGAIN_AFTER) else ""


def run(*, around: Around, asked_by: str) -> PreflightRun:
    """Ask every check and keep what came of it: the row, the session's gate, the audit line, and the alert if it is news."""
    before = PreflightRun.objects.latest_of(account_id=around.account.pk, day=around.day)
    row = PreflightRun.objects.create(
        account=around.account,
        session=around.session,
        trading_day=around.day,
        mode=around.mode,
        at=around.now,
        wall_at=around.wall(),
        asked_by=asked_by[:80],
    )
    results = examine(around)
    with transaction.atomic():
        row.verdict = verdict(results).value
        row.results = [_plain(result) for result in results]
        row.broker = around.server.broker if isinstance(around.server, ServerStatus) else ""
        row.save(update_fields=["verdict", "results", "broker"])
        overtaken = _is_overtaken(row)
        if not overtaken:
            _open_or_close_the_gate(row)
        audit.append(
            account_id=row.account_id,
            session_id=row.session_id,
            at=row.at,
            wall_at=around.wall(),
            actor=asked_by,
            event=f"preflight_{row.verdict}",
            subject=row,
            facts={"failing": list(row.failing), "broker": row.broker},
        )
        news = before is None or asked_by != "again" or before.failing != row.failing or _is_waking(before)
        # Without a session nothing asks again: whoever is silent now is told of now.
        if news and not overtaken and not (_is_waking(row) and row.session is not None):
            _tell(row, results, wall_now=around.wall())
    return row


def _is_waking(row: PreflightRun) -> bool:
    """Return whether only workers fail, and have for less than the time in which who was just started gives its first sign.

    A margin check is a sign only when it is over, so the first run after a start is often ahead of it. Not told until then.
    """
    if row.red != ("workers",):
        return False
    runs = PreflightRun.objects.filter(account_id=row.account_id, trading_day=row.trading_day, pk__lte=row.pk)
    since = row.wall_at
    for earlier in runs.order_by("-pk")[:MOST_WHILE_WAKING]:
        if earlier.red != row.red:
            break
        since = earlier.wall_at
    return abs(row.wall_at - since) < watchdog.SILENCE


def _is_overtaken(row: PreflightRun) -> bool:
    """Return whether a run of the same session that began later has ended already: what this one saw is older.

    Asked under the session's lock, so that of two runs that end at once the later one has the last word.
    """
    if row.session_id is not None:
        TradingSession.objects.select_for_update(of=("self",)).filter(pk=row.session_id).first()
    later = PreflightRun.objects.filter(account_id=row.account_id, trading_day=row.trading_day, pk__gt=row.pk)
    return later.filter(session_id=row.session_id).exclude(verdict="").exists()


def _open_or_close_the_gate(row: PreflightRun) -> None:
    """Write the verdict into the session's row; remember whose broker it was at the first run that was not red."""
    if row.session is not None:
        session = TradingSession.objects.filter(pk=row.session.pk, trading_day=row.trading_day)
        # Not of a session that was moved while the checks were asked about the expiry that it had.
        session = session.filter(expiry=row.session.expiry)
        session.update(preflight=row.verdict, **({} if row.verdict == State.RED else {"cleared_at": row.at}))
    if row.verdict == State.RED:
        return
    if row.broker:
        Account.objects.filter(pk=row.account_id, expected_broker="").update(expected_broker=row.broker)


def _plain(result: Result) -> dict[str, str]:
    check = result.check
    fix = "" if result.state in {State.GREEN, State.NOT_ASKED} else check.fix
    return {"name": check.name, "state": result.state.value, "holds": check.holds, "detail": result.detail, "fix": fix}


def _tell(row: PreflightRun, results: Iterable[Result], *, wall_now: datetime) -> None:
    failed = [result for result in results if result.state in {State.RED, State.AMBER}]
    names = ", ".join(result.check.name for result in failed)
    queue_alert(
        kind="preflight",
        severity=_SEVERITY[State(row.verdict)],
        title=f"Pre-flight {row.verdict.upper()}{f': {names}' if names else ''}",
        happened_at=row.at,
        wall_now=wall_now,
        facts={
            "mode": row.mode,
            **{
                f"{result.state.value}_{result.check.name}": f"{result.detail}. {result.check.fix}" for result in failed
            },
        },
        subject_kind="preflightrun",
        subject_id=row.pk,
        account_id=row.account_id,
    )
