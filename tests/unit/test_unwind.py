"""Which wings may be sold: the most is recovered, and no covered short is left bare."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product as every

import pytest

from hedging.domain.charges import ChargeRates, order_charges
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer import HeldWing
from hedging.domain.policy import HedgePolicy
from hedging.domain.unwind import Kept, UnwindInputs, choose_unwind
from tests.unit.margin_books import (
    BUDGET,
    LOT,
    entry,
    held,
    line,
    option,
    otm,
    problem,
    straddle,
    total,
    wing_lines,
)

RATES = ChargeRates()


def wings(lots, points=250):
    return tuple(held(points, right, lots) for right in Right)


def inputs(shorts, wings, *, later_units=None, rebuy_prices=None, soon=(), **changes):
    asked = replace(problem(shorts, coming=soon, wings=wings), candidates=(), **changes)
    return UnwindInputs(asked, later_units=later_units or {}, rebuy_prices=rebuy_prices or {})


def changed(asked, **changes):
    return replace(asked, problem=replace(asked.problem, **changes))


def sold(choice):
    return {(trade.contract.right, int(abs(trade.contract.strike - 24_000))): trade.lots for trade in choice.sells}


def reasons(choice):
    return {(k.contract.right, int(abs(k.contract.strike - 24_000))): (k.lots, k.reason) for k in choice.kept}


def test_with_every_short_gone_every_wing_is_sold():
    choice = choose_unwind(inputs((), wings(3)))
    assert sold(choice) == {(Right.CE, 250): 3, (Right.PE, 250): 3}
    assert choice.kept == ()
    premium = [wing.bid * 3 * LOT for wing in wings(3) if wing.bid]
    paid = sum(order_charges(rates=RATES, side=Side.SELL, premium_rupees=each) for each in premium)
    assert choice.recovery == sum(premium) - paid


@pytest.mark.parametrize(("exit_trigger", "most_pct"), [(70, 70), (93, 93), (95, 94)])
def test_a_sale_stays_under_the_exit_trigger_and_a_buffer_under_the_trigger_to_buy(exit_trigger, most_pct):
    policy = HedgePolicy(exit_trigger_pct=Decimal(exit_trigger))
    bare = total(straddle(lots=2))
    for rupees, sells in ((2, 2), (-2, 1)):
        budget = (bare + rupees) / most_pct * 100
        choice = choose_unwind(inputs(straddle(lots=2), wings(2), budget=budget, free_margin=BUDGET, policy=policy))
        assert sold(choice) == {(Right.CE, 250): sells, (Right.PE, 250): sells}


def test_wings_that_keep_the_book_under_the_exit_trigger_stay():
    asked = inputs(straddle(lots=3), wings(3))
    choice = choose_unwind(asked)
    assert choice.utilization_after_pct <= 70
    assert {reason for _, reason in reasons(choice).values()} == {Kept.STILL_COVERS}
    left = [*asked.problem.book, *(MarginLine(t.contract, -t.lots * LOT, t.price, Product.NRML) for t in choice.sells)]
    assert total(left) == pytest.approx(choice.utilization_after_pct / 100 * BUDGET, abs=Decimal("0.05"))


def test_one_more_sale_than_chosen_would_pass_the_exit_trigger():
    asked = inputs(straddle(lots=3), wings(3))
    lots = sold(choose_unwind(asked))
    more = [MarginLine(otm(250, right), -(lots[right, 250] + 1) * LOT, Decimal(3), Product.NRML) for right in Right]
    assert total([*asked.problem.book, *more]) > BUDGET * 70 / 100


def test_an_entry_inside_the_exit_buffer_keeps_its_wings():
    alone = choose_unwind(inputs(straddle(lots=2), wings(2)))
    awaited = choose_unwind(inputs(straddle(lots=2), wings(2), soon=(entry(),)))
    assert sold(alone) == {(Right.CE, 250): 2, (Right.PE, 250): 2}
    assert sum(sold(awaited).values()) < 4
    assert awaited.utilization_after_pct <= 70


def test_over_the_exit_trigger_only_longs_beyond_shorts_are_sold():
    # Of four straddles one call was stopped out: one call wing covers nothing any more.
    stopped = (*straddle(lots=3), line(option(24_000, Right.PE), -LOT))
    choice = choose_unwind(inputs(stopped, wings(4), budget=Decimal(600_000), free_margin=Decimal(100_000)))
    assert sold(choice) == {(Right.CE, 250): 1}
    assert reasons(choice) == {(Right.CE, 250): (3, Kept.STILL_COVERS), (Right.PE, 250): (4, Kept.STILL_COVERS)}


def test_over_the_exit_trigger_a_balanced_book_is_left_alone():
    choice = choose_unwind(inputs(straddle(lots=4), wings(4), budget=Decimal(600_000), free_margin=Decimal(0)))
    assert choice.sells == ()
    assert choice.recovery == 0


def test_a_sale_never_raises_margin_above_the_exit_trigger_even_for_longs_beyond_shorts():
    # Five call wings over four short calls, the fifth much nearer than the rest: all the relief is in it.
    mixed = (held(800, Right.CE, 3), held(800, Right.PE, 4), held(150, Right.CE, 2))
    asked = inputs(straddle(lots=4), mixed, budget=Decimal(700_000), free_margin=Decimal(0))
    before = total(asked.problem.book)
    choice = choose_unwind(asked)
    assert choice.utilization_after_pct / 100 * Decimal(700_000) <= before + 1


@pytest.mark.parametrize("profile", [MarginProfile(error_pct=Decimal(1)), MarginProfile(error_pct=None)])
@pytest.mark.parametrize(("rupees_over", "pairs"), [(2, 3), (-2, 2)])
def test_what_margin_rises_by_in_a_sale_fits_free_margin_with_the_buffer_left_though_no_entry_is_near(
    rupees_over, pairs, profile
):
    budget = Decimal(3_000_000)
    rise = total(straddle(lots=3)) - total([*straddle(lots=3), *wing_lines(wings(3))])
    buffer = budget * profile.buffer_pct(Decimal(1)) / 100
    asked = inputs(straddle(lots=3), wings(3), budget=budget, profile=profile, free_margin=rise + buffer + rupees_over)
    choice = choose_unwind(asked)
    assert sold(choice) == {(Right.CE, 250): pairs, (Right.PE, 250): pairs}
    assert {reason for _, reason in reasons(choice).values()} <= {Kept.FREE_MARGIN}


def test_a_sale_leaves_free_margin_and_buffer_for_the_orders_of_an_entry_inside_the_exit_buffer():
    budget, profile = Decimal(3_000_000), MarginProfile(error_pct=Decimal(1))
    bare, covered = ([*straddle(lots=2), *wing_lines(some)] for some in ((), wings(2)))
    entered = total([*bare, *entry().lines]) - total(covered)
    for rupees_over, pairs in ((2, 2), (-2, 1)):
        free = entered + budget / 100 + rupees_over
        asked = inputs(straddle(lots=2), wings(2), soon=(entry(),), budget=budget, profile=profile, free_margin=free)
        assert sold(choose_unwind(asked)) == {(Right.CE, 250): pairs, (Right.PE, 250): pairs}


@pytest.mark.parametrize("free", [Decimal(-50_000), Decimal(0), Decimal(5_000)])
def test_a_sale_that_raises_no_margin_is_made_without_any_free_margin(free):
    assert sum(sold(choose_unwind(inputs((), wings(3), free_margin=free))).values()) == 6


def test_a_wing_that_a_later_entry_needs_for_free_margin_is_not_sold_where_the_day_is_not_drawn():
    asked = inputs(straddle(lots=2), wings(4), later_units=dict.fromkeys(Right, 2 * LOT), budget=Decimal(3_000_000))
    assert sum(sold(choose_unwind(changed(asked, free_margin=Decimal(3_000_000)))).values()) == 8
    choice = choose_unwind(changed(asked, free_margin=Decimal(600_000)))
    assert 0 < sum(sold(choice).values()) < 8
    left = [*asked.problem.book, *(MarginLine(t.contract, -t.lots * LOT, t.price, Product.NRML) for t in choice.sells)]
    assert total([*left, *straddle(lots=2)]) - total(asked.problem.book) <= 600_000 - 30_000


@pytest.mark.parametrize(("rupees", "sells"), [(2, 4), (-2, 2)])
def test_where_the_day_is_not_drawn_the_buffer_is_kept_free_for_later_entries_too(rupees, sells):
    bare, later_units = total(straddle(lots=4)), dict.fromkeys(Right, 2 * LOT)
    by_budget = inputs(
        straddle(lots=2), wings(2), later_units=later_units, budget=(bare + rupees) / 94 * 100, free_margin=4 * BUDGET
    )
    assert sum(sold(choose_unwind(by_budget)).values()) == sells
    free = bare - total(by_budget.problem.book) + 4 * BUDGET / 100 + rupees
    by_free_margin = changed(by_budget, budget=4 * BUDGET, free_margin=free)
    assert sum(sold(choose_unwind(by_free_margin)).values()) == sells


def test_a_wing_that_a_later_entry_will_need_is_not_sold():
    none_later = choose_unwind(inputs(straddle(lots=2), wings(4)))
    two_later = choose_unwind(inputs(straddle(lots=2), wings(4), later_units=dict.fromkeys(Right, 2 * LOT)))
    assert sum(sold(none_later).values()) == 8
    assert sum(sold(two_later).values()) < 8
    assert {reason for _, reason in reasons(two_later).values()} == {Kept.NEEDED_LATER}


def test_what_the_timeline_needs_counts_before_the_bound_without_exits():
    asked = inputs(straddle(lots=2), wings(4), later_units=dict.fromkeys(Right, 2 * LOT))
    by_bound, none, one = (
        choose_unwind(replace(asked, needed_later=needed))
        for needed in (None, dict.fromkeys(Right, 0), dict.fromkeys(Right, 1))
    )
    assert sum(sold(by_bound).values()) < sum(sold(one).values()) == 6
    assert sum(sold(none).values()) == 8


@pytest.mark.parametrize(
    ("needed", "sells"),
    [
        (0, {(Right.CE, 250): 2, (Right.PE, 250): 2, (Right.CE, 350): 2, (Right.PE, 350): 2}),
        (1, {(Right.CE, 250): 1, (Right.PE, 250): 1, (Right.CE, 350): 2, (Right.PE, 350): 2}),
        (2, {(Right.CE, 350): 2, (Right.PE, 350): 2}),
        (3, {(Right.CE, 350): 1, (Right.PE, 350): 1}),
        (4, {}),
    ],
)
def test_the_nearest_wings_are_those_that_stay_for_later_entries_dear_as_they_are(needed, sells):
    asked = inputs(
        straddle(lots=2), (*wings(2, 350), *wings(2, 250)), policy=HedgePolicy(minimum_exit_value=Decimal(0))
    )
    choice = choose_unwind(replace(asked, needed_later=dict.fromkeys(Right, needed)))
    assert sold(choice) == {key: lots for key, lots in sells.items() if lots}


def test_a_near_wing_is_not_sold_for_a_worthless_far_one_that_stays():
    asked = inputs(straddle(lots=2), (*wings(2, 250), *wings(2, 600)))
    choice = choose_unwind(replace(asked, needed_later=dict.fromkeys(Right, 2)))
    assert choice.sells == ()
    assert {reasons(choice)[right, 250] for right in Right} == {(2, Kept.NEEDED_LATER)}


@pytest.mark.parametrize(
    ("depth", "sells", "why"),
    [
        (None, 6, Kept.NEEDED_LATER),
        (100, 6, Kept.NEEDED_LATER),
        (6, 6, Kept.NEEDED_LATER),
        (5, 5, Kept.THIN_BID),
        (4, 4, Kept.THIN_BID),
        (0, 0, Kept.THIN_BID),
    ],
)
def test_what_a_thin_bid_takes_of_the_lots_to_spare_is_sold(depth, sells, why):
    thin = tuple(replace(wing, depth_lots=depth) for wing in wings(10))
    choice = choose_unwind(replace(inputs(straddle(lots=2), thin), needed_later=dict.fromkeys(Right, 4)))
    assert sold(choice) == {(right, 250): sells for right in Right if sells}
    assert reasons(choice) == {(right, 250): (10 - sells, why) for right in Right}


def test_where_the_day_is_not_drawn_a_thin_bid_leaves_what_later_entries_need_as_it_is():
    later_units, budget = dict.fromkeys(Right, 2 * LOT), Decimal(1_100_000)
    deep = choose_unwind(inputs(straddle(lots=2), wings(4), later_units=later_units, budget=budget))
    thin = tuple(replace(wing, depth_lots=2) for wing in wings(4))
    assert set(sold(deep).values()) == {3}
    choice = choose_unwind(inputs(straddle(lots=2), thin, later_units=later_units, budget=budget))
    assert set(sold(choice).values()) == {2}


def test_near_wings_that_nobody_bids_for_cover_later_entries_and_far_ones_may_go():
    unsold = tuple(replace(wing, bid=None) for wing in wings(2, 250))
    policy = HedgePolicy(minimum_exit_value=Decimal(0))
    asked = inputs(straddle(lots=2), (*unsold, *wings(2, 300)), policy=policy)
    choice = choose_unwind(replace(asked, needed_later=dict.fromkeys(Right, 2)))
    assert sold(choice) == {(Right.CE, 300): 2, (Right.PE, 300): 2}


def test_one_wing_with_a_bid_is_sold_among_many_that_nobody_bids_for():
    unsold = tuple(replace(wing, bid=None) for points in (150, 250, 350) for wing in wings(2, points))
    asked = inputs((), (*unsold, held(300, Right.CE, 2)))
    assert sold(choose_unwind(asked)) == {(Right.CE, 300): 2}
    assert choose_unwind(replace(asked, needed_later=dict.fromkeys(Right, 7))).sells == ()


def test_later_entries_that_fit_without_wings_need_none():
    choice = choose_unwind(inputs(straddle(lots=1), wings(2), later_units=dict.fromkeys(Right, 2 * LOT)))
    assert sum(sold(choice).values()) == 4


@pytest.mark.parametrize(("price", "sells"), [("0.50", True), ("6.00", False), (None, False)])
def test_a_needed_wing_is_sold_only_where_buying_it_again_is_expected_to_cost_less(price, sells):
    rebuy = {} if price is None else {otm(250, right): Decimal(price) for right in Right}
    asked = inputs(straddle(lots=2), wings(4), later_units=dict.fromkeys(Right, 4 * LOT), rebuy_prices=rebuy)
    assert (len(choose_unwind(asked).sells) == 2) is sells


def test_what_is_worth_less_than_its_charges_is_left_to_expire():
    cheap = (HeldWing(otm(600, Right.CE), 1, Decimal("0.35")), HeldWing(otm(600, Right.PE), 4, Decimal("0.35")))
    choice = choose_unwind(inputs((), cheap, policy=HedgePolicy(minimum_exit_value=Decimal("0.10"))))
    assert sold(choice) == {(Right.PE, 600): 4}
    assert reasons(choice) == {(Right.CE, 600): (1, Kept.WORTH_LESS_THAN_CHARGES)}


@pytest.mark.parametrize(("bid", "sells"), [("0.45", False), ("0.50", True), ("0.55", True)])
def test_below_the_minimum_exit_value_nothing_is_sold(bid, sells):
    choice = choose_unwind(inputs((), (HeldWing(otm(600, Right.CE), 20, Decimal(bid)),)))
    assert bool(choice.sells) is sells
    if not sells:
        assert reasons(choice) == {(Right.CE, 600): (20, Kept.BELOW_MINIMUM_EXIT_VALUE)}


def test_a_wing_without_a_bid_stays():
    choice = choose_unwind(inputs((), (HeldWing(otm(250, Right.CE), 2, None),)))
    assert reasons(choice) == {(Right.CE, 250): (2, Kept.NO_BID)}


def test_never_more_is_sold_than_the_account_is_net_long():
    asked = inputs((line(otm(250, Right.CE), -LOT),), (held(250, Right.CE, 1),))
    choice = choose_unwind(asked)
    assert choice.sells == ()
    assert reasons(choice) == {(Right.CE, 250): (1, Kept.NOT_NET_LONG)}


def test_without_wings_there_is_nothing_to_sell():
    choice = choose_unwind(inputs(straddle(), ()))
    assert (choice.sells, choice.kept) == ((), ())


@pytest.mark.parametrize("lots", [1, 2, 3])
def test_the_recovery_is_the_most_there_is(lots):
    no_minimum = HedgePolicy(minimum_exit_value=Decimal(0))
    mixed = (held(150, Right.CE, 2), held(400, Right.CE, 2), held(200, Right.PE, 2), held(350, Right.PE, 2))
    asked = inputs(straddle(lots=lots), mixed, budget=Decimal(600_000), free_margin=BUDGET, policy=no_minimum)
    best = Decimal(0)
    for sale in every(*(range(wing.lots + 1) for wing in mixed)):
        lines = [
            MarginLine(w.contract, -n * LOT, w.bid or Decimal(0), Product.NRML)
            for w, n in zip(mixed, sale, strict=True)
        ]
        if total([*asked.problem.book, *lines]) > asked.problem.budget * 70 / 100:
            continue
        premiums = [(w.bid or Decimal(0)) * n * LOT for w, n in zip(mixed, sale, strict=True) if n]
        gained = sum(p - order_charges(rates=RATES, side=Side.SELL, premium_rupees=p) for p in premiums)
        best = max(best, Decimal(gained))
    assert choose_unwind(asked).recovery == pytest.approx(best, abs=Decimal("0.000001"))
