"""Which lines leave the book with which portfolio."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hedging.domain.instruments import Product, Right
from hedging.domain.planned_exits import Standing, planned_exits
from tests.unit.margin_books import LOT, MORNING, line, option, otm, straddle


def standing(portfolio, minutes, *, strike=24_000, lots=1):
    legs = {(option(strike, right), Product.NRML): -LOT * lots for right in Right}
    return Standing(portfolio, None if minutes is None else MORNING + timedelta(minutes=minutes), legs)


def leaving(book, *portfolios):
    exits, _ = planned_exits(book, portfolios, now=MORNING)
    return [
        (e.portfolio, {(str(x.contract.right), int(x.contract.strike)): x.quantity for x in e.lines}) for e in exits
    ]


def test_a_portfolio_takes_what_its_entry_brought_at_todays_price():
    book = (*straddle(24_000), *straddle(24_100))
    exits, unknown = planned_exits(book, [standing("B", 60, strike=24_100), standing("A", 30)], now=MORNING)
    assert [(e.portfolio, e.at - MORNING, e.lines) for e in exits] == [
        ("A", timedelta(minutes=30), straddle(24_000)),
        ("B", timedelta(minutes=60), straddle(24_100)),
    ]
    assert unknown == ()


def test_what_is_held_to_expiry_never_leaves():
    assert leaving(straddle(), standing("A", None)) == []


def test_a_portfolio_whose_legs_were_never_seen_stays_and_is_named():
    unseen = Standing("A", MORNING + timedelta(minutes=30), None)
    assert planned_exits(straddle(), [unseen, Standing("B", None, None)], now=MORNING) == ((), ("A",))


def test_a_leg_that_was_stopped_cannot_leave_again():
    book = tuple(x for x in straddle() if x.contract.right is Right.PE)
    assert leaving(book, standing("A", 30)) == [("A", {("PE", 24_000): -LOT})]
    assert leaving((), standing("A", 30)) == []


@pytest.mark.parametrize(("last", "keeps"), [(60, ["B"]), (None, [])])
def test_where_a_part_of_a_shared_contract_is_gone_the_last_to_leave_owns_the_rest(last, keeps):
    assert [name for name, _ in leaving(straddle(), standing("A", 30), standing("B", last))] == keeps


@pytest.mark.parametrize(("minutes", "comes"), [(-1, False), (0, False), (1, True)])
def test_only_exits_still_to_come_are_planned(minutes, comes):
    assert bool(leaving(straddle(), standing("A", minutes))) is comes


def test_bought_legs_leave_as_well_and_hedges_of_ours_stay():
    wing, ours = otm(500, Right.CE), otm(700, Right.CE)
    book = (*straddle(), line(wing, LOT), line(ours, LOT))
    fly = Standing("A", MORNING + timedelta(minutes=30), dict(standing("A", 30).legs) | {(wing, Product.NRML): LOT})
    assert leaving(book, fly) == [("A", {("CE", 24_000): -LOT, ("PE", 24_000): -LOT, ("CE", 24_500): LOT})]
