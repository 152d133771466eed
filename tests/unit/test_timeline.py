"""The whole remaining day: laws that hold for every book, what exits release, what no hedge can save."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hedging.domain.entries import PlannedExit
from hedging.domain.instruments import Product, Right
from hedging.domain.margin import MarginMarket, MarketUnknown
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.projection import ProjectionInputs, project
from hedging.domain.timeline import DayInputs, MomentKind, draw_day, lots_needed
from tests.unit.margin_books import (
    BUDGET,
    CALIBRATED,
    EXPIRY,
    LOT,
    MORNING,
    PARAMETERS,
    SPEC,
    candidates,
    entry,
    held,
    market,
    otm,
    straddle,
    total,
    wing_lines,
)

ASKS = {c.contract: c.ask for c in candidates()}
ONE_STRADDLE = Decimal(269_880)


def day(book=(), coming=(), exits=(), wings=(), **changes):
    """A day whose free funds are its budget; the wings are added to the book."""
    lines = (*book, *wing_lines(wings))
    used = total(lines) if lines else Decimal(0)
    made = DayInputs(
        book=lines,
        coming=tuple(coming),
        exits=tuple(exits),
        wings={wing.contract: wing.lots * LOT for wing in wings},
        asks=ASKS,
        spec=SPEC,
        expiry=EXPIRY,
        product=Product.NRML,
        market=market(),
        parameters=PARAMETERS,
        profile=CALIBRATED,
        policy=HedgePolicy(),
        budget=BUDGET,
        used_now=used,
        free_margin=BUDGET - used,
    )
    return replace(made, **changes)


def pair(points, lots=1):
    return [held(points, right, lots) for right in Right]


def leaving(portfolio, lines, minutes):
    return PlannedExit(portfolio, MORNING + timedelta(minutes=minutes), tuple(lines))


def moments(inputs, kind=None):
    return [moment for moment in draw_day(inputs).moments if kind is None or moment.kind is kind]


def used(moment):
    return moment.held.used_after


def test_the_day_begins_with_the_brokers_own_number():
    first = draw_day(day(straddle(), wings=pair(500))).moments[0]
    assert first.kind is MomentKind.NOW
    assert first.held.used_after == total((*straddle(), *wing_lines(pair(500))))
    assert first.held.used_after is not None
    assert first.held.utilization_pct == first.held.used_after / BUDGET * 100
    assert first.bare.used_after == pytest.approx(ONE_STRADDLE, abs=1)
    assert first.floor.used_after is not None
    assert first.floor.used_after < first.held.used_after


def test_entries_are_added_up_in_time_order_and_exits_take_theirs_out():
    coming = [
        replace(entry("B", after_minutes=60), exit_at=MORNING + timedelta(minutes=90)),
        replace(entry("A", after_minutes=30), exit_at=MORNING + timedelta(minutes=120)),
    ]
    found = moments(day(straddle(), coming, [leaving("old", straddle(), 45)]))
    assert [(m.kind.value, m.portfolio) for m in found[1:]] == [
        ("entry", "A"), ("exit", "old"), ("entry", "B"), ("exit", "B"), ("exit", "A"),
    ]  # fmt: skip
    assert [used(m) for m in found] == [ONE_STRADDLE * n for n in (1, 2, 1, 2, 1, 0)]


def test_of_the_same_second_entries_come_before_exits_and_each_by_name():
    coming = [entry("B", after_minutes=30), entry("A", after_minutes=30)]
    found = moments(day(straddle(), coming, [leaving("Z", straddle(), 30)]))
    assert [m.portfolio for m in found[1:]] == ["A", "B", "Z"]
    assert max(used(m) for m in found) == 3 * ONE_STRADDLE


def test_an_exit_asks_for_nothing_and_an_entry_for_its_worst_order():
    found = moments(day(straddle(), [entry("A", after_minutes=30)], [leaving("old", straddle(), 45)]))
    assert [m.held.at_order for m in found] == [None, ONE_STRADDLE, None]


@pytest.mark.parametrize("premium_counted", [False, True])
def test_an_entry_has_the_engine_figures_that_the_near_projection_has(premium_counted):
    profile = replace(CALIBRATED, premium_counted=premium_counted, scale=Decimal("1.04"))
    coming = (entry("A", after_minutes=2), entry("B", strike=24_100, lots=2, after_minutes=4))
    inputs = day(straddle(lots=2), coming, wings=pair(400), profile=profile)
    near = project(
        ProjectionInputs(
            book=inputs.book, coming=coming, market=inputs.market, parameters=PARAMETERS, profile=profile,
            policy=inputs.policy, budget=BUDGET, used_now=inputs.used_now, free_margin=inputs.free_margin,
        )
    )  # fmt: skip
    engine = [(e.sources[1].used_after, e.sources[1].at_order) for e in near.entries]
    assert [(m.held.used_after, m.held.at_order) for m in moments(inputs, MomentKind.ENTRY)] == engine


def test_offsets_are_added_to_what_is_coming_and_not_to_what_is():
    plain = day(straddle(), [entry("A")])
    more = replace(plain, used_offset=Decimal(5_000), order_offset=Decimal(7_000))
    before, after = moments(plain), moments(more)
    assert before[0] == after[0]
    assert used(after[1]) == used(before[1]) + 5_000
    assert after[1].held.at_order == before[1].held.at_order + 7_000


def test_a_premium_that_the_broker_counts_comes_in_with_the_entry_and_leaves_with_the_exit():
    coming = replace(entry("A", after_minutes=30), exit_at=MORNING + timedelta(minutes=60))
    credit = sum(leg.premium for leg in coming.legs)
    found = moments(day((), [coming], profile=replace(CALIBRATED, premium_counted=True)))
    assert [used(m) for m in found] == [0, ONE_STRADDLE - credit, 0]


lots = st.integers(1, 3)
strikes = st.sampled_from([23_900, 24_000, 24_050])


@settings(max_examples=60, deadline=None)
@given(
    book=st.lists(st.tuples(strikes, lots), max_size=3),
    coming=st.lists(st.tuples(strikes, lots, st.integers(1, 300), st.booleans()), max_size=5),
    wings=st.lists(st.tuples(st.sampled_from([200, 300, 500, 900]), lots), max_size=2, unique_by=lambda w: w[0]),
    leaves=st.booleans(),
)
@example(book=[(23_900, 3)], coming=[(23_900, 3, 1, True)], wings=[(200, 1)], leaves=False)  # refused, then its exit
def test_the_floor_is_under_the_hedges_and_the_hedges_are_under_nothing_at_all(book, coming, wings, leaves):
    lines = [line for strike, count in book for line in straddle(strike, count)]
    entries = [
        replace(
            entry(f"E{number}", strike, count, after_minutes=minutes),
            exit_at=MORNING + timedelta(minutes=minutes + 40) if out else None,
        )
        for number, (strike, count, minutes, out) in enumerate(coming)
    ]
    exits = [leaving("old", straddle(*book[0]), 100)] if book and leaves else []
    inputs = day(lines, entries, exits, [wing for points, count in wings for wing in pair(points, count)])
    for before, moment in zip(moments(inputs), moments(inputs)[1:], strict=False):
        assert moment.floor.used_after <= moment.held.used_after <= moment.bare.used_after + Decimal("0.05")
        if moment.kind is MomentKind.ENTRY:
            assert moment.floor.at_order <= moment.held.at_order <= moment.bare.at_order + Decimal("0.05")
        else:
            assert moment.bare.used_after <= before.bare.used_after + Decimal("0.05")


def test_the_floor_covers_every_short_by_the_nearest_wing_that_the_premium_band_permits():
    inputs = day(straddle(lots=3))
    cheap = [contract for contract, ask in ASKS.items() if ask <= 6]
    nearest = {right: min(abs(int(c.strike) - 24_000) for c in cheap if c.right is right) for right in Right}
    wings = [held(points, right, 3) for right, points in nearest.items()]
    expected = total((*straddle(lots=3), *wing_lines(wings)))
    assert moments(inputs)[0].floor.used_after == pytest.approx(expected, abs=1)


def test_the_band_comes_nearer_as_the_day_decays_but_never_nearer_than_the_policy_lets_it():
    coming = [entry("A", after_minutes=1), entry("B", after_minutes=250)]
    floors = [m.floor.used_after for m in moments(day((), coming), MomentKind.ENTRY)]
    assert floors[1] < 2 * floors[0]
    bounded = HedgePolicy(relaxations=(Relaxation.NONE,))
    kept = [m.floor.used_after for m in moments(day((), coming, policy=bounded), MomentKind.ENTRY)]
    assert kept[1] > floors[1]


def test_longs_that_are_not_ours_use_up_the_room_for_wings():
    inputs = day(straddle(lots=2), wings=pair(900, 2))
    not_ours = replace(inputs, wings={})
    assert moments(not_ours)[0].floor.used_after == used(moments(not_ours)[0])
    assert moments(inputs)[0].floor.used_after < used(moments(inputs)[0])


def test_a_wing_that_the_broker_no_longer_shows_is_not_taken_out_of_the_book():
    inputs = day(straddle())
    gone = replace(inputs, wings={otm(500, Right.CE): 650})
    assert [m.bare for m in moments(gone)] == [m.bare for m in moments(inputs)]


def test_an_entry_whose_floor_passes_the_budget_is_beyond_saving_and_leaves_its_room_to_the_next():
    big = replace(entry("big", lots=12, after_minutes=30), exit_at=MORNING + timedelta(minutes=90))
    small = entry("small", after_minutes=60)
    found = {(m.portfolio, m.kind): m for m in moments(day(straddle(), [big, small]))}
    lost = found["big", MomentKind.ENTRY]
    assert lost.beyond_saving
    assert lost.floor.utilization_pct > 100
    saved = found["small", MomentKind.ENTRY]
    assert not saved.beyond_saving
    assert saved.floor.utilization_pct < 60
    assert used(saved) == 14 * ONE_STRADDLE
    assert found["big", MomentKind.EXIT].floor.used_after == saved.floor.used_after


def test_an_entry_that_free_margin_can_never_cover_is_beyond_saving():
    (found,) = moments(day(straddle(), [entry("A")], free_margin=Decimal(5_000)), MomentKind.ENTRY)
    assert found.floor.utilization_pct < 100
    assert found.beyond_saving


def test_an_entry_that_a_hedge_can_save_is_not_beyond_saving():
    (found,) = moments(day(straddle(lots=3), [entry("A", lots=2)]), MomentKind.ENTRY)
    assert found.held.utilization_pct > 100
    assert found.floor.utilization_pct < 100
    assert not found.beyond_saving


def test_unknown_used_margin_stays_unknown_and_what_an_order_asks_is_known_all_the_same():
    now, coming = moments(day(straddle(), [entry("A", lots=12)], used_now=None, free_margin=None))
    assert (now.held.used_after, coming.held.used_after, coming.floor.utilization_pct) == (None, None, None)
    assert coming.held.at_order == 12 * ONE_STRADDLE
    assert not coming.beyond_saving


def test_a_day_without_a_spot_or_with_a_budget_of_nothing_is_refused():
    with pytest.raises(MarketUnknown):
        draw_day(day(straddle(), market=MarginMarket(spots={}, now=MORNING)))
    with pytest.raises(ValueError, match="budget"):
        draw_day(day(straddle(), budget=Decimal(0)))


# --- which wings the rest of the day needs ------------------------------------------------------------------------------


def test_wings_are_needed_where_a_later_entry_would_pass_the_trigger_without_them():
    inputs = day(straddle(lots=3), [entry("A", after_minutes=120)], wings=pair(300, 3))
    needed = lots_needed(inputs)
    assert 0 < needed[Right.CE] == needed[Right.PE] <= 3
    kept = pair(300, needed[Right.CE])
    fewer = pair(300, needed[Right.CE] - 1)
    most = BUDGET * (95 - 1) / 100  # the buffer of a calibrated engine is 1 %
    assert total((*straddle(lots=4), *wing_lines(kept))) <= most < total((*straddle(lots=4), *wing_lines(fewer)))


def test_wings_are_needed_where_a_later_entry_would_pass_free_margin_without_them():
    budget, free = Decimal(3_000_000), Decimal(400_000)
    inputs = day(straddle(lots=3), [entry("A", after_minutes=120)], wings=pair(300, 6), budget=budget)
    assert lots_needed(replace(inputs, free_margin=budget)) == {Right.CE: 0, Right.PE: 0}
    needed = lots_needed(replace(inputs, free_margin=free))
    assert 0 < needed[Right.CE] == needed[Right.PE] < 6
    now = total(inputs.book)
    kept, fewer = (pair(300, lots) for lots in (needed[Right.CE], needed[Right.CE] - 1))
    at_order = [total((*straddle(lots=4), *wing_lines(some))) - now for some in (kept, fewer)]
    assert at_order[0] <= free - budget / 100 < at_order[1]


@pytest.mark.parametrize(("error_pct", "buffer_pct"), [("0.5", "0.5"), ("1", "1"), ("4", "2"), (None, "2")])
@pytest.mark.parametrize(("rupees", "needed"), [(2, 0), (-2, 1)])
def test_the_buffer_of_the_projection_to_come_is_kept_free_of_both_limits(error_pct, buffer_pct, rupees, needed):
    profile = MarginProfile(error_pct=None if error_pct is None else Decimal(error_pct))
    coming, wings = [entry("A", after_minutes=120)], pair(300, 3)
    bare = total(straddle(lots=3))
    budget = (bare + rupees) / (95 - Decimal(buffer_pct)) * 100
    inputs = day(straddle(lots=2), coming, wings=wings, budget=budget, profile=profile, free_margin=10 * budget)
    assert lots_needed(inputs) == dict.fromkeys(Right, needed)
    budget = Decimal(5_000_000)
    free = bare - total(inputs.book) + budget * Decimal(buffer_pct) / 100 + rupees
    assert lots_needed(replace(inputs, budget=budget, free_margin=free)) == dict.fromkeys(Right, needed)


def test_what_is_kept_for_a_later_entry_is_enough_for_its_projection():
    inputs = day(straddle(lots=2), [entry("A", after_minutes=120)], wings=pair(300, 3), budget=Decimal(860_000))
    needed = lots_needed(inputs)
    left = [*straddle(lots=2), *wing_lines(pair(300, needed[Right.CE]))]
    near = project(
        ProjectionInputs(
            book=left, coming=(entry("A", after_minutes=1),), market=market(), parameters=PARAMETERS, profile=CALIBRATED,
            policy=inputs.policy, budget=inputs.budget, used_now=total(left), free_margin=inputs.budget,
        )
    )  # fmt: skip
    assert needed == {Right.CE: 1, Right.PE: 1}
    assert near.need is False


def test_an_exit_asks_free_margin_for_nothing():
    inputs = day(straddle(lots=3), (), [leaving("old", straddle(lots=3), 60)], pair(300, 3), free_margin=Decimal(0))
    assert lots_needed(inputs) == {Right.CE: 0, Right.PE: 0}


def test_no_wing_is_needed_where_shorts_leave_before_the_next_entry_comes():
    inputs = day(
        straddle(lots=3), [entry("A", after_minutes=120)], [leaving("old", straddle(lots=3), 60)], pair(300, 3)
    )
    assert lots_needed(inputs) == {Right.CE: 0, Right.PE: 0}


def test_all_wings_are_needed_where_even_all_of_them_do_not_suffice_or_nobody_knows():
    inputs = day(straddle(lots=3), [entry("A", lots=9, after_minutes=120)], wings=pair(300, 2))
    assert lots_needed(inputs) == {Right.CE: 2, Right.PE: 2}
    for unknown in ("used_now", "free_margin"):
        assert lots_needed(replace(inputs, coming=(entry("A"),), **{unknown: None})) == {Right.CE: 2, Right.PE: 2}


def test_no_wing_is_needed_on_a_day_on_which_nothing_comes():
    assert lots_needed(day(straddle(lots=4), wings=pair(300, 2))) == {Right.CE: 0, Right.PE: 0}
