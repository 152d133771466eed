"""Days at brokers of which positions and funds are behind their fills, as they are at real ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from hedging.domain.facts import CycleFacts
from hedging.management.simulated_day import SimulatedRun
from hedging.models import HedgeTransaction, MarginJump
from hedging.simulator.exchange import Exchange
from hedging.simulator.margin import MarginParameters as Truth
from hedging.simulator.profiles import PROFILES
from hedging.simulator.rules import AccountRules
from notifications.models import Alert
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import Calibration, TradingSession
from tests.factories import TUESDAY, ist

THURSDAY = date(2026, 12, 10)
BEHIND = AccountRules(books_behind_seconds=20)
UNTIL = ist(10, 17)
"""Four entries are in by then; the last of them needs a hedge."""

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("_seeded")]


@pytest.fixture
def _seeded(db: None) -> None:
    seed_reference_data()
    seed_schedule_if_empty()


class Morning(SimulatedRun):
    """A day that stops at `UNTIL` and returns what the exchange knows."""

    def _live_through(self, session: Any, exchange: Any, clock: Any, ports: Any, *, until: Any) -> None:
        super()._live_through(session, exchange, clock, ports, until=UNTIL)

    def _figures(self, session: TradingSession, exchange: Exchange) -> dict[str, Any]:
        longs = {p.symbol: p.quantity for p in exchange.account.positions.values() if p.quantity > 0}
        return {"made": exchange.report()["entries_made"], "longs": longs}


def bought(rules: AccountRules | None) -> list[int]:
    """Run the morning with a cooldown that is over before the books show what was bought; return the units of each long."""
    policy = replace(settings.HEDGE_POLICY, cooldown_seconds=15)
    seen = Morning(day=TUESDAY, seed=8, policy=policy, rules=rules).run()
    assert seen["made"] == 4
    return list(seen["longs"].values())


def test_a_hedge_is_bought_once_though_the_next_decisions_do_not_see_it():
    assert bought(BEHIND) == bought(None) == [130, 130]


def test_nothing_but_the_wait_for_the_books_keeps_it_from_being_bought_twice(monkeypatch):
    monkeypatch.setattr(CycleFacts, "settling_seconds", 0)
    assert bought(BEHIND) == [260, 260]


def test_a_day_of_late_books_is_learned_from_and_told_of_rightly():
    figures = SimulatedRun(
        day=THURSDAY,
        seed=104,
        policy=settings.HEDGE_POLICY,
        profile=PROFILES["kotak"],
        margin=Truth(price_scan=0.0907, elm_rate=0.02, elm_deep_rate=0.035, elm_expiry_extra=0.03),
        rules=BEHIND,
    ).run()
    assert (figures["entries_made"], figures["entries_refused"]) == (12, 0)
    assert figures["peak_utilization"] < 95

    # This broker's basket call does not count the book: its margins were learned from funds, which were behind.
    last = Calibration.objects.latest("id")
    assert last.error_pct is not None
    assert last.error_pct < Decimal(3)
    assert float(last.scan_pct) == pytest.approx(9.07, abs=0.1)
    measured = MarginJump.objects.filter(kind="hedge", after__isnull=False)
    assert measured
    assert all(abs(jump.error or Decimal(0)) < 10_000 for jump in measured)

    assert not Alert.objects.filter(kind__in=("nothing_released", "forecast_missed", "not_calibrated")).exists()
    assert not HedgeTransaction.objects.filter(is_live=True).exists()
    session = TradingSession.objects.get()
    assert session.closed_at is not None
    assert session.reserved == 0
