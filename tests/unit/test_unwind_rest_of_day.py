"""Sales and the rest of the day: what was within both limits before a sale is within them after it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from random import Random

import pytest

from hedging.domain.instruments import Product, Right
from hedging.domain.margin import MarginLine
from hedging.domain.policy import HedgePolicy
from hedging.domain.timeline import MomentKind, draw_day, lots_needed
from hedging.domain.unwind import UnwindInputs, choose_unwind
from tests.unit.margin_books import LOT, MORNING, entry, held, problem, straddle, total
from tests.unit.test_timeline import day, leaving

DAYS = range(24)
POLICY = HedgePolicy(minimum_exit_value=Decimal(0))


@cache
def random_day(seed):
    """Straddles with more than one kind of wing, entries and exits to come, and as much budget and free margin as they take."""
    random = Random(seed)
    book = straddle(lots=random.randint(1, 3))
    wings = tuple(
        held(points, right, random.randint(1, 3))
        for points in random.sample(range(150, 451, 50), random.randint(1, 3))
        for right in Right
    )
    coming = []
    for number in range(random.randint(1, 3)):
        minutes = 30 + 40 * number
        leaves = MORNING + timedelta(minutes=minutes + 60) if random.random() < 0.4 else None
        made = entry(f"E{number}", 24_000 + 50 * random.randint(-1, 1), random.randint(1, 2), after_minutes=minutes)
        coming.append(replace(made, exit_at=leaves))
    exits = [leaving("old", book, random.choice([20, 60]))] if random.random() < 0.4 else []
    drawn = day(book, coming, exits, wings, policy=POLICY, budget=Decimal(10**9), free_margin=Decimal(10**9))
    worst = max(moment.held.used_after or Decimal(0) for moment in draw_day(drawn).moments)
    budget = (worst * Decimal(random.choice([110, 125, 150, 200])) / 95).quantize(Decimal(1))
    asked = max(moment.held.at_order or Decimal(0) for moment in draw_day(drawn).moments)
    free = max(Decimal(0), asked) + budget * random.choice([2, 10, 30, 100]) / 100
    return replace(drawn, budget=budget, free_margin=free), wings


def sale(inputs, wings):
    asked = problem(inputs.book[: -len(wings)], wings=wings, budget=inputs.budget, free_margin=inputs.free_margin)
    ask = {wing.contract: wing.bid + Decimal("0.10") for wing in wings}
    asked = replace(asked, candidates=(), policy=POLICY)
    return choose_unwind(UnwindInputs(asked, needed_later=lots_needed(inputs), rebuy_prices=ask))


def after(inputs, choice):
    """The same day with what was sold gone: less free margin by what margin rose, more used."""
    book = (*inputs.book, *(MarginLine(t.contract, -t.lots * LOT, t.price, Product.NRML) for t in choice.sells))
    sold = {trade.contract: trade.lots * LOT for trade in choice.sells}
    rise = total(book) - total(inputs.book)
    return replace(
        inputs,
        book=book,
        wings={contract: units - sold.get(contract, 0) for contract, units in inputs.wings.items()},
        used_now=inputs.used_now + rise,
        free_margin=inputs.free_margin - rise,
    )


def breaches(inputs):
    """What of the day passes the trigger, or at its order free margin, with the buffer of 1 % that its projection will add."""
    trigger = inputs.policy.utilization_trigger_pct - 1
    free = inputs.free_margin - inputs.budget / 100
    moments = [moment for moment in draw_day(inputs).moments if moment.kind is not MomentKind.NOW]
    over = {(m.portfolio, m.kind) for m in moments if m.held.utilization_pct > trigger}
    return over | {(m.portfolio, "order") for m in moments if (m.held.at_order or Decimal(0)) > free}


@pytest.mark.parametrize("seed", DAYS)
def test_no_sale_makes_a_coming_moment_pass_a_limit_that_it_kept_before(seed):
    inputs, wings = random_day(seed)
    left = after(inputs, sale(inputs, wings))
    assert left.free_margin >= 0
    assert breaches(inputs) == set()
    assert breaches(left) == set()


def test_the_random_days_sell_everything_something_and_nothing():
    found = set()
    for seed in DAYS:
        inputs, wings = random_day(seed)
        lots = sum(trade.lots for trade in sale(inputs, wings).sells)
        found.add("nothing" if lots == 0 else "everything" if lots == sum(w.lots for w in wings) else "something")
    assert found == {"nothing", "something", "everything"}
