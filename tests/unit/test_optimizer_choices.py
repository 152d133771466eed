"""What the cheapest is the cheapest by, what the next best would be, and what a chosen strike's depth changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.depth import candidate_at, lots_within, wing_at
from hedging.domain.instruments import Right, Side
from hedging.domain.optimizer import Status, solve
from hedging.domain.optimizer_model import HedgeModel
from hedging.domain.policy import HedgePolicy, Objective
from hedging.domain.snapshot import Depth, Level
from tests.unit.margin_books import MORNING, SPEC, at, entry, otm, problem, straddle

THREE = straddle(24_000) + straddle(23_950) + straddle(24_050)
EXPECTED = HedgePolicy(objective=Objective.EXPECTED_COST)


def needing(**changes):
    return problem(THREE, coming=(entry(),), **changes)


# --- alternatives -------------------------------------------------------------------------------------------------------


def test_alternatives_are_made_only_when_asked_for():
    assert solve(needing()).alternatives == ()


def test_each_alternative_does_without_a_chosen_strike_and_is_dearer_by_what_it_says():
    found = solve(needing(alternatives=3))
    assert 0 < len(found.alternatives) <= 3
    costs = [other.cost for other in found.alternatives]
    assert costs == sorted(costs)
    for other in found.alternatives:
        assert other.without in {trade.contract for trade in found.buys}
        assert other.without not in {trade.contract for trade in other.buys}
        assert other.dearer >= 0
        assert float(other.cost - found.cost) == pytest.approx(float(other.dearer), abs=0.01)
        assert other.utilization_after_pct <= 85
        assert "dearer" in other.why_not or other.dearer == 0


def test_the_first_alternative_is_the_best_once_its_strike_is_quarantined():
    found = solve(needing(alternatives=3))
    first = found.alternatives[0]
    again = solve(needing(quarantined=frozenset({first.without})))
    assert again.cost == first.cost
    every = [solve(needing(quarantined=frozenset({trade.contract}))).cost for trade in found.buys]
    assert first.cost == min(every)


def test_no_more_alternatives_are_told_than_asked_for():
    assert len(solve(needing(alternatives=1)).alternatives) == 1


def test_a_strike_without_which_nothing_does_has_no_alternative():
    asked = needing(alternatives=3)
    only = {trade.contract for trade in solve(asked).buys}
    found = solve(replace(asked, candidates=tuple(c for c in asked.candidates if c.contract in only)))
    assert found.status is Status.SOLVED
    assert found.alternatives == ()


# --- objective ----------------------------------------------------------------------------------------------------------


def test_expected_cost_is_outlay_less_what_the_decayed_wings_bring_when_they_are_sold():
    asked = needing(policy=EXPECTED, needed_until=MORNING + timedelta(hours=1))
    found = solve(asked)
    assert found.expected_cost is not None
    assert 0 < found.expected_cost < found.cost
    assert solve(needing()).expected_cost is None


def test_by_expected_cost_the_answer_is_expected_to_lose_no_more_and_by_outlay_to_pay_no_more():
    asked = needing(needed_until=MORNING + timedelta(minutes=40))
    by_outlay, by_loss = solve(asked), solve(replace(asked, policy=EXPECTED))
    model = HedgeModel(replace(asked, policy=EXPECTED))
    lots = {trade.contract: trade.lots for trade in by_outlay.buys}
    vector = np.array([float(lots.get(column.contract, 0)) for column in model.columns])
    assert by_outlay.cost <= by_loss.cost
    assert float(by_loss.expected_cost or 0) <= model.weigh(vector) + 0.01


def test_a_short_need_prefers_a_dear_wing_that_keeps_its_value_and_a_long_one_a_cheap_one():
    # Same release for less premium, but a wide spread: what is paid is not what is lost.
    asked = needing(policy=EXPECTED)
    wide = tuple(
        replace(c, bid=Decimal("0.05")) if c.ask < Decimal("3.5") else replace(c, bid=c.ask - Decimal("0.05"))
        for c in asked.candidates
    )
    short = solve(replace(asked, candidates=wide, needed_until=MORNING + timedelta(minutes=5)))
    outlay = solve(replace(asked, candidates=wide, policy=HedgePolicy()))
    assert short.cost > outlay.cost
    assert min(trade.price for trade in short.buys) >= Decimal("3.5")


@pytest.mark.parametrize("until", [None, at(15, 30), at(15, 59)])
def test_held_to_expiry_nothing_is_expected_back_so_both_objectives_agree(until):
    asked = needing(needed_until=until)
    by_outlay, by_loss = solve(asked), solve(replace(asked, policy=EXPECTED))
    assert by_loss.buys == by_outlay.buys
    assert by_loss.expected_cost == pytest.approx(by_loss.cost, abs=Decimal("0.01"))


def test_the_longer_a_wing_is_held_the_more_of_it_is_lost():
    losses = [
        solve(needing(policy=EXPECTED, needed_until=MORNING + timedelta(minutes=minutes))).expected_cost or Decimal(0)
        for minutes in (5, 60, 180, 300)
    ]
    assert losses == sorted(losses)
    assert losses[0] < losses[-1]


# --- depth --------------------------------------------------------------------------------------------------------------

POLICY = HedgePolicy(order_buffer_ticks=2, order_buffer_pct=Decimal(0))
READ = datetime(2026, 12, 1, 5, tzinfo=UTC)


def ladder(asks=(), bids=()):
    levels = [tuple(Level(Decimal(price), quantity) for price, quantity in side) for side in (bids, asks)]
    return Depth(otm(250, Right.CE), levels[0], levels[1], None, READ)


def test_lots_are_counted_down_the_ladder_to_the_worst_price_and_whole():
    depth = ladder(asks=[("3.00", 65), ("3.10", 100), ("3.15", 650)], bids=[("2.90", 64), ("2.80", 1), ("2.75", 650)])
    assert lots_within(depth, Side.BUY, policy=POLICY, spec=SPEC) == 2
    assert lots_within(depth, Side.SELL, policy=POLICY, spec=SPEC) == 1


def test_a_ladder_becomes_a_candidate_at_its_own_touch_and_none_where_nobody_sells_or_it_is_crossed():
    found = candidate_at(ladder(asks=[("3.00", 130)], bids=[("2.90", 65)]), policy=POLICY, spec=SPEC)
    assert found is not None
    assert (found.ask, found.bid, found.depth_lots) == (Decimal("3.00"), Decimal("2.90"), 2)
    assert candidate_at(ladder(bids=[("2.90", 65)]), policy=POLICY, spec=SPEC) is None
    assert candidate_at(ladder(asks=[("3.00", 65)], bids=[("3.05", 65)]), policy=POLICY, spec=SPEC) is None


def test_a_wing_is_sold_into_the_bids_of_its_ladder():
    wing = wing_at(ladder(bids=[("2.90", 65), ("2.85", 65)]), 5, policy=POLICY, spec=SPEC)
    assert (wing.lots, wing.bid, wing.depth_lots) == (5, Decimal("2.90"), 2)
    assert wing_at(ladder(), 5, policy=POLICY, spec=SPEC).bid is None
