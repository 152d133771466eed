"""What a book's change between two readings says of an entry or a hedge."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.instruments import Product, Right
from hedging.domain.jump import Seen, change, change_of_used, seen_of_entry, seen_of_hedge, units_of
from hedging.domain.margin import MarginLine
from tests.unit.margin_books import (
    CALIBRATED,
    LOT,
    PARAMETERS,
    held,
    market,
    option,
    otm,
    straddle,
    total,
    wing_lines,
)

LEGS = units_of(straddle())
CALL, PUT = ((option(24_000, right), Product.NRML) for right in Right)


def test_positions_of_a_contract_are_netted_and_nothing_is_left_of_what_cancels():
    line = MarginLine(CALL[0], LOT, Decimal(80), Product.NRML)
    assert units_of([*straddle(), line]) == {PUT: -LOT}


def test_a_change_names_only_what_changed():
    assert change({CALL: -LOT, PUT: -LOT}, {CALL: -LOT, PUT: -2 * LOT}) == {PUT: -LOT}
    assert change({CALL: -LOT}, {}) == {CALL: LOT}
    assert change(LEGS, LEGS) == {}


@pytest.mark.parametrize("strike", [24_000, 24_050])
def test_an_entry_is_known_by_its_sides_whatever_strike_it_chose(strike):
    moved = {(option(strike, right), Product.NRML): -LOT for right in Right}
    assert seen_of_entry(moved, LEGS) is Seen.ALL


@pytest.mark.parametrize(
    ("moved", "seen"),
    [
        ({}, Seen.NONE),
        ({CALL: -LOT}, Seen.PART),
        ({CALL: -LOT, PUT: -LOT // 2}, Seen.PART),
        ({CALL: -2 * LOT, PUT: -LOT}, Seen.OTHER),
        ({CALL: -LOT, PUT: LOT}, Seen.OTHER),  # a stop of another entry's put
        ({CALL: -LOT, PUT: -LOT, (option(24_500, Right.CE), Product.NRML): LOT}, Seen.OTHER),
    ],
)
def test_an_entry_is_whole_only_with_its_own_legs_and_nothing_else(moved, seen):
    assert seen_of_entry(moved, LEGS) is seen


def test_a_hedge_is_known_contract_by_contract():
    fills = {(otm(500, right), Product.NRML): LOT for right in Right}
    nearer = {(otm(450, right), Product.NRML): LOT for right in Right}
    assert seen_of_hedge(fills, fills) is Seen.ALL
    assert seen_of_hedge(nearer, fills) is Seen.OTHER
    assert seen_of_hedge({**fills, CALL: LOT}, fills) is Seen.OTHER


def test_the_engine_foretells_the_release_of_the_present_book():
    wings = wing_lines([held(500, right, 1) for right in Right])
    moved = change_of_used(book=straddle(), legs=wings, market=market(), parameters=PARAMETERS, profile=CALIBRATED)
    assert moved == total((*straddle(), *wings)) - total(straddle()) < 0


def test_premium_joins_the_forecast_where_the_broker_counts_it():
    wings = wing_lines([held(500, right, 1) for right in Right])
    paid = sum(line.price * line.quantity for line in wings)
    plain, counted = (
        change_of_used(
            book=straddle(),
            legs=wings,
            market=market(),
            parameters=PARAMETERS,
            profile=replace(CALIBRATED, premium_counted=premium),
        )
        for premium in (False, True)
    )
    assert counted - plain == paid
