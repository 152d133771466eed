"""Metrics: ages and counts of the whole installation as Prometheus reads them. Nothing of money, no name of an account."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.db import DatabaseError
from django.db.models import Count, Q

from hedging import selectors
from hedging.domain.lifecycle import UNCERTAIN
from hedging.engine import clock
from hedging.engine.standing import halted_everywhere
from hedging.models import HedgeOrder, values_of
from notifications.models import Alert
from sessions_app.models import Breaker, TradingSession

PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
Line = tuple[str, str, str, float]
"""A gauge's name, what it means, its labels, its value."""


def prometheus_text(*, wall_now: datetime) -> str:
    """Return every gauge with its meaning; `auto_hedge_ready` alone, at 0, where database or clock do not answer."""
    try:
        lines = [*_readiness(wall_now), *_counts(wall_now)]
    except (clock.ClockUnavailable, DatabaseError):
        lines = [("ready", _READY, "", 0)]
    told: set[str] = set()
    text: list[str] = []
    for name, meaning, labels, value in lines:
        if name not in told:
            told.add(name)
            text += [f"# HELP auto_hedge_{name} {meaning}", f"# TYPE auto_hedge_{name} gauge"]
        text.append(f"auto_hedge_{name}{labels} {value:g}")
    return "\n".join(text) + "\n"


_READY = "Whether the service does its work, as /readyz says."


def _readiness(wall_now: datetime) -> Iterator[Line]:
    state = selectors.readiness(now=clock.market_clock().now(), wall_now=wall_now)
    yield "ready", _READY, "", int(state.ready)
    if state.cycle_age_seconds is not None:
        yield "decision_age_seconds", "Wall seconds since the last decision.", "", state.cycle_age_seconds
    if state.data_age_seconds is not None:
        yield "data_age_seconds", "Wall seconds since the last margin reading.", "", state.data_age_seconds
    for beat in state.heartbeats:
        label = f'{{worker="{beat.name}"}}'
        yield "worker_silence_seconds", "Wall seconds since a worker's last sign of life.", label, beat.age_seconds


def _counts(wall_now: datetime) -> Iterator[Line]:
    uncertain = Q(status__in=values_of(UNCERTAIN))
    orders = HedgeOrder.objects.live().order_by().aggregate(live=Count("id"), uncertain=Count("id", filter=uncertain))
    yield "orders_live", "Orders that may still fill.", "", orders["live"]
    yield "orders_uncertain", "Orders of which nobody knows whether the broker has them.", "", orders["uncertain"]
    yield "sessions_open", "Open trading sessions.", "", TradingSession.objects.open().count()
    broken = Breaker.objects.filter(open_until__gt=wall_now).count()
    yield "breakers_open", "Circuit breakers that are open.", "", broken
    yield "halted", "Whether the whole installation is halted.", "", int(halted_everywhere())
    yield "alerts_waiting", "Alerts that have not been delivered yet.", "", Alert.objects.filter(_WAITING).count()


_WAITING = Q(delivered_at=None)
