"""When no aim can be reached: which limit binds, how low buying could go, and what the policy may still buy."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product as every
from typing import Any

import pytest

from hedging.domain.instruments import Product, Right
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer import Aim, Candidate, Limit, Status, solve
from hedging.domain.policy import HedgePolicy, Relaxation
from tests.unit.margin_books import BUDGET, LOT, entry, fair, line, otm, problem, straddle, total

STRICT = HedgePolicy(relaxations=(Relaxation.NONE,))
THREE = straddle(24_000) + straddle(23_950) + straddle(24_050)
WIDE = replace(STRICT, min_premium=Decimal("0.05"), max_premium=Decimal(500))
ROOMY: dict[str, Any] = {"free_margin": BUDGET * 10, "cash": BUDGET, "policy": STRICT}


def needing(**changes):
    """A book that wings of the usual band bring under the target, unless something stands in the way."""
    return problem(THREE, coming=(entry(),), **(ROOMY | changes))


def thin(asked, depth):
    return replace(asked, candidates=tuple(replace(c, depth_lots=depth) for c in asked.candidates))


def far_and_few():
    """Wings that release almost nothing, and free margin that the entry needs all of."""
    asked = problem(straddle(lots=2), coming=(entry(),), free_margin=Decimal(2_000), cash=Decimal(100_000), policy=WIDE)
    far = tuple(c for c in asked.candidates if abs(c.contract.strike - 24_000) >= 900)
    return thin(replace(asked, candidates=far), 1)


LONGS = tuple(line(otm(900, right), 4 * LOT) for right in Right)
IN_THE_WAY = {
    Limit.COST_CAP: lambda: needing(cost_cap_left=Decimal(60)),
    Limit.CASH: lambda: needing(cash=Decimal(60)),
    Limit.DEPTH: lambda: thin(needing(), 0),
    Limit.CAPACITY: lambda: replace(needing(), book=(*THREE, *LONGS)),
    Limit.FREE_MARGIN: far_and_few,
    Limit.BUDGET: lambda: needing(budget=Decimal(400_000)),
    Limit.BAND: lambda: needing(policy=replace(STRICT, min_premium=Decimal("5.9"), max_premium=Decimal(6))),
}
LIFTED: dict[Limit, dict[str, Any]] = {
    Limit.COST_CAP: {"cost_cap_left": Decimal(50_000)},
    Limit.CASH: {"cash": BUDGET},
    Limit.FREE_MARGIN: {"free_margin": BUDGET},
    Limit.BUDGET: {"budget": BUDGET},
    Limit.BAND: {"policy": STRICT},
}


@pytest.mark.parametrize("limit", IN_THE_WAY, ids=str)
def test_the_limit_that_stands_in_the_way_is_named_and_nothing_is_bought(limit):
    found = solve(IN_THE_WAY[limit]())
    assert found.status in {Status.UNREACHABLE, Status.NO_CANDIDATE_IN_BAND}
    assert found.binding is limit
    assert not found.buys
    assert not found.sells


@pytest.mark.parametrize("limit", LIFTED, ids=str)
def test_lifting_the_limit_that_was_named_clears_the_way(limit):
    assert solve(replace(IN_THE_WAY[limit](), **LIFTED[limit])).status in {Status.SOLVED, Status.NOT_NEEDED}


def small(**changes):
    """Two strikes a side, so few that everything can be tried, and a budget that none of them reaches."""
    offered = tuple(
        Candidate(otm(points, right), fair(otm(points, right)) + 1, None, depth)
        for right in Right
        for points, depth in ((200, 2), (350, None))
    )
    known = ROOMY | {"budget": Decimal(300_000), "policy": WIDE, "candidates": offered}
    return problem(straddle(lots=2), coming=(entry(),), **(known | changes))


def floor(asked):
    found = solve(asked).floor_pct
    assert found is not None
    return found


def tried(asked):
    """Used margin and outlay of every permitted purchase."""
    found = []
    for lots in every(*(range(min(3, c.depth_lots or 3) + 1) for c in asked.candidates)):
        sides = dict.fromkeys(Right, 0)
        for offer, count in zip(asked.candidates, lots, strict=True):
            sides[offer.contract.right] += count
        bought = [
            MarginLine(c.contract, n * LOT, c.mark, Product.NRML)
            for c, n in zip(asked.candidates, lots, strict=True)
            if n
        ]
        if max(sides.values()) <= 3:
            used = total([*asked.book, *asked.coming[0].lines, *bought])
            now = total([*asked.book, *bought])
            outlay = sum((c.ask * n * LOT for c, n in zip(asked.candidates, lots, strict=True)), Decimal(0))
            found.append((max(used, now), outlay))
    return found


def test_the_floor_is_the_least_utilization_that_any_purchase_reaches():
    asked = small()
    found = solve(asked)
    assert found.status is Status.UNREACHABLE
    least = min(used for used, _ in tried(asked)) / asked.budget * 100
    assert found.floor_pct == pytest.approx(least, abs=Decimal("0.001"))


def test_the_floor_counts_what_money_leaves_for_it():
    poor = small(cost_cap_left=Decimal(1_000))
    assert floor(poor) > floor(small()) + 1


def test_a_policy_may_buy_what_brings_utilization_lowest_at_its_least_cost():
    asked = small()
    found = solve(replace(asked, policy=replace(asked.policy, buy_least_utilization=True)))
    assert (found.status, found.aim) == (Status.SOLVED, Aim.LEAST)
    assert found.binding is Limit.BUDGET
    assert found.utilization_after_pct == found.floor_pct
    everything = tried(asked)
    lowest = min(used for used, _ in everything)
    assert found.used_after == pytest.approx(lowest, abs=1)
    premium = sum(t.price * t.lots * LOT for t in found.buys)
    assert premium == pytest.approx(min(outlay for used, outlay in everything if used <= lowest + 1))


def test_the_least_utilization_is_no_substitute_for_an_aim_that_can_be_reached():
    asked = needing()
    least = solve(replace(asked, policy=replace(STRICT, buy_least_utilization=True)))
    assert least == solve(asked)


def test_where_buying_lowers_nothing_the_least_utilization_buys_nothing():
    asked = small(candidates=())
    found = solve(replace(asked, policy=replace(asked.policy, buy_least_utilization=True)))
    assert found.status is Status.NO_CANDIDATE_IN_BAND
    assert found.buys == ()
    assert found.floor_pct == found.utilization_before_pct


def test_an_answer_that_need_not_be_explained_says_only_that_there_is_none():
    found = solve(small(), explained=False)
    assert (found.status, found.binding, found.floor_pct) == (Status.UNREACHABLE, None, None)
    assert solve(needing(), explained=False) == solve(needing())


def test_a_side_with_more_longs_than_shorts_is_bought_only_if_that_ends():
    # Two more long calls than short ones, one of them ours: no call may be bought for it, since one would remain.
    excess = tuple(line(otm(900, Right.CE), LOT) for _ in range(6))
    asked = replace(needing(budget=Decimal(700_000)), book=(*THREE, *excess))
    assert not [t for t in solve(asked).buys if t.contract.right is Right.CE]


def test_out_of_time_the_best_pair_is_bought_not_proven_and_unreachable_is_not_proven_either():
    hurried = solve(needing(time_limit_seconds=0.0))
    assert (hurried.status, hurried.proven) == (Status.SOLVED, False)
    assert len({trade.lots for trade in hurried.buys}) == 1
    assert len(hurried.buys) == 2
    impossible = solve(replace(small(), time_limit_seconds=0.0))
    assert impossible.status is Status.UNREACHABLE
