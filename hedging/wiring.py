"""Wire the engine to the world that the settings describe: broker, clocks, and Celery as the messenger."""

from __future__ import annotations

from datetime import date
from functools import lru_cache

from celery import current_app
from django.conf import settings
from django.db import transaction

from hedging.brokers.base import Broker
from hedging.brokers.factory import build_broker
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.instruments import Side
from hedging.domain.risk import MarginParameters
from hedging.engine.clock import market_clock, wall_now
from hedging.engine.meaning import meaning_of
from hedging.engine.paper import StoredPaperBook
from hedging.engine.plan import ReferenceMissing, dated_parameters, plan_of
from hedging.engine.ports import Ports
from hedging.engine.shared_limits import SharedRetryBudget
from hedging.engine.ticks import Rules
from hedging.models import HedgeTransaction
from sessions_app.models import Mode, TradingSession

SEND_ORDER = "hedging.tasks.send_order"
SEND_EXIT = "hedging.tasks.send_exit"


def ports_for(session: TradingSession) -> Ports:
    """Return the ports of a session's account in this process."""
    broker = _broker(account_id=session.account_id, day=session.trading_day, paper=_paper_meaning(session))
    return Ports(broker=broker, clock=market_clock(), wall=wall_now, nudge_send=nudge_send)


def rules() -> Rules:
    """Return what a tick of this process runs by."""
    return Rules(
        ports_for=ports_for,
        plan_for=plan_of,
        policy=settings.HEDGE_POLICY,
        enabled=settings.AUTO_HEDGE_ENABLED,
    )


def nudge_send(order_id: int) -> None:
    """Ask a worker to send an order once its row is committed. A nudge that is lost is repeated by reconcile.

    Sales have a queue and workers of their own, so that no number of hanging purchases keeps one waiting.
    """
    # Robust: a queue that is gone must not stop the cycle whose decision is already committed.
    transaction.on_commit(lambda: current_app.send_task(_task_of(order_id), args=[order_id]), robust=True)


def _task_of(order_id: int) -> str:
    sells = HedgeTransaction.objects.filter(orders=order_id, side=Side.SELL.value)
    return SEND_EXIT if sells.exists() else SEND_ORDER


def _paper_meaning(session: TradingSession) -> PaperMeaning | None:
    """Return what the paper of a dry run is laid over; `None` for a session whose orders are real."""
    if session.mode == Mode.LIVE:
        return None
    try:
        parameters = dated_parameters(session)
    except ReferenceMissing:
        parameters = MarginParameters()  # there is no plan then either, so nothing is decided: it is brought to its end
    return meaning_of(session).for_paper(parameters)


@lru_cache(maxsize=64)
def _broker(*, account_id: int, day: date, paper: PaperMeaning | None) -> Broker:
    return build_broker(
        live=paper is None,
        base_url=settings.OPENALGO_BASE_URL,
        api_key=settings.OPENALGO_API_KEY,
        paper_book=StoredPaperBook(account_id=account_id, day=day),
        meaning=paper,
        market_clock=market_clock().now,
        wall_clock=wall_now,
        retries=SharedRetryBudget(account_id=account_id),
    )
