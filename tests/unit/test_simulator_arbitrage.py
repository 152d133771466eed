"""Far apart too, no two quotes of a simulated day make a sure profit: all pairs of strikes, wide butterflies, twenty days.

Neighbours and later expiries are the matter of test_simulator_market_arbitrage.py.
"""

from __future__ import annotations

import numpy as np
import pytest

from hedging.domain.instruments import Right
from hedging.simulator.market import Market
from tests.unit.simulator_days import EXPIRIES, SPECS, tuesday

# An odd step, so that the samples of different days do not fall on the same seconds of the three-second beat.
EVERY_SECONDS = 1237
ROUNDING = 1e-6


@pytest.fixture(scope="module", params=range(1, 21), ids=lambda seed: f"day {seed}")
def day(request):
    return Market(day=tuesday(), seed=request.param), request.param


def sampled(market, seed):
    """(index, chains by expiry), from the opening second to the last one, where the variance is smallest."""
    seconds = [*range(seed % 60, market.grid_seconds, EVERY_SECONDS), market.grid_seconds - 1]
    for index in market.indices:
        for t in seconds:
            yield index, {expiry: market.slice(index, expiry, t) for expiry in EXPIRIES[index]}


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


def test_no_spread_and_no_wide_butterfly_is_free(day):
    market, seed = day
    for index, chains in sampled(market, seed):
        tick = float(SPECS[index].tick)
        for chain in chains.values():
            strikes = chain.strikes.astype(float)
            for right, prices in chain.prices.items():
                bid, ask = prices.bid * tick, prices.ask * tick
                assert_no_vertical(strikes, bid, ask, right)
                assert_no_butterfly(bid, ask)
                # The values themselves, between which the quotes stand, are one consistent surface.
                assert_no_vertical(strikes, prices.value, prices.value, right)
                assert_no_butterfly(prices.value, prices.value)


def test_the_checks_see_an_arbitrage():
    strikes, ask = np.array([100.0, 150.0, 200.0]), np.array([90.0, 50.0, 20.0])
    assert_no_vertical(strikes, ask - 1, ask, Right.CE)
    for broken in ([89.0, 91.0, 19.0], [89.0, 49.0, 51.0], [110.0, 49.0, 19.0]):
        with pytest.raises(AssertionError):
            assert_no_vertical(strikes, np.array(broken), np.maximum(ask, 50), Right.CE)
    with pytest.raises(AssertionError):
        assert_no_butterfly(np.array([89.0, 56.0, 19.0]), ask)
