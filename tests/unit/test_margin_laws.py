"""Laws of the margin that hold for every book: scale, direction, what adds up, and many books at once."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, Universe
from hedging.domain.pricing import black_scholes
from hedging.domain.risk import IST

EXPIRY = date(2026, 12, 1)
LATER = (EXPIRY + timedelta(days=7), EXPIRY + timedelta(days=28))
LEVELS = {Index.NIFTY: (24_000, 50, 65), Index.SENSEX: (78_000, 100, 20)}
DAYS = {
    "two days before": datetime.combine(EXPIRY - timedelta(days=2), time(15, 30), IST),
    "expiry day": datetime.combine(EXPIRY, time(9, 20), IST),
}
PARAMETERS = MarginParameters()
PAISA = 0.01


def market(now):
    return MarginMarket(spots={i: Decimal(level) for i, (level, _, _) in LEVELS.items()}, now=now)


def line(now, leg):
    """A leg lies `steps` strikes above the money; at a flat volatility, so that a nearer strike is never the cheaper one."""
    index, expiry, steps, right, lots, product = leg
    spot, step, lot = LEVELS[index]
    strike = spot + steps * step
    years = max(0.0, market(now).years_to(expiry))
    value = black_scholes(spot=spot, strike=strike, years=years, volatility=0.14, is_call=right is Right.CE)
    contract = Contract(index, expiry, Decimal(strike), right)
    return MarginLine(contract, lots * lot, Decimal(repr(float(value))), product)


def weekly(now, steps, right, lots):
    return line(now, (Index.NIFTY, EXPIRY, steps, right, lots, Product.NRML))


def total(now, *books):
    """The margin of each of several lists of lines, valued together."""
    universe = Universe.of([held for book in books for held in book], market=market(now), parameters=PARAMETERS)
    return [universe.total(universe.quantities(book)) for book in books]


lots = st.integers(-6, 6).filter(bool)
steps = st.integers(-40, 40)
rights = st.sampled_from(list(Right))
days = st.sampled_from(list(DAYS.values()))


@st.composite
def books(draw, *, expiries=(EXPIRY,), indices=(Index.NIFTY,), products=(Product.NRML,), most=8):
    """A market time and a book in it."""
    now = draw(days)
    legs = draw(
        st.lists(
            st.tuples(
                st.sampled_from(indices), st.sampled_from(expiries), steps, rights, lots, st.sampled_from(products)
            ),
            min_size=1,
            max_size=most,
        )
    )
    return now, [line(now, leg) for leg in legs]


every_book = books(expiries=(EXPIRY, *LATER), indices=tuple(LEVELS), products=tuple(Product))


@given(every_book, st.integers(1, 40))
def test_margin_is_linear_in_lots(made, times):
    now, book = made
    many = [MarginLine(held.contract, held.quantity * times, held.price, held.product) for held in book]
    one, all_of_them = total(now, book, many)
    assert all_of_them == pytest.approx(times * one, rel=1e-9, abs=PAISA)


@given(every_book)
def test_indices_and_products_are_margined_apart_and_added(made):
    now, book = made
    pools = {(held.contract.index, held.product) for held in book}
    parts = [[held for held in book if (held.contract.index, held.product) == pool] for pool in sorted(pools)]
    together, *apart = total(now, book, *parts)
    assert together == pytest.approx(sum(apart), rel=1e-9, abs=PAISA)


@given(books(), steps, rights, st.integers(1, 6))
def test_a_sold_option_never_lowers_the_margin(made, where, right, count):
    now, book = made
    before, after = total(now, book, [*book, weekly(now, where, right, -count)])
    assert after >= before - PAISA


@given(books(), steps, rights, st.integers(1, 6))
def test_a_bought_option_never_raises_the_margin(made, where, right, count):
    now, book = made
    before, after = total(now, book, [*book, weekly(now, where, right, count)])
    assert after <= before + PAISA


@given(books(), books())
def test_two_books_together_never_need_more_than_apart(one, other):
    now, book = one
    second = [line_at(now, held) for held in other[1]]
    together, first, last = total(now, [*book, *second], book, second)
    assert together <= first + last + PAISA


def line_at(now, held):
    """The same holding, priced at another time."""
    contract = held.contract
    moved = (int(contract.strike) - 24_000) // 50
    return weekly(now, moved, contract.right, held.quantity // 65)


@given(books(), st.integers(1, 39), st.integers(1, 40), rights, st.integers(1, 6))
def test_a_nearer_wing_never_releases_less(made, near, farther, right, count):
    now, book = made
    # A wing in a contract that is short would close the short, exposure and all.
    outward = 1 if right is Right.CE else -1
    wings = [weekly(now, outward * place, right, count) for place in (near, near + farther)]
    assume(not {held.contract for held in book} & {wing.contract for wing in wings})
    with_near, with_far = total(now, [*book, wings[0]], [*book, wings[1]])
    assert with_near <= with_far + PAISA


@given(every_book)
def test_longs_alone_need_nothing_but_a_calendar_charge_and_shorts_at_least_their_exposure(made):
    now, book = made
    universe = Universe.of(book, market=market(now), parameters=PARAMETERS)
    units = universe.quantities(book)
    longs = np.maximum(units, 0.0)
    calendar = sum(pool.calendar for pool in universe.pools(longs).values())
    assert universe.total(longs) <= calendar + PAISA
    exposure = sum(pool.elm for pool in universe.pools(units).values())
    assert universe.total(units) >= exposure >= 0.02 * (np.maximum(-units, 0.0) @ universe.valuation.spots) - PAISA


@given(every_book, st.data())
def test_many_books_at_once_get_the_figures_of_one_by_one(made, data):
    now, book = made
    universe = Universe.of(book, market=market(now), parameters=PARAMETERS)
    size = len(universe.valuation.prices)
    seed = data.draw(st.integers(0, 2**32 - 1))
    many = np.random.default_rng(seed).integers(-9, 10, (7, size)).astype(np.float64) * 65
    one_by_one = np.array([universe.total(units) for units in many])
    np.testing.assert_allclose(universe.totals(many), one_by_one, rtol=1e-9, atol=1e-6)


def test_no_books_have_no_margins():
    universe = Universe.of([], market=market(DAYS["expiry day"]), parameters=PARAMETERS)
    assert universe.totals(np.zeros((3, 0))).tolist() == [0.0, 0.0, 0.0]
    assert universe.totals(np.zeros((0, 0))).tolist() == []
