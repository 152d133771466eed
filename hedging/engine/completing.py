"""Completing: a purchase of which a leg failed may be completed for the same entry, as the same action, within its cooldown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from hedging.domain.facts import Unfinished
from hedging.domain.instruments import Contract, Side
from hedging.domain.lifecycle import OUTCOME_UNKNOWN
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Position
from hedging.engine.cooldown import SURELY_UNSENT
from hedging.models import Action, HedgeOrder, HedgeTransaction, Origin, values_of
from hedging.selectors import holdings
from sessions_app.models import TradingSession

_OUTCOME_UNKNOWN = frozenset(values_of(OUTCOME_UNKNOWN))


def unfinished(
    *, session: TradingSession, policy: HedgePolicy, positions: Sequence[Position] | None, now: datetime
) -> Unfinished | None:
    """Return the session's last action where it was an automatic purchase that is over and was not bought whole.

    Over is a leg that is not live, or of which nobody knows. What did fill must be in the position book, beside what was held
    of it before: a book that is behind would have it bought again. No query outside the cooldown.
    """
    last = session.last_action_at
    if last is None or positions is None or now >= last + timedelta(seconds=policy.cooldown_seconds):
        return None
    rows = HedgeTransaction.objects.filter(session=session, created_at=last).select_related("decision")
    legs = list(rows.prefetch_related("orders"))
    if not legs or len({leg.decision_id for leg in legs}) > 1:
        return None
    card = legs[0].decision
    bought_for = card.facts.get("bought_for", ())
    if card.action != Action.ADD or not bought_for or any(leg.origin != Origin.AUTO for leg in legs):
        return None
    # A sale that was to follow the purchase, and could not, is over with it.
    legs = [leg for leg in legs if leg.reason != Reason.UNWIND_REPLACED or leg.is_live or leg.filled_quantity]
    if any(leg.side != Side.BUY or not _is_over(leg) for leg in legs):
        return None
    if all(leg.filled_quantity == leg.quantity for leg in legs):
        return None
    # Read after the positions, so that a fill which came in between is not taken for one that they hold.
    ours = holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day)
    shown = {(line.contract, line.product): line.quantity for line in positions}
    completes = int(card.facts.get("completes", 0))
    bought = _bought(session, actions=completes + 1)
    if any(shown.get((row.contract, row.product), 0) < row.quantity for row in ours if row.contract in bought):
        return None
    wings = {line.contract for line in positions if line.quantity > 0}
    sides = {wing.right for wing in wings if (wing.index, wing.expiry) in {(leg.index, leg.expiry) for leg in bought}}
    return Unfinished(
        entries=frozenset(bought_for),
        completes=completes,
        bought=bought,
        one_sided=len(sides) < 2,
    )


def _bought(session: TradingSession, *, actions: int) -> frozenset[Contract]:
    """Return what the last so many actions were to buy: the last one, and those that were completed by it, one by another."""
    rows = HedgeTransaction.objects.filter(session=session)
    sent = HedgeOrder.objects.filter(transaction__session=session).exclude(status__in=SURELY_UNSENT)
    at = "transaction__created_at"
    times = sent.order_by(f"-{at}").values_list(at, flat=True).distinct()[:actions]
    return frozenset(leg.contract for leg in rows.filter(created_at__in=list(times), side=Side.BUY.value))


def _is_over(leg: HedgeTransaction) -> bool:
    return not leg.is_live or any(order.status in _OUTCOME_UNKNOWN for order in leg.orders.all())
