"""The course of the day over HTTP: what the chart of the status page is drawn from."""

from __future__ import annotations

from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint
from hedging.api.describe import tells
from hedging.api.errors import session_of
from hedging.api.fresh import unless_known
from hedging.api.outputs.course import CourseOutput
from hedging.engine import clock
from hedging.selectors.versions import session_version


class CourseView(Endpoint):
    """GET: the readings of the day, what was traded, what is scheduled, and the rest of the day as last drawn."""

    needs = Scope.READ

    @tells(
        "The course of the day",
        answer=CourseOutput,
        example="course",
        query=inputs.AccountQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
        polled=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return utilization over the day with its marks, and `ahead`: the rest of the day as it was last drawn."""
        wanted = self.query(request, inputs.AccountQuery)
        now = clock.market_clock().now()
        session = session_of(wanted.get("account"), now=now)

        def draw() -> Response:
            facts = selectors.session_facts(session)
            entries, _unknown = selectors.day_entries(day=session.trading_day)
            found = selectors.course(session=facts, entries=entries)
            body = {
                "session": session.pk,
                "now": now,
                "trigger_pct": facts.trigger_pct,
                "target_pct": facts.target_pct,
                "exit_trigger_pct": facts.exit_trigger_pct,
                "readings": found.readings,
                "marks": found.marks,
                "ahead": selectors.day_ahead(session=session, now=now).moments,
            }
            return Response(CourseOutput.of(body))

        return unless_known(request, session_version(session=session, now=now, wall_now=clock.wall_now()), draw)
