"""Serve the simulated exchange on the timetable's day, or run such a day at once with nobody hedging."""

from __future__ import annotations

import json
import signal
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from pathlib import Path
from threading import Thread
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, connections

from config.local.processes import LocalServerError
from config.schema import why_unreachable
from hedging.management.arguments import money
from hedging.management.database import database_at_hand, prepare_database
from hedging.management.worlds import chooser, day_of
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import BadFault, FaultSpec
from hedging.simulator.profiles import PROFILES, Profile, UnknownProfile, profile_named
from hedging.simulator.rules import LONGEST_BEHIND, AccountRules, FarOtm
from hedging.simulator.serving import serve
from hedging.simulator.store import Store, StoreUnusable
from hedging.simulator.world import open_world
from schedule.calendar import CalendarUnknown, load_calendar


class Command(BaseCommand):
    help = "Serve the simulated exchange and broker until Ctrl-C, or run one day at once without a client (--at-once)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--at-once", action="store_true", help="run one day with nobody hedging; print it as JSON")
        parser.add_argument("--speed", type=float, default=settings.SIM_SPEED, help="market seconds a second")
        parser.add_argument("--seed", type=int, default=settings.SIM_SEED, help="a stored day keeps its own")
        parser.add_argument("--date", type=_date, default=settings.SIM_DATE, help="the first day, like 2026-12-01")
        parser.add_argument("--cash", type=money, default=Decimal(1_000_000), help="free funds of each day, in rupees")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=settings.SIM_PORT)
        parser.add_argument("--state", type=Path, default=settings.VAR_DIR / "simulator.sqlite3", help="the day's file")
        parser.add_argument(
            "--hold", type=float, default=0.0, help="seconds to stand still, or until POST /simulator/go"
        )
        parser.add_argument(
            "--profile",
            type=_profile,
            help=f"the broker: {', '.join(PROFILES)} (default zerodha; a stored day keeps its own)",
        )
        parser.add_argument(
            "--far-otm",
            choices=[rule.value for rule in FarOtm],
            default=FarOtm.OFF.value,
            help="NRML buys far out of the money beyond the shorts held: taken, refused, or rejected later",
        )
        parser.add_argument("--no-price-bands", action="store_true", help="switch limit price protection off")
        parser.add_argument(
            "--books-behind",
            type=_seconds,
            default=0.0,
            metavar="SECONDS",
            help="positions and funds show a fill up to so many market seconds late",
        )
        parser.add_argument(
            "--fault",
            type=_fault,
            action="append",
            default=[],
            metavar="ENDPOINT:KIND[=VALUE][xCOUNT]",
            help="switch a fault on, like place_order:late=90 (repeatable; kinds: docs/simulator.md)",
        )
        parser.add_argument("--fresh", action="store_true", help="forget the stored day and begin at --date")

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            if not options["at_once"]:
                self._serve(options)
            elif options["fault"]:
                raise CommandError("A fault needs somebody who asks: leave --at-once away")
            else:
                self._run_at_once(options)
        except (StoreUnusable, CalendarUnknown, LocalServerError) as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(why_unreachable(error)) from None

    def _run_at_once(self, options: dict[str, Any]) -> None:
        with _facts_at_hand():
            day = day_of(options["date"], load_calendar())
        exchange = Exchange(day=day, seed=options["seed"], cash=options["cash"], rules=_rules(options))
        exchange.advance_to(day.end_at)
        self.stdout.write(json.dumps(exchange.report(), indent=1))

    def _serve(self, options: dict[str, Any]) -> None:
        state: Path = options["state"]
        if options["fresh"]:
            for tail in ("", "-wal", "-shm"):
                state.with_name(state.name + tail).unlink(missing_ok=True)
        with _facts_at_hand():
            world = open_world(
                store=Store(state),
                seed=options["seed"],
                cash=options["cash"],
                speed=options["speed"],
                api_keys=[settings.OPENALGO_API_KEY],
                hold_seconds=options["hold"],
                profile=options["profile"],
                rules=_rules(options),
                choose_day=chooser(options["date"]),
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

        try:
            for fault in options["fault"]:
                world.app.control.add_fault(fault)
        except BadFault as error:
            raise CommandError(str(error)) from None

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


def _rules(options: dict[str, Any]) -> AccountRules:
    return AccountRules(
        price_bands=not options["no_price_bands"],
        far_otm=FarOtm(options["far_otm"]),
        books_behind_seconds=options["books_behind"],
    )


@contextmanager
def _facts_at_hand() -> Iterator[None]:
    """Have the timetable and the contracts readable, also where nothing of ours runs yet."""
    with database_at_hand() as started:
        if started:
            prepare_database()
        yield


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= LONGEST_BEHIND:
        raise ArgumentTypeError(f"{text!r}: 0 to {LONGEST_BEHIND:g} seconds")
    return seconds


def _fault(text: str) -> FaultSpec:
    try:
        return FaultSpec.parse(text)
    except BadFault as error:
        raise ArgumentTypeError(str(error)) from None


def _profile(name: str) -> Profile:
    try:
        return profile_named(name)
    except UnknownProfile as error:
        raise ArgumentTypeError(str(error)) from None
