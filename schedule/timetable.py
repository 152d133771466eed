"""Changes of the timetable by people: shown first, applied as shown or not at all, with the state before kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time

from django.db import transaction

from schedule import excel, importer
from schedule.importer import (
    ImportReport,
    TimetableRow,
    export_schedule,
    import_schedule,
    parse_schedule,
    trading_hours,
)
from schedule.models import StrategyEntry
from schedule.shipped import DATA
from schedule.timetable_rows import MovedEntry, SkippedEntry, TimetableVersion


class ChangedMeanwhile(Exception):
    """What would be changed is not what was shown, and nothing was changed. Look at it again."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What a file would change. `name` identifies it: it is another as soon as the timetable or the file is."""

    rows: tuple[TimetableRow, ...]
    report: ImportReport
    name: str

    @property
    def is_nothing(self) -> bool:
        """Return whether the timetable says already what the file says."""
        return not (self.report.added or self.report.changed)


def seed_text() -> str:
    """Return the timetable that is shipped with the app."""
    return (DATA / "schedule.csv").read_text(encoding="utf-8")


def current_text() -> str:
    """Return the whole timetable as a file that an import reads back. One query."""
    return export_schedule(StrategyEntry.objects.order_by("index", "-dte", "entry_time", "portfolio"))


def text_of(data: bytes) -> str:
    """Return a file's text, an Excel workbook's first sheet as CSV. Raises `ScheduleRefused` for what is neither."""
    return excel.csv_of(data) if data.startswith(excel.MAGIC) else importer.text_of(data)


def difference(text: str) -> Difference:
    """Return what importing `text` would change now. Changes nothing. Raises `ScheduleRefused` that names every bad cell."""
    rows = parse_schedule(text.encode(), hours=trading_hours())
    report = import_schedule(rows, dry_run=True)
    name = hashlib.sha256(repr((rows, report.added, report.changed)).encode()).hexdigest()[:32]
    return Difference(rows, report, name)


def apply(*, text: str, seen: str, what: str, by: str, at: datetime) -> Difference:
    """Import `text` if it still changes what was `seen` (`Difference.name`), and keep the version before.

    Raises `ScheduleRefused`, `ChangedMeanwhile`.
    """
    with transaction.atomic():
        list(StrategyEntry.objects.select_for_update().order_by("id").values_list("pk", flat=True))
        found = difference(text)
        if found.name != seen:
            raise ChangedMeanwhile("The timetable has changed since you looked: below is what would change now.")
        if not found.is_nothing:
            keep_version(before=what, by=by, at=at)
            import_schedule(found.rows)
    return found


def keep_version(*, before: str, by: str, at: datetime) -> TimetableVersion | None:
    """Keep the timetable as it is now; nothing where it is empty or the last version says the same."""
    text = current_text()
    count = StrategyEntry.objects.count()
    last = TimetableVersion.objects.order_by("-id").first()
    if not count or (last is not None and last.content == text):
        return None
    return TimetableVersion.objects.create(at=at, by=by, before=before[:200], entries=count, content=text)


def move(
    *, entry: StrategyEntry, day: date, entry_time: time, exit_time: time | None, by: str, at: datetime
) -> tuple[time, time | None] | None:
    """Let an entry be sold at these times on `day` alone; its own take that back. Return the times before, `None` if the same."""
    there = MovedEntry.objects.select_for_update().filter(entry=entry, day=day).first()
    before = (there or entry).entry_time, (there or entry).exit_time
    wanted = entry_time, exit_time
    if before == wanted:
        return None
    if wanted == (entry.entry_time, entry.exit_time):
        MovedEntry.objects.filter(entry=entry, day=day).delete()
    else:
        times = {"entry_time": entry_time, "exit_time": exit_time, "by": by, "at": at}
        MovedEntry.objects.update_or_create(entry=entry, day=day, defaults=times)
    return before


def skip(*, entries: Iterable[StrategyEntry], day: date, by: str, at: datetime) -> list[StrategyEntry]:
    """Leave entries out on `day`; return those that were not left out already."""
    done = []
    for entry in entries:
        _, made = SkippedEntry.objects.get_or_create(entry=entry, day=day, defaults={"by": by, "at": at})
        if made:
            done.append(entry)
    return done


def take_back(*, entries: Iterable[StrategyEntry], day: date) -> list[StrategyEntry]:
    """Let entries be due on `day` again; return those that were left out."""
    return [entry for entry in entries if SkippedEntry.objects.filter(entry=entry, day=day).delete()[0]]
