"""Coverage: which entries of its day a session does not hedge: of another expiry, or with legs that cannot be read.

Told when it opens, and again when the day's plan changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from hedging.engine.plan import DayPlan
from notifications.models import Alert, Severity, queue_alert
from schedule.entries import ScheduledEntry
from sessions_app.models import TradingSession

UNCOVERED, MOVED, UNREADABLE = "entries_uncovered", "session_moved", "entries_unreadable"
_FIX = "open today's session again (do not close it): before its first order it moves to the expiry of the calendar"
_CORRECT = (
    "correct its legs in the admin, Strategy entries; the next tick hedges it. Until its time no wing is sold by itself"
)


def tell_uncovered(
    *, session: TradingSession, entries: Sequence[ScheduledEntry], now: datetime, wall_now: datetime
) -> None:
    """Queue an alert that names the entries of the day that the session does not hedge; none where it hedges all."""
    apart = _apart(session, entries)
    if not apart:
        return
    names = [entry.portfolio for entry in apart]
    # All of them, and some of its index: the calendar or the timetable was corrected, and the expiry is another by now.
    moved = len(apart) == len(entries) and any(entry.index == session.index for entry in apart)
    queue_alert(
        kind=UNCOVERED,
        severity=Severity.CRITICAL,
        title=f"Not hedged today, of another index or expiry than the session: {', '.join(names)}",
        happened_at=now,
        wall_now=wall_now,
        facts={"mode": session.mode, "index": session.index, "expiry": session.expiry.isoformat(), "portfolios": names}
        | ({"what_to_do": _FIX} if moved else {}),
        subject_kind="tradingsession",
        subject_id=session.pk,
        account_id=session.account_id,
    )


def tell_unreadable(
    *, session: TradingSession, entries: Sequence[ScheduledEntry], now: datetime, wall_now: datetime
) -> None:
    """Queue an alert that names the session's entries whose legs cannot be read: once for each trouble.

    The others are hedged; wings are kept until its time, since it may need them. No query where all can be read.
    """
    unread = [entry for entry in entries if entry.trouble and entry.is_of(index=session.index, expiry=session.expiry)]
    if not unread:
        return
    troubles = {entry.trouble for entry in unread}
    with transaction.atomic():
        # Another worker's tick may have come first.
        TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        rows = Alert.objects.filter(kind=UNREADABLE, subject_kind="tradingsession", subject_id=session.pk)
        told = {trouble for troubles in rows.values_list("facts__troubles", flat=True) for trouble in troubles}
        if troubles <= told:
            return
        queue_alert(
            kind=UNREADABLE,
            severity=Severity.CRITICAL,
            title=f"Not hedged, its legs cannot be read: {', '.join(entry.portfolio for entry in unread)}"[:200],
            happened_at=now,
            wall_now=wall_now,
            facts={"mode": session.mode, "troubles": sorted(troubles), "what_to_do": _CORRECT},
            subject_kind="tradingsession",
            subject_id=session.pk,
            account_id=session.account_id,
        )


def tell_changes(*, session: TradingSession, plan: DayPlan, now: datetime, wall_now: datetime) -> None:
    """Tell of entries that are not hedged where there is one that was not told of last: once for each change of the plan.

    No query where the session hedges all of its day, one where it was told before.
    """
    tell_unreadable(session=session, entries=plan.entries, now=now, wall_now=wall_now)
    apart = {entry.portfolio for entry in _apart(session, plan.entries)}
    if not apart or apart <= _told(session):
        return
    with transaction.atomic():
        TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        if not apart <= _told(session):  # another worker's tick may have come first
            tell_uncovered(session=session, entries=plan.entries, now=now, wall_now=wall_now)


def _apart(session: TradingSession, entries: Sequence[ScheduledEntry]) -> list[ScheduledEntry]:
    return [entry for entry in entries if not entry.is_of(index=session.index, expiry=session.expiry)]


def _told(session: TradingSession) -> set[str]:
    """Return the portfolios that were told of last. A session that was moved since begins anew: nothing was told of it."""
    rows = Alert.objects.filter(kind__in=(UNCOVERED, MOVED), subject_kind="tradingsession", subject_id=session.pk)
    last = rows.order_by("-id").first()
    return set() if last is None else set(last.facts.get("portfolios", ()))
