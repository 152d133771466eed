"""A share of the optimality campaign (`make optimality`): other ways to find the least find the same."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.hedge_books import random_book
from benchmarks.hedge_peers import missed_rupees, plain_program
from benchmarks.optimality import Tally, check, same
from hedging.domain.optimizer import Status, solve

BOOKS = 60


@pytest.mark.parametrize("first", range(0, BOOKS, 15))
def test_no_other_way_finds_a_cheaper_hedge_and_no_answer_misses_its_aim(first):
    tally = Tally()
    for seed in range(first, first + 15):
        check(seed, tally)
    assert (tally.differences, tally.missed, tally.unproven) == ([], [], [])
    assert tally.answers[Status.SOLVED] > 3


def test_the_campaign_would_notice_a_dearer_answer_and_a_missed_aim():
    asked = random_book(0)
    found = solve(asked)
    assert found.status is Status.SOLVED
    assert missed_rupees(asked, found) == 0
    assert missed_rupees(asked, replace(found, buys=found.buys[1:])) > 1
    assert same(found, plain_program(asked))
    assert not same(replace(found, cost=found.cost + 1), plain_program(asked))
