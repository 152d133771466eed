"""Analytics over HTTP: what hedging cost and brought, and what would be bought now under another policy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, FairShare
from hedging.api.describe import tells
from hedging.api.errors import Refused, session_of
from hedging.api.fresh import unless_known
from hedging.api.outputs.analytics import (
    AccuraciesOutput,
    AnalyticsOutput,
    OutcomeOutput,
    StaticHedgeOutput,
    WhatIfOutput,
)
from hedging.api.tables import CsvRenderer, csv_answer, wants_csv
from hedging.domain.decision import AddHedge, Decision, Hold
from hedging.engine import clock, what_if
from hedging.engine.hours import trading_day_of
from hedging.models import Action, CycleKind, HedgeDecision
from hedging.selectors.cards import DecisionCard, card_of
from hedging.selectors.outcomes import By, Period, analytics_version
from hedging.wiring import rules

_DAYS = timedelta(days=90)
_COLUMNS = tuple(OutcomeOutput().get_fields())


class AnalyticsView(Endpoint):
    """GET: cost, recovery, net, charges, released margin and peaks, by day, index or DTE."""

    needs = Scope.READ
    group = "Ledgers"
    renderer_classes = [JSONRenderer, CsvRenderer]

    @tells(
        "What hedging cost and brought",
        answer=AnalyticsOutput,
        example="analytics",
        query=inputs.AnalyticsQuery,
        refusals=["DAYS_REVERSED", "CLOCK_UNAVAILABLE"],
        polled=True,
        table=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return cost, recovery, charges, net, margin released for each rupee, and peak utilization, by day, index or DTE.

        Closed days come from their summaries, open ones from their fills. Live and paper money are never added up. As CSV
        (`format=csv`) the rows come without the totals.
        """
        wanted = self.query(request, inputs.AnalyticsQuery)
        period, by = _period(wanted), By(wanted["by"])

        def draw() -> HttpResponseBase:
            found = selectors.analytics(period=period, by=by)
            if wants_csv(request):
                rows = (OutcomeOutput.of(row) for row in found.rows)
                return csv_answer(rows, columns=_COLUMNS, name=f"analytics-by-{by}")
            return Response(AnalyticsOutput.of(found))

        return unless_known(request, analytics_version(period=period), draw)


class AccuracyView(Endpoint):
    """GET: how true the forecasts of margin were."""

    needs = Scope.READ
    group = "Ledgers"

    @tells(
        "How true the forecasts were",
        answer=AccuraciesOutput,
        example="accuracy",
        query=inputs.PeriodQuery,
        refusals=["DAYS_REVERSED", "CLOCK_UNAVAILABLE"],
        polled=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return, by kind and source, what was foretold of used margin against what entries and hedges really took."""
        period = _period(self.query(request, inputs.PeriodQuery))

        def draw() -> Response:
            body = {"first": period.first, "last": period.last, "rows": selectors.accuracy(period=period)}
            return Response(AccuraciesOutput.of(body))

        return unless_known(request, analytics_version(period=period), draw)


class StaticHedgeView(Endpoint):
    """GET: what a bot that always hedges would have cost."""

    needs = Scope.READ
    group = "Ledgers"

    @tells(
        "What always hedging would have cost",
        answer=StaticHedgeOutput,
        example="static_hedge",
        query=inputs.PeriodQuery,
        refusals=["DAYS_REVERSED", "CLOCK_UNAVAILABLE"],
        polled=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return what a bot would have paid that buys a call and a put with every entry, and keeps them to the exit.

        From stored prices alone: entries without one are counted (`no_price`, `no_end`) and left out of every sum. It is
        estimated when a session is closed; `recorded` says for how many that was done.
        """
        period = _period(self.query(request, inputs.PeriodQuery))

        def draw() -> Response:
            found = selectors.static_hedge(period=period)
            body = {"first": period.first, "last": period.last, "rows": found.rows, "totals": found.totals}
            return Response(StaticHedgeOutput.of(body))

        return unless_known(request, analytics_version(period=period), draw)


class PreviewView(Endpoint):
    """GET: what would be bought now under other figures of the policy."""

    needs = Scope.READ
    group = "By hand"

    class _Share(FairShare):
        """Each answer costs reads of the broker, of which the engine needs its share: thirty a minute for each caller."""

        kind = "what-ifs"

    throttle_classes = [_Share]

    @tells(
        "What would be bought now",
        answer=WhatIfOutput,
        example="what_if",
        query=inputs.WhatIfQuery,
        refusals=["POLICY_CONTRADICTS", "NO_SESSION", "REFERENCE_MISSING", "CLOCK_UNAVAILABLE"],
    )
    def get(self, request: Request) -> Response:
        """Decide on live prices with other figures of the policy, and order nothing; nothing is stored either.

        `now_decided` is what the loop would decide, gates and all; `if_needed` what would be bought if only the need
        counted: no switch, cooldown, breaker, hour or live order in the way. `at_present` is that by the session's own
        figures, null where nothing is imagined otherwise. `scenarios` (what the book with its coming entries loses, without
        our hedges, with them, and after the purchase) and `chain` belong to `if_needed`. All of it rests on one reading.
        """
        wanted = self.query(request, inputs.WhatIfQuery)
        session = session_of(wanted.pop("account", None), now=clock.market_clock().now())
        reach = wanted.pop("reach_minutes")
        try:
            found = what_if.what_if(session_id=session.pk, changed=wanted, reach_minutes=reach, rules=rules())
        except ValueError as error:
            raise Refused("POLICY_CONTRADICTS", str(error)) from None
        needed = _card(found.if_needed, now=found.now)
        body = {
            "session": found.session_id,
            "now": found.now,
            "budget": found.budget,
            "used": found.used,
            "utilization_pct": found.utilization_pct,
            "projected_pct": needed.projected_pct,
            "projection": needed.projection,
            "unknown": found.unknown,
            "changed": {name: str(value) for name, value in wanted.items()},
            "now_decided": _card(found.now_decided, now=found.now),
            "if_needed": needed,
            "at_present": None if found.at_present is None else _card(found.at_present, now=found.now),
            "policy": found.figures,
            "scenarios": found.scenarios,
            "chain": found.strikes,
        }
        return Response(WhatIfOutput.of(body))


def _card(decision: Decision, *, now: datetime) -> DecisionCard:
    """Return a decision as its card would show it; it is not stored."""
    action = (
        Action.HOLD if isinstance(decision, Hold) else Action.ADD if isinstance(decision, AddHedge) else Action.UNWIND
    )
    return card_of(
        HedgeDecision(
            id=0,
            kind=CycleKind.MANUAL.value,
            at=now,
            action=action.value,
            reason=decision.reason.value,
            facts=decision.card,
            gates=[gate.as_card() for gate in decision.gates],
        )
    )


def _period(wanted: Mapping[str, Any]) -> Period:
    last = wanted.get("last") or trading_day_of(clock.market_clock().now())
    first = wanted.get("first") or max(last, last.min + _DAYS) - _DAYS
    if first > last:
        raise Refused("DAYS_REVERSED", "`first` is after `last`.", {"first": str(first), "last": str(last)})
    return Period(first, last, wanted.get("mode"), wanted.get("account"), wanted.get("index"))
