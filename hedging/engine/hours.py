"""Hours of a trading day, from its row; a day without a row has none, and nothing automatic happens on it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from schedule.calendar import IST, SessionHours, at_ist
from schedule.models import TradingDay


def acting_hours(day: date) -> SessionHours | None:
    """Return the hours of `day`, or `None` when it is closed or the calendar does not know it. One query."""
    row = TradingDay.objects.filter(day=day, is_open=True).first()
    if row is None:
        return None
    return hours_at(day, (row.opens_at, row.closes_at, row.act_from, row.act_until))


def hours_at(day: date, times: Sequence[time]) -> SessionHours:
    """Return the hours of `day` of four times of day, IST: opens, closes, may act from and until."""
    opens, closes, act_from, act_until = (at_ist(day, moment) for moment in times)
    return SessionHours(opens, closes, act_from, act_until)


def trading_day_of(moment: datetime) -> date:
    """Return the IST calendar date of an aware instant."""
    return moment.astimezone(IST).date()
