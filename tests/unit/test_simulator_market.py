"""The simulated market: one seed, one day; prices in order; an expiry day that is not kinder than real ones."""

from datetime import date, time
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.instruments import Contract, Index, Right
from hedging.simulator.families import Family
from hedging.simulator.market import PRE_OPEN, RIGHTS, Market
from hedging.simulator.ranges import DayRanges
from hedging.simulator.smile import Standing, option_values
from tests.unit.simulator_days import EXPIRIES, TUESDAY, tuesday

MORNING, HOUR = 60, 3600
AUCTION, CLOSE = 6 * HOUR, int(6.25 * HOUR)
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
def test_the_published_index_stands_still_in_the_closing_auction_and_settles_at_half_past_three(seed):
    path = Market(day=tuesday(), seed=seed).paths[Index.NIFTY]
    assert 22_500 < path.spot[0] < 25_500
    assert (path.spot[:AUCTION] == path.fair[:AUCTION]).all()
    assert (path.spot[AUCTION:CLOSE] == path.spot[AUCTION - 1]).all()
    assert path.fair[AUCTION:CLOSE].std() > 0
    assert (path.spot[CLOSE:] == path.fair[CLOSE - 1]).all()


def test_options_trade_on_while_the_index_stands_still(market):
    moved = []
    for t in (AUCTION + 60, AUCTION + 500, CLOSE - 60):
        chain = market.slice(Index.NIFTY, EXPIRIES[Index.NIFTY][1], t)
        assert chain.spot == market.spot(Index.NIFTY, AUCTION - 1)
        # A call a thousand points in the money moves as the level does off which it is priced.
        moved.append(chain.prices[Right.CE].value[np.searchsorted(chain.strikes, chain.spot - 1_000)])
    assert np.ptp(moved) > 1


def test_once_the_index_has_settled_expiring_options_are_worth_what_is_paid_for_them(market):
    chain = market.slice(Index.NIFTY, TUESDAY, CLOSE + 60)
    for right, sign in ((Right.CE, 1), (Right.PE, -1)):
        paid = np.maximum(sign * (chain.spot - chain.strikes), 0)
        assert np.allclose(chain.prices[right].value, paid, atol=0.25)


def test_without_hours_beyond_the_index_there_is_no_closing_auction():
    path = Market(day=tuesday(closes=time(15, 30)), seed=7).paths[Index.NIFTY]
    assert (path.spot == path.fair).all()


def test_the_session_is_livelier_at_its_ends_than_at_noon():
    # A median over seeds: one burst of a single day is not the habit of all.
    fair = [Market(day=tuesday(), seed=s).paths[Index.NIFTY].fair[:CLOSE] for s in range(12)]
    steps = [np.diff(np.log(path)) ** 2 for path in fair]
    opening, noon, closing = (
        np.median([s[a:b].mean() / s.mean() for s in steps]) for a, b in ((0, 1800), (9000, 12_600), (21_300, 22_499))
    )
    assert opening > 1.5 * noon
    assert closing > 1.1 * noon


def test_books_are_wide_and_thin_at_the_open_and_in_the_closing_auction(market):
    def width(t):
        looks = [market.slice(Index.NIFTY, EXPIRIES[Index.NIFTY][1], t + 3 * n) for n in range(10)]
        near = [np.abs(chain.strikes - chain.spot) < 400 for chain in looks]
        return np.mean(
            [
                ((c.prices[Right.CE].ask - c.prices[Right.CE].bid) / c.prices[Right.CE].value)[n].mean()
                for c, n in zip(looks, near, strict=True)
            ]
        )

    def crowd(t):
        strike = Contract(Index.NIFTY, EXPIRIES[Index.NIFTY][1], Decimal(24_500), Right.CE)
        return np.mean([market.depth(strike, t + n)[1][0][1] for n in range(60)])

    assert width(0) > 1.5 * width(3 * HOUR)
    assert width(AUCTION + 60) > 1.2 * width(AUCTION - 60)
    assert crowd(0) < 0.7 * crowd(3 * HOUR)
    assert crowd(AUCTION + 60) < 0.9 * crowd(AUCTION - 90)


def test_far_strikes_have_wide_and_thin_books(market):
    chain = market.slice(Index.NIFTY, EXPIRIES[Index.NIFTY][1], 3 * HOUR)
    share = (chain.prices[Right.CE].ask - chain.prices[Right.CE].bid) / chain.prices[Right.CE].value
    near, deep = np.abs(chain.strikes - chain.spot) < 200, chain.strikes < chain.spot - 2_000
    assert share[deep].mean() > 2 * share[near].mean()


@pytest.mark.parametrize("right", list(Right))
def test_the_smile_is_higher_in_the_wings_and_grows_as_expiry_day_is_spent(right):
    def wing(spent):
        standing = Standing(*(np.array([x]) for x in (24_000.0, 1e-5, 1.0, 1.0, spent)))
        out = np.array([round(24_000 * (1 + (1 if right is Right.CE else -1) * 0.009))])
        money = np.array([24_000])
        side = "calls" if right is Right.CE else "puts"
        return float(getattr(option_values(standing, out), side)[0] / getattr(option_values(standing, money), side)[0])

    assert wing(0.9) > 1.1 * wing(0.0) > 0


def test_puts_are_dearer_than_calls_as_far_out_and_more_so_in_fear():
    def lean(stress):
        standing = Standing(*(np.array([x]) for x in (24_000.0, 3e-5, 1.0, stress, 0.0)))
        call = option_values(standing, np.array([24_240])).calls[0]
        put = option_values(standing, np.array([23_760])).puts[0]
        return float(put / call)

    assert lean(2.0) > lean(1.0) > 1.02


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


def strikes_in_band_and_beyond_bound(market, t):
    chain = market.slice(Index.NIFTY, TUESDAY, t)
    for right, sign in ((Right.CE, 1), (Right.PE, -1)):
        asks = chain.prices[right].ask * 0.05
        yield from chain.strikes[(asks >= 2) & (asks <= 6) & (sign * (chain.strikes - chain.spot) >= 200)]


@pytest.mark.parametrize("seed", range(12))
def test_on_expiry_afternoon_no_strike_is_both_in_the_band_and_beyond_the_bound(seed):
    market = Market(day=tuesday(), seed=seed)
    path = market.paths[Index.NIFTY]
    looks = range(HALF_PAST_ONE, HALF_PAST_TWO + 1, 900)
    if market.family is Family.CALM:
        assert not any(list(strikes_in_band_and_beyond_bound(market, t)) for t in looks)
    # On any day: far strikes become dear by what options imply alone, as after a crash.
    quiet = [t for t in looks if path.implied[t] < 0.0066]
    assert not any(list(strikes_in_band_and_beyond_bound(market, t)) for t in quiet)


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
    ranges = DayRanges(market=market)
    for t in (5, 3000, 20_000):
        span = ranges.at(Index.NIFTY, TUESDAY, t)
        prices = market.slice(Index.NIFTY, TUESDAY, t).prices
        for row, right in enumerate(RIGHTS):
            assert (span.low[row] <= prices[right].last).all()
            assert (prices[right].last <= span.high[row]).all()


@pytest.mark.parametrize(
    ("strike", "expiry", "listed"),
    [(24_500, TUESDAY, True), (24_525, TUESDAY, False), (99_950, TUESDAY, False), (24_500, date(2026, 12, 2), False)],
)
def test_only_listed_contracts_exist(market, strike, expiry, listed):
    assert market.is_listed(Contract(Index.NIFTY, expiry, Decimal(strike), Right.CE)) is listed
