"""Import, show and export the timetable from the command line, by the steps that the admin takes."""

from __future__ import annotations

import getpass
import json
import sys
from argparse import ArgumentTypeError
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.serializers.json import DjangoJSONEncoder
from django.utils import timezone

from hedging.domain.instruments import Index
from schedule import timetable
from schedule.calendar import IST, CalendarUnknown, load_calendar
from schedule.entries import ScheduledEntry, entries_on
from schedule.importer import LARGEST_FILE_BYTES, ImportReport, ScheduleRefused
from schedule.legs import format_legs
from schedule.models import StrategyEntry, Weekday


class Command(BaseCommand):
    help = "Import a timetable from a CSV file, show what is due, or write the timetable as CSV."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("import", help="add or update entries from a CSV or Excel file: all rows or none")
        load.add_argument("file", help="the file, or - for standard input")
        load.add_argument("--dry-run", action="store_true", help="check and report only")
        show = actions.add_parser("show", help="list the timetable, or what is due on a date")
        show.add_argument("--date", type=_date, help="a day like 2026-12-01; without it, every entry is listed")
        export = actions.add_parser("export", help="write every entry as CSV to standard output")
        for each in (load, show, export):
            each.add_argument("--json", action="store_true", dest="as_json", help="as JSON")

    def handle(self, *_args: Any, **options: Any) -> None:
        action, as_json = options["action"], options["as_json"]
        if action == "import":
            self._import(options["file"], dry_run=options["dry_run"], as_json=as_json)
        elif action == "export":
            self.stdout.write(_as_json(_entries()) if as_json else timetable.current_text(), ending="")
        elif options["date"] is None:
            self._show_all(as_json=as_json)
        else:
            self._show_day(options["date"], as_json=as_json)

    def _import(self, name: str, *, dry_run: bool, as_json: bool) -> None:
        try:
            report = _imported(name, dry_run=dry_run)
        except OSError as error:
            words = f"{name} cannot be read ({error.strerror}): name a CSV or Excel file, or - for input"
            raise CommandError(words) from None
        except ScheduleRefused as error:
            count = len(error.problems)
            if as_json:
                self.stdout.write(_as_json({"written": False, "problems": [asdict(each) for each in error.problems]}))
                raise SystemExit(1) from None
            for problem in error.problems:
                self.stderr.write(str(problem))
            raise CommandError(f"Nothing was imported: {count} problem{'s' if count > 1 else ''} in {name}") from None
        except timetable.ChangedMeanwhile:
            raise CommandError("Somebody else changed the timetable just now: run the import again") from None
        if as_json:
            self.stdout.write(_as_json({"written": not dry_run, "problems": []} | asdict(report)))
        else:
            self._report(report, dry_run=dry_run)

    def _report(self, report: ImportReport, *, dry_run: bool) -> None:
        for portfolio in report.added:
            self.stdout.write(f"+ {portfolio}")
        for change in report.changed:
            parts = (f"{name} {_shown(a, name)} → {_shown(b, name)}" for name, (a, b) in change.fields.items())
            self.stdout.write(f"~ {change.portfolio}: {', '.join(parts)}")
        self.stdout.write(
            f"{len(report.added)} added, {len(report.changed)} changed, {len(report.unchanged)} unchanged, "
            f"{len(report.not_in_file)} kept that the file does not name"
            f"{' (dry run: nothing was written)' if dry_run else ''}"
        )

    def _show_all(self, *, as_json: bool) -> None:
        rows = _entries()
        if as_json:
            self.stdout.write(_as_json(rows))
            return
        for row in rows:
            until = row["exit_time"] or "held to expiry"
            off = "" if row["active"] else "  (inactive)"
            self.stdout.write(
                f"{row['index']:<10}{row['dte']}DTE  {row['entry_time']} → {until:<15} {row['portfolio']}{off}"
            )
        self.stdout.write(f"{len(rows)} entries")

    def _show_day(self, day: date, *, as_json: bool) -> None:
        try:
            calendar = load_calendar()
            entries = entries_on(day, calendar)
            hours = calendar.hours(day)
            undecided = sorted(calendar.undecided(day)) if hours is not None else []
        except CalendarUnknown as error:
            raise CommandError(str(error)) from None
        if as_json:
            self.stdout.write(json.dumps(_day_as_json(day, entries, undecided, trades=hours is not None), indent=2))
            return
        for entry in entries:
            until = "held to expiry" if entry.exit_at is None else _clock(entry.exit_at)
            self.stdout.write(
                f"{_clock(entry.entry_at)} → {until:<15} {entry.index:<10}{entry.dte}DTE {entry.expiry:%d-%b-%Y}"
                f"  {entry.portfolio}{f'  NOT HEDGED: {entry.trouble}' if entry.trouble else ''}"
            )
        self.stdout.write(
            f"{day:%A %d-%b-%Y}: {'closed' if hours is None else f'{len(entries)} entries'}"
            + "".join(f"; the next expiry of {index} is not known" for index in undecided)
        )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date: write it like 2026-12-01") from None


def _read(name: str) -> bytes:
    # One byte more than is allowed is enough to know that a file is too large.
    if name == "-":
        return sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(LARGEST_FILE_BYTES + 1)


def _imported(name: str, *, dry_run: bool) -> ImportReport:
    text = timetable.text_of(_read(name))
    found = timetable.difference(text)
    if not dry_run:
        by, at = f"command by {_user()}", timezone.now()
        what = f"the import of {'standard input' if name == '-' else Path(name).name}"
        timetable.apply(text=text, seen=found.name, what=what, by=by, at=at)
    return found.report


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "nobody in particular"


def _entries() -> list[dict[str, Any]]:
    return [
        {
            "portfolio": entry.portfolio,
            "index": entry.index,
            "dte": entry.dte,
            "weekday": None if entry.weekday is None else Weekday(entry.weekday).label,
            "entry_time": entry.entry_time.isoformat(),
            "exit_time": None if entry.exit_time is None else entry.exit_time.isoformat(),
            "legs": entry.legs,
            "active": entry.active,
        }
        for entry in StrategyEntry.objects.order_by("index", "-dte", "entry_time", "portfolio")
    ]


def _as_json(value: Any) -> str:
    return json.dumps(value, cls=DjangoJSONEncoder, indent=2)


def _shown(value: Any, name: str) -> str:
    if value is None:
        return "none"
    return format_legs(value) if name == "legs" else str(value)


def _clock(moment: Any) -> str:
    return f"{moment.astimezone(IST):%H:%M:%S}"


def _day_as_json(
    day: date, entries: tuple[ScheduledEntry, ...], undecided: list[Index], *, trades: bool
) -> dict[str, Any]:
    return {
        "date": day.isoformat(),
        "trading_day": trades,
        "undecided": [index.value for index in undecided],
        "entries": [
            {
                "portfolio": entry.portfolio,
                "index": entry.index.value,
                "dte": entry.dte,
                "expiry": entry.expiry.isoformat(),
                "entry_at": entry.entry_at.astimezone(IST).isoformat(),
                "exit_at": None if entry.exit_at is None else entry.exit_at.astimezone(IST).isoformat(),
                "legs": [
                    {"right": leg.right.value, "side": leg.side.value, "offset": leg.offset, "lots": leg.lots}
                    for leg in entry.legs
                ],
                **({"trouble": entry.trouble} if entry.trouble else {}),
            }
            for entry in entries
        ],
    }
