"""Build the simulator's plain description of a day from the database: timetable, contract specs, expiries, hours."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

from django.conf import settings

from hedging.domain.instruments import ContractSpec, Index
from hedging.simulator.day import JudgePolicy, LegTemplate, ScheduledEntry, SimulatedDay
from schedule.calendar import CalendarUnknown, TradingCalendar, load_calendar
from schedule.entries import entries_on
from schedule.models import ContractSpec as SpecRow
from schedule.models import TradingDay

IST = ZoneInfo("Asia/Kolkata")
EXPIRIES_LISTED = 4


class NothingToSimulate(Exception):
    """The calendar or the timetable has nothing for the day; the message names the fix."""


def simulated_day(day: date, *, baskets: int = 1) -> SimulatedDay:
    """Return the simulator's description of `day`. Raises `NothingToSimulate` on a closed or unknown day."""
    calendar = load_calendar()
    try:
        entries = entries_on(day, calendar)
        hours = calendar.days[day] if calendar.is_trading_day(day) else None
    except CalendarUnknown as error:
        raise NothingToSimulate(str(error)) from error
    if hours is None:
        raise NothingToSimulate(f"{day:%A %d-%b-%Y} is not a trading day: choose another with --date or SIM_DATE.")
    specs = _specs(day)
    return SimulatedDay(
        date=day,
        specs=specs,
        expiries={index: _expiries(calendar, index, day) for index in specs},
        entries=tuple(
            ScheduledEntry(
                portfolio=entry.portfolio,
                index=entry.index,
                expiry=entry.expiry,
                entry_time=entry.entry_at.astimezone(IST).time(),
                exit_time=None if entry.exit_at is None else entry.exit_at.astimezone(IST).time(),
                legs=tuple(LegTemplate(leg.right, leg.side, leg.offset, leg.lots) for leg in entry.legs),
                lots=baskets * specs[entry.index].lots_per_basket,
            )
            for entry in entries
        ),
        opens=hours.opens_at,
        closes=hours.closes_at,
        holidays=tuple(TradingDay.objects.filter(is_open=False).order_by("day").values_list("day", "note")),
    )


def next_simulated_day(after: date) -> date:
    """Return the first day after `after` on which the timetable has entries. Raises `NothingToSimulate`."""
    calendar = load_calendar()
    day = after
    for _ in range(60):
        try:
            day = calendar.next_trading_day(day)
            if entries_on(day, calendar):
                return day
        except CalendarUnknown as error:
            raise NothingToSimulate(str(error)) from error
    raise NothingToSimulate(
        f"The timetable has no active entry within 60 trading days after {after}: add one in admin."
    )


def judge_policy() -> JudgePolicy:
    """Return what the last permitted relaxation of the policy in force allows."""
    policy = settings.HEDGE_POLICY
    return JudgePolicy(
        max_premium=float(policy.max_premium),
        min_premium=float(policy.floor_premium),
        cost_cap=float(policy.max_cost_per_day),
    )


def _specs(day: date) -> dict[Index, ContractSpec]:
    found: dict[Index, ContractSpec] = {}
    for index in Index:
        row = SpecRow.objects.in_force(day=day).filter(index=index.value).first()
        if row is not None:
            found[index] = row.as_facts()
    return found


def _expiries(calendar: TradingCalendar, index: Index, day: date) -> tuple[date, ...]:
    for count in range(EXPIRIES_LISTED, 0, -1):
        try:
            return calendar.expiries(index, day, count)
        except CalendarUnknown:
            continue  # near the end of the known days fewer expiries are known
    return ()
