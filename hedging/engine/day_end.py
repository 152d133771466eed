"""Day end: what the day came to, and the close of its session once nothing can change any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reconciliation import Kind
from hedging.engine.day_figures import summarize
from hedging.engine.discrepancies import Examined, examine
from hedging.engine.hours import acting_hours, trading_day_of
from hedging.engine.jumps import give_up_all
from hedging.engine.ports import Ports
from hedging.engine.reconcile import reconcile
from hedging.engine.sessions import SessionRefused, close_session
from hedging.engine.states import Act
from hedging.engine.static_hedge import KEY as STATIC
from hedging.engine.static_hedge import static_day
from hedging.models import HedgeOrder
from hedging.selectors.ledger import holdings
from notifications.models import Severity, queue_alert
from schedule.calendar import SessionHours
from sessions_app.models import TradingSession

GIVE_UP_AFTER = timedelta(minutes=15)  # market time after the close; simulated days stop 20 minutes after it
SETTLED_AFTER = timedelta(minutes=2)  # market time after the close, in which the last books are read


def is_over(*, hours: SessionHours, now: datetime) -> bool:
    """Return whether a day with these hours is over: its close is past, and the time to settle too."""
    return now > hours.closes + SETTLED_AFTER


def is_past(*, session: TradingSession, now: datetime) -> bool:
    """Return whether the session's day is before today, whatever its hours are: it may have been closed meanwhile."""
    return session.trading_day < trading_day_of(now)


def end_day(
    *, session: TradingSession, hours: SessionHours | None, now: datetime, ports: Ports, act: Act | None = None
) -> bool:
    """Read the books a last time and close the session; return whether it is closed now.

    It stays open while an order's fate is unknown or the books cannot be read: the next tick tries again. A quarter
    of an hour after the close it is closed all the same, or tomorrow's could not open; what is unresolved is told, and stays so.
    So it is at once on a day that is past or has no hours. `act`: who asked for it, where it is not the engine.
    """
    read = reconcile(account_id=session.account_id, day=session.trading_day, ports=ports).books_read
    orders = HedgeOrder.objects.live().filter(account_id=session.account_id, mode=session.mode)
    live = list(orders.filter(trading_day=session.trading_day))
    compared = examine(session=session, now=now, ports=ports)
    read = read and compared.read
    if (live or not read or compared.pending) and _can_settle(session, hours, now):
        return False
    summary = summarize(session) | ({"unresolved_orders": [order.pk for order in live]} if live else {})
    summary |= _lost_orders(session, compared) | ({} if act is None else {"closed_by_hand": act.reason})
    static = static_day(session=session, now=now, ports=ports)
    with transaction.atomic():
        give_up_all(session=session)
        actor = "engine" if act is None else act.actor
        closed = close_session(session=session, summary=summary, now=now, wall_now=ports.wall(), actor=actor)
        if closed:
            _keep_static(session, summary, static)
        if closed and (live or not read):
            queue_alert(
                kind="order_review",
                severity=Severity.CRITICAL,
                title=f"Day closed {_unsettled(live)}: look at the broker's screen",
                happened_at=now,
                wall_now=ports.wall(),
                facts={"mode": session.mode, "orders": [str(order) for order in live], "books_read": read},
                subject_kind="tradingsession",
                subject_id=session.pk,
                account_id=session.account_id,
            )
    return closed


def close_early(*, session: TradingSession, act: Act, ports: Ports, keep_hedges: bool = False) -> None:
    """Close an open session by hand, after a last look at the books.

    Raises `SessionRefused` where the books cannot be read or differ, while an order may still fill, and while hedges are
    held, unless they shall be kept: nobody sells them afterwards. A day that is past just ends, as the next tick would end
    it: its books are gone. One without hours asks for no books either, since a closed exchange may show none.
    """
    hours = acting_hours(session.trading_day)
    if is_past(session=session, now=act.now):
        if not end_day(session=session, hours=hours, now=act.now, ports=ports, act=act):
            raise SessionRefused("SESSION_CLOSED", f"The session of {session.trading_day} is closed already.")
        return
    read = reconcile(account_id=session.account_id, day=session.trading_day, ports=ports).books_read
    compared = examine(session=session, now=act.now, ports=ports)
    if (not read or not compared.read or compared.pending) and _can_settle(session, hours, act.now):
        why = compared.error or "a difference waits for its second reading"
        words = f"The books are not settled ({why}): try again, or let the day's end close it."
        raise SessionRefused("BOOKS_UNREAD", words, {"error": why})
    static = static_day(session=session, now=act.now, ports=ports)
    with transaction.atomic():
        # Under the session's lock, which every claim takes first: no order can begin between this look and the close.
        row = TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
        if not row.is_open:
            raise SessionRefused("SESSION_CLOSED", f"The session of {row.trading_day} is closed already.")
        orders = HedgeOrder.objects.live().filter(account_id=row.account_id, mode=row.mode).order_by("id")
        live = list(orders.values_list("pk", flat=True))
        if live:
            words = (
                f"Orders may still fill ({', '.join(map(str, live))}): `manage.py halt --session` has them cancelled."
            )
            raise SessionRefused("ORDERS_LIVE", words, {"orders": live})
        held = holdings(account_id=row.account_id, mode=row.mode, day=row.trading_day)
        if held and not keep_hedges:
            words = (
                f"{len(held)} hedges are held: sell them (`manage.py hedge exit all`), or keep them with --keep-hedges."
            )
            raise SessionRefused("HEDGES_HELD", words, {"hedges": len(held)})
        give_up_all(session=session)
        summary = summarize(session) | _lost_orders(session, compared) | {"closed_by_hand": act.reason}
        close_session(session=session, summary=summary, now=act.now, wall_now=act.wall_now, actor=act.actor)
        _keep_static(session, summary, static)


def _unsettled(live: list[HedgeOrder]) -> str:
    return f"with {len(live)} orders unresolved" if live else "without its last books"


def _can_settle(session: TradingSession, hours: SessionHours | None, now: datetime) -> bool:
    """Return whether waiting may still settle the session's books: today, until a quarter of an hour after its close."""
    if hours is None or session.trading_day != trading_day_of(now):
        return False
    return now < hours.closes + GIVE_UP_AFTER


def _keep_static(session: TradingSession, summary: dict[str, Any], static: dict[str, Any] | None) -> None:
    """Keep the day of the bot that always hedges beside ours: for the analytics, not for the day's message."""
    if static is not None:
        TradingSession.objects.filter(pk=session.pk).update(summary=summary | {STATIC: static})


def _lost_orders(session: TradingSession, compared: Examined) -> dict[str, Any]:
    """Return what the last look at the positions says of orders given up as lost: an alert was told of those it shows."""
    rows = HedgeOrder.objects.filter(transaction__session=session, status=OrderStatus.LOST.value)
    lost = list(rows.order_by("id").values_list("pk", flat=True))
    if not lost:
        return {}
    if not compared.read:
        return {"lost_orders": {"unchecked": lost}}
    shown = [d.order for d in compared.found if d.kind is Kind.LOST_FOUND]
    told = {
        "never_arrived": [pk for pk in lost if pk not in shown],
        "in_the_positions": [pk for pk in lost if pk in shown],
    }
    return {"lost_orders": told}
