"""The sale of wings against brute force: on small random books no other sale recovers more, by trying every one.

The brute force shares nothing with the program but the margin engine: need, charges and limits are rebuilt from the words.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from functools import cache
from itertools import product as every
from random import Random

import pytest

from hedging.domain.charges import ChargeRates, order_charges, orders_for
from hedging.domain.exposure import exposures
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer import HeldWing
from hedging.domain.policy import HedgePolicy
from hedging.domain.unwind import Kept, UnwindInputs, choose_unwind
from tests.unit.margin_books import LOT, SPEC, entry, fair, line, option, otm, problem, total, wing_lines

RATES = ChargeRates()
FREEZE = 2  # lots, so that the charges of a second order are met
POLICY = HedgePolicy(minimum_exit_value=Decimal("0.30"))


def random_inputs(seed):
    """A part-stopped book with one or two kinds of wing on each side, maybe an entry in the exit buffer, maybe later need."""
    random = Random(seed)
    book = [
        line(option(24_000 + 50 * random.randint(-1, 1), right), -LOT)
        for _ in range(random.randint(0, 3))
        for right in Right
        if random.random() < 0.8
    ]
    wings = tuple(
        HeldWing(otm(points, right), random.randint(1, 2), fair(otm(points, right)))
        for right in Right
        for points in random.sample(range(150, 601, 50), random.randint(1, 2))
    )
    soon = (entry(),) if random.random() < 0.5 else ()
    asked = problem(book, coming=soon, wings=wings, policy=POLICY, spec=replace(SPEC, freeze_quantity=FREEZE * LOT))
    now = asked.used_now
    after = total([*asked.book, *(leg for due in soon for leg in due.lines)])
    budget = max(Decimal(100_000), max(now, after) * Decimal(random.choice([95, 120, 140, 170, 300])) / 100)
    asked = replace(asked, candidates=(), budget=budget.quantize(Decimal(1)), free_margin=Decimal(2_000_000))
    needed = {right: random.randint(0, 3) for right in Right} if random.random() < 0.6 else dict.fromkeys(Right, 0)
    prices = [Decimal(random.randint(2, 120)) / 20 if random.random() < 0.7 else None for _ in wings]
    rebuy = {wing.contract: price for wing, price in zip(wings, prices, strict=True) if price is not None}
    free = Decimal(random.choice([2_000_000, 2_000_000, 400_000, 150_000, 20_000]))
    return UnwindInputs(replace(asked, free_margin=free), needed_later=needed, rebuy_prices=rebuy)


@cache
def charge(side, lots, price):
    if not lots:
        return Decimal(0)
    orders = orders_for(lots=lots, freeze_lots=FREEZE)
    return order_charges(rates=RATES, side=side, premium_rupees=price * lots * LOT, orders=orders)


def bought_again(inputs, sale):
    """The least that buying back the nearest wings, which later entries need, costs after `sale`; `None` where it cannot be bought back."""
    wings = inputs.problem.wings
    best = None
    for again in every(*(range(lots + 1) for lots in sale)):
        priced = [(w.contract, inputs.rebuy_prices.get(w.contract), n) for w, n in zip(wings, again, strict=True) if n]
        if any(price is None for _, price, _ in priced):
            continue
        left = {w.contract: w.lots - sold + bought for w, sold, bought in zip(wings, sale, again, strict=True)}
        if all(needed_stay(inputs, right, left) for right in Right):
            cost = sum((p * n * LOT + charge(Side.BUY, n, p) for _, p, n in priced), Decimal(0))
            best = cost if best is None else min(best, cost)
    return best


def needed_stay(inputs, right, left):
    """Whether `left` holds, of the k nearest lots of a side, min(k, needed) for every k: each lot is looked at by itself."""
    wings = [wing for wing in inputs.problem.wings if wing.contract.right is right]
    nearest = sorted(wings, key=lambda wing: abs(wing.contract.strike - 24_000))
    were = [wing.contract for wing in nearest for _ in range(wing.lots)]
    stay = [contract for wing in nearest for contract in [wing.contract] * left[wing.contract]]
    return stay[: inputs.needed_later[right]] == were[: inputs.needed_later[right]]


def permitted(inputs, sale):
    """Whether margin and coverage allow the sale, by the words of the rule."""
    asked = inputs.problem
    soon = [leg for due in asked.coming for leg in due.lines]
    sold = [
        MarginLine(w.contract, -n * LOT, w.bid or Decimal(0), Product.NRML)
        for w, n in zip(asked.wings, sale, strict=True)
        if n
    ]
    trigger = asked.budget * asked.policy.exit_trigger_pct / 100
    books = [asked.book, [*asked.book, *soon]] if soon else [asked.book]
    before = max(total(list(book)) for book in books)
    after = max(total([*book, *sold]) for book in books)
    if after > max(trigger, before) + 1 or not affordable(asked, soon, sold):
        return False
    if before <= trigger:
        return True
    excess = dict.fromkeys(Right, 0)
    for key, exposure in exposures(asked.book, soon).items():
        excess[key.right] += exposure.excess // LOT
    return all(
        sum(n for w, n in zip(asked.wings, sale, strict=True) if w.contract.right is right) <= excess[right]
        for right in Right
    )


def affordable(asked, soon, sold):
    """Whether free margin, less the safety buffer of 1 % of budget, bears the sale and then each order of the entry."""
    now, free = total(list(asked.book)), asked.free_margin - asked.budget / 100
    if total([*asked.book, *sold]) - now > max(free, Decimal(0)) + 1:
        return False
    orders = [[*asked.book, *soon[: count + 1]] for count in range(len(soon))]
    before = max((total(book) - now for book in orders), default=Decimal(0))
    after = max((total([*book, *sold]) - now for book in orders), default=Decimal(0))
    return after <= max(free, before) + 1


def worth(inputs, sale):
    """What a sale recovers after charges and after buying again, or `None` where it may not be made."""
    asked = inputs.problem
    if any(n and (w.bid or 0) < asked.policy.minimum_exit_value for w, n in zip(asked.wings, sale, strict=True)):
        return None
    if any(w.depth_lots is not None and n > w.depth_lots for w, n in zip(asked.wings, sale, strict=True)):
        return None
    again = bought_again(inputs, sale)
    if again is None or not permitted(inputs, sale):
        return None
    gained = sum(
        (w.bid * n * LOT - charge(Side.SELL, n, w.bid) for w, n in zip(asked.wings, sale, strict=True) if n and w.bid),
        Decimal(0),
    )
    return gained - again


def short_of_free_margin(seed):
    """The same book with budget to spare, where free margin bears a part of what a sale of all wings would raise."""
    inputs = random_inputs(seed)
    asked, budget = inputs.problem, Decimal(4_000_000)
    own = wing_lines(asked.wings)
    rise = total(asked.book[: -len(own)]) - total(list(asked.book))
    free = budget / 100 + rise * Random(seed).choice([20, 50, 80]) / 100
    policy = replace(POLICY, minimum_exit_value=Decimal(0))
    return replace(inputs, problem=replace(asked, budget=budget, free_margin=free, policy=policy))


def behind_thin_bids(seed):
    """The same book with a lot more of each wing and budget to spare, where most bids take only some of the lots."""
    random, inputs = Random(seed), random_inputs(seed)
    asked = inputs.problem
    wings = tuple(replace(w, lots=w.lots + 1, depth_lots=random.choice([None, 0, 1, 2])) for w in asked.wings)
    book = (*asked.book[: -len(wings)], *wing_lines(wings))
    asked = replace(asked, wings=wings, book=book, used_now=total(list(book)), budget=Decimal(4_000_000))
    policy = replace(POLICY, minimum_exit_value=Decimal(0))
    return replace(inputs, problem=replace(asked, policy=policy, free_margin=Decimal(2_000_000)))


MAKERS = [
    *((random_inputs, seed) for seed in range(16)),
    *((short_of_free_margin, seed) for seed in range(100, 116)),
    *((behind_thin_bids, seed) for seed in range(200, 212)),
]


@pytest.mark.parametrize(("make", "seed"), MAKERS)
def test_no_other_sale_recovers_more_and_the_chosen_one_is_permitted(make, seed):
    inputs = make(seed)
    choice = choose_unwind(inputs)
    sold = {trade.contract: trade.lots for trade in choice.sells}
    chosen = worth(inputs, tuple(sold.get(wing.contract, 0) for wing in inputs.problem.wings))
    assert chosen is not None
    every_sale = every(*(range(wing.lots + 1) for wing in inputs.problem.wings))
    best = max(found for sale in every_sale if (found := worth(inputs, sale)) is not None)
    assert float(chosen) == pytest.approx(float(best), abs=1e-6)


def test_the_random_books_sell_everything_something_and_nothing_for_every_reason():
    sold, kept = [], set()
    for make, seed in MAKERS:
        inputs = make(seed)
        choice = choose_unwind(inputs)
        lots = sum(trade.lots for trade in choice.sells)
        held = sum(wing.lots for wing in inputs.problem.wings)
        sold.append("nothing" if lots == 0 else "everything" if lots == held else "something")
        kept |= {wing.reason for wing in choice.kept}
    assert set(sold) == {"nothing", "something", "everything"}
    assert {Kept.FREE_MARGIN, Kept.THIN_BID, Kept.STILL_COVERS, Kept.NEEDED_LATER} <= kept
