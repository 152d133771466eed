"""No quote of the simulated market can be arbitraged: verticals, butterflies and calendars, on days of every family.

Last prices neither, as far as whole ticks allow: each is rounded, so three of them can be one tick off a convex line.
"""

from datetime import date, timedelta

import numpy as np
import pytest

from hedging.domain.instruments import Right
from hedging.simulator.families import Family, family_of
from hedging.simulator.market import PRE_OPEN, Market
from tests.unit.simulator_days import EXPIRIES, SPECS, TUESDAY, tuesday

MONDAY = date(2026, 11, 30)
# Each day is looked at from the first second to the last, closing auction and what follows it included.
SECONDS = (0, 1, 30, 600, *range(1_800, 21_600, 1_800), 21_599, 21_600, 22_200, 22_499, 22_500, 23_099)
TICK = 0.05
NOTHING = 1e-6


def days():
    """Twenty days: the first three seeds of each family on an expiry day, and two days before an expiry."""
    for family in Family:
        of_family = [seed for seed in range(200) if family_of(seed=seed, day=TUESDAY) is family]
        for seed in of_family[:3]:
            yield pytest.param(TUESDAY, seed, id=f"{family} {seed}")
    for seed in (7, 8):
        yield pytest.param(MONDAY, seed, id=f"before expiry {seed}")


def chains(market, index, t):
    """Bid, ask and middle in rupees of every strike; the middle is not a number where one side is missing."""
    for expiry in EXPIRIES[index]:
        chain = market.slice(index, expiry, t)
        for right, prices in chain.prices.items():
            bid, ask = prices.bid * TICK, prices.ask * TICK
            yield expiry, right, bid, ask, np.where(prices.bid > 0, (bid + ask) / 2, np.nan)


@pytest.mark.parametrize(("day", "seed"), list(days()))
def test_no_quote_of_a_day_can_be_arbitraged(day, seed):
    market = Market(day=tuesday(date=day), seed=seed)
    for index in SPECS:
        width = float(SPECS[index].strike_step)
        for t in SECONDS:
            near: dict[Right, tuple[np.ndarray, ...]] = {}
            for expiry, right, bid, ask, middle in chains(market, index, t):
                where = f"{index} {expiry} {right} at {market.moment(t) + timedelta(hours=5.5):%H:%M:%S}"
                assert (bid < ask).all(), where
                falls = 1 if right is Right.CE else -1  # a call is worth less at the next strike, a put more
                # Vertical: never worth less than nothing, never more than the distance of its strikes.
                dear, cheap = (slice(None, -1), slice(1, None))[::falls]
                assert (ask[dear] - bid[cheap] > -NOTHING).all(), where
                assert (bid[dear] - ask[cheap] < width + NOTHING).all(), where
                steps = falls * -np.diff(middle)
                assert not (steps < -TICK - NOTHING).any(), where
                assert not (steps > width + TICK + NOTHING).any(), where
                # Butterfly: never worth less than nothing.
                assert (ask[:-2] + ask[2:] - 2 * bid[1:-1] > -NOTHING).all(), where
                assert not (middle[:-2] + middle[2:] - 2 * middle[1:-1] < -TICK - NOTHING).any(), where
                # Calendar: a later expiry is never cheaper; a put is compared at today's worth of its strike.
                if right in near:
                    bid_before, middle_before, strikes_before = near[right]
                    carry = strikes_before - discounted(market, index, expiry, t) if right is Right.PE else 0.0
                    assert (ask + carry - bid_before > -NOTHING).all(), where
                    assert not (middle + carry - middle_before < -TICK - NOTHING).any(), where
                near[right] = (bid, middle, discounted(market, index, expiry, t))


@pytest.mark.parametrize(("day", "seed"), list(days()))
def test_last_prices_of_a_day_agree_with_each_other(day, seed):
    market = Market(day=tuesday(date=day), seed=seed)
    for index in SPECS:
        width = round(float(SPECS[index].strike_step) / TICK)
        for t in (PRE_OPEN, *SECONDS):
            near: dict[Right, tuple[np.ndarray, np.ndarray]] = {}
            for expiry in EXPIRIES[index]:
                where = f"{index} {expiry} at {market.moment(t) + timedelta(hours=5.5):%H:%M:%S}"
                chain = market.slice(index, expiry, t)
                for right, prices in chain.prices.items():
                    last = prices.last
                    assert (last >= 1).all(), where
                    if t != PRE_OPEN:
                        assert ((prices.bid <= last) & (last <= prices.ask)).all(), where
                    # Vertical, exactly: of neighbours, hence of all pairs.
                    steps = np.diff(last) * (-1 if right is Right.CE else 1)
                    assert (steps >= 0).all(), where
                    assert (steps <= width).all(), where
                    # Butterfly: within one tick, narrow or wide.
                    for apart in (1, 2, 5, 10):
                        butterfly = last[: -2 * apart] + last[2 * apart :] - 2 * last[apart:-apart]
                        assert (butterfly >= -1).all(), where
                    # Calendar: within one tick.
                    worth = discounted(market, index, expiry, t) / TICK
                    if right in near:
                        last_before, worth_before = near[right]
                        carry = worth_before - worth if right is Right.PE else 0.0
                        assert (last + carry - last_before > -1 - NOTHING).all(), where
                    near[right] = (last, worth)
                # A call against its put, the index and the strike: two roundings, and nothing is cheaper than a tick.
                calls, puts = (chain.prices[right] for right in (Right.CE, Right.PE))
                parity = (calls.last - puts.last) - (calls.value - puts.value) / TICK
                assert (np.abs(parity) < 1.5 + NOTHING).all(), where


def discounted(market, index, expiry, t):
    """Today's worth of every strike, in rupees."""
    return market.strikes(index) * np.exp(-0.066 * market.years_left(expiry, t))
