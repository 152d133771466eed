"""Every hour of an expiry day of each family says something: wings that are bought, or by name why none are."""

from __future__ import annotations

import re
from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest

from benchmarks.expiry_day import BUDGET, HOURS, SPECS, Book, document, every_hour
from hedging.domain.decision import AddHedge, Hold
from hedging.domain.instruments import Contract, Right
from hedging.domain.optimizer_types import Status
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.simulator.families import Family

PAGE = Path(__file__).parents[2] / "docs" / "expiry-day.md"
POLICY = HedgePolicy()


@pytest.fixture(scope="module")
def hours():
    return list(every_hour())


def test_there_is_an_hour_for_each_index_family_book_and_time(hours):
    cells = {(hour.index, hour.family, hour.book, hour.at) for hour in hours}
    assert len(cells) == len(hours) == len(SPECS) * len(Family) * len(Book) * len(HOURS)


def test_every_hour_has_a_set_or_a_named_reason(hours):
    for hour in hours:
        decision = hour.decision
        if isinstance(decision, AddHedge):
            assert decision.solution.status is Status.SOLVED
            assert decision.solution.proven
            assert decision.legs
            assert decision.solution.aim is not None
        else:
            assert isinstance(decision, Hold)
            assert decision.reason in {Reason.HOLD_NO_CANDIDATE_IN_BAND, Reason.HOLD_UNREACHABLE}, hour.told
            shut = decision.gates[-1]
            assert not shut.passed
            assert shut.detail


def test_what_is_bought_keeps_the_entry_within_budget_and_the_policy(hours):
    for hour in hours:
        if hour.solution is None:
            continue
        assert hour.solution.utilization_before_pct > POLICY.utilization_trigger_pct
        assert hour.solution.utilization_after_pct <= 100
        assert hour.solution.cost < BUDGET / 100
        for trade in hour.solution.buys:
            assert POLICY.floor_premium <= trade.price <= POLICY.max_premium
            assert trade.price == hour.chain.quotes[trade.contract].ask


def test_where_nothing_is_bought_the_strikes_that_would_have_done_exist_and_are_forbidden_or_too_near(hours):
    for hour in hours:
        if hour.solution is not None:
            continue
        named = re.findall(r"(\d+) (CE|PE)", hour.decision.gates[-1].detail)
        assert named, hour.told
        contracts = [Contract(hour.index, hour.chain.expiry, Decimal(strike), Right(right)) for strike, right in named]
        asks = [hour.chain.quotes[contract].ask for contract in contracts]
        assert all(ask is not None for ask in asks)
        distances = [abs(contract.strike - hour.chain.spot) for contract in contracts]
        bound = SPECS[hour.index].otm_min
        assert any(
            ask is not None and (not POLICY.floor_premium <= ask <= POLICY.max_premium or distance < bound)
            for ask, distance in zip(asks, distances, strict=True)
        )


def test_until_two_o_clock_a_set_is_found_in_every_family(hours):
    assert not [hour.told for hour in hours if hour.at <= time(14, 0) and hour.solution is None]


def test_the_page_is_current_in_shape_and_in_what_happened(hours):
    """Figures may move with a change of the simulator; `python -m benchmarks.expiry_day docs/expiry-day.md` renews them."""
    written, made = (
        [
            [re.sub(r" \d.*| no strike.*| floor.*", "", cell) for cell in line.split(" | ")]
            for line in text.splitlines()
            if line.startswith(("| ", "## "))
        ]
        for text in (PAGE.read_text(encoding="utf-8"), document(hours))
    )
    assert written == made
