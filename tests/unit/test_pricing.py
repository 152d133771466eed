"""Black-Scholes values, deltas and implied volatilities."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hedging.domain.pricing import (
    HIGHEST_VOLATILITY,
    LOWEST_VOLATILITY,
    PRICE_TOLERANCE_RUPEES,
    black_scholes,
    delta,
    implied_volatility,
)


def test_a_textbook_option_has_its_textbook_price():
    # Hull, Options, Futures and Other Derivatives: S 42, K 40, r 10 %, sigma 20 %, half a year.
    call = black_scholes(spot=42, strike=40, years=0.5, volatility=0.2, is_call=True, rate=0.1)
    put = black_scholes(spot=42, strike=40, years=0.5, volatility=0.2, is_call=False, rate=0.1)
    assert float(call) == pytest.approx(4.76, abs=0.005)
    assert float(put) == pytest.approx(0.81, abs=0.005)


def test_call_less_put_is_spot_less_discounted_strike():
    strikes = np.array([23_000.0, 24_000.0, 25_000.0])
    call, put = (
        black_scholes(spot=24_000, strike=strikes, years=3 / 365, volatility=0.14, is_call=is_call)
        for is_call in (True, False)
    )
    np.testing.assert_allclose(call - put, 24_000 - strikes * np.exp(-0.066 * 3 / 365), atol=1e-8)


@pytest.mark.parametrize("years", [0.0, -0.001])
def test_at_expiry_and_after_only_intrinsic_value_is_left(years):
    value = black_scholes(
        spot=24_100, strike=[24_000, 24_000], years=[years, years], volatility=0.14, is_call=[True, False]
    )
    np.testing.assert_array_equal(value, [100.0, 0.0])


def test_expired_and_living_options_are_priced_side_by_side():
    value = black_scholes(spot=24_100, strike=24_000, years=[0.0, 0.01], volatility=0.14, is_call=True)
    assert value[0] == 100.0
    assert value[1] > 100.0


def test_the_implied_volatility_gives_the_price_back():
    strikes = np.array([23_500.0, 24_000.0, 24_600.0])
    volatility = np.array([0.21, 0.13, 0.18])
    calls = np.array([False, True, True])
    price = black_scholes(spot=24_000, strike=strikes, years=2 / 365, volatility=volatility, is_call=calls)
    found = implied_volatility(price=price, spot=24_000, strike=strikes, years=2 / 365, is_call=calls, fallback=0.5)
    np.testing.assert_allclose(found, volatility, atol=1e-6)


CHAIN = np.repeat(np.arange(18_000.0, 30_001.0, 250.0), 2)  # a quarter out of and in the money
CALLS = np.tile([True, False], len(CHAIN) // 2)
UNKNOWN = 0.77


def parity(years, spot=24_000.0):
    """The least that options can be worth: spot less discounted strike, or the other way round."""
    forward = spot - CHAIN * np.exp(-0.066 * years)
    return np.maximum(np.where(CALLS, forward, -forward), 0.0)


def model(years, volatility):
    return black_scholes(spot=24_000, strike=CHAIN, years=years, volatility=volatility, is_call=CALLS)


def implied(years, price):
    return implied_volatility(price=price, spot=24_000, strike=CHAIN, years=years, is_call=CALLS, fallback=UNKNOWN)


# From a minute to two months before the close.
lives = st.floats(1.0, 60 * 24 * 60.0).map(lambda minutes: minutes / (365 * 24 * 60))
volatilities = st.floats(0.02, 4.5)


@given(lives, volatilities, st.floats(0.0, 3.0))
def test_the_model_gives_the_price_back_wherever_an_option_has_time_value(years, volatility, smile):
    smiling = np.minimum(volatility * (1 + smile * np.abs(np.log(CHAIN / 24_000))), 0.99 * HIGHEST_VOLATILITY)
    price = model(years, smiling)
    found = implied(years, price)
    alive = price - parity(years) > 2 * PRICE_TOLERANCE_RUPEES
    assert (found[alive] != UNKNOWN).all()
    np.testing.assert_allclose(model(years, found)[alive], price[alive], rtol=0, atol=2e-9)
    assert ((found >= LOWEST_VOLATILITY) & (found <= HIGHEST_VOLATILITY)).all()


@given(lives, volatilities)
def test_the_model_gives_every_price_on_the_tick_back(years, volatility):
    price = np.maximum(np.round(model(years, volatility) / 0.05), 1.0) * 0.05
    found = implied(years, price)
    # What is left over: below parity by the rounding, or a tick that even the highest volatility does not reach.
    alive = (price - parity(years) > 2 * PRICE_TOLERANCE_RUPEES) & (price < model(years, HIGHEST_VOLATILITY) - 1e-6)
    assert (found[alive] != UNKNOWN).all()
    np.testing.assert_allclose(model(years, found)[alive], price[alive], rtol=0, atol=2e-9)


@given(lives, st.floats(0.0, 1.0))
def test_prices_between_parity_and_the_most_the_model_says_are_met(years, share):
    least, most = parity(years), model(years, HIGHEST_VOLATILITY)
    price = least + share * (most - least)
    found = implied(years, price)
    known = found != UNKNOWN
    np.testing.assert_allclose(model(years, found)[known], price[known], rtol=0, atol=2e-9)
    lost = ~known & (price - least > 2 * PRICE_TOLERANCE_RUPEES) & (price < most - 1e-6)
    # At the money, and only there, a price may need less than the lowest volatility.
    assert (price[lost] <= model(years, LOWEST_VOLATILITY)[lost] + 1e-9).all()


@given(lives, st.floats(0.0, 500.0))
def test_at_parity_and_below_and_above_every_price_of_the_model_the_fallback_stands(years, by):
    for price in (parity(years) - by, model(years, HIGHEST_VOLATILITY) + by + 1e-6):
        np.testing.assert_array_equal(implied(years, price), UNKNOWN)


@pytest.mark.parametrize("years", [0.0, -0.5 / 365])
def test_what_has_expired_has_no_volatility(years):
    np.testing.assert_array_equal(implied(years, parity(0.0) + 50), UNKNOWN)


def test_a_price_that_no_volatility_explains_gets_the_fallback():
    found = implied_volatility(
        price=[99.0, 30_000.0, 50.0, 0.0],
        spot=24_100,
        strike=24_000,
        years=[2 / 365, 2 / 365, 0.0, 2 / 365],
        is_call=True,
        fallback=0.14,
    )
    np.testing.assert_array_equal(found, 0.14)


def test_deltas_run_from_nothing_to_one_and_puts_to_minus_one():
    calls = delta(spot=24_000, strike=[20_000, 24_000, 30_000], years=5 / 365, volatility=0.14, is_call=True)
    puts = delta(spot=24_000, strike=[20_000, 24_000, 30_000], years=5 / 365, volatility=0.14, is_call=False)
    assert calls == pytest.approx([1.0, 0.52, 0.0], abs=0.02)
    np.testing.assert_allclose(calls - puts, 1.0)
