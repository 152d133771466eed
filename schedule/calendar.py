"""Trading calendar: a frozen value that answers for trading days, hours and expiries, and fails closed where it cannot.

A weekday is never the key of anything: (index, DTE) resolved here is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from hedging.domain.instruments import Index
from schedule.models import ContractSpec, TradingDay

IST = ZoneInfo("Asia/Kolkata")
ONE_DAY = timedelta(days=1)
_SATURDAY = 5


class CalendarUnknown(Exception):
    """The calendar does not know a day or an index. Stop: load the calendar (admin, or an import), then go on."""


class NoSuchExpiry(LookupError):
    """No option of the index expires that many trading days ahead. Ask with another index or DTE."""


@dataclass(frozen=True, slots=True)
class DayHours:
    """One calendar day in IST: whether it trades, the session's hours, and the window in which we act."""

    is_open: bool
    opens_at: time
    closes_at: time
    act_from: time
    act_until: time
    note: str = ""


@dataclass(frozen=True, slots=True)
class SessionHours:
    """The instants of one trading day, aware UTC. `closes`, `act_until` are the first instants outside."""

    opens: datetime
    closes: datetime
    act_from: datetime
    act_until: datetime


@dataclass(frozen=True, slots=True)
class ExpiryRule:
    """On which weekday (Monday is 0) an index's options expire: every week, or in the month's last such week."""

    index: Index
    effective_from: date
    weekday: int
    weekly: bool

    def falls_on(self, day: date) -> bool:
        """Return whether `day` is an expiry before holidays are looked at."""
        return day.weekday() == self.weekday and (self.weekly or (day + timedelta(days=7)).month != day.month)


@dataclass(frozen=True, slots=True)
class CurrentExpiry:
    """The expiry of an index that is next on some day, `dte` trading days ahead."""

    index: Index
    dte: int
    expiry: date


@dataclass(frozen=True, slots=True)
class TradingCalendar:
    """Trading days, hours and expiries. Days are IST calendar dates.

    A year is known when at least one of its days has a row. In a known year a weekend without a row is closed; a weekday
    without a row is unknown, and so is every day of an unknown year. Asking for what is unknown raises `CalendarUnknown`.
    """

    days: Mapping[date, DayHours]
    rules: tuple[ExpiryRule, ...]
    known_years: frozenset[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "known_years", frozenset(day.year for day in self.days))

    def is_trading_day(self, day: date) -> bool:
        """Return whether index options trade on `day`; special sessions count. Raises `CalendarUnknown`."""
        row = self.days.get(day)
        if row is not None:
            return row.is_open
        if day.year not in self.known_years:
            raise CalendarUnknown(
                f"The trading days of {day.year} are not known: load them before {day:%d-%b-%Y} is needed."
            )
        if day.weekday() < _SATURDAY:
            raise CalendarUnknown(f"{day:%A %d-%b-%Y} has no row in the trading days: add it as open or closed.")
        return False

    def hours(self, day: date) -> SessionHours | None:
        """Return the hours of `day` in UTC, or `None` when it is closed. Raises `CalendarUnknown`."""
        if not self.is_trading_day(day):
            return None
        row = self.days[day]
        return SessionHours(*(at_ist(day, t) for t in (row.opens_at, row.closes_at, row.act_from, row.act_until)))

    def next_trading_day(self, day: date) -> date:
        """Return the first trading day after `day`. Raises `CalendarUnknown`."""
        return self._step(day, ONE_DAY)

    def previous_trading_day(self, day: date) -> date:
        """Return the last trading day before `day`. Raises `CalendarUnknown`."""
        return self._step(day, -ONE_DAY)

    def trading_days_between(self, after: date, through: date) -> int:
        """Return the number of trading days in (after, through]. Raises `CalendarUnknown`."""
        return sum(self.is_trading_day(after + ONE_DAY * n) for n in range(1, (through - after).days + 1))

    def expiries(self, index: Index, from_day: date, count: int) -> tuple[date, ...]:
        """Return the next `count` expiries on or after `from_day`, ascending.

        Raises `CalendarUnknown` when one of them cannot be told from the days that are known.
        """
        return tuple(islice(self._expiries(index, from_day), count))

    def dte(self, index: Index, day: date) -> int:
        """Return the trading days from `day` to the index's next expiry; 0 on the expiry. Raises `CalendarUnknown`."""
        return self.trading_days_between(day, self.expiries(index, day, 1)[0])

    def find_expiry(self, index: Index, day: date, dte: int) -> date | None:
        """Return the expiry that is exactly `dte` trading days after the trading day `day`, or `None`.

        Looks no further ahead than it must, so near the end of the known days an early expiry still has an answer.
        Raises `CalendarUnknown`.
        """
        if not self.is_trading_day(day):
            return None
        target = day
        for _ in range(dte):
            target = self.next_trading_day(target)
        return target if self._is_expiry(index, target) else None

    def expiry_for(self, index: Index, day: date, dte: int) -> date:
        """Return the expiry that is `dte` trading days after `day`. Raises `NoSuchExpiry` or `CalendarUnknown`."""
        expiry = self.find_expiry(index, day, dte)
        if expiry is None:
            raise NoSuchExpiry(f"No {index} option has {dte} DTE on {day:%d-%b-%Y}.")
        return expiry

    def resolve(self, day: date) -> tuple[CurrentExpiry, ...]:
        """Return each index's next expiry and DTE on `day`, by index name; nothing on a closed day.

        An index whose next expiry lies among unknown days is not in the answer; `undecided` names it.
        Raises `CalendarUnknown` when `day` itself is unknown.
        """
        if not self.is_trading_day(day):
            return ()
        undecided = self.undecided(day)
        return tuple(
            CurrentExpiry(index, self.dte(index, day), self.expiries(index, day, 1)[0])
            for index in self._indices()
            if index not in undecided
        )

    def undecided(self, day: date) -> frozenset[Index]:
        """Return the indices whose next expiry on or after `day` the known days cannot tell."""
        return frozenset(index for index in self._indices() if not self._knows_next(index, day))

    def _knows_next(self, index: Index, day: date) -> bool:
        try:
            self.dte(index, day)
        except CalendarUnknown:
            return False
        return True

    def _indices(self) -> tuple[Index, ...]:
        return tuple(sorted({rule.index for rule in self.rules}))

    def _step(self, day: date, step: timedelta) -> date:
        day += step
        while not self.is_trading_day(day):
            day += step
        return day

    def _rule(self, index: Index, day: date) -> ExpiryRule:
        in_force = [rule for rule in self.rules if rule.index is index and rule.effective_from <= day]
        if not in_force:
            raise CalendarUnknown(f"No contract spec of {index} is in force on {day:%d-%b-%Y}: add one.")
        return max(in_force, key=lambda rule: rule.effective_from)

    def _expiries(self, index: Index, from_day: date) -> Iterator[date]:
        """Yield expiries from `from_day` on; an expiry on a holiday moves to the previous trading day."""
        nominal, last = from_day, from_day - ONE_DAY
        while True:
            if self._rule(index, nominal).falls_on(nominal):
                expiry = nominal if self.is_trading_day(nominal) else self.previous_trading_day(nominal)
                if expiry > last:
                    yield expiry
                    last = expiry
            nominal += ONE_DAY

    def _is_expiry(self, index: Index, day: date) -> bool:
        """Return whether an expiry falls on the trading day `day`, or moved to it from the closed days that follow."""
        nominal = day
        while True:
            if self._rule(index, nominal).falls_on(nominal):
                return True
            nominal += ONE_DAY
            if self.is_trading_day(nominal):
                return False


def at_ist(day: date, moment: time) -> datetime:
    """Return the instant of an IST wall time on `day`, aware UTC."""
    return datetime.combine(day, moment, IST).astimezone(UTC)


def load_calendar() -> TradingCalendar:
    """Read the calendar from the database, in two queries."""
    rows = TradingDay.objects.values_list(
        "day", "is_open", "opens_at", "closes_at", "act_from", "act_until", "note"
    ).order_by("day")
    specs = ContractSpec.objects.values_list("index", "effective_from", "expiry_weekday", "weekly").order_by(
        "index", "effective_from"
    )
    return TradingCalendar(
        days={row[0]: DayHours(*row[1:]) for row in rows},
        rules=tuple(ExpiryRule(Index(spec[0]), *spec[1:]) for spec in specs),
    )
