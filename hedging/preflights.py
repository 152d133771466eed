"""Pre-flights of this process: the engine's checks, wired to the OpenAlgo server and the Redis that the settings name."""

from __future__ import annotations

import logging
from datetime import datetime

import redis
from django.conf import settings

from hedging.brokers.factory import build_mode_probe, build_setup_reader
from hedging.engine.clock import wall_now
from hedging.engine.hours import trading_day_of
from hedging.engine.preflight import gate, runs
from hedging.engine.preflight.asking import Around
from hedging.engine.reconcile import end_earlier_days
from hedging.engine.sessions import effective_mode
from sessions_app.models import Account, Mode, PreflightRun

log = logging.getLogger(__name__)


def run_due(*, now: datetime, wall_now: datetime) -> dict[str, str]:
    """Run the pre-flight of every account for which one is due; return the verdicts by account.

    None is ever due by itself in the simulator's world.
    """
    if not gate.is_asked_for():
        return {}
    done: dict[str, str] = {}
    for account in Account.objects.order_by("pk"):
        why = runs.why_due(account=account, now=now, wall_now=wall_now)
        if not why:
            continue
        try:
            done[account.name] = run_for(account, now=now, asked_by=why).verdict
        except Exception:
            # Its row stays without a verdict, the gate as it was; the next minute asks again.
            log.exception("the pre-flight of %s broke", account)
            done[account.name] = "broken"
    return done


def run_for(account: Account, *, now: datetime, asked_by: str) -> PreflightRun:
    """Run the pre-flight of one account now, on its open session of the day if there is one."""
    day = trading_day_of(now)
    end_earlier_days(account_id=account.pk, day=day, now=now, wall_now=wall_now())
    where, key = settings.OPENALGO_BASE_URL, settings.OPENALGO_API_KEY
    live = effective_mode(account) == Mode.LIVE
    return runs.run(
        around=Around(
            account=account,
            session=runs.session_of(account, day),
            day=day,
            now=now,
            wall=wall_now,
            reader=build_setup_reader(base_url=where, api_key=key),
            ping_redis=ping_redis,
            queues_orders=build_mode_probe(base_url=where, api_key=key) if live else None,
        ),
        asked_by=asked_by,
    )


def ping_redis() -> None:
    """Ask Redis for a sign of life; raises when there is none."""
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=3, socket_timeout=3)
    try:
        client.ping()
    finally:
        client.close()
