"""Alerts about a decision: holds that an operator must know of, told once when they begin, not on every tick."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Max

from config.logging import redact
from hedging.domain.exposure import Holding
from hedging.domain.facts import HUNDRED
from hedging.domain.preflight import State
from hedging.domain.reasons import REASON_TEXT, Reason
from hedging.domain.release import MISSING_TEXT, missing_reason, released_nothing
from hedging.engine.watchdog import AHEAD
from hedging.models import CycleKind, HedgeDecision, MarginJump
from notifications.models import Alert, AlertQuerySet, Severity, queue_alert
from schedule.calendar import IST
from sessions_app.models import TradingSession

_WORTH_TELLING: dict[Reason, tuple[str, Severity]] = {
    Reason.HOLD_DATA_UNKNOWN: ("data_unknown", Severity.CRITICAL),
    Reason.HOLD_NO_BASELINE: ("data_unknown", Severity.WARNING),
    Reason.HOLD_NOT_RECONCILED: ("data_unknown", Severity.CRITICAL),
    Reason.HOLD_MARKET_STILL: ("data_unknown", Severity.CRITICAL),
    Reason.HOLD_PREFLIGHT: ("no_preflight", Severity.CRITICAL),
    Reason.HOLD_LIVE_CLOSED: ("live_closed", Severity.CRITICAL),
    Reason.HOLD_UNREACHABLE: ("entry_unreachable", Severity.CRITICAL),
    Reason.ADD_LEAST_UTILIZATION: ("entry_unreachable", Severity.CRITICAL),
    Reason.HOLD_NO_CANDIDATE_IN_BAND: ("no_candidate", Severity.CRITICAL),
    Reason.HOLD_COST_CAP: ("cost_cap", Severity.CRITICAL),
    Reason.DENY_COST_CAP: ("cost_cap", Severity.CRITICAL),
}

_BLIND = (
    Reason.HOLD_DATA_UNKNOWN,
    Reason.HOLD_NOT_RECONCILED,
    Reason.HOLD_MARKET_STILL,
    Reason.HOLD_NO_BASELINE,
)
"""What leaves margin unwatched: told too where automation is off or halted, since a gate before these closed first."""


_TOLD_FOR_EACH_ENTRY = (
    Reason.HOLD_DATA_UNKNOWN,
    Reason.HOLD_NOT_RECONCILED,
    Reason.HOLD_MARKET_STILL,
    Reason.HOLD_PREFLIGHT,
)
"""What is told again, while it lasts, for each entry that falls due: nothing will be bought for it."""

_TOLD_WHILE_IT_LASTS = (*_BLIND, Reason.HOLD_PREFLIGHT, Reason.HOLD_LIVE_CLOSED)
"""What is told again and again while it lasts: nothing is decided meanwhile, and the first message may be of an earlier time."""

_TOLD_IN_HOURS = (Reason.HOLD_PREFLIGHT, Reason.HOLD_LIVE_CLOSED)
"""What keeps orders here, which matters while they could leave."""

MISSED_PCT = Decimal(5)
"""By how much of the budget an entry may take more than foretold before somebody is told."""

_PREFLIGHT_BY = timedelta(minutes=5)
"""Market time after the opening of a session by which a run of its pre-flight is over, if it ever comes to an end."""

_QUIET = timedelta(minutes=10)  # wall time in which the same failure is not told again
_REMINDED = timedelta(minutes=20)  # wall time after which it is, while it lasts


def tell_failure(*, session: TradingSession, what: str, error: Exception, now: datetime, wall_now: datetime) -> None:
    """Queue the alert that a tick of a session failed, unless the same was told lately: nothing was decided on it."""
    title = redact(f"The {what} failed: {type(error).__name__}: {error}")[:200]
    same = _without_numbers(title)
    told = Alert.objects.told_lately(wall_now=wall_now, within=_QUIET)
    known = told.filter(kind="cycle_failed", subject_id=session.pk).values_list("title", flat=True)
    if same in map(_without_numbers, known):
        return
    queue_alert(
        kind="cycle_failed",
        severity=Severity.CRITICAL,
        title=title,
        happened_at=now,
        wall_now=wall_now,
        facts={"mode": session.mode},
        subject_kind="tradingsession",
        subject_id=session.pk,
        account_id=session.account_id,
    )


def _without_numbers(title: str) -> str:
    """Return the words by which a failure is known again: a number in them is another each time, and moves where they are cut."""
    return re.sub(r"\d+", "", title)[:120]


def is_ahead(moment: datetime | None, now: datetime) -> bool:
    """Return whether a stored moment lies so far ahead of `now` that the clock must have been set back since."""
    return moment is not None and moment > now + AHEAD


def tell_set_back(*, session: TradingSession, now: datetime, wall_now: datetime) -> None:
    """Queue the alert that a session has cards or an action of a time to come, once in ten minutes.

    Until then no slot is decided anew, and nothing is bought.
    """
    last = HedgeDecision.objects.filter(session=session).aggregate(at=Max("at"))["at"]
    until = max((at for at in (last, session.last_action_at) if at is not None), default=None)
    told = Alert.objects.told_lately(wall_now=wall_now, within=_QUIET).filter(kind="clock_set_back")
    if until is None or not is_ahead(until, now) or told.filter(account_id=session.account_id).exists():
        return
    queue_alert(
        kind="clock_set_back",
        severity=Severity.CRITICAL,
        title="The clock was set back: nothing is decided until it has caught up",
        happened_at=now,
        wall_now=wall_now,
        facts={
            "mode": session.mode,
            "until": f"{until.astimezone(IST):%H:%M:%S} IST",
            "fix": "Hedge at the broker's terminal until then: here a purchase or a sale by hand waits too",
        },
        subject_kind="tradingsession",
        subject_id=session.pk,
        account_id=session.account_id,
    )


def about(card: HedgeDecision, *, wall_now: datetime) -> None:
    """Queue the alert that a card deserves, in the card's own transaction.

    Not where the card before it already said the same, nor within ten minutes of the same alert: readings that fail now and
    then are no flood. An entry that falls due meanwhile is told of all the same, once; and while nothing is decided, it is
    told again every twenty minutes.
    """
    reason = _reason_to_tell(card, card.session)
    if reason is None:
        return
    kind, severity = _WORTH_TELLING[reason]
    title, due = REASON_TEXT[reason], card.facts.get("due", [])
    same = Alert.objects.filter(kind=kind, title=title, account_id=card.session.account_id)
    before = (
        HedgeDecision.objects.filter(session_id=card.session_id, pk__lt=card.pk)
        .exclude(kind=CycleKind.MANUAL)
        .order_by("-pk")
        .first()
    )
    lasts = before is not None and _reason_to_tell(before, card.session) is reason
    if lasts and reason not in _TOLD_WHILE_IT_LASTS:
        return
    told = same.told_lately(wall_now=wall_now, within=_REMINDED if lasts else _QUIET)
    for_each_entry = not lasts or reason in _TOLD_FOR_EACH_ENTRY
    if told.exists() and not (for_each_entry and _is_news_of(due, card, same)):
        return
    entries = ", ".join(entry["portfolio"] for entry in card.facts.get("projection", []))
    facts: dict[str, Any] = {
        key: card.facts[key] for key in ("projected_pct", "floor_pct", "binding", "unknown") if card.facts.get(key)
    }
    if reason is Reason.HOLD_PREFLIGHT:
        facts["fix"] = (
            "The last run was red: /preflight/ says what to mend"
            if card.session.preflight == State.RED
            else "Run manage.py preflight, and look at its log: no run of today came to an end"
        )
    queue_alert(
        kind=kind,
        severity=severity,
        title=title,
        happened_at=card.at,
        wall_now=wall_now,
        facts=facts | {"mode": card.mode, "reason": reason.value, "entries": entries} | ({"due": due} if due else {}),
        subject_kind="hedgedecision",
        subject_id=card.pk,
        account_id=card.session.account_id,
    )


def _is_news_of(due: Sequence[str], card: HedgeDecision, told: AlertQuerySet) -> bool:
    """Return whether an entry is due soon for which the same has not been told: what it meets is told whatever was before."""
    recently = told.filter(happened_at__gt=card.at - timedelta(hours=1)).values_list("facts", flat=True)
    return bool(set(due) - {name for facts in recently for name in facts.get("due", [])}) if due else False


def _reason_to_tell(card: HedgeDecision, session: TradingSession) -> Reason | None:
    """Return what of a card an operator must know: its own reason, or that margin is not known behind a gate closed before."""
    reason = Reason(card.reason)
    if reason in _WORTH_TELLING and reason not in _TOLD_IN_HOURS:
        return reason
    closed = {gate["reason"] for gate in card.gates if not gate["passed"]}
    if Reason.HOLD_OUT_OF_HOURS in closed:
        return None
    if reason is Reason.HOLD_LIVE_CLOSED:
        return reason
    blind = next((blind for blind in _BLIND if blind in closed), None)
    return Reason.HOLD_PREFLIGHT if blind is None and _lacks_preflight(card, session) else blind


def _lacks_preflight(card: HedgeDecision, session: TradingSession) -> bool:
    """Return whether the pre-flight keeps everything automatic and nobody was told.

    A red run has told itself, in the morning: it is told again for an entry that falls due. None at all tells nothing.
    """
    if card.reason != Reason.HOLD_PREFLIGHT:
        return False
    if session.preflight == State.RED:
        return bool(card.facts.get("due"))
    return card.at - session.opened_at >= _PREFLIGHT_BY


def about_forecast(jump: MarginJump, *, session: TradingSession, wall_now: datetime) -> None:
    """Queue the alert that an entry took more than foretold, by more than 5 % of the budget. Once: it is measured once."""
    missed = jump.error
    if missed is None or missed <= session.budget * MISSED_PCT / HUNDRED:
        return
    queue_alert(
        kind="forecast_missed",
        severity=Severity.WARNING,
        title=f"{jump.subject} took more margin than foretold",
        happened_at=jump.measured_at or jump.at,
        wall_now=wall_now,
        facts={
            "mode": jump.mode,
            "forecast_rupees": str(jump.forecast),
            "taken_rupees": str(jump.realized),
            "missed_by_pct": str((missed / session.budget * HUNDRED).quantize(Decimal("0.1"))),
            "forecast_by": jump.forecast_source,
        },
        subject_kind="marginjump",
        subject_id=jump.pk,
        account_id=session.account_id,
    )


def about_release(
    jump: MarginJump,
    *,
    session: TradingSession,
    bought: Sequence[Holding],
    book: Sequence[Holding],
    wall_now: datetime,
) -> None:
    """Queue the alert that a hedge released nothing of what it promised, with the likely reason. Once for each action."""
    if not released_nothing(forecast=jump.forecast, realized=jump.realized, budget=session.budget):
        return
    reason = missing_reason(bought=[leg for leg in bought if leg.quantity > 0], book=book)
    queue_alert(
        kind="nothing_released",
        severity=Severity.CRITICAL,
        title="The hedge was bought, but margin was not released",
        happened_at=jump.measured_at or jump.at,
        wall_now=wall_now,
        facts={
            "mode": jump.mode,
            "promised_rupees": str(-(jump.forecast or Decimal(0))),
            "released_rupees": str(-(jump.realized or Decimal(0))),
            "likely_reason": MISSING_TEXT[reason],
        },
        subject_kind="hedgedecision",
        subject_id=int(jump.subject),
        account_id=session.account_id,
    )
