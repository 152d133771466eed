"""Hours of a trading day, from its row; a day without a row has none, and nothing automatic happens on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

from schedule.models import TradingDay

IST = ZoneInfo("Asia/Kolkata")


@dataclass(frozen=True, slots=True)
class Hours:
    """The instants of one trading day, aware."""

    opens_at: datetime
    closes_at: datetime
    act_from: datetime
    act_until: datetime


def acting_hours(day: date) -> Hours | None:
    """Return the hours of `day`, or `None` when it is closed or the calendar does not know it."""
    row = TradingDay.objects.filter(day=day, is_open=True).first()
    if row is None:
        return None
    return Hours(*(_at(day, moment) for moment in (row.opens_at, row.closes_at, row.act_from, row.act_until)))


def _at(day: date, moment: time) -> datetime:
    return datetime.combine(day, moment, IST)


def trading_day_of(moment: datetime) -> date:
    """Return the IST calendar date of an aware instant."""
    return moment.astimezone(IST).date()
