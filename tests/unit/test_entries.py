"""An entry behind a scheduled exit is judged when the exit has shown what it releases, if there is time for it."""

from datetime import UTC, datetime, timedelta

import pytest

from hedging.domain.entries import EXIT_SETTLES, TIME_TO_HEDGE, waits_for_exit

EXIT = datetime(2026, 12, 1, 8, 45, tzinfo=UTC)
LEAST = EXIT_SETTLES + TIME_TO_HEDGE
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("now", "waits"),
    [
        (EXIT - timedelta(minutes=4), True),
        (EXIT, True),
        (EXIT + EXIT_SETTLES - SECOND, True),
        (EXIT + EXIT_SETTLES, False),
        (EXIT + EXIT_SETTLES + SECOND, False),
    ],
)
def test_an_entry_waits_until_the_exit_has_settled(now, waits):
    assert waits_for_exit(EXIT + timedelta(minutes=1), [EXIT], now=now) is waits


@pytest.mark.parametrize(
    ("entry_after", "waits"),
    [(LEAST - SECOND, False), (LEAST, True), (LEAST + SECOND, True), (timedelta(0), False), (-SECOND, False)],
)
def test_an_entry_waits_only_where_time_to_hedge_is_left(entry_after, waits):
    assert waits_for_exit(EXIT + entry_after, [EXIT], now=EXIT - timedelta(minutes=4)) is waits


def test_nothing_waits_without_an_exit_or_for_one_that_is_past():
    assert not waits_for_exit(EXIT, [], now=EXIT - timedelta(minutes=4))
    assert not waits_for_exit(EXIT + timedelta(minutes=5), [EXIT], now=EXIT + timedelta(minutes=1))


def test_the_last_exit_before_the_entry_is_waited_for():
    exits = [EXIT, EXIT + timedelta(minutes=2)]
    assert waits_for_exit(EXIT + timedelta(minutes=4), exits, now=EXIT + timedelta(minutes=1))
