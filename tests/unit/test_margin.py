"""SPAN and exposure margin, against the tables that the rules of the clearing corporations give."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, MarketUnknown, requirement, risk_arrays
from hedging.domain.pricing import black_scholes
from tests.unit.margin_books import EXPIRY, LOT, MORNING, NEXT_EXPIRY, PARAMETERS, SPOT, at, fair, market, option

TWO_DAYS_BEFORE = at(15, 30, EXPIRY - timedelta(days=2))
DAYS = {"normal": TWO_DAYS_BEFORE, "expiry": at(9, 20)}
MARKETS = {day: MarginMarket(spots={Index.NIFTY: Decimal(SPOT)}, now=now) for day, now in DAYS.items()}


def flat(strike, right, units, day, *, index=Index.NIFTY, spot=SPOT, expiry=EXPIRY, product=Product.NRML):
    """A line priced at a flat volatility of 14 %."""
    years = max(0.0, MARKETS[day].years_to(expiry))
    value = black_scholes(spot=spot, strike=strike, years=years, volatility=0.14, is_call=right is Right.CE)
    return MarginLine(Contract(index, expiry, Decimal(str(strike)), right), units, Decimal(str(float(value))), product)


def short_straddle(day, lots=1, **where):
    return [flat(SPOT, right, -LOT * lots, day, **where) for right in Right]


def wing(percent, right, day, lots=1, **where):
    strike = SPOT * (1 + percent / 100) if right is Right.CE else SPOT * (1 - percent / 100)
    return flat(round(strike, 2), right, LOT * lots, day, **where)


def wings(percent, day, lots=1):
    return [wing(percent, right, day, lots) for right in Right]


def margin(lines, day, parameters=PARAMETERS):
    return requirement(lines=lines, market=MARKETS[day], parameters=parameters)


@pytest.mark.parametrize("day", list(DAYS))
def test_half_the_wings_release_half(day):
    none, half, full = (
        margin([*short_straddle(day, 4), *wings(2, day, lots)], day).total
        if lots
        else margin(short_straddle(day, 4), day).total
        for lots in (0, 2, 4)
    )
    assert float(none - half) == pytest.approx(float(none - full) / 2, rel=0.05)


@pytest.mark.parametrize("day", list(DAYS))
def test_margin_is_linear_in_lots(day):
    one, seven = (margin(short_straddle(day, n) + wings(2, day, n), day).total for n in (1, 7))
    assert float(seven) == pytest.approx(7 * float(one), rel=1e-6)


def test_the_expiry_day_extra_doubles_the_exposure_rate():
    assert margin(short_straddle("normal"), "normal").elm == Decimal(2 * SPOT * LOT * 2 / 100).quantize(Decimal("0.1"))
    assert margin(short_straddle("expiry"), "expiry").elm == Decimal(2 * SPOT * LOT * 4 / 100).quantize(Decimal("0.1"))


def test_deep_out_of_the_money_shorts_pay_three_percent_measured_from_the_previous_close():
    short = [flat(26_500, Right.CE, -LOT, "normal")]  # 10.4 % above spot
    assert margin(short, "normal").elm == pytest.approx(Decimal(SPOT * LOT) * 3 / 100)
    closed_higher = MarginMarket(
        spots=MARKETS["normal"].spots, now=TWO_DAYS_BEFORE, previous_closes={Index.NIFTY: Decimal(24_500)}
    )
    found = requirement(lines=short, market=closed_higher, parameters=PARAMETERS)
    assert found.elm == pytest.approx(Decimal(SPOT * LOT) * 2 / 100)


def test_long_dated_shorts_pay_five_percent():
    far = date(2027, 12, 28)
    assert margin([flat(SPOT, Right.CE, -LOT, "normal", expiry=far)], "normal").elm == pytest.approx(
        Decimal(SPOT * LOT) * 5 / 100
    )


def test_on_expiry_day_a_wing_of_another_expiry_releases_nothing():
    day = "expiry"
    bare = margin(short_straddle(day), day)
    crossed = margin([*short_straddle(day), *(wing(2, right, day, expiry=NEXT_EXPIRY) for right in Right)], day)
    assert set(crossed.scenario_losses) == {"NIFTY NRML expiring", "NIFTY NRML later"}
    # What is released is at most the value of the longs themselves, which is a credit of their premium.
    value = sum(wing(2, right, day, expiry=NEXT_EXPIRY).price * LOT for right in Right)
    assert bare.total - crossed.total <= value


def test_before_expiry_day_both_expiries_share_one_tier_and_pay_the_calendar_charge():
    day = "normal"
    spread = [flat(SPOT, Right.CE, -LOT, day), flat(SPOT, Right.CE, LOT, day, expiry=NEXT_EXPIRY)]
    found = margin(spread, day)
    assert set(found.scenario_losses) == {"NIFTY NRML later"}
    # Both deltas are about one half: the charge is 1.75 % of half the notional.
    assert float(found.calendar) == pytest.approx(SPOT * LOT * 0.0175 / 2, rel=0.05)
    assert margin(short_straddle(day), day).calendar == 0


def test_two_indices_are_added():
    day = "normal"
    nifty = short_straddle(day)
    sensex = [flat(78_000, right, -20, day, index=Index.SENSEX, spot=78_000) for right in Right]
    both = MarginMarket(spots={Index.NIFTY: Decimal(SPOT), Index.SENSEX: Decimal(78_000)}, now=MARKETS[day].now)
    apart = [requirement(lines=book, market=both, parameters=PARAMETERS).total for book in (nifty, sensex)]
    together = requirement(lines=[*nifty, *sensex], market=both, parameters=PARAMETERS).total
    assert together == pytest.approx(sum(apart), abs=Decimal("0.02"))


def test_a_wing_of_another_product_covers_nothing():
    day = "expiry"
    other = [wing(1, right, day, product=Product.MIS) for right in Right]
    assert margin([*short_straddle(day), *other], day).total == margin(short_straddle(day), day).total


def test_longs_alone_need_no_margin():
    found = margin(wings(2, "normal"), "normal")
    assert (found.total, found.span, found.elm) == (0, 0, 0)
    assert found.nov > 0


def test_an_empty_book_needs_nothing():
    assert margin([], "normal").total == 0


def test_bought_and_sold_units_of_a_contract_cancel():
    day = "normal"
    assert margin([flat(SPOT, Right.CE, -LOT, day), flat(SPOT, Right.CE, LOT, day)], day).total == 0


def test_an_index_without_a_spot_is_an_error_never_a_guess():
    with pytest.raises(MarketUnknown, match="SENSEX"):
        margin([flat(78_000, Right.CE, -20, "normal", index=Index.SENSEX, spot=78_000)], "normal")


def test_the_extreme_moves_count_35_percent():
    # A long call and a short put at one strike are a future: they lose the move, whatever the volatility.
    lines = [flat(SPOT, right, 1, "normal") for right in Right]
    arrays = risk_arrays(
        contracts=[held.contract for held in lines],
        prices=[held.price for held in lines],
        market=MARKETS["normal"],
        parameters=PARAMETERS,
    )
    future = arrays[0] - arrays[1]
    scan = SPOT * 0.093
    moves = np.array([0, 0, 1, 1, -1, -1, 2, 2, -2, -2, 3, 3, -3, -3]) / 3
    np.testing.assert_allclose(future[:14], -scan * moves, atol=6)
    np.testing.assert_allclose(future[14:], [-0.35 * 2 * scan, 0.35 * 2 * scan], atol=3)


def test_on_expiry_day_the_look_ahead_leaves_intrinsic_value():
    contract = option(24_300, Right.CE)
    [array] = risk_arrays(
        contracts=[contract], prices=[Decimal("3.00")], market=MARKETS["expiry"], parameters=PARAMETERS
    )
    np.testing.assert_allclose(array[:2], [3.0, 3.0])
    assert array[10] == array[11] == pytest.approx(3.0 - (SPOT * 1.093 - 24_300))


def test_the_scan_ranges_grow_with_volatility_and_never_fall_below_their_minimum():
    calm, wild = MarginParameters(daily_volatility_pct=0.7), MarginParameters(daily_volatility_pct=2.0)
    assert (calm.price_scan_fraction, calm.volatility_scan) == pytest.approx((0.093, 0.04))
    assert wild.price_scan_fraction == pytest.approx(6 * 0.02 * 2**0.5)
    assert wild.volatility_scan == pytest.approx(0.25 * 0.02 * 252**0.5)


@pytest.mark.parametrize("days", [1, 2, 8, 30])
def test_where_nothing_moves_the_model_s_price_is_the_market_s_over_the_whole_chain(days):
    now = at(11, 0, EXPIRY - timedelta(days=days))
    contracts = [option(strike, right) for strike in range(18_000, 30_001, 100) for right in Right]
    still = MarginParameters(look_ahead_days=0.0, volatility_scan_minimum_points=0.0)
    arrays = risk_arrays(
        contracts=contracts, prices=[fair(c, now) for c in contracts], market=market(now), parameters=still
    )
    # In the money by so much that a tick is more than the time value, there is no volatility: the model is a tick off.
    assert np.abs(arrays[:, :2]).max() <= 0.05
    out_of_the_money = [(c.strike > SPOT) == (c.right is Right.CE) for c in contracts]
    assert np.abs(arrays[out_of_the_money, :2]).max() < 1e-8


def test_a_price_below_intrinsic_value_still_has_a_margin():
    stale = [MarginLine(option(23_500, Right.CE), -LOT, Decimal(450), Product.NRML)]
    assert requirement(lines=stale, market=MARKETS["normal"], parameters=PARAMETERS).total > 0


def test_three_straddles_on_a_nifty_expiry_morning_use_81_percent_of_ten_lakh():
    found = margin(short_straddle("expiry", 3), "expiry").total
    assert float(found) == pytest.approx(807_000, rel=0.005)
    assert MORNING.date() == EXPIRY
