"""A whole day at brokers of different kinds, with margins that nobody told the application."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from django.conf import settings

from hedging.management.simulated_day import SimulatedRun
from hedging.models import HedgeDecision
from hedging.simulator.margin import MarginParameters as Truth
from hedging.simulator.profiles import PROFILES
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import Calibration

TUESDAY = date(2026, 12, 1)
UNKNOWN = Truth(price_scan=0.102, elm_rate=0.025, elm_deep_rate=0.035)

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("broker", "found"),
    [
        ("dhan", {"found_by": "basket", "basket_scope": "total", "cash_is_net": True}),
        ("pocketful", {"found_by": "fills", "basket_scope": "none", "cash_is_net": True}),
    ],
)
def test_the_day_is_hedged_by_what_was_found_out_about_the_broker(db, broker, found):
    seed_reference_data()
    seed_schedule_if_empty()
    figures = SimulatedRun(
        day=TUESDAY, seed=7, policy=settings.HEDGE_POLICY, profile=PROFILES[broker], margin=UNKNOWN
    ).run()

    # Before the open the probes are asked, and beside the first straddle they are settled.
    rows = list(Calibration.objects.order_by("id"))
    assert rows[0].at.isoformat() < "2026-12-01T03:45"  # 09:15 IST
    last = rows[-1]
    assert {name: getattr(last, name) for name in found} == found
    assert last.error_pct is not None
    assert last.error_pct < Decimal(3)
    assert (last.scan_pct, last.elm_pct) == pytest.approx(
        (10.2, 2.5), abs=0.15
    )  # prices move while funds are waited for

    # Nothing was refused that a hedge could have saved, and margin stayed under the trigger.
    assert figures["entries_refused"] == 0
    assert figures["hedges_bought"] > 0
    assert figures["peak_utilization"] < 95

    # From the first entry on every card says how far the model could be trusted then.
    cards = HedgeDecision.objects.filter(at__gte="2026-12-01T03:46:00Z").values_list("facts", flat=True)
    assert {card["margin_model"]["doubled"] for card in cards} == ({True, False} if broker == "pocketful" else {False})
