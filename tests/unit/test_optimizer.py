"""The cheapest sufficient wings: what is bought, what never is, and what is said when nothing will do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.exposure import exposures
from hedging.domain.instruments import Index, Product, Right, Side
from hedging.domain.margin import MarginLine, Universe
from hedging.domain.optimizer import Aim, Candidate, HeldWing, Limit, Status, eligible_contracts, solve
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.projection import ProjectionInputs, project
from hedging.domain.worst_case import worst_cost, worst_price
from tests.unit.margin_books import (
    BUDGET,
    CALIBRATED,
    EXPIRY,
    LOT,
    MORNING,
    NEXT_EXPIRY,
    SPEC,
    at,
    candidates,
    entry,
    fair,
    held,
    line,
    option,
    otm,
    problem,
    straddle,
    total,
)

THREE = straddle(24_000) + straddle(23_950) + straddle(24_050)


def after(asked, solution):
    """The book after the action and every coming entry, rebuilt from the answer alone."""
    lot = asked.spec.lot
    marks = {c.contract: c.mark for c in asked.candidates}
    bought = [MarginLine(t.contract, t.lots * lot, marks[t.contract], asked.product) for t in solution.buys]
    sold = [MarginLine(t.contract, -t.lots * lot, t.price, asked.product) for t in solution.sells]
    coming = [held_line for due in asked.coming for held_line in due.lines]
    return [*asked.book, *coming, *bought, *sold]


def test_the_fourth_straddle_of_a_tuesday_is_brought_under_the_target_with_three_rupee_wings():
    asked = problem(THREE, coming=(entry(),))
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert found.proven
    assert (found.aim, found.relaxation) == (Aim.TARGET, Relaxation.NONE)
    assert found.utilization_before_pct > 105
    assert found.utilization_after_pct <= 85
    assert {trade.contract.right for trade in found.buys} == set(Right)
    assert all(Decimal(2) <= trade.price <= Decimal(6) for trade in found.buys)
    assert found.cost < 1500
    assert total(after(asked, found)) == pytest.approx(found.used_after, abs=Decimal("0.05"))


def test_nothing_is_bought_while_the_projection_stays_under_the_trigger():
    found = solve(problem(straddle(lots=2), coming=(entry(),)))
    assert found.status is Status.NOT_NEEDED
    assert not found.buys
    assert not found.sells
    assert found.cost == 0


def test_the_trigger_itself_is_not_a_need():
    asked = problem(straddle(lots=3), coming=(entry(),))
    used = solve(asked).utilization_before_pct / 100 * BUDGET
    edge = (used / Decimal("0.95")).quantize(Decimal("0.01"))
    assert solve(replace(asked, budget=edge + 1, free_margin=BUDGET)).status is Status.NOT_NEEDED
    assert solve(replace(asked, budget=edge - 1, free_margin=BUDGET)).status is Status.SOLVED


def test_offsets_of_the_projection_count_like_margin():
    asked = problem(straddle(lots=3), coming=(entry(),), budget=Decimal(1_150_000), free_margin=Decimal(1_000_000))
    assert solve(asked).status is Status.NOT_NEEDED
    assert solve(replace(asked, used_offset=Decimal(20_000))).status is Status.SOLVED


def test_the_projections_figure_is_the_optimizers_figure():
    asked = problem(THREE, coming=(entry(),))
    made = project(
        ProjectionInputs(
            book=asked.book,
            coming=asked.coming,
            market=asked.market,
            parameters=asked.parameters,
            profile=CALIBRATED,
            policy=asked.policy,
            budget=asked.budget,
            used_now=asked.used_now,
            free_margin=asked.free_margin,
        )
    )
    found = solve(replace(asked, used_offset=made.used_offset, order_offset=made.order_offset))
    assert found.utilization_before_pct == made.entries[0].utilization_after_pct
    assert found.at_order_before == made.entries[0].at_order


def test_a_present_book_over_the_trigger_is_hedged_without_any_entry():
    found = solve(problem(straddle(lots=4), free_margin=Decimal(50_000), cash=Decimal(50_000)))
    assert found.status is Status.SOLVED
    assert found.at_order_after == 0


def test_longs_never_exceed_shorts_of_a_side_counting_every_long():
    foreign = (line(otm(600, Right.CE), 2 * LOT),)
    asked = problem((*THREE, *foreign), coming=(entry(),))
    found = solve(asked)
    assert found.status is Status.SOLVED
    for exposure in exposures(after(asked, found)).values():
        assert exposure.longs <= exposure.shorts


def test_buys_in_flight_use_capacity_and_release_nothing():
    pending = tuple(MarginLine(otm(250, right), 4 * LOT, Decimal(3), Product.NRML) for right in Right)
    asked = problem(THREE, coming=(entry(),), pending=pending)
    assert solve(asked).status is Status.UNREACHABLE


def test_a_contract_in_which_the_account_is_short_or_about_to_be_is_never_bought():
    strangle = tuple(line(otm(250, right), -LOT) for right in Right)
    coming = ComingEntry(
        "S",
        Index.NIFTY,
        EXPIRY,
        Product.NRML,
        MORNING,
        tuple(EntryLeg(otm(300, right), Side.SELL, LOT, fair(otm(300, right))) for right in Right),
    )
    asked = problem((*THREE, *strangle), coming=(coming,), policy=HedgePolicy(min_premium=Decimal("0.05")))
    eligible = eligible_contracts(asked, Relaxation.NONE)
    for right in Right:
        assert otm(200, right) in eligible
        assert otm(250, right) not in eligible
        assert otm(300, right) not in eligible


def test_a_short_of_the_other_product_is_not_bought_either():
    other = (line(otm(250, Right.CE), -LOT, product=Product.MIS),)
    asked = problem((*THREE, *other), coming=(entry(),))
    assert otm(250, Right.CE) not in eligible_contracts(asked, Relaxation.NONE)


def test_quarantined_crossed_and_free_strikes_are_never_bought():
    bad = {
        otm(250, Right.CE): Candidate(otm(250, Right.CE), Decimal(3), Decimal("3.5")),
        otm(250, Right.PE): Candidate(otm(250, Right.PE), Decimal(0)),
    }
    asked = problem(THREE, coming=(entry(),), quarantined=frozenset({otm(200, Right.CE)}))
    asked = replace(asked, candidates=tuple(bad.get(c.contract, c) for c in asked.candidates))
    eligible = eligible_contracts(asked, Relaxation.NONE)
    assert not eligible & {*bad, otm(200, Right.CE)}


def test_strikes_of_another_expiry_are_never_bought():
    far = Candidate(otm(250, Right.CE, NEXT_EXPIRY), Decimal(3))
    asked = problem(THREE, coming=(entry(),), candidates=(far,))
    assert solve(asked).status is Status.NO_CANDIDATE_IN_BAND


def test_depth_bounds_the_lots_of_a_strike():
    asked = problem(THREE, coming=(entry(),))
    thin = tuple(replace(c, depth_lots=1) for c in asked.candidates)
    found = solve(replace(asked, candidates=thin))
    assert found.status is Status.SOLVED
    assert {trade.lots for trade in found.buys} == {1}
    assert found.cost > solve(asked).cost


def reserve(asked, solution):
    """What the claim of the answer sets aside."""
    return sum(
        worst_cost(
            price=worst_price(side=Side.BUY, touch=trade.price, policy=asked.policy, spec=asked.spec),
            lots=trade.lots,
            policy=asked.policy,
            spec=asked.spec,
            rates=asked.rates,
        )
        for trade in solution.buys
    )


def with_money(asked, limit, rupees):
    return replace(asked, cash=rupees) if limit == "cash" else replace(asked, cost_cap_left=rupees)


@pytest.mark.parametrize("limit", ["cost_cap", "cash"])
def test_money_that_does_not_suffice_for_the_target_reaches_a_lesser_aim_or_says_what_binds(limit):
    asked = problem(THREE, coming=(entry(),), policy=HedgePolicy(relaxations=(Relaxation.NONE,)))
    whole = solve(asked)
    less = solve(with_money(asked, limit, reserve(asked, whole) - 1))
    assert less.aim in {Aim.TRIGGER, Aim.FULL}
    assert less.cost < whole.cost
    none = solve(with_money(asked, limit, Decimal(60)))
    assert none.status is Status.UNREACHABLE
    assert none.binding is Limit(limit)
    assert none.buys == ()


def test_exactly_enough_money_is_enough():
    asked = problem(THREE, coming=(entry(),))
    needed = reserve(asked, solve(asked))
    assert solve(replace(asked, cost_cap_left=needed)).aim is Aim.TARGET


def test_cap_and_cash_hold_what_the_claim_will_set_aside_not_only_the_ask():
    asked = problem(THREE, coming=(entry(),), policy=HedgePolicy(relaxations=(Relaxation.NONE,)))
    whole = solve(asked)
    for limit in ("cost_cap", "cash"):
        found = solve(with_money(asked, limit, whole.cost * Decimal("1.05")))
        assert found.aim is not Aim.TARGET
        assert reserve(asked, found) <= whole.cost * Decimal("1.05")


def test_what_cannot_be_saved_says_the_floor_and_that_margin_itself_is_too_high():
    asked = problem(straddle(lots=6), coming=(entry(lots=6),), free_margin=BUDGET * 10, cash=BUDGET)
    found = solve(asked)
    assert found.status is Status.UNREACHABLE
    assert found.binding is Limit.BUDGET
    assert found.floor_pct is not None
    # Twelve straddles cannot fall under their exposure margin: 12 x 2 x 4 % of notional.
    assert 100 < found.floor_pct < found.utilization_before_pct
    assert found.floor_pct > Decimal(12 * 2 * 4) * 24_000 * LOT / 100 / BUDGET * 100


def test_the_order_must_fit_free_margin_even_when_the_budget_is_met():
    asked = problem(straddle(lots=2), coming=(entry(),), free_margin=Decimal(200_000), cash=Decimal(200_000))
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert found.at_order_before > 200_000
    assert found.at_order_after <= 200_000


def test_free_margin_that_no_wing_can_make_room_for_is_named():
    asked = problem(straddle(lots=2), coming=(entry(),), free_margin=Decimal(2_000), cash=Decimal(100_000))
    thin = tuple(replace(c, depth_lots=1) for c in asked.candidates if abs(c.contract.strike - 24_000) >= 900)
    permissive = HedgePolicy(min_premium=Decimal("0.05"))
    found = solve(replace(asked, candidates=thin, policy=permissive))
    assert found.status is Status.UNREACHABLE
    assert found.binding is Limit.FREE_MARGIN


def test_margin_must_fit_along_the_legs_not_only_after_the_last():
    shorts = tuple(EntryLeg(option(24_000, right), Side.SELL, 2 * LOT, fair(option(24_000, right))) for right in Right)
    longs = tuple(EntryLeg(otm(100, right), Side.BUY, 2 * LOT, fair(otm(100, right))) for right in Right)
    fly = ComingEntry("F", Index.NIFTY, EXPIRY, Product.NRML, MORNING, (*shorts, *longs))
    asked = problem(straddle(lots=2), coming=(fly,))
    roomy = replace(asked, free_margin=Decimal(1_000_000))
    assert solve(roomy).status is Status.NOT_NEEDED
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert found.at_order_before > asked.free_margin
    assert found.at_order_after <= asked.free_margin
    bought = [MarginLine(t.contract, t.lots * LOT, fair(t.contract), Product.NRML) for t in found.buys]
    bare = [*asked.book, *bought, *fly.lines[:2]]
    assert total(bare) - total(asked.book) + found.cost <= asked.free_margin + 1


def test_premium_counts_as_used_where_the_broker_counts_it():
    plain = problem(THREE, coming=(entry(),))
    counted = replace(plain, profile=replace(CALIBRATED, premium_counted=True))
    premium = sum(leg.premium for leg in plain.coming[0].legs)
    assert solve(plain).utilization_before_pct - solve(counted).utilization_before_pct == pytest.approx(
        premium / BUDGET * 100, abs=Decimal("0.01")
    )


# --- relaxations --------------------------------------------------------------------------------------------------------

AFTERNOON = at(15, 5)


def afternoon(**changes):
    return problem(straddle(now=AFTERNOON, lots=3), coming=(entry(now=AFTERNOON),), now=AFTERNOON, **changes)


def test_on_an_expiry_afternoon_no_strike_is_in_band_and_bounds_and_the_third_relaxation_solves():
    asked = afternoon(policy=HedgePolicy(min_premium=Decimal("3.5")))
    assert not eligible_contracts(asked, Relaxation.NONE)
    assert not eligible_contracts(asked, Relaxation.OTM_BOUND)
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert found.relaxation is Relaxation.LOWER_PREMIUM
    assert all(trade.price >= Decimal("0.30") for trade in found.buys)
    assert found.utilization_after_pct <= 85


def test_a_better_aim_is_worth_a_relaxation_and_the_least_one_is_taken():
    asked = problem(THREE, coming=(entry(),), policy=HedgePolicy(max_premium=Decimal("2.1")))
    assert {c.right for c in eligible_contracts(asked, Relaxation.NONE)} != set(Right)
    found = solve(asked)
    assert (found.aim, found.relaxation) == (Aim.TARGET, Relaxation.LOWER_PREMIUM)


def test_a_forbidden_relaxation_is_not_used_and_the_strike_that_would_do_is_named():
    asked = afternoon(policy=HedgePolicy(relaxations=(Relaxation.NONE,)))
    found = solve(asked)
    assert found.status is Status.NO_CANDIDATE_IN_BAND
    assert found.binding is Limit.BAND
    assert {contract.right for contract in found.would_do} == set(Right)
    with pytest.raises(ValueError, match="not in tuple"):
        eligible_contracts(asked, Relaxation.OTM_BOUND)


def test_the_relaxed_distance_starts_one_step_beyond_the_outermost_short():
    wide = HedgePolicy(min_premium=Decimal("0.05"), max_premium=Decimal(500))
    asked = problem(straddle(23_900) + straddle(24_050), coming=(entry(),), policy=wide)
    strict, relaxed = (eligible_contracts(asked, level) for level in (Relaxation.NONE, Relaxation.OTM_BOUND))
    nearest = {
        (name, right): min(abs(c.strike - 24_000) for c in found if c.right is right)
        for name, found in (("strict", strict), ("relaxed", relaxed))
        for right in Right
    }
    assert nearest == {
        ("strict", Right.CE): 200,
        ("strict", Right.PE): 200,
        ("relaxed", Right.CE): 100,
        ("relaxed", Right.PE): 150,
    }


def test_a_short_that_the_market_has_left_behind_does_not_push_the_wings_of_the_others_out():
    wide = HedgePolicy(min_premium=Decimal("0.05"), max_premium=Decimal(500))
    left_behind = tuple(line(otm(300, right), -LOT) for right in Right)
    for book, nearest in (((*straddle(), *left_behind), 50), (left_behind, 200)):
        asked = problem(book, coming=(entry(),) if nearest == 50 else (), policy=wide)
        found = eligible_contracts(asked, Relaxation.OTM_BOUND)
        for right in Right:
            assert min(abs(c.strike - 24_000) for c in found if c.right is right) == nearest


def test_a_higher_premium_is_off_by_default_and_on_by_policy():
    permitted = HedgePolicy(relaxations=(*HedgePolicy().relaxations, Relaxation.HIGHER_PREMIUM))
    asked = problem(THREE, coming=(entry(),), policy=permitted)
    dear = {c.contract for c in asked.candidates if Decimal(6) < c.ask <= Decimal(12)}
    assert dear & eligible_contracts(asked, Relaxation.HIGHER_PREMIUM)
    assert not dear & eligible_contracts(asked, Relaxation.LOWER_PREMIUM)
    assert Relaxation.HIGHER_PREMIUM not in HedgePolicy().relaxations


# --- replacement --------------------------------------------------------------------------------------------------------


def far_wings(lots=4):
    return tuple(held(1000, right, lots) for right in Right)


def test_far_wings_that_fill_the_capacity_are_replaced_by_nearer_ones():
    asked = problem(THREE, coming=(entry(lots=2),), wings=far_wings(5), budget=BUDGET * 95 / 100)
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert found.sells
    assert found.utilization_after_pct <= 85
    for exposure in exposures(after(asked, found)).values():
        assert exposure.longs <= exposure.shorts
    stuck = solve(replace(asked, wings=()))
    assert stuck.status is Status.UNREACHABLE
    assert stuck.binding is Limit.CAPACITY


def test_a_replacement_sells_no_more_than_is_held_and_bid_for():
    wings = (*far_wings(3), *(HeldWing(otm(900, right), 1, None) for right in Right))
    found = solve(problem(THREE, coming=(entry(),), wings=wings))
    sold = {trade.contract: trade.lots for trade in found.sells}
    assert all(lots <= 3 for lots in sold.values())
    assert not {otm(900, right) for right in Right} & set(sold)


def test_a_replacement_moves_inward_never_outward():
    near = tuple(HeldWing(otm(150, right), 4, Decimal(40)) for right in Right)
    asked = problem(straddle(lots=2), coming=(entry(lots=4),), wings=near, free_margin=BUDGET, cash=BUDGET)
    found = solve(asked)
    assert found.status is Status.SOLVED
    # Forty rupees for each would pay for every other wing, but selling what is nearer is the unwind's business.
    for sold in found.sells:
        nearer = [t for t in found.buys if t.contract.right is sold.contract.right]
        assert sum(t.lots for t in nearer if abs(t.contract.strike - 24_000) <= 150) >= sold.lots


def test_a_wing_that_a_coming_entry_will_sell_is_not_sold_twice():
    wings = tuple(held(250, right, 1) for right in Right)
    coming = ComingEntry(
        "S",
        Index.NIFTY,
        EXPIRY,
        Product.NRML,
        MORNING,
        tuple(EntryLeg(otm(250, right), Side.SELL, LOT, fair(otm(250, right))) for right in Right),
    )
    found = solve(problem(straddle(lots=4), coming=(coming,), wings=wings, cash=Decimal(60_000)))
    assert found.sells == ()


# --- the machinery ------------------------------------------------------------------------------------------------------


def test_without_time_the_best_pair_is_taken_and_marked_not_proven():
    asked = problem(THREE, coming=(entry(),))
    best = solve(asked)
    hurried = solve(replace(asked, time_limit_seconds=0.0))
    assert hurried.status is Status.SOLVED
    assert not hurried.proven
    assert hurried.utilization_after_pct <= 85
    assert len({trade.lots for trade in hurried.buys}) == 1
    assert hurried.cost >= best.cost


def test_orders_beyond_the_freeze_quantity_pay_their_brokerage():
    small_freeze = replace(SPEC, freeze_quantity=2 * LOT)
    asked = problem(
        straddle(lots=30), coming=(entry(lots=10),), budget=BUDGET * 10, free_margin=BUDGET * 10, cash=BUDGET
    )
    one, many = solve(asked), solve(replace(asked, spec=small_freeze))
    assert one.status is many.status is Status.SOLVED
    orders = sum(-(-trade.lots // 2) for trade in many.buys)
    assert many.charges > orders * Decimal("23.6")
    assert many.charges > one.charges


def test_another_index_in_the_book_is_counted_and_left_alone():
    sensex = MarginLine(replace(option(78_000, Right.CE), index=Index.SENSEX), -20, Decimal(300), Product.NRML)
    base = problem(THREE, coming=(entry(),))
    market = replace(base.market, spots={**base.market.spots, Index.SENSEX: Decimal(78_000)})
    lines = (*base.book, sensex)
    universe = Universe.of(lines, market=market, parameters=base.parameters)
    used = Decimal(str(universe.total(universe.quantities(lines))))
    found = solve(replace(base, book=lines, market=market, used_now=used, free_margin=BUDGET))
    assert found.utilization_before_pct - solve(base).utilization_before_pct == pytest.approx(
        (used - base.used_now) / BUDGET * 100, abs=Decimal("0.01")
    )


def test_the_same_problem_has_the_same_answer():
    asked = problem(THREE, coming=(entry(),))
    assert solve(asked) == solve(asked)


def test_the_order_of_candidates_does_not_change_the_cost():
    asked = problem(THREE, coming=(entry(),))
    assert solve(replace(asked, candidates=candidates()[::-1])).cost == solve(asked).cost


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="budget"):
        solve(problem(THREE, budget=Decimal(0)))
