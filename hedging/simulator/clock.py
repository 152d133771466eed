"""The simulated clocks: market time runs `speed` times as fast as the wall, and stops when the day is over."""

from __future__ import annotations

import time as wall
from collections.abc import Callable
from datetime import datetime, timedelta


class ScaledClock:
    """Market time = anchor + (wall - wall at the anchor) x speed, never beyond `end` nor beyond what was allowed.

    It stands still for `hold_seconds` of wall time, or until `go`: whoever trades here needs a moment to get up.
    """

    def __init__(
        self,
        *,
        anchor: datetime,
        end: datetime,
        speed: float,
        hold_seconds: float = 0.0,
        monotonic: Callable[[], float] = wall.monotonic,
    ) -> None:
        self.speed = speed
        self.end = end
        self._anchor = anchor
        self._monotonic = monotonic
        self._starts = monotonic() + hold_seconds
        self._allowed = anchor

    def now(self) -> datetime:
        """Return market time."""
        return min(self.after(0.0), self._allowed)

    def after(self, seconds: float) -> datetime:
        """Return what market time will be after some seconds of wall time, if it is allowed to."""
        elapsed = max(0.0, self._monotonic() - self._starts + seconds)
        return min(self._anchor + timedelta(seconds=elapsed * self.speed), self.end)

    def go(self) -> None:
        """End the hold; a clock that runs already is left alone."""
        self._starts = min(self._starts, self._monotonic())

    def allow_until(self, limit: datetime) -> None:
        """Let the clock run up to a moment: the one that has been stored."""
        self._allowed = limit


class ManualClock:
    """Market time that moves only when told: for days simulated in process."""

    def __init__(self, *, start: datetime) -> None:
        self._now = start
        self.speed = 0.0

    def now(self) -> datetime:
        """Return market time."""
        return self._now

    def go(self) -> None:
        """Do nothing: there is no hold to end."""

    def set(self, now: datetime) -> None:
        """Move to a moment; never backwards."""
        self._now = max(self._now, now)
