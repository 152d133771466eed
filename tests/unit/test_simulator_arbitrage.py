"""No quote of twenty simulated days can be traded against another for a sure profit: vertical, butterfly, calendar."""

from __future__ import annotations

import numpy as np
import pytest

from hedging.domain.instruments import Right
from hedging.simulator.market import PRE_OPEN, RATE, Market
from tests.unit.simulator_days import EXPIRIES, SPECS, tuesday

# An odd step, so that the samples of different days do not fall on the same seconds of the three-second beat.
EVERY_SECONDS = 1237
ROUNDING = 1e-6


@pytest.fixture(scope="module", params=range(1, 21), ids=lambda seed: f"day {seed}")
def day(request):
    return Market(day=tuesday(), seed=request.param), request.param


def sampled(market, seed):
    """(index, second, chains by expiry), from the opening second to the last one, where the variance is smallest."""
    seconds = [*range(seed % 60, market.grid_seconds, EVERY_SECONDS), market.grid_seconds - 1]
    for index in market.indices:
        for t in seconds:
            yield index, t, {expiry: market.slice(index, expiry, t) for expiry in EXPIRIES[index]}


def assert_no_vertical(strikes, bid, ask, right):
    """Over all pairs of strikes: the better option is never sold below the worse, nor a spread above its width."""
    if right is Right.PE:  # a put gets better with the strike; looked at from above it is a call
        strikes, bid, ask = -strikes[::-1], bid[::-1], ask[::-1]
    assert (bid[1:] <= np.minimum.accumulate(ask)[:-1] + ROUNDING).all()
    assert (np.maximum.accumulate(bid + strikes)[:-1] <= (ask + strikes)[1:] + ROUNDING).all()


def assert_no_butterfly(bid, ask):
    """Wings bought at their asks cost at least what two bodies bring, whether one, two or five strikes apart."""
    for apart in (1, 2, 5):
        assert (2 * bid[apart:-apart] <= ask[: -2 * apart] + ask[2 * apart :] + ROUNDING).all()


def test_bids_stay_below_asks_and_no_spread_or_butterfly_is_free(day):
    market, seed = day
    for index, _, chains in sampled(market, seed):
        tick = float(SPECS[index].tick)
        for chain in chains.values():
            strikes = chain.strikes.astype(float)
            for right, prices in chain.prices.items():
                assert (prices.bid < prices.ask).all()
                bid, ask = prices.bid * tick, prices.ask * tick
                assert_no_vertical(strikes, bid, ask, right)
                assert_no_butterfly(bid, ask)
                # The values themselves, between which the quotes stand, are one consistent surface.
                assert_no_vertical(strikes, prices.value, prices.value, right)
                assert_no_butterfly(prices.value, prices.value)


def test_time_has_no_negative_price(day):
    """An option that lives longer costs no less, but for the interest on a put's strike, which comes later."""
    market, seed = day
    for index, t, chains in sampled(market, seed):
        tick = float(SPECS[index].tick)
        near, far = EXPIRIES[index]
        discounts = [np.exp(-RATE * market.years_left(expiry, t)) for expiry in (near, far)]
        for right in Right:
            soon, late = chains[near].prices[right], chains[far].prices[right]
            interest = chains[near].strikes * (discounts[0] - discounts[1]) if right is Right.PE else 0.0
            assert (soon.bid * tick - interest <= late.ask * tick + ROUNDING).all()
            assert (soon.value - interest <= late.value + ROUNDING).all()


def test_before_the_open_nothing_can_be_traded_and_values_are_consistent():
    market = Market(day=tuesday(), seed=1)
    for index in market.indices:
        for expiry in EXPIRIES[index]:
            chain = market.slice(index, expiry, PRE_OPEN)
            for right, prices in chain.prices.items():
                assert not prices.bid.any()
                assert not prices.ask.any()
                assert_no_vertical(chain.strikes.astype(float), prices.value, prices.value, right)


def test_the_checks_see_an_arbitrage():
    strikes, ask = np.array([100.0, 150.0, 200.0]), np.array([90.0, 50.0, 20.0])
    assert_no_vertical(strikes, ask - 1, ask, Right.CE)
    for broken in ([89.0, 91.0, 19.0], [89.0, 49.0, 51.0], [110.0, 49.0, 19.0]):
        with pytest.raises(AssertionError):
            assert_no_vertical(strikes, np.array(broken), np.maximum(ask, 50), Right.CE)
    with pytest.raises(AssertionError):
        assert_no_butterfly(np.array([89.0, 56.0, 19.0]), ask)
