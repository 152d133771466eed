"""Margin profile: what one broker's margin numbers contain, and how well our engine fits them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

HUNDRED = Decimal(100)
TRUSTED_ERROR_PCT = Decimal(5)
WIDE_ERROR_PCT = Decimal(3)
CLOSE_ERROR_PCT = Decimal(1)
WIDENING = 2


@dataclass(frozen=True, slots=True)
class MarginProfile:
    """How to read an account's broker. `scale` multiplies our engine's margin to meet the broker's.

    `premium_counted`: the broker's used margin falls by premium received and rises by premium paid.
    `error_pct` is the engine's error found by calibration, in percent of the margin; `None` means not calibrated.
    """

    premium_counted: bool = False
    scale: Decimal = Decimal(1)
    error_pct: Decimal | None = None

    @property
    def trusted(self) -> bool:
        """Return whether the engine may stand beside the broker's own figures: calibrated to under 5 %."""
        return self.error_pct is not None and self.error_pct < TRUSTED_ERROR_PCT

    @property
    def wide(self) -> bool:
        """Return whether the safety buffer is doubled: not calibrated, or more than 3 % wrong."""
        return self.error_pct is None or self.error_pct > WIDE_ERROR_PCT

    @property
    def close(self) -> bool:
        """Return whether half the safety buffer will do: less than 1 % wrong, so that market moves are all it must cover."""
        return self.error_pct is not None and self.error_pct < CLOSE_ERROR_PCT

    @property
    def words(self) -> str:
        """Return how well the engine fits this broker, as people read it."""
        if self.error_pct is None:
            return "margin model NOT CALIBRATED: the safety buffer is doubled"
        doubled = ": the safety buffer is doubled" if self.wide else ""
        return f"margin model calibrated to {self.error_pct.normalize():f} %{doubled}"

    def buffer_pct(self, safety_buffer_pct: Decimal) -> Decimal:
        """Return the safety buffer in percent of budget: doubled while uncalibrated or more than 3 % wrong, halved below 1 %."""
        if self.wide:
            return safety_buffer_pct * WIDENING
        return safety_buffer_pct / WIDENING if self.close else safety_buffer_pct

    def buffer(self, *, budget: Decimal, safety_buffer_pct: Decimal) -> Decimal:
        """Return the safety buffer in rupees: what is kept free of `budget` and of free margin alike."""
        return budget * self.buffer_pct(safety_buffer_pct) / HUNDRED
