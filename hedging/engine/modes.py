"""Modes: take an account from dry run to live and back within a day. Each mode has a session row, and a book, of its own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.engine import audit
from hedging.engine.day_figures import summarize
from hedging.engine.hours import trading_day_of
from hedging.engine.jumps import give_up_all
from hedging.engine.paper import StoredPaperBook
from hedging.engine.preflight import gate
from hedging.engine.sessions import SessionRefused, effective_mode
from hedging.models import HedgeOrder
from hedging.selectors import holdings
from notifications.models import Severity, queue_alert
from sessions_app.models import Account, Mode, TradingSession, TradingState

# What a person decided about the day holds in either mode; what was counted in one mode never does.
_OF_THE_DAY = (
    "index",
    "expiry",
    "dte",
    "baskets",
    "budget_per_basket",
    "lots_per_basket",
    "automation",
    "trading_state",
    "state_reason",
    "calibration",
    "trigger_pct",
    "target_pct",
    "exit_trigger_pct",
    "lookahead_minutes",
    "exit_buffer_minutes",
    "min_premium",
    "max_premium",
    "max_cost_per_day",
    "cooldown_seconds",
)
_BASELINE = ("baseline", "baseline_at", "baseline_source")
_NO_BASELINE: dict[str, Any] = {"baseline": None, "baseline_at": None, "baseline_source": ""}
_TIGHTER = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)


def switch_mode(
    *, account: Account, to: Mode, now: datetime, wall_now: datetime, actor: str, reason: str
) -> TradingSession | None:
    """Let the account trade in another mode from now on; return the session that is open then, `None` without one.

    The session of today is closed, and the day's row of the other mode is opened, or opened again: its spend, cooldown and
    quarantine are those that it had. Hedges stay in the book in which they were bought, and the alert names them. A session
    of another day keeps its mode. Going live still wants its pre-flight. Raises `SessionRefused` (LID_CLOSED, ORDERS_LIVE).
    """
    with transaction.atomic():
        account = Account.objects.select_for_update().get(pk=account.pk)
        switched = account.mode != to
        account.mode = to
        if effective_mode(account) != to:
            raise SessionRefused(
                "LID_CLOSED", "Live is closed by the environment: set AUTO_HEDGE_DRY_RUN=false and restart."
            )
        account.save(update_fields=["mode"])
        if switched:
            _record_account(account, now=now, wall_now=wall_now, actor=actor, reason=reason)
        left = TradingSession.objects.select_for_update(of=("self",)).filter(account=account, closed_at=None).first()
        if left is None or left.mode == to or left.trading_day != trading_day_of(now):
            return left
        _refuse_live_orders(left)
        _leave(left, now=now, wall_now=wall_now, actor=actor, reason=reason)
        taken = _take_up(left, to, now=now)
        _record(taken, "mode_switched", now=now, wall_now=wall_now, actor=actor, reason=reason)
        _tell(left, taken, now=now, wall_now=wall_now, reason=reason)
        return taken


def go_live(*, account: Account, now: datetime, wall_now: datetime, actor: str, reason: str) -> TradingSession | None:
    """Let the account trade live, as a person asks for it on a page: like `switch_mode`, and not past a pre-flight.

    Where a session is open its pre-flight must be of today and not red. The session that is live then wants a pre-flight of
    its own before anything is sent. Raises `SessionRefused` (DENY_PREFLIGHT, and those of `switch_mode`).
    """
    open_now = TradingSession.objects.filter(account=account, closed_at=None).first()
    if open_now is not None and open_now.mode != Mode.LIVE and not gate.is_cleared(open_now):
        words = f"Pre-flight: {gate.words(open_now)}. Nothing goes live before one of today is green or amber."
        raise SessionRefused("DENY_PREFLIGHT", words, {"preflight": open_now.preflight})
    return switch_mode(account=account, to=Mode.LIVE, now=now, wall_now=wall_now, actor=actor, reason=reason)


def left_behind() -> QuerySet[TradingSession]:
    """Return today's other-mode sessions of accounts with an open one: their orders may still tell late news."""
    closed = TradingSession.objects.filter(
        closed_at__isnull=False, account__sessions__closed_at=None, account__sessions__trading_day=F("trading_day")
    )
    return closed.select_related("account", "calibration").order_by("id")


def _refuse_live_orders(session: TradingSession) -> None:
    live = HedgeOrder.objects.live().filter(account_id=session.account_id, mode=session.mode)
    waiting = [str(order) for order in live]
    if waiting:
        raise SessionRefused(
            "ORDERS_LIVE",
            f"{len(waiting)} orders may still fill: wait, or halt to have them cancelled, and switch then.",
            {"orders": waiting},
        )


def _leave(session: TradingSession, *, now: datetime, wall_now: datetime, actor: str, reason: str) -> None:
    give_up_all(session=session)
    session.closed_at, session.summary = now, summarize(session)
    session.save(update_fields=["closed_at", "summary"])
    _record(session, "mode_left", now=now, wall_now=wall_now, actor=actor, reason=reason)


def _take_up(left: TradingSession, to: Mode, *, now: datetime) -> TradingSession:
    of_the_day = {name: getattr(left, name) for name in _OF_THE_DAY}
    # A baseline was read with the paper of earlier days in the book, or without it: of the other mode it is not known then.
    apart = bool(StoredPaperBook(account_id=left.account_id, day=left.trading_day).carried())
    baseline = _NO_BASELINE if apart else {name: getattr(left, name) for name in _BASELINE}
    row, made = TradingSession.objects.select_for_update(of=("self",)).get_or_create(
        account_id=left.account_id,
        trading_day=left.trading_day,
        mode=to,
        defaults={"opened_at": now, **of_the_day, **baseline},
    )
    if made:
        return row
    # A halt outlives a change of mode, whichever row it was written in, and so does what was said of it.
    tighter = max(left, row, key=lambda session: _TIGHTER.index(TradingState(session.trading_state)))
    of_the_day |= {"trading_state": tighter.trading_state, "state_reason": tighter.state_reason}
    # What its pre-flight found is of before: the other mode's may have found more since.
    of_the_day |= {"preflight": "", "cleared_at": None}
    if row.baseline is None or row.expiry != left.expiry:
        of_the_day |= baseline
    for name, value in {**of_the_day, "closed_at": None, "summary": {}}.items():
        setattr(row, name, value)
    row.save(update_fields=[*of_the_day, "closed_at", "summary"])
    return row


def _record_account(account: Account, *, now: datetime, wall_now: datetime, actor: str, reason: str) -> None:
    audit.append(
        account_id=account.pk,
        session_id=None,
        at=now,
        wall_at=wall_now,
        actor=actor,
        event="account_mode_switched",
        subject=account,
        facts={"mode": account.mode, "reason": reason},
    )


def _record(session: TradingSession, event: str, *, now: datetime, wall_now: datetime, actor: str, reason: str) -> None:
    audit.append(
        account_id=session.account_id,
        session_id=session.pk,
        at=now,
        wall_at=wall_now,
        actor=actor,
        event=event,
        subject=session,
        facts={"mode": session.mode, "reason": reason},
    )


def _tell(left: TradingSession, taken: TradingSession, *, now: datetime, wall_now: datetime, reason: str) -> None:
    held = holdings(account_id=left.account_id, mode=left.mode, day=left.trading_day)
    facts: dict[str, Any] = {"mode": taken.mode, "reason": reason}
    severity, words = Severity.WARNING, f"Switched from {left.get_mode_display()} to {taken.get_mode_display()}"
    if held:
        facts["hedges left"] = [f"{row.quantity} {format_symbol(row.contract)}" for row in held]
    if held and left.mode == Mode.LIVE:
        severity = Severity.CRITICAL
        words += f": {len(held)} real hedges stay in the account, and nothing sells them in dry run"
    queue_alert(
        kind="mode_switched",
        severity=severity,
        title=words[:200],
        happened_at=now,
        wall_now=wall_now,
        facts=facts,
        subject_kind="tradingsession",
        subject_id=taken.pk,
        account_id=taken.account_id,
    )
