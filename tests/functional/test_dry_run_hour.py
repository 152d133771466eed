"""The first hours of an expiry Tuesday in dry run: the need is met on paper, the broker never hears of an order."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
import requests
from django.conf import settings
from django.core.management import call_command
from django.db.models import Sum

from hedging.brokers.openalgo.client import READ_ENDPOINTS
from hedging.domain.reasons import Reason
from hedging.management import simulated_day
from hedging.management.simulated_day import SimulatedRun
from hedging.models import Fill, HedgeDecision, HedgeOrder, HedgeTransaction, PaperOrder
from hedging.selectors import holdings
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import WsgiAdapter
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import MarginSnapshot, TradingSession
from tests.factories import TUESDAY, ist

UNTIL = ist(10, 20)
"""Four entries are in by then: 09:16, 09:24, 09:29 and 10:16:30."""


class PaperMorning(SimulatedRun):
    """A dry run that stops at `UNTIL` and keeps the exchange, which knows what really happened."""

    exchange: Exchange

    def _live_through(self, session: Any, exchange: Any, clock: Any, ports: Any, *, until: Any) -> None:
        self.exchange = exchange
        super()._live_through(session, exchange, clock, ports, until=UNTIL)

    def _figures(self, session: TradingSession, exchange: Exchange) -> dict[str, Any]:
        return {}


class Recorder(WsgiAdapter):
    """Every request that leaves the product, by the last part of its path."""

    requested: Counter[str] = Counter()

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.requested[str(request.url).rsplit("/", 1)[1]] += 1
        return super().send(request, *args, **options)


@pytest.fixture
def morning(db: None, monkeypatch: pytest.MonkeyPatch) -> PaperMorning:
    seed_reference_data()
    seed_schedule_if_empty()
    Recorder.requested.clear()
    monkeypatch.setattr(simulated_day, "mount", lambda session, url, app: session.mount(url, Recorder(app)))
    run = PaperMorning(day=TUESDAY, seed=1, policy=settings.HEDGE_POLICY, dry_run=True)
    run.run()
    return run


@pytest.mark.slow
def test_a_morning_of_cycles_in_dry_run(morning):
    session = TradingSession.objects.get()

    # Hedges were decided, ordered and filled: on paper.
    bought = HedgeTransaction.objects.filter(side="BUY", filled_quantity__gt=0).order_by("id")
    assert bought
    assert PaperOrder.objects.count() == HedgeOrder.objects.exclude(broker_order_id=None).count()
    ids = HedgeOrder.objects.exclude(broker_order_id=None).values_list("broker_order_id", flat=True)
    assert all(str(order_id).startswith("PAPER-") for order_id in ids)

    # No request ever reached an order endpoint, and the exchange has no order of ours.
    assert Recorder.requested
    assert set(Recorder.requested) <= READ_ENDPOINTS
    assert morning.exchange.report()["hedges"]["bought_orders"] == 0

    # A need once met is not bought again: the cycles until the entry see the paper hedge and find room.
    first = HedgeDecision.objects.filter(action="add").order_by("id")[0]
    entry = first.facts["projection"][-1]
    filled_at = Fill.objects.order_by("id")[0].at
    after = HedgeDecision.objects.filter(at__gt=filled_at, id__gt=first.pk).order_by("id")
    about_it = [
        card
        for card in after
        if any(one["portfolio"] == entry["portfolio"] for one in card.facts.get("projection", ()))
    ]
    assert about_it
    assert {card.reason for card in about_it} <= {Reason.HOLD_WITHIN_BUDGET, Reason.HOLD_IN_FLIGHT}
    assert about_it[-1].reason == Reason.HOLD_WITHIN_BUDGET

    # Utilization falls on paper: what was projected over the trigger is projected under it now.
    assert Decimal(first.facts["projected_pct"]) > 95
    assert Decimal(about_it[-1].facts["projected_pct"]) < Decimal(first.facts["projected_pct"])
    assert Decimal(about_it[-1].facts["projected_pct"]) <= 95

    # Nothing of it is in a live sum, and all of it in the paper one.
    assert session.mode == "dry_run"
    assert holdings(account_id=session.account_id, mode="live", day=TUESDAY) == ()
    held = holdings(account_id=session.account_id, mode="dry_run", day=TUESDAY)
    net = Fill.objects.filter(order__transaction__side="BUY").aggregate(units=Sum("quantity"))["units"]
    sold = Fill.objects.filter(order__transaction__side="SELL").aggregate(units=Sum("quantity"))["units"] or 0
    assert sum(one.quantity for one in held) == net - sold > 0
    for table in (HedgeDecision, HedgeTransaction, HedgeOrder, Fill, MarginSnapshot):
        assert not table.objects.filter(mode="live").exists()
    spent = sum((tx.filled_quantity * (tx.average_price or 0) + tx.charges for tx in bought), Decimal(0))
    assert abs(session.spent - spent) < 1

    # The audit trail alone leads to today's sessions, intents, orders and fills.
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    replayed = json.loads(out.getvalue())
    assert replayed["differences"] == 0, replayed["shown"]
    assert replayed["rows"] == 1 + HedgeTransaction.objects.count() + HedgeOrder.objects.count()
