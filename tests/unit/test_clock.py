"""The database tells the time, once a second; the simulator's clock is on this machine, and is asked there."""

from __future__ import annotations

from datetime import UTC, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from hedging.engine import clock
from hedging.engine.clock import DatabaseClock, SimulatorClock


def test_the_simulator_is_asked_directly_whatever_proxy_the_environment_names(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    clock = SimulatorClock("http://127.0.0.1:5011")
    asked = clock.session.merge_environment_settings(clock.base_url, {}, stream=None, verify=None, cert=None)
    assert not asked["proxies"]


class Running:
    """How long the machine runs, moved by hand."""

    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.django_db
@pytest.mark.parametrize(("later", "asked"), [(0.0, 0), (0.999, 0), (1.0, 1), (3600.0, 1), (-0.001, 1)])
def test_the_database_is_asked_once_a_second_and_in_between_its_answer_goes_on(later, asked):
    running = Running()
    kept = DatabaseClock(running)
    first = kept.now()
    running.seconds += later

    with CaptureQueriesContext(connection) as queries:
        second = kept.now()

    assert len(queries) == asked
    assert asked or second - first == timedelta(seconds=later)
    assert second.tzinfo is UTC


def test_all_of_a_process_share_one_clock(settings):
    settings.WORLD = "real"
    assert clock.market_clock() is clock.market_clock()
