"""Build the simulator's plain description of a day from the database: timetable, contract specs, expiries, hours."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.core.management.base import CommandError

from hedging.domain.instruments import Index
from hedging.simulator.day import JudgePolicy, LegTemplate, ScheduledEntry, SimulatedDay
from hedging.simulator.world import Leftover
from schedule.calendar import IST, CalendarUnknown, TradingCalendar, load_calendar
from schedule.entries import entries_on
from schedule.models import ContractSpec

_EXPIRIES_LISTED = 4
_INDEX_CLOSES = time(15, 30)
_LONGEST_SEARCH = 30  # trading days without an entry before we say that the timetable is empty


def judge_policy() -> JudgePolicy:
    """Return what the last permitted relaxation of the policy in force allows; the simulator judges refusals by it."""
    policy = settings.HEDGE_POLICY
    return JudgePolicy(
        max_premium=float(policy.max_premium),
        min_premium=float(policy.floor_premium),
        cost_cap=float(policy.max_cost_per_day),
    )


def chooser(first: date) -> Callable[[Leftover | None], SimulatedDay]:
    """Return how a served world picks its day: `first`, and after a finished day the next one that has entries."""

    def choose(leftover: Leftover | None) -> SimulatedDay:
        calendar = load_calendar()
        if leftover is None:
            return day_of(first, calendar)
        day = leftover.date
        for _ in range(_LONGEST_SEARCH):
            day = calendar.next_trading_day(day)
            if entries_on(day, calendar):
                return day_of(day, calendar, leftover=leftover)
        raise CommandError(f"No entry is due in the {_LONGEST_SEARCH} trading days after {leftover.date}: add some.")

    return choose


def day_of(day: date, calendar: TradingCalendar, *, leftover: Leftover | None = None, baskets: int = 1) -> SimulatedDay:
    """Return a trading day of the database as the plain values that the simulator is made of.

    Raises `CommandError` for a day on which nothing trades, `CalendarUnknown` for one that is not known.
    """
    if not calendar.is_trading_day(day):
        raise CommandError(f"{day} is no trading day: set SIM_DATE (or --date) to one.")
    hours = calendar.days[day]
    specs = {}
    for index in Index:
        row = ContractSpec.objects.filter(index=index.value).in_force(day=day).first()
        if row is not None:
            specs[index] = row.as_facts()
    expiries = {index: _listed(index, day, calendar) for index in specs}
    entries = tuple(
        ScheduledEntry(
            portfolio=entry.portfolio,
            index=entry.index,
            expiry=entry.expiry,
            entry_time=_ist(entry.entry_at),
            exit_time=None if entry.exit_at is None else _ist(entry.exit_at),
            legs=tuple(LegTemplate(leg.right, leg.side, leg.offset, leg.lots) for leg in entry.legs),
            lots=baskets * specs[entry.index].lots_per_basket,
        )
        for entry in entries_on(day, calendar)
        if entry.index in specs and not entry.trouble
    )
    return SimulatedDay(
        date=day,
        specs=specs,
        expiries=expiries,
        entries=entries,
        opens=hours.opens_at,
        closes=hours.closes_at,
        index_closes=min(_INDEX_CLOSES, hours.closes_at),
        starts=_shifted(hours.opens_at, minutes=-5),
        ends=_shifted(hours.closes_at, minutes=20),
        holidays=tuple(
            (d, row.note) for d, row in sorted(calendar.days.items()) if not row.is_open and d.weekday() < 5
        ),
        previous_close=dict(leftover.closes) if leftover else {},
        carried=leftover.carried if leftover else (),
        judge=judge_policy(),
    )


def _listed(index: Index, day: date, calendar: TradingCalendar) -> tuple[date, ...]:
    """Return the next few expiries, fewer where the known days end."""
    for count in range(_EXPIRIES_LISTED, 1, -1):
        try:
            return calendar.expiries(index, day, count)
        except CalendarUnknown:
            continue
    return calendar.expiries(index, day, 1)


def _ist(moment: datetime) -> time:
    return moment.astimezone(IST).time()


def _shifted(at: time, *, minutes: int) -> time:
    return (datetime.combine(date.min, at) + timedelta(minutes=minutes)).time()
