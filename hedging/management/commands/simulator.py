"""Serve the simulated exchange on the timetable's day, or run such a day at once with nobody hedging."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connections

from hedging.domain.instruments import Index
from hedging.simulator.day import LegTemplate, ScheduledEntry, SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.serving import serve
from hedging.simulator.store import Store, StoreUnusable
from hedging.simulator.world import Leftover, open_world
from schedule.calendar import IST, CalendarUnknown, TradingCalendar, load_calendar
from schedule.entries import entries_on
from schedule.models import ContractSpec

_EXPIRIES_LISTED = 4
_INDEX_CLOSES = time(15, 30)
_LONGEST_SEARCH = 30  # trading days without an entry before we say that the timetable is empty


class Command(BaseCommand):
    help = "Serve the simulated exchange and broker (--serve), or run one day without a client and print what happened."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--serve", action="store_true", help="answer on a port, until SIGTERM or Ctrl-C")
        parser.add_argument("--speed", type=float, default=settings.SIM_SPEED, help="market seconds a second")
        parser.add_argument("--seed", type=int, default=settings.SIM_SEED, help="a stored day keeps its own")
        parser.add_argument("--date", type=_date, default=settings.SIM_DATE, help="the first day, like 2026-12-01")
        parser.add_argument(
            "--cash", type=Decimal, default=Decimal(1_000_000), help="free funds of each day, in rupees"
        )
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.SIM_PORT)
        parser.add_argument("--state", type=Path, default=settings.VAR_DIR / "simulator.sqlite3", help="the day's file")
        parser.add_argument("--fresh", action="store_true", help="forget the stored day and begin at --date")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            if options["serve"]:
                self._serve(options)
            else:
                self._run_at_once(options)
        except (StoreUnusable, CalendarUnknown) as error:
            raise CommandError(str(error)) from None

    def _run_at_once(self, options: dict[str, Any]) -> None:
        day = day_of(options["date"], load_calendar())
        exchange = Exchange(day=day, seed=options["seed"], cash=options["cash"])
        exchange.advance_to(day.end_at)
        self.stdout.write(json.dumps(exchange.report(), indent=1))

    def _serve(self, options: dict[str, Any]) -> None:
        state: Path = options["state"]
        if options["fresh"]:
            for tail in ("", "-wal", "-shm"):
                state.with_name(state.name + tail).unlink(missing_ok=True)
        world = open_world(
            store=Store(state),
            seed=options["seed"],
            cash=options["cash"],
            speed=options["speed"],
            api_keys=[settings.OPENALGO_API_KEY],
            choose_day=_chooser(options["date"]),
            say=self._say,
        )
        connections.close_all()  # the world is plain values from here on
        try:
            server = serve(world.app, host=options["host"], port=options["port"])
        except OSError as error:
            raise CommandError(
                f"Port {options['port']} on {options['host']} cannot be used ({error.strerror}): "
                "stop what uses it, or set SIM_PORT to a free one"
            ) from None

        def stop(_number: int, _frame: object) -> None:
            Thread(target=server.shutdown, daemon=True).start()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        world.start()
        self._say(f"Simulated exchange on http://{options['host']}:{options['port']} at {options['speed']:g}x")
        try:
            server.serve_forever(poll_interval=0.2)
        finally:
            server.server_close()
            world.stop()

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _chooser(first: date) -> Callable[[Leftover | None], SimulatedDay]:
    """Return how the world picks a day: `first`, and after a finished day the next one that has entries."""

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


def day_of(day: date, calendar: TradingCalendar, *, leftover: Leftover | None = None) -> SimulatedDay:
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
            lots=specs[entry.index].lots_per_basket,
        )
        for entry in entries_on(day, calendar)
        if entry.index in specs
    )
    return SimulatedDay(
        date=day,
        specs=specs,
        expiries=expiries,
        entries=entries,
        opens=hours.opens_at,
        closes=hours.closes_at,
        index_closes=min(_INDEX_CLOSES, hours.closes_at),
        starts=_shifted(hours.opens_at, minutes=-1),
        ends=_shifted(hours.closes_at, minutes=20),
        holidays=tuple(
            (d, row.note) for d, row in sorted(calendar.days.items()) if not row.is_open and d.weekday() < 5
        ),
        previous_close=dict(leftover.closes) if leftover else {},
        carried=leftover.carried if leftover else (),
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
