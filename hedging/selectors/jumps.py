"""What was foretold of entries and hedges, and what they really took: the last jumps of a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from hedging.models import MarginJump
from sessions_app.models import TradingSession

LAST_FORECASTS = 12


@dataclass(frozen=True, slots=True)
class Forecast:
    """One entry or hedge action: change of used margin as foretold and as seen, in rupees, negative for a release.

    `subject` is the portfolio, or the decision's id. `error_pct` is seen less foretold in percent of the budget, positive
    when more was taken. `None` is unknown, and `note` says why where it will stay so.
    """

    kind: str
    subject: str
    at: datetime
    forecast: Decimal | None
    source: str
    realized: Decimal | None
    error_pct: Decimal | None
    measured_at: datetime | None
    note: str


def forecasts(*, session: TradingSession, now: datetime, limit: int = LAST_FORECASTS) -> tuple[Forecast, ...]:
    """Return the last jumps of a session that were due by market time `now`, newest first. One query."""
    rows = MarginJump.objects.filter(session=session, at__lte=now).defer("book").order_by("-at", "-id")
    return tuple(
        Forecast(
            kind=row.kind,
            subject=row.subject,
            at=row.at,
            forecast=row.forecast,
            source=row.forecast_source,
            realized=row.realized,
            error_pct=None if row.error is None else (row.error / session.budget * 100).quantize(Decimal("0.01")),
            measured_at=row.measured_at,
            note=row.note,
        )
        for row in rows[:limit]
    )
