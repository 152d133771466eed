"""Reads of the day: read the clocks, check the input, call one selector, answer; 304 where nothing is new."""

from __future__ import annotations

from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint
from hedging.api.describe import MARKET_TIME_TOLD, tells
from hedging.api.errors import session_of
from hedging.api.fragments import MARKET_TIME, FragmentRenderer, fragment, wants_fragment
from hedging.api.fresh import unless_known
from hedging.api.outputs.plan import PlanOutput
from hedging.api.outputs.status import StatusOutput
from hedging.engine import clock
from hedging.pages.base import banner
from hedging.pages.plan import ahead_context
from hedging.pages.status import drawn_parts
from hedging.selectors.kept import shared
from hedging.selectors.versions import session_version, status_seen
from hedging.templatetags.hedging_pages import epoch_ms


class StatusView(Endpoint):
    """GET: utilization, projection, hedges, next entry, cost, breaker, why, ages, mode."""

    needs = Scope.READ
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "Where the session stands",
        answer=StatusOutput,
        example="status",
        query=inputs.StatusQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
        polled=True,
        fragment=True,
        parameters=[MARKET_TIME_TOLD],
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return utilization, projection, hedges held, next entry, cost, breakers, data ages, and `why` as ordered gates."""
        wanted = self.query(request, inputs.StatusQuery)
        now, wall_now = clock.market_clock().now(), clock.wall_now()
        session = session_of(wanted.get("account"), now=now)

        version = session_version(session=session, now=now, wall_now=wall_now)

        def draw() -> HttpResponseBase:
            state = status_seen(version, session=session, now=now, wall_now=wall_now)
            if not wants_fragment(request):
                return Response(shared(version, "answer", lambda: StatusOutput.of(state)))
            moving = drawn_parts(state, version) if wanted["part"] == "day" else {}
            return fragment("hedging/_live.html", banner(state, now=now) | moving)

        answer = unless_known(request, version, draw)
        answer.headers[MARKET_TIME] = str(epoch_ms(now))
        return answer


class PlanView(Endpoint):
    """GET: the rest of the day, with the hedges held, without them, and the floor."""

    needs = Scope.READ
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "The rest of the day",
        answer=PlanOutput,
        example="plan",
        query=inputs.DrawnQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
        polled=True,
        fragment=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the day as it was last drawn, with the hedges held, without them, and the floor that hedging could reach.

        Nothing is asked of the broker.
        """
        wanted = self.query(request, inputs.DrawnQuery)
        now = clock.market_clock().now()
        session = session_of(wanted.get("account"), now=now)

        def draw() -> HttpResponseBase:
            drawn = selectors.day_ahead(session=session, now=now)
            if wants_fragment(request):
                return fragment("hedging/_ahead.html", ahead_context(drawn, now=now))
            return Response(PlanOutput.of(drawn))

        return unless_known(request, session_version(session=session, now=now, wall_now=clock.wall_now()), draw)


class NoSuchEndpoint(Endpoint):
    """Every other address under /api/: the same shape of error, and no hint to strangers."""

    needs = Scope.READ

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer 404 to every method, once the caller may look at all."""
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address.")


extend_schema(exclude=True)(NoSuchEndpoint)
