"""The database tells the time, once a second; in between its answer goes on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hedging.engine.clock import DatabaseClock

pytestmark = pytest.mark.django_db


class Running:
    """How long the machine runs, moved by hand; `held_up` passes between a question and its answer."""

    def __init__(self) -> None:
        self.seconds = 100.0
        self.held_up = 0.0

    def __call__(self) -> float:
        return self.seconds

    def while_asked(self, execute, *words):
        self.seconds += self.held_up
        return execute(*words)


def asked(kept: DatabaseClock) -> tuple[datetime, int]:
    """Return the time that a clock tells, and the queries that it took."""
    with CaptureQueriesContext(connection) as queries:
        moment = kept.now()
    return moment, len(queries)


def test_it_is_the_databases_time():
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        before = cursor.fetchone()[0]
        moment = DatabaseClock().now()
        cursor.execute("SELECT clock_timestamp()")
        after = cursor.fetchone()[0]
    assert before <= moment <= after
    assert moment.tzinfo is UTC


@pytest.mark.parametrize("later", [0.0, 0.5, 4.999])
def test_within_five_seconds_the_answer_goes_on_without_a_question(later):
    running = Running()
    kept = DatabaseClock(running)
    first = kept.now()
    running.seconds += later
    assert asked(kept) == (first + timedelta(seconds=later), 0)


@pytest.mark.parametrize("later", [5.0, 3600.0, -0.001])
def test_after_five_seconds_it_is_asked_again_and_the_new_answer_counts(later):
    running = Running()
    kept = DatabaseClock(running)
    first = kept.now()
    running.seconds += later
    second, queries = asked(kept)
    assert queries == 1
    assert first < second < first + timedelta(seconds=600)  # the database's own time, not an hour later
    assert asked(kept) == (second, 0)


@pytest.mark.parametrize(("seconds", "queries"), [(0.01, 0), (0.5, 1)])
def test_an_answer_that_was_held_up_counts_once(seconds, queries):
    running = Running()
    running.held_up = seconds
    kept = DatabaseClock(running)
    with connection.execute_wrapper(running.while_asked):
        kept.now()
    assert asked(kept)[1] == queries
