"""What entries took at their last times: whose samples count, when they decide, and what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from hedging.domain.exposure import Cover
from hedging.domain.history import LAST_SAMPLES, PastJump, experience, shape_of_entry
from hedging.domain.instruments import Index, Right
from hedging.domain.margin import MarginMarket
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import BrokerIncrement, ProjectionInputs, Source, project
from tests.unit.margin_books import BUDGET, CALIBRATED, MORNING, PARAMETERS, entry, held, market, straddle, wing_lines

ENTRY = replace(entry(), baskets=2)
FAIR = replace(CALIBRATED, error_pct=Decimal(2))
"""Calibrated, yet not so well that its word alone would do."""


def jump(realized: int, *, what: str = "E1", **changes) -> PastJump:
    made = PastJump(
        what=what, at=MORNING, index=Index.NIFTY, dte=0, cover=Cover.BARE, shape=shape_of_entry(ENTRY), baskets=2,
        realized=Decimal(realized), forecast=None, today=True,
    )  # fmt: skip
    return replace(made, **changes)


def figure(past: Sequence[PastJump], *, book=(), coming=(ENTRY,), **changes):
    made = ProjectionInputs(
        book=book, coming=coming, market=market(), parameters=PARAMETERS, profile=FAIR, policy=HedgePolicy(),
        budget=BUDGET, used_now=Decimal(100_000), free_margin=BUDGET, past=past,
    )  # fmt: skip
    return project(replace(made, **changes)).entries[-1]


def history_of(found):
    return next(source for source in found.sources if source.source is Source.HISTORY)


def test_the_median_of_what_entries_like_it_took_is_scaled_to_its_baskets():
    known = experience([jump(500_000), jump(700_000), jump(520_000)], replace(ENTRY, baskets=2), cover=Cover.BARE)
    assert known is not None
    assert known.per_basket == 260_000
    assert known.plausible


def test_of_an_even_number_the_upper_middle_counts():
    known = experience([jump(500_000), jump(520_000)], ENTRY, cover=Cover.BARE)
    assert known is not None
    assert known.per_basket == 260_000


@pytest.mark.parametrize(
    "other",
    [{"index": Index.SENSEX}, {"dte": 1}, {"cover": Cover.COVERED}, {"shape": (("CE", Decimal(0), Decimal(-65)),)}],
)
def test_what_is_not_alike_is_no_sample(other):
    assert experience([jump(500_000, **other)], ENTRY, cover=Cover.BARE) is None


def test_a_portfolios_own_samples_come_first_where_there_are_enough():
    others = [jump(900_000, what="E9")] * 4
    own = [jump(500_000, what=ENTRY.portfolio)] * 3
    for count, expected in ((2, 900_000), (3, 500_000)):
        known = experience([*others, *own[:count]], ENTRY, cover=Cover.BARE)
        assert known is not None
        assert known.per_basket * 2 == expected


def test_only_the_last_samples_count():
    old = [jump(900_000)] * 20
    known = experience([*[jump(500_000)] * LAST_SAMPLES, *old], ENTRY, cover=Cover.BARE)
    assert known is not None
    assert known.per_basket == 250_000
    assert known.samples == LAST_SAMPLES


@pytest.mark.parametrize(("samples", "decides"), [(1, False), (2, False), (3, True)])
def test_three_samples_make_history_plausible(samples, decides):
    found = figure([jump(300_000)] * samples)
    assert history_of(found).plausible is decides
    assert (Source.HISTORY in found.decided_by) is decides


@pytest.mark.parametrize(("error", "asked"), [("0", False), ("1", False), ("1.01", True), ("4.99", True)])
def test_history_is_no_witness_against_an_engine_that_is_right_within_a_percent(error, asked):
    found = figure([jump(300_000)] * 3, profile=replace(CALIBRATED, error_pct=Decimal(error)))
    assert (Source.HISTORY in found.decided_by) is asked


@pytest.mark.parametrize(("beyond", "asked"), [(0, False), (9_999, False), (10_100, True), (-10_100, True)])
def test_history_is_no_witness_against_broker_and_engine_that_agree(beyond, asked):
    engine = figure([]).added
    answer = BrokerIncrement(used_after=engine + beyond, at_order=None, age_seconds=1)
    found = figure([jump(400_000)] * 3, broker={ENTRY.portfolio: answer})
    assert (Source.HISTORY in found.decided_by) is asked
    assert found.spread_pct is not None


def test_the_worst_plausible_source_decides_and_the_spread_is_kept():
    found = figure([jump(300_000)] * 3)
    assert found.decided_by == (Source.ENGINE, Source.HISTORY)
    assert found.used_after == 100_000 + 300_000 + BUDGET / 100
    assert found.added == 300_000
    assert found.spread_pct is not None
    assert 0 < found.spread_pct < 5


def test_the_forecast_of_each_entry_is_its_own_without_buffer_and_without_those_before_it():
    second = replace(ENTRY, portfolio="E5")
    found = figure([jump(300_000)] * 3, coming=(ENTRY, second))
    assert found.added == 300_000
    assert found.used_after == 100_000 + 600_000 + BUDGET / 100


def test_at_order_counts_what_the_engine_knows_beyond_used_afterwards():
    profile = replace(FAIR, premium_counted=True)
    found = figure([jump(300_000)] * 3, profile=profile)
    credit = ENTRY.legs[1].premium  # the second leg is checked without its own credit
    assert history_of(found).at_order == 300_000 + credit
    assert found.added_at_order == 300_000 + credit


def test_a_hedged_book_asks_for_hedged_samples():
    book = (*straddle(), *wing_lines([held(500, right, 2) for right in Right]))
    past = [jump(500_000)] * 3
    assert history_of(figure(past, book=book)).used_after is None
    assert history_of(figure([*past, *[jump(200_000, cover=Cover.COVERED)] * 3], book=book)).used_after == 300_000


def test_without_a_plausible_source_the_worse_of_engine_and_short_history_decides():
    uncalibrated = MarginProfile()
    low, high = (figure([jump(realized)] * 2, profile=uncalibrated) for realized in (200_000, 400_000))
    assert low.decided_by == high.decided_by == (Source.ENGINE, Source.HISTORY)
    assert high.added == 400_000
    assert low.added is not None
    assert low.added > 250_000


def test_a_single_measured_entry_goes_before_the_constants():
    found = figure([jump(300_000)], market=MarginMarket(spots={}, now=MORNING))
    assert found.decided_by == (Source.HISTORY,)
    assert found.added == 300_000
