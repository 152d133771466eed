"""Celery tasks: read the clock, call one function, log the result. A task is a nudge; it may run twice, late or never."""

from __future__ import annotations

import logging

from celery import shared_task
from django.conf import settings

from config.servers import SIMULATOR
from hedging.engine import ticks, watchdog
from hedging.engine.clock import market_clock, wall_now
from hedging.engine.execution import send_order as send
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import open_sessions_due
from hedging.models import HedgeOrder
from hedging.wiring import ports_for, rules
from notifications.delivery import deliver_due
from notifications.transports import transport_from_settings

log = logging.getLogger(__name__)


@shared_task(name="hedging.tasks.check_margin")
def check_margin() -> None:
    """Run the 30-second margin check."""
    now = market_clock().now()
    if settings.WORLD == SIMULATOR:
        open_sessions_due(day=trading_day_of(now), now=now, wall_now=wall_now())
    done = ticks.check_margin(now=now, rules=rules())
    watchdog.beat(name=watchdog.HEDGE, wall_now=wall_now())
    log.debug("margin check at %s: %s", now, done)


@shared_task(name="hedging.tasks.project_entries")
def project_entries() -> None:
    """Run the 10-second entry projection."""
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
    """Send one committed slice."""
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
    """Write a sign of life, and tell when the margin checks give none."""
    watchdog.beat(name=watchdog.WORKER, wall_now=wall_now())
    watchdog.bark(now=market_clock().now(), wall_now=wall_now())
