"""Answers for whoever watches the processes: liveness, readiness, metrics. No figure of money."""

from __future__ import annotations

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from hedging import selectors
from hedging.access import OPEN, needing
from hedging.engine import clock
from hedging.metrics import PROMETHEUS, prometheus_text


@require_safe
@needing(OPEN)
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer that this process lives; asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@needing(OPEN)
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer whether the service does its work: 200 or 503, with ages in wall seconds. Shows no figures of money."""
    try:
        state = selectors.readiness(now=clock.market_clock().now(), wall_now=clock.wall_now())
    except clock.ClockUnavailable:
        return JsonResponse({"ready": False, "problems": ["market time cannot be read"]}, status=503)
    except DatabaseError:
        return JsonResponse({"ready": False, "problems": ["the database does not answer"]}, status=503)
    body = {
        "ready": state.ready,
        "problems": list(state.problems),
        "cycle_age_seconds": state.cycle_age_seconds,
        "data_age_seconds": state.data_age_seconds,
        "workers": {beat.name: beat.age_seconds for beat in state.heartbeats},
    }
    return JsonResponse(body, status=200 if state.ready else 503)


@require_safe
@needing(OPEN)
def metrics(_request: HttpRequest) -> HttpResponse:
    """Answer with ages and counts in the text format of Prometheus. Shows no figures of money."""
    return HttpResponse(prometheus_text(wall_now=clock.wall_now()), content_type=PROMETHEUS)
