"""The two clocks: market time, which a simulator may scale, and wall time, which nothing scales (design.md §3).

Only tasks, views and commands read these; everything below takes `now` as an argument.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import requests
from django.conf import settings
from django.db import connection

ASKED_EVERY_SECONDS = 5.0
PROMPT_SECONDS = 0.05


class ClockUnavailable(Exception):
    """Market time could not be read. Nothing may be decided; try again on the next tick."""


class MarketClock(Protocol):
    """A source of market time."""

    def now(self) -> datetime:
        """Return market time, aware UTC."""


def _seconds_running() -> float:
    """Return the seconds since some moment, those counted in which the machine was suspended, where it can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


@dataclass(slots=True)
class DatabaseClock:
    """The real world's market time: the database's, so that all processes agree.

    The way to an order wants the time half a dozen times. The database is asked every few seconds; in between its answer goes
    on by the seconds that this machine has been running since, whatever becomes of the machine's own time of day.
    """

    seconds_running: Callable[[], float] = _seconds_running
    _told: tuple[datetime, float] | None = None  # one object, so that threads never see half of it

    def now(self) -> datetime:
        """Return the database's time, aware UTC, at most `PROMPT_SECONDS` late."""
        told, asked_at = self._told, self.seconds_running()
        if told is not None and 0 <= asked_at - told[1] < ASKED_EVERY_SECONDS:
            return told[0] + timedelta(seconds=asked_at - told[1])
        with connection.cursor() as cursor:
            cursor.execute("SELECT clock_timestamp()")
            row = cursor.fetchone()
        moment: datetime = row[0].astimezone(UTC)
        answered_at = self.seconds_running()
        # Whatever held the answer up would make every later one late: such an answer counts once.
        self._told = (moment, answered_at) if answered_at - asked_at < PROMPT_SECONDS else None
        return moment


def _direct_session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy of the environment would be asked for an address of this machine
    return session


@dataclass(frozen=True, slots=True)
class SimulatorClock:
    """The simulator's market time, asked over HTTP; it survives restarts there."""

    base_url: str
    session: requests.Session = field(default_factory=_direct_session)

    def now(self) -> datetime:
        """Return the simulated time, aware UTC; raise `ClockUnavailable` when the simulator does not answer."""
        try:
            answer = self.session.get(f"{self.base_url}/simulator/clock", timeout=(1, 3))
            return datetime.fromisoformat(answer.json()["now"]).astimezone(UTC)
        except (requests.RequestException, ValueError, KeyError, TypeError) as error:
            raise ClockUnavailable(f"the simulator at {self.base_url} does not tell the time: {error}") from error


@dataclass(slots=True)
class VirtualClock:
    """A clock that a simulated day moves by hand."""

    moment: datetime

    def now(self) -> datetime:
        """Return the moment that was set last."""
        return self.moment


_database_clock = DatabaseClock()
_simulator_clocks: dict[str, SimulatorClock] = {}


def market_clock() -> MarketClock:
    """Return the clock of the world that the settings describe."""
    if settings.WORLD != "simulator":
        return _database_clock
    url = settings.OPENALGO_BASE_URL
    return _simulator_clocks.setdefault(url, SimulatorClock(url))


def market_time_or(wall: datetime) -> datetime:
    """Return market time, or `wall` where no clock answers: a halt must not wait for the server that has failed."""
    try:
        return market_clock().now()
    except ClockUnavailable:
        return wall


def wall_now() -> datetime:
    """Return wall time, aware UTC: for deadlines, ages of readings, heartbeats and the outbox."""
    return datetime.now(UTC)
