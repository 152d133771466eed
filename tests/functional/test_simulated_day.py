"""A whole simulated trading day through the production engine, told from the outside."""

from __future__ import annotations

from datetime import date

import pytest
from django.conf import settings

from hedging.management.simulated_day import SimulatedRun
from schedule.seed import seed_reference_data, seed_schedule_if_empty

TUESDAY = date(2026, 12, 1)


@pytest.fixture
def seeded(db):
    seed_reference_data()
    seed_schedule_if_empty()


@pytest.mark.usefixtures("seeded")
def test_on_an_expiry_tuesday_no_preventable_entry_is_refused():
    figures = SimulatedRun(day=TUESDAY, seed=1, policy=settings.HEDGE_POLICY).run()
    print(figures)
    assert figures["entries_refused"] == 0
    assert figures["hedges_bought"] > 0
