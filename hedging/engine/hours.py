"""Hours of a trading day, from its row; a day without a row has none, and nothing automatic happens on it."""

from __future__ import annotations

from datetime import date, datetime

from schedule.calendar import IST, SessionHours, at_ist
from schedule.models import TradingDay


def acting_hours(day: date) -> SessionHours | None:
    """Return the hours of `day`, or `None` when it is closed or the calendar does not know it. One query."""
    row = TradingDay.objects.filter(day=day, is_open=True).first()
    if row is None:
        return None
    return SessionHours(*(at_ist(day, t) for t in (row.opens_at, row.closes_at, row.act_from, row.act_until)))


def trading_day_of(moment: datetime) -> date:
    """Return the IST calendar date of an aware instant."""
    return moment.astimezone(IST).date()
