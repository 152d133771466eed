"""The simulated market: one seed, one day; prices in order; an expiry day that is not kinder than real ones."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.instruments import Contract, Index, Right
from hedging.simulator.market import PRE_OPEN, Market
from tests.unit.simulator_days import EXPIRIES, TUESDAY, tuesday

MORNING, HOUR = 60, 3600
HALF_PAST_ONE, HALF_PAST_TWO = int(4.25 * HOUR), int(5.25 * HOUR)


@pytest.fixture(scope="module")
def market():
    return Market(day=tuesday(), seed=7)


def test_one_seed_and_date_give_one_day():
    again, other = Market(day=tuesday(), seed=7), Market(day=tuesday(), seed=8)
    first = Market(day=tuesday(), seed=7)
    assert np.array_equal(first.paths[Index.SENSEX].spot, again.paths[Index.SENSEX].spot)
    assert not np.array_equal(first.paths[Index.NIFTY].spot, other.paths[Index.NIFTY].spot)
    strike = Contract(Index.NIFTY, TUESDAY, Decimal(24_500), Right.CE)
    assert first.depth(strike, HOUR) == again.depth(strike, HOUR)


def test_a_listed_index_does_not_depend_on_which_others_are():
    nifty = {Index.NIFTY: tuesday().specs[Index.NIFTY]}
    alone = Market(day=tuesday(specs=nifty), seed=7)
    both = Market(day=tuesday(), seed=7)
    assert np.array_equal(alone.paths[Index.NIFTY].spot, both.paths[Index.NIFTY].spot)


@pytest.mark.parametrize("seed", range(5))
def test_the_day_moves_like_an_index_and_stands_still_after_its_close(seed):
    path = Market(day=tuesday(), seed=seed).paths[Index.NIFTY].spot
    assert 22_500 < path[0] < 25_500
    daily = np.log(path[1:22_500] / path[:22_499]).std() * np.sqrt(22_500)
    assert 0.0035 < daily < 0.013
    assert (path[22_500:] == path[22_499]).all()


def test_the_session_is_livelier_at_its_ends_than_at_noon():
    steps = [np.diff(np.log(Market(day=tuesday(), seed=s).paths[Index.NIFTY].spot[:22_500])) ** 2 for s in range(8)]
    opening, noon, closing = (
        np.mean([s[a:b].mean() for s in steps]) for a, b in ((0, 1800), (9000, 12_600), (21_300, 22_499))
    )
    assert opening > 1.5 * noon
    assert closing > 1.1 * noon


@pytest.mark.parametrize(("index", "reach"), [(Index.NIFTY, 4000), (Index.SENSEX, 10_000)])
def test_strikes_reach_far_enough_on_both_sides(market, index, reach):
    strikes = market.strikes(index)
    assert strikes[0] <= market.paths[index].previous_close - reach + 100
    assert strikes[-1] >= market.paths[index].previous_close + reach - 100
    assert set(np.diff(strikes)) == {int(tuesday().specs[index].strike_step)}


@pytest.mark.parametrize("index", list(EXPIRIES))
@pytest.mark.parametrize("t", [0, MORNING, HALF_PAST_TWO, 22_400, 23_000])
@pytest.mark.parametrize("nth", [0, 1])
def test_prices_are_in_order_of_strike_and_bids_below_asks(market, index, t, nth):
    chain = market.slice(index, EXPIRIES[index][nth], t)
    for right, sign in ((Right.CE, -1), (Right.PE, 1)):
        prices = chain.prices[right]
        assert (sign * np.diff(prices.value) >= -1e-9).all()
        assert (prices.bid < prices.ask).all()
        assert (prices.ask >= 1).all()
        assert (prices.bid >= 0).all()
        assert (prices.last >= 1).all()
        intrinsic = np.maximum(-sign * (chain.spot - chain.strikes), 0)
        assert (
            prices.value >= intrinsic - 0.003 * chain.spot
        ).all()  # European: a deep put is worth its discounted strike


def test_later_expiries_are_dearer(market):
    near, far = (market.slice(Index.NIFTY, expiry, MORNING).prices[Right.CE].value for expiry in EXPIRIES[Index.NIFTY])
    assert (far >= near - 1e-6).all()


def test_a_chain_and_a_contract_s_whole_day_agree(market):
    strike = Contract(Index.NIFTY, TUESDAY, Decimal(24_700), Right.PE)
    fresh = Market(day=tuesday(), seed=7)
    before = [fresh.ticks(strike, t) for t in (0, 777, HALF_PAST_ONE)]
    fresh.whole_day(strike)
    assert before == [fresh.ticks(strike, t) for t in (0, 777, HALF_PAST_ONE)]


@pytest.mark.parametrize("seed", range(6))
def test_on_expiry_morning_cheap_premium_lies_near_the_money(seed):
    chain = Market(day=tuesday(), seed=seed).slice(Index.NIFTY, TUESDAY, MORNING)
    asks = chain.prices[Right.CE].ask * 0.05
    band = chain.strikes[(asks >= 2) & (asks <= 6)] / chain.spot - 1
    assert 0.006 < band.min() <= band.max() < 0.02


@pytest.mark.parametrize("seed", range(8))
def test_on_expiry_afternoon_no_strike_is_both_in_the_band_and_beyond_the_bound(seed):
    market = Market(day=tuesday(), seed=seed)
    for t in range(HALF_PAST_ONE, HALF_PAST_TWO + 1, 900):
        chain = market.slice(Index.NIFTY, TUESDAY, t)
        for right, sign in ((Right.CE, 1), (Right.PE, -1)):
            asks = chain.prices[right].ask * 0.05
            assert not ((asks >= 2) & (asks <= 6) & (sign * (chain.strikes - chain.spot) >= 200)).any()


def test_nobody_quotes_before_the_open(market):
    chain = market.slice(Index.NIFTY, TUESDAY, PRE_OPEN)
    assert chain.spot == market.paths[Index.NIFTY].previous_close
    assert not chain.prices[Right.CE].ask.any()
    assert (chain.prices[Right.CE].last >= 1).all()


def test_depth_starts_at_the_touch_and_goes_outwards_in_whole_lots(market):
    strike = Contract(Index.NIFTY, TUESDAY, Decimal(24_600), Right.CE)
    _, bid, ask = market.ticks(strike, HOUR)
    bids, asks = market.depth(strike, HOUR)
    assert (bids[0][0], asks[0][0]) == (bid, ask)
    assert [p for p, _ in bids] == sorted({p for p, _ in bids}, reverse=True)
    assert [p for p, _ in asks] == sorted({p for p, _ in asks})
    assert all(units % 65 == 0 and units > 0 for _, units in bids + asks)


def test_high_and_low_hold_the_last_price(market):
    for t in (5, 3000, 20_000):
        span = market.day_range(Index.NIFTY, TUESDAY, Right.PE, t)
        last = market.slice(Index.NIFTY, TUESDAY, t).prices[Right.PE].last
        assert (span.low <= last).all()
        assert (last <= span.high).all()


@pytest.mark.parametrize(
    ("strike", "expiry", "listed"),
    [(24_500, TUESDAY, True), (24_525, TUESDAY, False), (99_950, TUESDAY, False), (24_500, date(2026, 12, 2), False)],
)
def test_only_listed_contracts_exist(market, strike, expiry, listed):
    assert market.is_listed(Contract(Index.NIFTY, expiry, Decimal(strike), Right.CE)) is listed
