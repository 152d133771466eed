"""How many shorts and longs there are on each side, and how many wings still fit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.domain.exposure import Cover, ExposureKey, cover_of, exposures
from hedging.domain.instruments import Index, Product, Right
from hedging.domain.snapshot import Position
from tests.unit.margin_books import EXPIRY, NEXT_EXPIRY, held, option, straddle, wing_lines

CALLS = ExposureKey(Index.NIFTY, EXPIRY, Right.CE, Product.NRML)
PUTS = ExposureKey(Index.NIFTY, EXPIRY, Right.PE, Product.NRML)


def position(strike, right, units, *, expiry=EXPIRY, product=Product.NRML):
    return Position(option(strike, right, expiry), product, units, Decimal(10))


def test_capacity_is_shorts_less_all_longs_of_the_side():
    book = [position(24_000, Right.CE, -195), position(24_300, Right.CE, 65), position(24_000, Right.PE, -130)]
    found = exposures(book)
    assert (found[CALLS].shorts, found[CALLS].longs, found[CALLS].capacity) == (195, 65, 130)
    assert found[PUTS].capacity == 130


def test_coming_shorts_add_capacity_and_pending_buys_use_it():
    book = [position(24_000, Right.CE, -65)]
    coming = [position(24_100, Right.CE, -65)]
    pending = [position(24_500, Right.CE, 65)]
    assert exposures(book, coming, pending)[CALLS].capacity == 65


def test_longs_of_another_expiry_or_product_cover_nothing():
    book = [
        position(24_000, Right.CE, -65),
        position(24_500, Right.CE, 65, expiry=NEXT_EXPIRY),
        position(24_500, Right.CE, 65, product=Product.MIS),
    ]
    assert exposures(book)[CALLS].capacity == 65


def test_longs_beyond_shorts_are_excess_and_never_negative_capacity():
    found = exposures([position(24_000, Right.CE, -65), position(24_300, Right.CE, 195)])[CALLS]
    assert (found.capacity, found.excess) == (0, 130)


def test_selling_a_contract_that_is_held_long_shrinks_the_long_first():
    found = exposures([position(24_300, Right.CE, 65)], [position(24_300, Right.CE, -130)])[CALLS]
    assert (found.shorts, found.longs) == (65, 0)


@pytest.mark.parametrize(
    ("calls", "puts", "cover"),
    [
        (0, 0, Cover.BARE),
        (1, 0, Cover.BARE),
        (1, 1, Cover.COVERED),
        (2, 1, Cover.COVERED),
        (2, 2, Cover.SPARE),
    ],
)
def test_the_cover_of_a_straddle_is_that_of_its_worse_side(calls, puts, cover):
    wings = wing_lines([held(500, right, lots) for right, lots in ((Right.CE, calls), (Right.PE, puts)) if lots])
    found = exposures(straddle(), wings)
    assert cover_of(found, index=Index.NIFTY, expiry=EXPIRY, product=Product.NRML) is cover


def test_a_book_without_shorts_is_bare():
    found = exposures(wing_lines([held(500, right, 1) for right in Right]))
    assert cover_of(found, index=Index.NIFTY, expiry=EXPIRY, product=Product.NRML) is Cover.BARE
