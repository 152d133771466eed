"""Why a hedge released nothing: computed from the book alone, and only where a material release was promised."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.instruments import Product, Right
from hedging.domain.margin import MarginLine
from hedging.domain.release import MISSING_TEXT, Missing, missing_reason, released_nothing
from tests.unit.margin_books import LOT, NEXT_EXPIRY, otm, straddle

BUDGET = Decimal(1_000_000)
SHORTS = straddle(lots=2)


def wing(right: Right, lots: int = 2, **changes) -> MarginLine:
    line = MarginLine(otm(500, right), lots * LOT, Decimal(3), Product.NRML)
    return replace(line, **changes)


def reason(*bought: MarginLine, book=SHORTS) -> Missing:
    return missing_reason(bought=bought, book=(*book, *bought))


BOTH = (wing(Right.CE), wing(Right.PE))


def test_a_hedge_of_another_product_than_the_shorts_is_told_so():
    assert reason(*(replace(leg, product=Product.MIS) for leg in BOTH)) is Missing.PRODUCT


def test_a_hedge_of_another_expiry_than_the_shorts_is_told_so():
    assert reason(*(wing(right, contract=otm(500, right, NEXT_EXPIRY)) for right in Right)) is Missing.EXPIRY


@pytest.mark.parametrize("right", list(Right))
def test_one_side_alone_is_told_so(right):
    assert reason(wing(right)) is Missing.ONE_SIDE


def test_one_side_alone_is_no_reason_once_the_other_side_has_its_wings():
    other = wing(Right.PE)
    assert missing_reason(bought=[wing(Right.CE)], book=(*SHORTS, other, wing(Right.CE))) is Missing.UNKNOWN


def test_one_side_alone_suffices_where_only_that_side_is_short():
    calls = tuple(line for line in SHORTS if line.contract.right is Right.CE)
    assert reason(wing(Right.CE), book=calls) is Missing.UNKNOWN


def test_longs_beyond_the_shorts_are_told_so():
    assert reason(*BOTH, book=(*SHORTS, *BOTH)) is Missing.BEYOND_SHORTS


def test_longs_without_any_short_are_beyond_them():
    assert reason(*BOTH, book=()) is Missing.BEYOND_SHORTS


def test_where_the_book_shows_nothing_wrong_the_reason_is_unknown():
    assert reason(*BOTH) is Missing.UNKNOWN


def test_every_reason_has_its_sentence():
    assert set(MISSING_TEXT) == set(Missing)


@pytest.mark.parametrize(
    ("forecast", "realized", "nothing"),
    [
        (-100_000, 0, True),
        (-100_000, 5_000, True),
        (-100_000, -24_999, True),
        (-100_000, -25_000, False),
        (-100_000, -100_000, False),
        (-9_999, 0, False),  # under 1 % of the budget: not material
        (-10_000, 0, True),
        (100_000, 0, False),  # a sale promised no release
        (None, 0, False),
        (-100_000, None, False),
    ],
)
def test_nothing_released_is_less_than_a_quarter_of_a_material_promise(forecast, realized, nothing):
    made = [None if figure is None else Decimal(figure) for figure in (forecast, realized)]
    assert released_nothing(forecast=made[0], realized=made[1], budget=BUDGET) is nothing
