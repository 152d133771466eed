"""Black-Scholes values, deltas and implied volatilities."""

from __future__ import annotations

import numpy as np
import pytest

from hedging.domain.pricing import black_scholes, delta, implied_volatility


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


def test_a_price_that_no_volatility_explains_gets_the_fallback():
    found = implied_volatility(
        price=[99.0, 30_000.0, 50.0],
        spot=24_100,
        strike=24_000,
        years=[2 / 365, 2 / 365, 0.0],
        is_call=True,
        fallback=0.14,
    )
    np.testing.assert_array_equal(found, [0.14, 0.14, 0.14])


def test_deltas_run_from_nothing_to_one_and_puts_to_minus_one():
    calls = delta(spot=24_000, strike=[20_000, 24_000, 30_000], years=5 / 365, volatility=0.14, is_call=True)
    puts = delta(spot=24_000, strike=[20_000, 24_000, 30_000], years=5 / 365, volatility=0.14, is_call=False)
    assert calls == pytest.approx([1.0, 0.52, 0.0], abs=0.02)
    np.testing.assert_allclose(calls - puts, 1.0)
