"""Sessions: open, baseline, toggle, close. The one place where a session row is changed by hand or rule."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from hedging.domain.instruments import Index
from hedging.engine import audit, coverage
from hedging.models import HedgeTransaction
from hedging.selectors.ledger import holdings
from notifications.models import Severity, queue_alert
from schedule.calendar import CalendarUnknown, load_calendar
from schedule.entries import ScheduledEntry, entries_on
from schedule.models import ContractSpec
from sessions_app.models import Account, Calibration, Mode, TradingSession

log = logging.getLogger(__name__)


class SessionRefused(Exception):
    """A session could not be opened or changed. `code` is stable, the message names the fix, `facts` the figures."""

    def __init__(self, code: str, message: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts or {}


def open_session(
    *,
    account: Account,
    day: date,
    now: datetime,
    wall_now: datetime,
    actor: str,
    index: Index | None = None,
    expiry: date | None = None,
    baskets: int = 1,
    budget_per_basket: Decimal | None = None,
    policy: Mapping[str, Any] = MappingProxyType({}),
) -> TradingSession:
    """Open the account's session of `day`: index and expiry come from the timetable unless `index` names another.

    `expiry` names another than the calendar's, for `index`: where the server lists one that the calendar does not know.
    `policy` holds the session's own figures, by column (`sessions_app.policy.OVERRIDES`).
    Where the day's session stands open for another expiry of the index, and nothing was ordered in it yet, that one moves
    to this expiry with the figures that it has: the calendar was corrected after it was opened.
    Raises `SessionRefused` when the calendar does not know the day, nothing is scheduled, the day is closed, or a
    session is already open.
    """
    expiry, dte, chosen, entries = _what_trades(day=day, index=index, named=expiry)
    spec = ContractSpec.objects.in_force(day=day).filter(index=chosen).first()
    if spec is None:
        raise SessionRefused("NO_CONTRACT_SPEC", f"No contract spec for {chosen} on {day}: add one in admin.")
    known = Calibration.objects.in_force(account_id=account.pk, index=chosen, day=day, expiring=dte == 0)
    fields: dict[str, Any] = {} if budget_per_basket is None else {"budget_per_basket": budget_per_basket}
    try:
        with transaction.atomic():
            session = TradingSession.objects.create(
                account=account,
                trading_day=day,
                mode=effective_mode(account),
                index=chosen,
                expiry=expiry,
                dte=dte,
                baskets=baskets,
                lots_per_basket=spec.lots_per_basket,
                opened_at=now,
                calibration=known,
                **fields,
                **policy,
            )
            _tell(session, kind="session_started", title=f"Session opened: {session}", now=now, wall_now=wall_now)
            coverage.tell_uncovered(session=session, entries=entries, now=now, wall_now=wall_now)
            coverage.tell_unreadable(session=session, entries=entries, now=now, wall_now=wall_now)
            audit.append(
                account_id=account.pk,
                session_id=session.pk,
                at=now,
                wall_at=wall_now,
                actor=actor,
                event="session_opened",
                subject=session,
                facts={"budget": str(session.budget), "expiry": expiry.isoformat(), "dte": dte} | _own_figures(policy),
            )
    except IntegrityError as error:
        standing = TradingSession.objects.open().filter(account=account, trading_day=day, index=chosen)
        other = standing.exclude(expiry=expiry).first()
        if other is None:
            raise SessionRefused(
                "SESSION_EXISTS",
                f"{account} has a session open, or had one on {day}: a session closes by itself once its day is over.",
            ) from error
        trades = {"expiry": expiry, "dte": dte, "calibration": known}
        return _move(other, trades, entries, now=now, wall_now=wall_now, actor=actor)
    return session


def _move(
    session: TradingSession,
    trades: Mapping[str, Any],
    entries: Sequence[ScheduledEntry],
    *,
    now: datetime,
    wall_now: datetime,
    actor: str,
) -> TradingSession:
    """Let an open session trade another expiry. Raises `SessionRefused` once anything was ordered today, or hedges are held."""
    with transaction.atomic():
        # Under the session's lock, which every claim takes first: no order can begin between this look and the move.
        row = TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        _refuse_closed(row)
        of_today = HedgeTransaction.objects.filter(
            session__account_id=row.account_id, session__trading_day=row.trading_day
        )
        held = [holdings(account_id=row.account_id, mode=mode, day=row.trading_day) for mode in Mode]
        if of_today.exists() or any(held):
            raise SessionRefused(
                "SESSION_EXISTS",
                f"The session trades {row.expiry} and not {trades['expiry']}, and stays so: hedges were ordered or are "
                "held. Hedge the other expiry at the broker's terminal today.",
            )
        before = row.expiry
        # What was found out and read by the old expiry is not known of the new one: the next pre-flight opens the gate.
        changed = {**trades, "preflight": "", "cleared_at": None}
        due = [e.entry_at for e in entries if e.is_of(index=row.index, expiry=trades["expiry"])]
        if row.baseline_at is not None and any(at <= row.baseline_at for at in due):
            # It was read when a short may have been in the book already that was not taken for one of the session's.
            changed |= {"baseline": None, "baseline_at": None, "baseline_source": ""}
        for name, value in changed.items():
            setattr(row, name, value)
        row.save(update_fields=sorted(changed))
        figures = {"expiry_before": before.isoformat(), "expiry": row.expiry.isoformat(), "dte": str(row.dte)}
        _record(row, "session_moved", reason="", now=now, wall_now=wall_now, actor=actor, figures=figures)
        title = f"Session moved by {actor} from {before:%d-%b-%Y} to {row.expiry:%d-%b-%Y}, {row.dte}DTE"
        _tell(
            row,
            kind=coverage.MOVED,
            title=title,
            now=now,
            wall_now=wall_now,
            severity=Severity.WARNING,
            facts={"baseline": "forgotten, to be read again" if "baseline" in changed else "stays", **figures},
        )
        coverage.tell_uncovered(session=row, entries=entries, now=now, wall_now=wall_now)
        coverage.tell_unreadable(session=row, entries=entries, now=now, wall_now=wall_now)
    return row


def open_sessions_due(*, day: date, now: datetime, wall_now: datetime) -> int:
    """Open the day's session of every account that has none open and had none today; return how many were opened.

    For the simulator's world, where nobody is asked to do it. What cannot be opened is logged and left.
    """
    opened = 0
    without = Account.objects.exclude(sessions__closed_at=None, sessions__isnull=False).exclude(
        sessions__trading_day=day
    )
    for account in without.order_by("pk"):
        try:
            open_session(account=account, day=day, now=now, wall_now=wall_now, actor="simulated world")
            opened += 1
        except SessionRefused as refused:
            log.warning("no session for %s: %s", account, refused)
    return opened


def _own_figures(policy: Mapping[str, Any]) -> dict[str, str]:
    return {column: str(value) for column, value in policy.items() if value is not None}


def _what_trades(
    *, day: date, index: Index | None, named: date | None
) -> tuple[date, int, Index, tuple[ScheduledEntry, ...]]:
    """Return expiry, DTE and index of the session, and the entries of the day."""
    try:
        calendar = load_calendar()
        if not calendar.is_trading_day(day):
            raise SessionRefused("NOT_A_TRADING_DAY", f"{day} is not a trading day by the calendar.")
        entries = entries_on(day, calendar)
        if index is not None and named is not None:
            if named < day:
                raise SessionRefused("EXPIRY_OVER", f"{named} is before {day}: choose an expiry that is still to come.")
            return named, calendar.trading_days_between(day, named), index, entries
        if index is not None:
            dte = calendar.dte(index, day)
            expiry = calendar.expiry_for(index, day, dte)
            return expiry, dte, index, entries
    except CalendarUnknown as error:
        raise SessionRefused("CALENDAR_UNKNOWN", str(error)) from error
    if not entries:
        raise SessionRefused("NOTHING_SCHEDULED", f"No active schedule entry falls on {day}: name an index.")
    first = entries[0]
    return first.expiry, first.dte, first.index, entries


def capture_baseline(
    *, session: TradingSession, used: Decimal, source: str, now: datetime, wall_now: datetime, actor: str
) -> bool:
    """Set the baseline if there is none yet (compare-and-set); return whether this call set it.

    Nothing is set in a session that was moved to another expiry since: whether shorts were in the book was asked of this one.
    """
    with transaction.atomic():
        changed = TradingSession.objects.filter(pk=session.pk, expiry=session.expiry, baseline=None).update(
            baseline=used, baseline_at=now, baseline_source=source
        )
        if changed:
            audit.append(
                account_id=session.account_id,
                session_id=session.pk,
                at=now,
                wall_at=wall_now,
                actor=actor,
                event="baseline_captured",
                subject=session,
                facts={"baseline": str(used), "source": source},
            )
    return bool(changed)


def correct_baseline(
    *,
    session: TradingSession,
    was: Decimal,
    used: Decimal,
    reason: str,
    now: datetime,
    wall_now: datetime,
    actor: str,
) -> bool:
    """Replace the baseline `was` of an open session by what a person says (compare-and-set); return whether it did.

    Everything that is measured from then on counts from it; what was decided before stays as it was.
    """
    source = f"corrected by hand: {reason}"
    with transaction.atomic():
        changed = TradingSession.objects.filter(pk=session.pk, baseline=was, closed_at=None).update(
            baseline=used, baseline_at=now, baseline_source=source
        )
        if changed:
            session.refresh_from_db()
            facts = {"before": str(was), "baseline": str(used), "reason": reason}
            _record(
                session, "baseline_corrected", reason=reason, now=now, wall_now=wall_now, actor=actor, figures=facts
            )
            _tell(
                session,
                kind="baseline_corrected",
                title=f"Baseline corrected by {actor}: ₹{was} → ₹{used}",
                now=now,
                wall_now=wall_now,
                severity=Severity.WARNING,
                facts=facts,
            )
    return bool(changed)


def set_automation(
    *, session: TradingSession, on: bool, now: datetime, wall_now: datetime, actor: str, reason: str = ""
) -> TradingSession:
    """Switch the session's automation toggle; the environment's lid still applies."""
    with transaction.atomic():
        row = TradingSession.objects.select_for_update().get(pk=session.pk)
        _refuse_closed(row)
        if row.automation != on:
            row.automation = on
            row.save(update_fields=["automation"])
            _record(
                row, "automation_on" if on else "automation_off", reason=reason, now=now, wall_now=wall_now, actor=actor
            )
    return row


def close_session(
    *, session: TradingSession, summary: dict[str, Any], now: datetime, wall_now: datetime, actor: str
) -> bool:
    """Close the session once, with the day's summary; return whether this call closed it."""
    with transaction.atomic():
        row = TradingSession.objects.select_for_update().get(pk=session.pk)
        if not row.is_open:
            return False
        row.closed_at, row.summary = now, summary
        row.save(update_fields=["closed_at", "summary"])
        _record(row, "session_closed", reason="", now=now, wall_now=wall_now, actor=actor)
        _tell(row, kind="day_summary", title=f"Day over: {row}", now=now, wall_now=wall_now, facts=summary)
        _tell(row, kind="session_stopped", title=f"Session closed: {row}", now=now, wall_now=wall_now)
    return True


def effective_mode(account: Account) -> Mode:
    """Return the mode that a session of the account may run in: the environment is a lid on live."""
    return Mode.DRY_RUN if settings.AUTO_HEDGE_DRY_RUN else Mode(account.mode)


def live_closed(session: TradingSession) -> str:
    """Return what keeps the orders of a live session from leaving, for people; "" where nothing does, or it is on paper."""
    if session.mode != Mode.LIVE or effective_mode(session.account) == Mode.LIVE:
        return ""
    return "AUTO_HEDGE_DRY_RUN=true" if settings.AUTO_HEDGE_DRY_RUN else "the account's mode is dry run"


def _refuse_closed(row: TradingSession) -> None:
    if not row.is_open:
        raise SessionRefused("SESSION_CLOSED", f"The session of {row.trading_day} is closed: open today's first.")


def _record(
    row: TradingSession,
    event: str,
    *,
    reason: str,
    now: datetime,
    wall_now: datetime,
    actor: str,
    figures: Mapping[str, str] = MappingProxyType({}),
) -> None:
    audit.append(
        account_id=row.account_id,
        session_id=row.pk,
        at=now,
        wall_at=wall_now,
        actor=actor,
        event=event,
        subject=row,
        facts={**figures, **({"reason": reason} if reason else {})},
    )


def _tell(
    row: TradingSession,
    *,
    kind: str,
    title: str,
    now: datetime,
    wall_now: datetime,
    severity: Severity = Severity.INFO,
    facts: dict[str, Any] | None = None,
) -> None:
    queue_alert(
        kind=kind,
        severity=severity,
        title=title,
        happened_at=now,
        wall_now=wall_now,
        facts={"mode": row.mode, "index": row.index, "budget": str(row.budget), **(facts or {})},
        subject_kind="tradingsession",
        subject_id=row.pk,
        account_id=row.account_id,
    )
