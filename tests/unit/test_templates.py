"""What a row of the timetable sells: straddles, strangles, legs in the money, lots of a row, bought legs."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.domain.instruments import Right, Side
from hedging.domain.templates import LegTemplate, LegUnpriced, resolve_legs, short_units
from tests.unit.margin_books import EXPIRY, SPEC, fair

CE, PE, SELL, BUY = Right.CE, Right.PE, Side.SELL, Side.BUY


def resolve(*legs, spot="24012.35", lots=1, price_of=fair):
    return resolve_legs(legs, portfolio="P", spec=SPEC, expiry=EXPIRY, spot=Decimal(spot), lots=lots, price_of=price_of)


def orders(*legs, **how):
    return [(str(o.side), int(o.contract.strike), str(o.contract.right), o.quantity) for o in resolve(*legs, **how)]


@pytest.mark.parametrize(
    ("legs", "expected"),
    [
        ([LegTemplate(CE, SELL, 0, 1), LegTemplate(PE, SELL, 0, 1)], [("SELL", 24_000, "CE", 65), ("SELL", 24_000, "PE", 65)]),
        ([LegTemplate(CE, SELL, 4, 1), LegTemplate(PE, SELL, 6, 1)], [("SELL", 24_200, "CE", 65), ("SELL", 23_700, "PE", 65)]),
        ([LegTemplate(CE, SELL, -2, 1), LegTemplate(PE, SELL, -3, 1)], [("SELL", 23_900, "CE", 65), ("SELL", 24_150, "PE", 65)]),
        ([LegTemplate(PE, SELL, 0, 3), LegTemplate(CE, SELL, 0, 2)], [("SELL", 24_000, "PE", 195), ("SELL", 24_000, "CE", 130)]),
        ([LegTemplate(CE, BUY, 10, 1), LegTemplate(CE, SELL, 0, 1)], [("BUY", 24_500, "CE", 65), ("SELL", 24_000, "CE", 65)]),
    ],
    ids=["straddle", "strangle", "in the money", "lots of the row", "bought first"],
)  # fmt: skip
def test_a_template_becomes_orders_in_its_own_order(legs, expected):
    assert orders(*legs) == expected


@pytest.mark.parametrize(("spot", "strike"), [("24024.95", 24_000), ("24025", 24_050), ("24025.05", 24_050)])
def test_the_money_is_the_strike_nearest_to_the_spot(spot, strike):
    assert orders(LegTemplate(CE, SELL, 0, 1), spot=spot) == [("SELL", strike, "CE", 65)]


def test_lots_of_the_session_multiply_lots_of_the_row():
    assert orders(LegTemplate(CE, SELL, 0, 2), lots=15) == [("SELL", 24_000, "CE", 2 * 15 * 65)]


def test_each_leg_carries_the_market_price_of_its_strike():
    (leg,) = resolve(LegTemplate(CE, SELL, 4, 1))
    assert leg.price == fair(leg.contract)


def test_a_leg_without_a_price_is_named_and_never_priced_by_us():
    with pytest.raises(LegUnpriced, match=r"no price for 24200 CE, a leg of P"):
        resolve(LegTemplate(CE, SELL, 4, 1), price_of=lambda _: None)


def test_only_sold_legs_count_as_shorts():
    legs = [LegTemplate(CE, SELL, 0, 2), LegTemplate(CE, BUY, 10, 2), LegTemplate(PE, SELL, 0, 1)]
    assert short_units(legs, lots=3, lot=65) == {CE: 390, PE: 195}
