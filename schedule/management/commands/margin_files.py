"""Import the margin files of a clearing corporation from the command line, or list what was imported."""

from __future__ import annotations

import json
from argparse import ArgumentTypeError
from datetime import date
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from schedule.margin_files.importing import FileReport, import_margin_file, plain
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.uploads import run_import
from schedule.models import MarginFile


class Command(BaseCommand):
    help = "Import a SPAN file (.spn) or an ELM file by contract (.CSV), plain, .gz or .zip; or list the imports."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        load = actions.add_parser("import", help="take parameters from a file: of every index in it, or of none")
        load.add_argument("file", help="the file as the exchange names it")
        load.add_argument("--date", type=_date, help="the first day that it holds for, unless the day the file says")
        load.add_argument("--dry-run", action="store_true", help="check and report only")
        load.add_argument("--json", action="store_true", dest="as_json", help="the report as JSON")
        actions.add_parser("list", help="show the latest imports")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["action"] == "list":
            self._list()
            return
        path = Path(options["file"])
        try:
            report = self._import(path, start=options["date"], dry_run=options["dry_run"])
        except OSError as error:
            raise CommandError(f"{path} cannot be read ({error.strerror}): name a .spn or .CSV file") from None
        except MarginFileRefused as refused:
            raise CommandError(f"Nothing was imported from {path.name}: {refused}") from None
        if options["as_json"]:
            self.stdout.write(json.dumps(report.as_json(), indent=2))
        else:
            self._say(report, dry_run=options["dry_run"])

    def _import(self, path: Path, *, start: date | None, dry_run: bool) -> FileReport:
        now = timezone.now()
        today = timezone.localdate(now)
        by = "the command line"
        with path.open("rb") as file:
            bar = _Bar(self)
            try:
                if dry_run:
                    return import_margin_file(
                        file, name=path.name, by=by, today=today, effective_from=start, progress=bar.tell, dry_run=True
                    )
                row = MarginFile.objects.create(
                    name=path.name[-120:],
                    status=MarginFile.Status.READING,
                    brought_by=by,
                    brought_at=now,
                    started_at=now,
                    effective_from=start,
                    size_bytes=path.stat().st_size,
                )
                report = run_import(row, file, today=today, now=now, progress=bar.tell)
            finally:
                bar.end()
        if report is None:
            raise MarginFileRefused(row.problem)
        return report

    def _say(self, report: FileReport, *, dry_run: bool) -> None:
        would = " would hold" if dry_run else " holds"
        self.stdout.write(f"{report.kind} of {report.business_date}{would} from {report.effective_from}")
        for part in report.indices:
            self.stdout.write(f"{part.index}:")
            for figure, (before, after) in part.changes.items():
                self.stdout.write(f"  {figure.replace('_', ' ')}: {plain(before)} → {plain(after)}")
            if not part.changes:
                self.stdout.write("  no figure changes")
            if part.check is not None:
                check = part.check
                self.stdout.write(
                    f"  our arrays beside the file's, {check['contracts']} contracts: median {check['median_pct']} %, "
                    f"95 % within {check['p95_pct']} %, worst {check['worst_pct']} % of the scan range "
                    f"({check['worst_contract']}, scenario {check['worst_scenario']}); delta within {check['worst_delta']}"
                )
            for note in part.notes:
                self.stdout.write(f"  {note}")
            if part.newest_from > report.effective_from:
                self.stdout.write(f"  a newer row, from {part.newest_from}, stays in force")

    def _list(self) -> None:
        for row in MarginFile.objects.order_by("-id")[:20]:
            brought = timezone.localtime(row.brought_at)
            self.stdout.write(f"{brought:%d-%b-%Y %H:%M}  {row.status:<8} {row.name}  {row.problem}".rstrip())


class _Bar:
    """Says on standard error how far the reading is: one moving line on a terminal, else a line each tenth."""

    def __init__(self, command: BaseCommand) -> None:
        self._stream = command.stderr
        self._moves = command.stderr.isatty()
        self._told = -1

    def tell(self, read: int, total: int) -> None:
        percent = 100 * read // total
        step = percent if self._moves else percent // 10 * 10
        if step > self._told:
            self._told = step
            bar = "█" * (step // 5)
            self._write(f"\r{step:>3} % {bar:<20}" if self._moves else f"{step} %\n")

    def end(self) -> None:
        if self._moves and self._told >= 0:
            self._write("\n")

    def _write(self, text: str) -> None:
        self._stream.write(text, style_func=str, ending="")
        self._stream.flush()


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date: write it like 2026-12-01") from None
