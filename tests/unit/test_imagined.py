"""A what-if under another scan range: the whole account moves with it, and only the engine decides."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.imagined import with_scan_range
from hedging.domain.margin import requirement
from hedging.domain.projection import BrokerIncrement
from hedging.domain.risk import MarginParameters
from tests.unit.cycle_facts import chain, facts, short_straddle, straddle

ENTRY = straddle(1, minutes=1.5)


def known(**changes):
    increments = {ENTRY.portfolio: BrokerIncrement(Decimal(1), None, 0)}
    book = {"chain": chain(), "positions": short_straddle(2), "coming": (ENTRY,), "increments": increments}
    return facts(**(book | {"used": Decimal(500_000), "free_margin": Decimal(500_000)} | changes))


def test_used_and_free_margin_move_by_what_the_present_book_would_block():
    before = known()

    then = with_scan_range(before, Decimal(12))

    margins = [
        requirement(lines=before.book(), market=before.market, parameters=each.parameters).total
        for each in (before, then)
    ]
    assert margins[1] > margins[0]
    assert (then.used, then.free_margin) == (500_000 + margins[1] - margins[0], 500_000 - margins[1] + margins[0])
    assert then.parameters.price_scan_fraction == pytest.approx(0.12)


def test_the_brokers_answers_of_the_real_range_are_left_out():
    then = with_scan_range(known(), Decimal(12))

    assert (then.increments, then.past) == ({}, ())


def test_the_same_range_changes_no_margin():
    then = with_scan_range(known(), Decimal("9.3"))

    assert (then.used, then.free_margin) == (Decimal(500_000), Decimal(500_000))


def test_a_range_below_that_of_the_days_sigma_counts_too():
    wild = known(parameters=replace(MarginParameters(), daily_volatility_pct=3.0))
    assert wild.parameters.price_scan_fraction > 0.2

    then = with_scan_range(wild, Decimal(10))

    assert then.parameters.price_scan_fraction == pytest.approx(0.10)
    assert then.parameters.volatility_scan == wild.parameters.volatility_scan
    assert then.used is not None
    assert then.used < 500_000


def test_what_is_unknown_stays_unknown():
    then = with_scan_range(known(used=None, free_margin=None), Decimal(12))

    assert (then.used, then.free_margin) == (None, None)


def test_without_prices_nothing_can_be_imagined():
    with pytest.raises(ValueError, match="no chain"):
        with_scan_range(facts(positions=()), Decimal(12))
