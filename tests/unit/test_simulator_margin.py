"""The simulator's margin gives the tables of the domain page, from its own plain code."""

from datetime import date
from decimal import Decimal

import numpy as np
import pytest

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.simulator.margin import Holding, IndexState, MarginModel, option_value

LAKH = 100_000.0
TODAY = date(2026, 12, 1)
BOOKS = {Index.NIFTY: (24_000.0, 65), Index.SENSEX: (78_000.0, 20)}


def requirement(index, legs, *, days_left, years=None, product=Product.NRML):
    """`legs`: (right, strike as a fraction of the spot, sign) or the same with a product."""
    spot, lot = BOOKS[index]
    expiry = date(2026, 12, 1 + days_left)
    left = np.array([(days_left + 0.26) / 365.0 if years is None else years])
    holdings = []
    for right, level, sign, *other in legs:
        strike = round(spot * level, 2)
        price = option_value(spot=np.array([spot]), strike=strike, right=right, years=left, volatility=0.14, rate=0.066)
        contract = Contract(index, expiry, Decimal(str(strike)), right)
        holdings.append(Holding(contract, other[0] if other else product, sign * lot, price))
    state = IndexState(spot=np.array([spot]), previous_close=spot, years_left={expiry: left})
    return float(MarginModel(today=TODAY).requirement(holdings, {index: state}).total[0])


STRADDLE = [(Right.CE, 1.0, -1), (Right.PE, 1.0, -1)]


def wings(distance):
    return [*STRADDLE, (Right.CE, 1 + distance, 1), (Right.PE, 1 - distance, 1)]


@pytest.mark.parametrize("index", list(BOOKS))
@pytest.mark.parametrize(
    ("legs", "normal", "expiry_day"),
    [
        (STRADDLE, 2.06, 2.69),
        (wings(0.01), 0.78, 1.41),
        (wings(0.02), 0.93, 1.57),
        (wings(0.03), 1.09, 1.72),
        (wings(0.05), 1.39, 2.02),
        (wings(0.093), 2.06, 2.69),
        ([*STRADDLE, (Right.CE, 1.02, 1)], 2.06, 2.69),
        ([(Right.CE, 1.0, -1)], 1.76, 2.07),
        ([(Right.PE, 1.0, -1)], 1.76, 2.07),
    ],
)
def test_margin_reproduces_the_published_table(index, legs, normal, expiry_day):
    assert requirement(index, legs, days_left=2) / LAKH == pytest.approx(normal, rel=0.02)
    assert requirement(index, legs, days_left=0) / LAKH == pytest.approx(expiry_day, rel=0.02)


def test_a_wing_of_another_product_releases_nothing():
    same = wings(0.02)
    other = [*STRADDLE, (Right.CE, 1.02, 1, Product.MIS), (Right.PE, 0.98, 1, Product.MIS)]
    assert requirement(Index.NIFTY, same, days_left=0) < 0.6 * requirement(Index.NIFTY, STRADDLE, days_left=0)
    assert requirement(Index.NIFTY, other, days_left=0) == pytest.approx(
        requirement(Index.NIFTY, STRADDLE, days_left=0)
    )


def test_a_wing_of_another_expiry_releases_nothing_for_the_expiring_short():
    spot, lot = BOOKS[Index.NIFTY]
    later = date(2026, 12, 8)
    years = {TODAY: np.array([0.25 / 365]), later: np.array([7.25 / 365])}
    state = IndexState(spot=np.array([spot]), previous_close=spot, years_left=years)

    def book(expiry):
        holdings = []
        for expires, right, strike, sign in (
            (TODAY, Right.CE, 24_000, -1),
            (TODAY, Right.PE, 24_000, -1),
            (expiry, Right.CE, 24_500, 1),
            (expiry, Right.PE, 23_500, 1),
        ):
            price = option_value(
                spot=state.spot, strike=strike, right=right, years=years[expires], volatility=0.14, rate=0.066
            )
            contract = Contract(Index.NIFTY, expires, Decimal(strike), right)
            holdings.append(Holding(contract, Product.NRML, sign * lot, price))
        return float(MarginModel(today=TODAY).requirement(holdings, {Index.NIFTY: state}).total[0])

    # The long's own value is credited, its protection is not.
    assert book(TODAY) < 170_000
    assert book(later) > 255_000


def test_half_the_wings_release_half():
    """Two straddles with one set of wings lie halfway between two sets and none."""
    double = [(r, level, 2 * sign) for r, level, sign in STRADDLE]
    none = requirement(Index.NIFTY, double, days_left=0)
    one = requirement(Index.NIFTY, [*double, *wings(0.02)[2:]], days_left=0)
    two = requirement(Index.NIFTY, [*double, *[(r, level, 2) for r, level, _ in wings(0.02)[2:]]], days_left=0)
    assert one == pytest.approx((none + two) / 2, rel=0.01)


def test_long_options_alone_need_no_margin():
    assert requirement(Index.NIFTY, [(Right.CE, 1.01, 1), (Right.PE, 0.99, 1)], days_left=1) == 0.0


def test_deep_out_of_the_money_shorts_pay_the_higher_extreme_loss_rate():
    near = requirement(Index.NIFTY, [(Right.PE, 0.905, -1)], days_left=0)
    deep = requirement(Index.NIFTY, [(Right.PE, 0.895, -1)], days_left=0)
    spot, lot = BOOKS[Index.NIFTY]
    assert deep - near > 0.005 * spot * lot


def test_many_seconds_at_once_equal_one_at_a_time():
    spots = np.array([23_900.0, 24_000.0, 24_130.0])
    expiry = date(2026, 12, 3)
    years = np.full(3, 2.26 / 365)
    contract = Contract(Index.NIFTY, expiry, Decimal(24_000), Right.CE)
    price = option_value(spot=spots, strike=24_000.0, right=Right.CE, years=years, volatility=0.14, rate=0.066)
    model = MarginModel(today=TODAY)
    together = model.requirement(
        [Holding(contract, Product.NRML, -65, price)], {Index.NIFTY: IndexState(spots, 24_000.0, {expiry: years})}
    ).total
    for i in range(3):
        state = IndexState(spots[i : i + 1], 24_000.0, {expiry: years[i : i + 1]})
        alone = model.requirement([Holding(contract, Product.NRML, -65, price[i : i + 1])], {Index.NIFTY: state}).total
        assert alone[0] == pytest.approx(together[i], rel=1e-12)
