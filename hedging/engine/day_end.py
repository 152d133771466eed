"""Day end: what the day came to, and the close of its session once nothing can change any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max

from hedging.domain.instruments import Side
from hedging.engine.ports import Ports
from hedging.engine.reconcile import reconcile
from hedging.engine.sessions import close_session
from hedging.models import Fill, HedgeDecision, HedgeOrder, HedgeTransaction
from schedule.calendar import SessionHours
from sessions_app.models import MarginSnapshot, TradingSession

SETTLED_AFTER = timedelta(minutes=2)  # market time after the close, in which the last books are read


def is_over(*, hours: SessionHours | None, now: datetime) -> bool:
    """Return whether a day with these hours is over: its close is past, and the time to settle too."""
    return hours is not None and now > hours.closes + SETTLED_AFTER


def end_day(*, session: TradingSession, now: datetime, ports: Ports) -> bool:
    """Read the books a last time and close the session; return whether it is closed now.

    It stays open while an order's fate is unknown or the books cannot be read: the next tick tries again.
    """
    if not reconcile(account_id=session.account_id, day=session.trading_day, ports=ports).books_read:
        return False
    if HedgeOrder.objects.live().filter(account_id=session.account_id, trading_day=session.trading_day).exists():
        return False
    return close_session(session=session, summary=summarize(session), now=now, wall_now=ports.wall(), actor="engine")


def summarize(session: TradingSession) -> dict[str, Any]:
    """Return the day's figures in rupees, from fills alone."""
    spend = recovery = Decimal(0)
    fills = Fill.objects.filter(order__transaction__session=session).select_related("order__transaction")
    for fill in fills.order_by("id"):
        amount = fill.price * fill.quantity
        if fill.order.transaction.side == Side.BUY:
            spend += amount
        else:
            recovery += amount
    transactions = HedgeTransaction.objects.filter(session=session, filled_quantity__gt=0)
    charges = sum((tx.charges for tx in transactions.order_by("id")), Decimal(0))
    peak = MarginSnapshot.objects.filter(session=session).aggregate(peak=Max("utilization_pct"))["peak"]
    decisions = HedgeDecision.objects.filter(session=session).values("action").annotate(count=Count("id"))
    return {
        "spend": str(spend),
        "recovery": str(recovery),
        "charges": str(charges),
        "net": str(recovery - spend - charges),
        "peak_utilization_pct": None if peak is None else str(peak),
        "hedges_bought": transactions.filter(side=Side.BUY.value).count(),
        "hedges_sold": transactions.filter(side=Side.SELL.value).count(),
        "decisions": {row["action"]: row["count"] for row in decisions.order_by("action")},
    }
