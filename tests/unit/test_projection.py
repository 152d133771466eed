"""What coming entries will need, from every source there is."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from decimal import Decimal

import pytest

from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.instruments import Index, Product, Right, Side
from hedging.domain.margin import MarginMarket
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import BrokerIncrement, ProjectionInputs, Source, project
from tests.unit.margin_books import (
    BUDGET,
    CALIBRATED,
    EXPIRY,
    LOT,
    MORNING,
    PARAMETERS,
    entry,
    held,
    market,
    option,
    otm,
    straddle,
    total,
    wing_lines,
)

ONE_STRADDLE = Decimal(269_880)  # 17.3 % of 24,000 x 65
BUFFER = BUDGET / 100


def inputs(book=(), coming=(), **changes):
    used = total(book) if book else Decimal(0)
    made = ProjectionInputs(
        book=book,
        coming=coming,
        market=market(),
        parameters=PARAMETERS,
        profile=CALIBRATED,
        policy=HedgePolicy(),
        budget=BUDGET,
        used_now=used,
        free_margin=BUDGET - used,
    )
    return replace(made, **changes)


def test_the_fourth_straddle_of_an_expiry_morning_is_the_first_to_cross_the_trigger():
    for lots, need in ((1, False), (2, False), (3, True)):
        assert project(inputs(straddle(lots=lots), (entry(),))).need is need


def test_entries_are_cumulative_in_time_order_whatever_order_they_come_in():
    later, sooner = entry("B", after_minutes=5), entry("A", after_minutes=1)
    found = project(inputs(straddle(), (later, sooner)))
    assert [e.entry.portfolio for e in found.entries] == ["A", "B"]
    assert [e.used_after for e in found.entries] == [2 * ONE_STRADDLE + BUFFER, 3 * ONE_STRADDLE + BUFFER]
    assert found.worst is not None
    assert found.worst.entry.portfolio == "B"


def test_unknown_used_is_unknown_and_never_zero():
    found = project(inputs(straddle(), (entry(),), used_now=None))
    assert found.need is None
    assert "used" in found.reason
    assert found.utilization_now_pct is None
    assert found.entries[0].used_after is None
    assert found.entries[0].over_trigger is None
    assert found.entries[0].at_order == ONE_STRADDLE + BUFFER


def test_unknown_free_margin_is_unknown():
    found = project(inputs(straddle(), (entry(),), free_margin=None))
    assert found.need is None
    assert found.entries[0].over_free_margin is None


def test_without_entries_the_present_book_is_judged_alone():
    assert project(inputs(straddle(lots=3))).need is False
    assert project(inputs(straddle(lots=4))).need is True


def test_free_margin_is_a_second_limit():
    found = project(inputs(straddle(), (entry(),), free_margin=ONE_STRADDLE))
    assert found.entries[0].over_trigger is False
    assert found.entries[0].over_free_margin is True
    assert found.need is True


def test_at_order_is_gross_of_premium_credit_where_used_afterwards_is_net():
    profile = replace(CALIBRATED, premium_counted=True)
    coming = entry()
    credit = [leg.premium for leg in coming.legs]
    found = project(inputs(straddle(), (coming,), profile=profile)).entries[0]
    assert found.used_after == 2 * ONE_STRADDLE - sum(credit) + BUFFER
    # When the second leg is checked, the first one's credit is in, its own is not.
    assert found.at_order == ONE_STRADDLE - credit[0] + BUFFER


def test_at_order_takes_the_worst_moment_along_the_legs():
    shorts = tuple(EntryLeg(option(24_000, right), Side.SELL, LOT, Decimal(80)) for right in Right)
    longs = tuple(EntryLeg(otm(250, right), Side.BUY, LOT, Decimal(3)) for right in Right)
    sold_first = ComingEntry("F", Index.NIFTY, EXPIRY, Product.NRML, MORNING, (*shorts, *longs))
    bought_first = replace(sold_first, legs=(*longs, *shorts))
    bare, covered = (project(inputs((), (fly,))).entries[0] for fly in (sold_first, bought_first))
    assert bare.used_after == covered.used_after
    assert bare.at_order is not None
    assert covered.at_order is not None
    assert bare.at_order > covered.at_order + 100_000


def test_a_fresh_broker_answer_and_a_calibrated_engine_decide_together_by_the_worse():
    dear = BrokerIncrement(Decimal(300_000), Decimal(310_000), age_seconds=2)
    found = project(inputs(straddle(), (entry(),), broker={"E4": dear})).entries[0]
    assert found.decided_by == (Source.BROKER, Source.ENGINE)
    assert found.used_after == ONE_STRADDLE + 300_000 + BUFFER
    assert found.at_order == 310_000 + BUFFER
    assert found.spread_pct == (300_000 - ONE_STRADDLE) / BUDGET * 100
    assert (found.used_offset, found.order_offset) == (
        300_000 - ONE_STRADDLE + BUFFER,
        310_000 - ONE_STRADDLE + BUFFER,
    )


@pytest.mark.parametrize(("age", "decides"), [(9.9, True), (10.0, True), (10.1, False)])
def test_a_broker_answer_older_than_ten_seconds_does_not_decide(age, decides):
    answer = BrokerIncrement(Decimal(400_000), Decimal(400_000), age_seconds=age)
    found = project(inputs(straddle(), (entry(),), broker={"E4": answer})).entries[0]
    assert (Source.BROKER in found.decided_by) is decides


def test_an_uncalibrated_engine_steps_back_behind_the_broker_and_widens_the_buffer():
    cheap = BrokerIncrement(Decimal(200_000), Decimal(210_000), age_seconds=1)
    found = project(inputs(straddle(), (entry(),), broker={"E4": cheap}, profile=MarginProfile())).entries[0]
    assert found.decided_by == (Source.BROKER,)
    assert found.used_after == ONE_STRADDLE + 200_000 + 2 * BUFFER


@pytest.mark.parametrize(("error", "trusted", "buffers"), [(None, False, 2), (3, True, 1), (4, True, 2), (5, False, 2)])
def test_the_engines_error_decides_whether_it_counts_and_how_wide_the_buffer_is(error, trusted, buffers):
    profile = MarginProfile(error_pct=None if error is None else Decimal(error))
    assert profile.trusted is trusted
    assert profile.buffer_pct(Decimal(1)) == buffers


def test_where_the_broker_says_only_what_is_used_the_order_is_topped_up_from_the_engine():
    profile = replace(CALIBRATED, premium_counted=True)
    coming = entry()
    answer = BrokerIncrement(Decimal(400_000), None, age_seconds=1)
    found = project(inputs(straddle(), (coming,), profile=profile, broker={"E4": answer})).entries[0]
    assert found.sources[0].at_order == 400_000 + coming.legs[1].premium


@pytest.mark.parametrize(("wings", "expected"), [(0, "433333.33"), (2, "186666.67")])
def test_constants_are_the_last_resort_and_know_whether_the_book_is_hedged(wings, expected):
    no_spot = MarginMarket(spots={}, now=MORNING)
    book = (*straddle(), *wing_lines([held(250, right, wings) for right in Right])) if wings else straddle()
    found = project(inputs(book, (entry(),), market=no_spot)).entries[0]
    assert found.decided_by == (Source.CONSTANTS,)
    assert found.at_order == Decimal(expected) + BUFFER


def test_an_entry_that_no_source_knows_is_unknown():
    no_spot = MarginMarket(spots={}, now=MORNING)
    found = project(inputs(straddle(), (entry(),), market=no_spot, constants={}))
    assert found.need is None
    assert "E4" in found.reason
    assert "NIFTY" in found.entries[0].sources[1].note


def test_the_scale_of_the_margin_profile_multiplies_the_engine():
    found = project(inputs(straddle(), (entry(),), profile=replace(CALIBRATED, scale=Decimal("1.05")))).entries[0]
    assert found.at_order == ONE_STRADDLE * Decimal("1.05") + BUFFER


def test_every_source_is_kept_for_the_card_and_the_card_is_json():
    found = project(inputs(straddle(), (entry(),)))
    assert [figure.source for figure in found.entries[0].sources] == list(Source)
    assert "calibrated to 1 %" in json.dumps(asdict(found), default=str)


def test_an_entry_without_legs_is_a_mistake():
    with pytest.raises(ValueError, match="no legs"):
        ComingEntry("X", Index.NIFTY, EXPIRY, Product.NRML, MORNING, ())


def test_a_budget_of_nothing_is_refused():
    with pytest.raises(ValueError, match="budget"):
        project(inputs(straddle(), budget=Decimal(0)))


@pytest.mark.parametrize(
    ("share", "decided_by"),
    [
        ("0.05", {Source.BROKER, Source.ENGINE}),
        ("0.49", {Source.BROKER, Source.ENGINE}),
        ("0.51", {Source.BROKER}),
    ],
)
def test_a_basket_answer_from_which_a_leg_was_dropped_is_not_believed_beside_an_uncalibrated_engine(share, decided_by):
    answer = BrokerIncrement(ONE_STRADDLE * Decimal(share), None, age_seconds=2)
    profile = replace(CALIBRATED, error_pct=None)
    found = project(inputs(straddle(lots=3), (entry(),), profile=profile, broker={"E4": answer}))
    assert set(found.entries[0].decided_by) == decided_by
    assert found.need is True
