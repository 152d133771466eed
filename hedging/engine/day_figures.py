"""Day figures: what a session's day came to, from its fills; told with its close, and again when one becomes known later."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import Count, Max

from hedging.domain.instruments import Side
from hedging.models import Fill, HedgeDecision, HedgeTransaction
from sessions_app.models import MarginSnapshot, TradingSession


def sum_up_again(session: TradingSession) -> None:
    """Bring the summary of a closed session up to its fills; what else it tells stays. The caller holds a lock of its intent."""
    row = TradingSession.objects.select_for_update(of=("self",)).get(pk=session.pk)
    if row.closed_at is None:
        return
    row.summary |= summarize(row)
    row.save(update_fields=["summary"])


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
