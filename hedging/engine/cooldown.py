"""The cooldown between actions lives in the session's row. An action of which surely nothing was sent gives it back."""

from __future__ import annotations

from django.db.models import Max

from hedging.domain.lifecycle import OrderStatus
from hedging.models import HedgeOrder, HedgeTransaction, values_of
from sessions_app.models import TradingSession

SURELY_UNSENT = values_of((OrderStatus.DENIED, OrderStatus.LAPSED, OrderStatus.NOT_SENT))


def give_back_if_unsent(tx: HedgeTransaction) -> bool:
    """Give the cooldown back if no order of the action that `tx` belongs to can have left; return whether it was.

    By compare-and-set on the action's own time, to that of the action before it: what came later keeps its cooldown. The
    caller's transaction holds the session's row, so that of two legs ending at once the second one sees the first.
    """
    of_session = HedgeOrder.objects.filter(transaction__session_id=tx.session_id)
    sent = of_session.exclude(status__in=SURELY_UNSENT)
    if sent.filter(transaction__decision_id=tx.decision_id).exists():
        return False
    before = sent.exclude(transaction__decision_id=tx.decision_id).aggregate(at=Max("transaction__created_at"))["at"]
    action = TradingSession.objects.filter(pk=tx.session_id, last_action_at=tx.created_at)
    return action.update(last_action_at=before) == 1
