"""A whole simulated trading day through the production engine, told from the outside."""

from __future__ import annotations

import json
from datetime import date
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from hedging.management.simulated_day import SimulatedRun
from hedging.models import Adjustment, AuditEvent, HedgeDecision, HedgeTransaction
from hedging.selectors import holdings
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import TradingSession

TUESDAY = date(2026, 12, 1)
FRIDAY = date(2026, 12, 4)

pytestmark = pytest.mark.slow


@pytest.fixture
def _seeded(db):
    seed_reference_data()
    seed_schedule_if_empty()


def run(*, automation: bool = True) -> dict[str, Any]:
    return SimulatedRun(day=TUESDAY, seed=7, policy=settings.HEDGE_POLICY, automation=automation).run()


@pytest.mark.usefixtures("_seeded")
def test_an_expiry_tuesday_from_the_open_to_the_summary():
    # The strategist sells ten straddles; before the fourth the projection passes the trigger.
    figures = run()
    assert (figures["entries_made"], figures["entries_refused"], figures["entries_unavoidably_refused"]) == (10, 0, 0)

    # What was bought for it was decided in its last five minutes, proven cheapest, and says why.
    first = HedgeDecision.objects.filter(action="add").order_by("at").first()
    assert first is not None
    assert [entry["portfolio"] for entry in first.facts["projection"]] == ["ITJ_NF_EXP 4"]
    assert float(first.facts["projected_pct"]) > 95 > float(first.facts["chosen"]["utilization_after_pct"])
    assert first.facts["chosen"]["proven"]
    assert f"{first.at:%H:%M}" >= "04:41"  # 10:11 IST

    # Hedges were sold after the exits, the books agree with the exchange, and margin never stayed over the trigger.
    assert figures["hedges_sold"] > 0
    session = TradingSession.objects.get()
    assert float(session.summary["spend"]) == figures["spend"]
    assert float(session.summary["recovery"]) == figures["recovery"]
    assert session.reserved == 0
    assert session.closed_at is not None
    assert figures["peak_utilization"] < 95

    # A bot that hedges every entry would have found a strike for four of the ten, and paid more for it.
    always = session.summary["always_hedge"]
    assert (always["entries"], always["known"], always["no_strike"], always["whole"]) == (10, 4, 6, True)
    assert float(always["got_back"]) - float(always["paid"]) < figures["net"]
    assert not HedgeTransaction.objects.filter(is_live=True).exists()
    assert AuditEvent.objects.filter(event="order_filled").count() == figures["hedges_bought"] + figures["hedges_sold"]

    # The trail alone leads to the tables of the evening, and what expired unsold has left the holdings.
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    replayed = json.loads(out.getvalue())
    assert replayed["differences"] == 0, replayed["shown"]
    assert holdings(account_id=session.account_id, mode="live", day=TUESDAY) == ()
    assert set(Adjustment.objects.values_list("kind", flat=True)) <= {"expired"}


@pytest.mark.usefixtures("_seeded")
def test_with_nobody_hedging_the_same_tuesday_refuses_entries():
    figures = run(automation=False)
    assert figures["entries_refused"] > 0
    assert (figures["hedges_bought"], figures["spend"]) == (0, 0)


def test_the_command_repeats_a_day_to_the_same_decisions_and_leaves_no_trace(transactional_db):
    lines = []
    for _ in range(2):
        out = StringIO()
        call_command("simulate_day", "--date", FRIDAY.isoformat(), "--seed", "3", "--json", stdout=out)
        lines.append(json.loads(out.getvalue().splitlines()[-1]))
    assert lines[0]["decisions_hash"] == lines[1]["decisions_hash"]
    assert lines[0]["entries_refused"] == 0
    assert not TradingSession.objects.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--date", "2026-12-25"), "is no trading day"),
        (("--date", "2027-03-01"), "trading days of 2027 are not known"),
        (("--baskets", "0"), "--baskets"),
    ],
)
def test_a_day_that_cannot_be_simulated_is_refused_in_one_line(transactional_db, words, said):
    with pytest.raises(CommandError, match=said):
        call_command("simulate_day", *words, stdout=StringIO())
