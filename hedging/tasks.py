"""Celery tasks: read the clock, call one function, log the result. A task is a nudge; it may run twice, late or never."""

from __future__ import annotations

import logging
from functools import cache

from celery import shared_task
from django.conf import settings

from config.servers import SIMULATOR
from hedging import preflights
from hedging.engine import discrepancies, ticks, watchdog
from hedging.engine.clock import market_clock, wall_now
from hedging.engine.execution import send_order as send
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import open_sessions_due
from hedging.models import HedgeOrder
from hedging.wiring import ports_for, rules
from notifications.delivery import deliver_due
from notifications.transports import transport_from_settings

log = logging.getLogger(__name__)


@cache
def look_at_the_books_first() -> None:
    """Let this process decide nothing before the books were compared once since it started."""
    discrepancies.forget()


@shared_task(name="hedging.tasks.check_margin")
def check_margin() -> None:
    """Run the 30-second margin check."""
    look_at_the_books_first()
    now = market_clock().now()
    if settings.WORLD == SIMULATOR:
        open_sessions_due(day=trading_day_of(now), now=now, wall_now=wall_now())
    done = ticks.check_margin(now=now, rules=rules())
    watchdog.beat(name=watchdog.HEDGE, wall_now=wall_now())
    log.debug("margin check at %s: %s", now, done)


@shared_task(name="hedging.tasks.project_entries")
def project_entries() -> None:
    """Run the 10-second entry projection."""
    look_at_the_books_first()
    now = market_clock().now()
    done = ticks.project_entries(now=now, rules=rules())
    log.debug("entry projection at %s: %s", now, done)


@shared_task(name="hedging.tasks.reconcile_books")
def reconcile_books() -> None:
    """Bring live orders up to the broker's books."""
    done = ticks.reconcile_books(ports_for=ports_for)
    log.debug("reconcile: %s", done)


@shared_task(name="hedging.tasks.calibrate")
def calibrate() -> None:
    """Find out what the brokers' numbers mean, as far as it is not known yet."""
    done = ticks.calibrate(now=market_clock().now(), rules=rules())
    log.debug("calibration: %s", done)


@shared_task(name="hedging.tasks.send_order")
def send_order(order_id: int) -> None:
    """Send one committed slice of a purchase."""
    _send(order_id)


@shared_task(name="hedging.tasks.send_exit")
def send_exit(order_id: int) -> None:
    """Send one committed slice of a sale."""
    _send(order_id)


def _send(order_id: int) -> None:
    session = (
        HedgeOrder.objects.select_related("transaction__session__account", "transaction__session__calibration")
        .get(pk=order_id)
        .transaction.session
    )
    status = send(order_id=order_id, ports=ports_for(session))
    log.info("order %s is %s", order_id, status)


@shared_task(name="hedging.tasks.deliver_alerts")
def deliver_alerts() -> None:
    """Deliver what is due in the outbox."""
    done = deliver_due(wall_now=wall_now(), transport=transport_from_settings())
    log.debug("alerts: %s", done)


@shared_task(name="hedging.tasks.heartbeat")
def heartbeat() -> None:
    """Write the sign of life of the queue io."""
    _live(watchdog.IO)


@shared_task(name="hedging.tasks.heartbeat_orders")
def heartbeat_orders() -> None:
    """Write the sign of life of the queue orders."""
    _live(watchdog.ORDERS)


@shared_task(name="hedging.tasks.heartbeat_exits")
def heartbeat_exits() -> None:
    """Write the sign of life of the queue exits."""
    _live(watchdog.EXITS)


@shared_task(name="hedging.tasks.heartbeat_books")
def heartbeat_books() -> None:
    """Write the sign of life of the queue books."""
    _live(watchdog.BOOKS)


def _live(queue: str) -> None:
    watchdog.beat(name=queue, wall_now=wall_now())
    watchdog.beat(name=watchdog.BEAT, wall_now=wall_now())


@shared_task(name="hedging.tasks.run_preflights")
def run_preflights() -> None:
    """Run the pre-flights that are due."""
    done = preflights.run_due(now=market_clock().now(), wall_now=wall_now())
    if done:
        log.info("pre-flights: %s", done)
