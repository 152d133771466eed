"""The token bucket stays below OpenAlgo's moving window, and the retry budget below its share."""

import random

import pytest

from hedging.brokers.openalgo.limits import RetryBudget, TokenBucket


def departures(bucket, arrivals):
    return [at + bucket.reserve(at) for at in arrivals]


def most_in_any_second(times):
    return max(sum(1 for other in times if at <= other < at + 1.0) for at in times)


@pytest.mark.parametrize(("rate", "burst", "limit"), [(8, 2, 10), (40, 10, 50)])
def test_no_second_holds_more_calls_than_openalgo_allows(rate, burst, limit):
    rng = random.Random(4)
    for arrivals in ([0.0] * 120, [n * 0.01 for n in range(300)], sorted(rng.uniform(0, 6) for _ in range(200))):
        assert most_in_any_second(departures(TokenBucket(rate_per_second=rate, burst=burst), arrivals)) <= limit


def test_a_call_after_a_pause_does_not_wait():
    bucket = TokenBucket(rate_per_second=8, burst=2)
    assert departures(bucket, [0.0, 0.0]) == [0.0, 0.0]
    assert bucket.reserve(0.0) == pytest.approx(1 / 8)
    assert bucket.reserve(10.0) == 0.0


def test_a_clock_that_steps_back_gives_nothing_away():
    bucket = TokenBucket(rate_per_second=8, burst=1)
    bucket.reserve(100.0)
    assert bucket.reserve(50.0) > 0
    assert bucket.reserve(100.0) > 0.1


def test_retries_are_a_tenth_of_first_tries_in_the_long_run():
    budget = RetryBudget()
    granted = 0
    for _ in range(1000):
        budget.earn()
        granted += budget.spend()
    assert 100 <= granted <= 104


def test_an_idle_budget_saves_up_only_a_little():
    budget = RetryBudget()
    for _ in range(10_000):
        budget.earn()
    assert [budget.spend() for _ in range(5)] == [True, True, True, False, False]
