"""The optimizer against brute force: on small random books the cost is the same, found by trying everything.

The brute force shares nothing with the program but the margin engine: it rebuilds book, cost and limits from the words.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product as every
from random import Random
from typing import NamedTuple

import pytest

from hedging.domain.charges import ChargeRates, order_charges, orders_for
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.margin import MarginLine
from hedging.domain.optimizer import Aim, Candidate, HeldWing, Status, solve
from hedging.domain.policy import HedgePolicy, Relaxation
from tests.unit.margin_books import CALIBRATED, LOT, SPEC, entry, fair, held, line, option, otm, problem, total

RATES = ChargeRates()
ONE_LEVEL = HedgePolicy(min_premium=Decimal("0.05"), max_premium=Decimal(500), relaxations=(Relaxation.NONE,))
FREEZE = 2  # lots, so that the charges of a second order are met


def random_problem(seed, *, replacing):
    """A part-stopped book of two or three straddles, one more coming, two strikes a side on offer, maybe far wings."""
    random = Random(seed)
    book = [
        line(option(24_000 + 50 * random.randint(-2, 2), right), -LOT)
        for _ in range(random.randint(2, 3))
        for right in Right
        if random.random() < 0.85
    ]
    wings = tuple(held(900, right, random.randint(1, 2)) for right in Right) if replacing else ()
    offered = []
    for right in Right:
        for points in random.sample(range(200, 801, 50), 2):
            ask = fair(otm(points, right)) + Decimal(random.randint(0, 40)) / 20
            depth = random.choice([None, None, 1, 2])
            offered.append(Candidate(otm(points, right), ask, None, depth))
    asked = problem(
        book,
        coming=(entry(lots=random.randint(1, 2)),),
        wings=wings,
        candidates=tuple(offered),
        policy=ONE_LEVEL,
        spec=replace(SPEC, freeze_quantity=FREEZE * LOT),
        profile=replace(CALIBRATED, premium_counted=random.random() < 0.5),
        cost_cap_left=Decimal(random.choice([400, 1_000, 50_000])),
    )
    after = total([*asked.book, *asked.coming[0].lines])
    budget = (after * Decimal(random.randint(70, 104)) / 100).quantize(Decimal(1))
    room = (after - asked.used_now) * Decimal(random.randint(60, 140)) / 100
    return replace(asked, budget=budget, free_margin=room, cash=Decimal(40_000))


class Action(NamedTuple):
    """What may be traded: its cost, and what it does to book and cash; `out` is premium paid with its charges."""

    cost: Decimal
    lines: list[MarginLine]
    paid: Decimal
    out: Decimal
    received: Decimal


NOTHING = Action(Decimal(0), [], Decimal(0), Decimal(0), Decimal(0))


def reserve(asked, offer, lots):
    """What the claim of a buy sets aside: the worst price of the order buffer, and charges for every chase."""
    policy = asked.policy
    slack = max(policy.order_buffer_ticks * SPEC.tick, offer.ask * policy.order_buffer_pct / 100)
    worst = (offer.ask + slack) // SPEC.tick * SPEC.tick
    orders = orders_for(lots=lots, freeze_lots=FREEZE) * (1 + policy.max_chases)
    return order_charges(rates=RATES, side=Side.BUY, premium_rupees=worst * lots * LOT, orders=orders) + (
        worst * lots * LOT
    )


def charges(side, lots, price):
    orders = orders_for(lots=lots, freeze_lots=FREEZE)
    return (
        order_charges(rates=RATES, side=side, premium_rupees=price * lots * LOT, orders=orders) if lots else Decimal(0)
    )


def actions(asked):
    """Every permitted action."""
    book = [*asked.book, *asked.coming[0].lines]
    capacity = {r: -sum(held.quantity for held in book if held.contract.right is r) // LOT for r in Right}
    offers: list[Candidate | HeldWing] = [*asked.candidates, *asked.wings]
    ranges = []
    for offer in offers:
        most = offer.lots if isinstance(offer, HeldWing) else capacity[offer.contract.right] + 2
        if isinstance(offer, Candidate) and offer.depth_lots is not None:
            most = min(most, offer.depth_lots)
        ranges.append(range(most + 1))
    for lots in every(*ranges):
        action = _action(asked, capacity, list(zip(offers, lots, strict=True)))
        if action is not None:
            yield action


def _action(asked, capacity, chosen):
    lines, paid, out, received, reserved, charged = [], Decimal(0), Decimal(0), Decimal(0), Decimal(0), Decimal(0)
    for right in Right:
        side = [(o, n) for o, n in chosen if o.contract.right is right]
        signed = sum(n if isinstance(o, Candidate) else -n for o, n in side)
        if signed > capacity[right]:
            return None
        for wing in (o for o, n in side if isinstance(o, HeldWing) and n):
            reach = abs(wing.contract.strike - 24_000)
            near = [(o, n) for o, n in side if abs(o.contract.strike - 24_000) <= reach]
            if sum(n if isinstance(o, HeldWing) else -n for o, n in near) > 0:
                return None
    for offer, lots in chosen:
        if isinstance(offer, Candidate):
            cost = charges(Side.BUY, lots, offer.ask)
            paid += offer.ask * lots * LOT
            out += offer.ask * lots * LOT + cost
            reserved += reserve(asked, offer, lots) if lots else 0
            lines.append(MarginLine(offer.contract, lots * LOT, offer.mark, Product.NRML))
        else:
            cost = charges(Side.SELL, lots, offer.bid)
            received += offer.bid * lots * LOT
            lines.append(MarginLine(offer.contract, -lots * LOT, offer.bid, Product.NRML))
        charged += cost
    if reserved > min(asked.cost_cap_left, asked.cash, asked.free_margin):
        return None
    return Action(paid - received + charged, lines, paid, out, received)


def meets(asked, percent, action):
    _, lines, paid, out, received = action
    counted = Decimal(1 if asked.profile.premium_counted else 0)
    base = total(asked.book)
    most = asked.budget * percent / 100
    now = asked.used_now + total([*asked.book, *lines]) - base + counted * (paid - received)
    first, second = asked.coming[0].legs
    after_first = total([*asked.book, *lines, *asked.coming[0].lines[:1]]) - base
    after_both = total([*asked.book, *lines, *asked.coming[0].lines]) - base
    used = asked.used_now + after_both + counted * (paid - received - first.premium - second.premium)
    at_order = max(after_first, after_both - counted * first.premium) + out - counted * received
    return max(now, used) <= most and at_order <= asked.free_margin


def brute_force(asked):
    """Return the first aim that can be reached and the least cost that reaches it, or `None`."""
    percents = {
        Aim.TARGET: asked.policy.utilization_target_pct,
        Aim.TRIGGER: asked.policy.utilization_trigger_pct,
        Aim.FULL: Decimal(100),
    }
    if meets(asked, percents[Aim.TRIGGER], NOTHING):
        return Status.NOT_NEEDED, None, Decimal(0)
    possible = sorted(actions(asked), key=lambda action: action[0])
    for aim, percent in percents.items():
        if meets(asked, percent, NOTHING):
            continue
        for action in possible:
            if meets(asked, percent, action):
                return Status.SOLVED, aim, action.cost
    return None, None, None


@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_the_cost_is_the_least_there_is(seed, replacing):
    asked = random_problem(seed, replacing=replacing)
    status, aim, cost = brute_force(asked)
    found = solve(asked)
    assert found.proven
    if status is None:
        assert found.status in {Status.UNREACHABLE, Status.NO_CANDIDATE_IN_BAND}
    else:
        assert (found.status, found.aim) == (status, aim)
        assert float(found.cost) == pytest.approx(float(cost), abs=1e-6)
