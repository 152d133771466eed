"""Peak-margin snapshots: the clearing corporation looks at seeded random times, and a shortfall costs a penalty.

One snapshot in each quarter of the session. The day's largest shortfall is charged once: 0.5 % when it is below ₹1 lakh
and 10 % of the requirement, else 1 %, and 5 % when every snapshot of the day was short (our stand-in for the fourth short
day in a row, which one day cannot show). The penalty is reported; it is billed after the day, so it leaves no cash today.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hedging.simulator.chance import hash01
from hedging.simulator.day import IST
from hedging.simulator.funds import filled_book, rupees

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange

SNAPSHOTS = 4
_SMALL = Decimal(100_000)
_SMALL_SHARE = Decimal("0.10")
_RATES = (Decimal("0.005"), Decimal("0.01"), Decimal("0.05"))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one look found: market time in microseconds since the open, requirement and what covers it, in rupees."""

    us: int
    required: Decimal
    available: Decimal

    @property
    def shortfall(self) -> Decimal:
        """Return how much is missing, at least 0."""
        return max(Decimal(0), self.required - self.available)


def snapshot_times(*, seed: int, day_number: int, session_us: int) -> list[int]:
    """Return the times of the day's looks in microseconds since the open, one in each quarter."""
    part = session_us // SNAPSHOTS
    draws = [float(hash01(seed, day_number, 88, n)[0]) for n in range(SNAPSHOTS)]
    return [part * n + int(part * draw) for n, draw in enumerate(draws)]


def penalty_of(snapshots: list[Snapshot]) -> tuple[Decimal, Decimal]:
    """Return (penalty in rupees, rate) of a day's looks."""
    worst = max(snapshots, key=lambda look: look.shortfall, default=None)
    if worst is None or not worst.shortfall:
        return Decimal(0), Decimal(0)
    small = worst.shortfall < _SMALL and worst.shortfall < _SMALL_SHARE * worst.required
    rate = _RATES[0] if small else _RATES[1]
    if len(snapshots) == SNAPSHOTS and all(look.shortfall for look in snapshots):
        rate = _RATES[2]
    return (worst.shortfall * rate).quantize(Decimal("0.01")), rate


class PeakMargin:
    """The looks at one day's account. It only reads."""

    def __init__(self, *, exchange: Exchange) -> None:
        self._exchange = exchange
        self.snapshots: list[Snapshot] = []
        session = exchange.day.moment(exchange.day.index_closes) - exchange.market.opens_at
        times = snapshot_times(
            seed=exchange.seed,
            day_number=exchange.day.date.toordinal(),
            session_us=int(session.total_seconds()) * 1_000_000,
        )
        for us in times:
            exchange.at(us, self._look)

    def _look(self) -> None:
        exchange, account = self._exchange, self._exchange.account
        need = exchange.risk.need(filled_book(account), exchange.t).total
        available = account.cash + account.collateral - account.premium_paid
        self.snapshots.append(Snapshot(exchange.us, rupees(need), available))

    def report(self) -> dict[str, Any]:
        """Return the looks and the penalty so far; rupees as floats, times IST."""
        penalty, rate = penalty_of(self.snapshots)
        return {
            "snapshots": [
                {
                    "time": self._exchange.moment(look.us).astimezone(IST).strftime("%H:%M:%S"),
                    "required": float(look.required),
                    "shortfall": float(look.shortfall.quantize(Decimal("0.01"))),
                }
                for look in self.snapshots
            ],
            "penalty_rate_pct": float(rate * 100),
            "penalty": float(penalty),
        }
