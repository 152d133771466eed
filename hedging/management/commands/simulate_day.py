"""Run a whole trading day at once through the production engine, and print what it came to."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError, transaction

from config.local.processes import LocalServerError
from config.schema import why_unreachable
from hedging.engine.sessions import SessionRefused
from hedging.management.database import database_at_hand, prepare_database
from hedging.management.simulated_day import SimulatedRun
from hedging.simulator.profiles import DEFAULT, PROFILES
from schedule.calendar import IST, CalendarUnknown

BAR = 30


class Command(BaseCommand):
    help = "Simulate one trading day of the timetable through the production engine; the last line is JSON with --json."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--date", type=_date, default=settings.SIM_DATE, help="a trading day, like 2026-12-01")
        parser.add_argument("--seed", type=int, default=settings.SIM_SEED, help="decides the market of the day")
        parser.add_argument("--speed", choices=("max",), default="max", help="as fast as this machine can")
        parser.add_argument("--automation", choices=("on", "off"), default="on", help="off: nobody hedges, to compare")
        parser.add_argument("--dry-run", action="store_true", help="hedge on paper")
        parser.add_argument("--baskets", type=int, default=1)
        parser.add_argument(
            "--profile", choices=sorted(PROFILES), default=DEFAULT.name, help="which broker the simulator is"
        )
        parser.add_argument("--json", action="store_true", help="the last line is one JSON object")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["baskets"] < 1:
            raise CommandError("--baskets must be at least 1")
        watched = sys.stderr.isatty()
        try:
            with database_at_hand():
                prepare_database()
                figures = self._day(options, progress=self._progress if watched else lambda _: None)
        except (CalendarUnknown, SessionRefused, LocalServerError) as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(why_unreachable(error)) from None
        if watched:
            self.stderr.write("")
        self.stdout.write(json.dumps(figures) if options["json"] else _told(figures))

    def _day(self, options: dict[str, Any], *, progress: Callable[[datetime], None]) -> dict[str, Any]:
        """Run the day in one transaction that is never committed: real tables, and no trace of it after."""
        gc.freeze()  # what was imported is never garbage: do not look through it again and again
        with transaction.atomic():
            figures = SimulatedRun(
                day=options["date"],
                seed=options["seed"],
                policy=settings.HEDGE_POLICY,
                automation=options["automation"] == "on",
                dry_run=options["dry_run"],
                baskets=options["baskets"],
                profile=PROFILES[options["profile"]],
                progress=progress,
            ).run()
            transaction.set_rollback(True)
        return figures

    def _progress(self, now: datetime) -> None:
        at = now.astimezone(IST)
        done = min(1.0, max(0.0, (at.hour * 60 + at.minute - 550) / 410))
        bar = "#" * round(BAR * done)
        self.stderr.write(f"\r{at:%H:%M} [{bar:<{BAR}}]", ending="")
        self.stderr.flush()


def _date(text: str) -> date:
    return date.fromisoformat(text)


def _told(figures: dict[str, Any]) -> str:
    refused, lost = figures["entries_refused"], figures["entries_unavoidably_refused"]
    return "\n".join(
        (
            f"{figures['index']} {figures['dte']}DTE on {figures['date']}, seed {figures['seed']}, {figures['seconds']} s",
            f"entries made {figures['entries_made']}, refused although preventable {refused}, unavoidably refused {lost}",
            f"hedges bought {figures['hedges_bought']}, sold {figures['hedges_sold']}",
            f"spend ₹{figures['spend']:.2f}, recovered ₹{figures['recovery']:.2f}",
            f"charges ₹{figures['charges']:.2f}, net ₹{figures['net']:.2f}",
            f"peak utilization {figures['peak_utilization']:.1f} %, above the trigger {figures['trigger_breaches']} times",
            f"decisions {figures['decisions_hash']}",
        )
    )
