"""Pure limiters below OpenAlgo's own: a token bucket for the rate, and a budget for repeated reads. No clock in here."""

from __future__ import annotations

from typing import Protocol


class TokenBucket:
    """Let `rate_per_second` calls through, `burst` at once. In any second at most `burst + rate_per_second` pass.

    OpenAlgo counts a moving window of one second, so `burst + rate_per_second` must not exceed its limit.
    """

    def __init__(self, *, rate_per_second: float, burst: int) -> None:
        self._rate = rate_per_second
        self._burst = float(burst)
        self._tokens = float(burst)
        self._at: float | None = None

    def reserve(self, now: float) -> float:
        """Take one token at monotonic second `now`; return the seconds to wait before using it."""
        if self._at is not None:
            self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now if self._at is None else max(self._at, now)
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)


class Retries(Protocol):
    """A budget for repeated reads; the one in use may be shared by all processes."""

    def earn(self) -> None:
        """Note a first try."""

    def spend(self) -> bool:
        """Return whether one repeat is affordable, and pay for it."""


class RetryBudget:
    """Allow repeats up to a share of first tries, so that retries never multiply the load on a server in trouble."""

    def __init__(self, *, share: float = 0.10, most: float = 3.0) -> None:
        self._share = share
        self._most = most
        self._saved = most

    def earn(self) -> None:
        """Note a first try."""
        self._saved = min(self._most, self._saved + self._share)

    def spend(self) -> bool:
        """Return whether one repeat is affordable, and pay for it."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True
