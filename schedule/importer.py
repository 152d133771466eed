"""Timetable files: parse and check a whole CSV, name everything that is wrong with it, and import all of it or nothing."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import time
from typing import Any

from django.db import transaction
from django.db.models import Max, Min

from hedging.domain.instruments import Index
from schedule.legs import MOST_LOTS, LegsUnreadable, format_legs, leg_template
from schedule.models import StrategyEntry, TradingDay, Weekday, short_straddle

REQUIRED = ("day_of_week", "index", "expiry_type", "portfolio", "entry_time", "exit_time")
OPTIONAL = ("legs", "lots", "active")
LARGEST_FILE_BYTES = 1_000_000
MOST_ROWS = 5_000
MOST_DTE = 60

_TIME = re.compile(r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?")
_DTE = re.compile(r"([0-9]{1,3})\s*DTE", re.IGNORECASE)
_LOTS = re.compile(r"[0-9]{1,5}")
_LEG = re.compile(r"(BUY|SELL)\s+(CE|PE)(?:\s+([+-]?[0-9]{1,4}))?(?:\s+x\s*([0-9]{1,5}))?", re.IGNORECASE)
_ACTIVE = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_SHORTENED = 60


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file: where, what, and what would be right. `line` is None for the whole file."""

    line: int | None
    column: str
    wrong: str
    right: str

    def __str__(self) -> str:
        where = "the file" if self.line is None else f"line {self.line}"
        return f"{where}{f', {self.column}' if self.column else ''}: {self.wrong}; {self.right}"


class ScheduleRefused(Exception):
    """A timetable was not imported, and nothing was changed. Correct every one of `problems`, then try again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Hours:
    """The earliest open and the latest close (IST) of any day that the calendar knows."""

    opens_at: time
    closes_at: time


@dataclass(frozen=True, slots=True)
class TimetableRow:
    """One checked row. `legs` and `active` are None where the file says nothing of them, which changes nothing."""

    line: int
    weekday: int | None
    index: Index
    dte: int
    portfolio: str
    entry_time: time
    exit_time: time | None
    legs: tuple[dict[str, Any], ...] | None = None
    active: bool | None = None

    def fields(self) -> dict[str, Any]:
        """Return the model fields that the file speaks of, the key aside."""
        values: dict[str, Any] = {
            "weekday": self.weekday,
            "index": self.index.value,
            "dte": self.dte,
            "entry_time": self.entry_time,
            "exit_time": self.exit_time,
        }
        if self.legs is not None:
            values["legs"] = [dict(leg) for leg in self.legs]
        if self.active is not None:
            values["active"] = self.active
        return values


@dataclass(frozen=True, slots=True)
class Change:
    """An entry that differs from the file: field → (before, after)."""

    portfolio: str
    fields: dict[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did, or would do: portfolios by fate. Entries that the file does not name are kept as they are."""

    added: tuple[str, ...]
    changed: tuple[Change, ...]
    unchanged: tuple[str, ...]
    not_in_file: tuple[str, ...]


def trading_hours() -> Hours | None:
    """Read the widest hours of the calendar's open days; None when it has no day. One query."""
    found = TradingDay.objects.filter(is_open=True).aggregate(opens=Min("opens_at"), closes=Max("closes_at"))
    return None if found["opens"] is None else Hours(found["opens"], found["closes"])


def parse_schedule(data: bytes, *, hours: Hours | None = None) -> tuple[TimetableRow, ...]:
    """Check a timetable file whole. Columns: those of `REQUIRED`, and any of `OPTIONAL`, in any order.

    `hours`, where given, bound the times (IST). A byte order mark, any line ending and blank lines are accepted.
    Raises `ScheduleRefused` that names every bad cell of every row.
    """
    reader = csv.reader(io.StringIO(text_of(data), newline=""), strict=True)
    check = _Checker(hours)
    rows: list[TimetableRow] = []
    header: list[str] | None = None
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _checked_header(cells, line=reader.line_num)
                continue
            if len(rows) + len(check.problems) > MOST_ROWS:
                raise _refused(f"it has more than {MOST_ROWS} rows", "split it, or see whether it is the right file")
            row = check.row(cells, header, line=reader.line_num)
            if row is not None:
                rows.append(row)
    except csv.Error as error:
        problem = Problem(reader.line_num, "", f"not CSV ({error})", 'close every " that is opened')
        raise ScheduleRefused([*check.problems, problem]) from None
    if header is None or (not rows and not check.problems):
        raise _refused("it holds no entry", f"give it the header {','.join(REQUIRED)} and a row for each entry")
    if check.problems:
        raise ScheduleRefused(check.problems)
    return tuple(rows)


def import_schedule(rows: Iterable[TimetableRow], *, dry_run: bool = False) -> ImportReport:
    """Add or update entries by portfolio in one transaction and report the differences; `dry_run` only reports.

    Entries that the file does not name are kept.
    """
    with transaction.atomic():
        existing = {entry.portfolio: entry for entry in StrategyEntry.objects.select_for_update().order_by("id")}
        fresh: list[StrategyEntry] = []
        changed: list[Change] = []
        unchanged: list[str] = []
        touched: set[str] = set()
        named: set[str] = set()
        for row in rows:
            named.add(row.portfolio)
            entry = existing.get(row.portfolio)
            if entry is None:
                fresh.append(StrategyEntry(portfolio=row.portfolio, **row.fields()))
                continue
            differences = {
                name: (getattr(entry, name), value)
                for name, value in row.fields().items()
                if getattr(entry, name) != value
            }
            if not differences:
                unchanged.append(row.portfolio)
                continue
            changed.append(Change(row.portfolio, differences))
            touched |= set(differences)
            for name, (_, after) in differences.items():
                setattr(entry, name, after)
        if not dry_run:
            StrategyEntry.objects.bulk_create(fresh)
            if touched:
                StrategyEntry.objects.bulk_update([existing[c.portfolio] for c in changed], sorted(touched))
    return ImportReport(
        added=tuple(entry.portfolio for entry in fresh),
        changed=tuple(changed),
        unchanged=tuple(unchanged),
        not_in_file=tuple(name for name in existing if name not in named),
    )


def export_schedule(entries: Iterable[StrategyEntry]) -> str:
    """Write entries as a file that `parse_schedule` reads back; `legs` and `active` only where one is not the default."""
    rows = list(entries)
    columns = list(REQUIRED)
    if any(row.legs != short_straddle() for row in rows):
        columns.append("legs")
    if not all(row.active for row in rows):
        columns.append("active")
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(
            {
                "day_of_week": "" if row.weekday is None else Weekday(row.weekday).label,
                "index": row.index,
                "expiry_type": f"{row.dte}DTE",
                "portfolio": row.portfolio,
                "entry_time": row.entry_time.isoformat(),
                "exit_time": "" if row.exit_time is None else row.exit_time.isoformat(),
                "legs": format_legs(row.legs),
                "active": "yes" if row.active else "no",
            }
        )
    return out.getvalue()


def _refused(wrong: str, right: str) -> ScheduleRefused:
    return ScheduleRefused([Problem(None, "", wrong, right)])


def text_of(data: bytes) -> str:
    """Return the text of a CSV file. Raises `ScheduleRefused` for what is too large or no UTF-8."""
    if len(data) > LARGEST_FILE_BYTES:
        raise _refused(
            f"it has {len(data):,} bytes, more than {LARGEST_FILE_BYTES:,}", "see whether it is the right file"
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _refused("it is UTF-16 text", 'save it as "CSV UTF-8"')
    if b"\x00" in data:
        raise _refused("it is not text", 'export the sheet as "CSV UTF-8" and import that')
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ScheduleRefused([Problem(line, "", "not UTF-8 text", 'save the file as "CSV UTF-8"')]) from None


def _checked_header(cells: Sequence[str], *, line: int) -> list[str]:
    names = [cell.strip().lower() for cell in cells]
    problems = [
        Problem(line, name, "this column is missing", f"the header is {','.join(REQUIRED)}")
        for name in REQUIRED
        if name not in names
    ]
    for position, name in enumerate(names):
        if name not in (*REQUIRED, *OPTIONAL):
            fix = f"remove it, or use one of {', '.join((*REQUIRED, *OPTIONAL))}"
            problems.append(Problem(line, _short(name) or f"column {position + 1}", "no such column", fix))
        elif name in names[:position]:
            problems.append(Problem(line, name, "this column is there twice", "remove one"))
    if problems:
        raise ScheduleRefused(problems)
    return names


@dataclass(slots=True)
class _Checker:
    """Reads cells, one method a column, and collects problems instead of stopping at the first."""

    hours: Hours | None
    problems: list[Problem] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)
    line: int = 0

    def row(self, cells: Sequence[str], header: Sequence[str], *, line: int) -> TimetableRow | None:
        self.line = line
        if len(cells) != len(header):
            self._wrong("", f"{len(cells)} cells under {len(header)} columns", "write one cell for each column")
            return None
        before = len(self.problems)
        cell = dict(zip(header, (c.strip() for c in cells), strict=True))
        weekday = self._weekday(cell["day_of_week"])
        index = self._index(cell["index"])
        dte = self._dte(cell["expiry_type"])
        portfolio = self._portfolio(cell["portfolio"])
        entry_time = self._time("entry_time", cell["entry_time"])
        exit_time = self._time("exit_time", cell["exit_time"]) if cell["exit_time"] else None
        legs = self._legs(cell)
        active = self._active(cell["active"]) if "active" in cell else None
        if entry_time is not None and exit_time is not None and exit_time <= entry_time:
            self._wrong(
                "exit_time", f"{exit_time} is not after the entry at {entry_time}", "write a later time, or none"
            )
        if len(self.problems) > before or index is None or dte is None or entry_time is None:
            return None
        return TimetableRow(line, weekday, index, dte, portfolio, entry_time, exit_time, legs, active)

    def _wrong(self, column: str, wrong: str, right: str) -> None:
        self.problems.append(Problem(self.line, column, wrong, right))

    def _weekday(self, text: str) -> int | None:
        if not text:
            return None
        try:
            return Weekday[text.upper()].value
        except KeyError:
            self._wrong(
                "day_of_week", f"{_short(text)!r} is not a weekday", f"write one of {', '.join(Weekday.labels)}"
            )
            return None

    def _index(self, text: str) -> Index | None:
        try:
            return Index(text.upper())
        except ValueError:
            self._wrong("index", f"{_short(text)!r} is not an index we know", f"write one of {', '.join(Index)}")
            return None

    def _dte(self, text: str) -> int | None:
        match = _DTE.fullmatch(text)
        if match is None or int(match[1]) > MOST_DTE:
            fix = f"write trading days before expiry, 0DTE to {MOST_DTE}DTE"
            self._wrong("expiry_type", f"{_short(text)!r} is not a number of days", fix)
            return None
        return int(match[1])

    def _portfolio(self, text: str) -> str:
        longest = StrategyEntry._meta.get_field("portfolio").max_length or 0
        if not text or len(text) > longest or not text.isprintable():
            self._wrong("portfolio", f"{_short(text)!r} cannot be a name", f"write 1 to {longest} printable characters")
        elif text in self.seen:
            self._wrong("portfolio", f"{text!r} is already in line {self.seen[text]}", "give each entry its own name")
        else:
            self.seen[text] = self.line
        return text

    def _time(self, column: str, text: str) -> time | None:
        match = _TIME.fullmatch(text)
        try:
            moment = time(int(match[1]), int(match[2]), int(match[3] or 0)) if match else None
        except ValueError:
            moment = None
        if moment is None:
            self._wrong(column, f"{_short(text)!r} is not a time", "write it like 09:16:00, up to 23:59:59")
        elif self.hours is not None and not self.hours.opens_at <= moment <= self.hours.closes_at:
            fix = f"write a time from {self.hours.opens_at} to {self.hours.closes_at} (IST, 24 hours)"
            self._wrong(column, f"{moment} is outside trading hours", fix)
        return moment

    def _legs(self, cell: dict[str, str]) -> tuple[dict[str, Any], ...] | None:
        if "legs" not in cell and "lots" not in cell:
            return None
        times = self._lots(cell.get("lots", ""))
        text = cell.get("legs", "")
        legs = self._leg_list(text) if text else short_straddle()
        found = tuple({**leg, "lots": leg["lots"] * times} for leg in legs)
        try:
            for leg in found:
                leg_template(leg)
        except LegsUnreadable as unreadable:
            self._wrong("lots", "times the lots of its legs it is too much", str(unreadable))
        return found

    def _leg_list(self, text: str) -> list[dict[str, Any]]:
        legs = []
        for part in map(str.strip, text.strip("; ").split(";")):
            try:
                leg = _leg(part)
                leg_template(leg)
            except LegsUnreadable:
                fix = "write legs like SELL CE 0 x1; BUY PE 4 x2 (strike steps out of the money, lots)"
                self._wrong("legs", f"{_short(part)!r} is not a leg", fix)
                continue
            legs.append(leg)
        return legs

    def _lots(self, text: str) -> int:
        if not text:
            return 1
        if not _LOTS.fullmatch(text) or not 1 <= int(text) <= MOST_LOTS:
            self._wrong("lots", f"{_short(text)!r} is not a number of lots", f"write a whole number, 1 to {MOST_LOTS}")
            return 1
        return int(text)

    def _active(self, text: str) -> bool | None:
        if text and text.lower() not in _ACTIVE:
            self._wrong("active", f"{_short(text)!r} is neither yes nor no", "write yes or no")
        return _ACTIVE.get(text.lower())


def _leg(text: str) -> dict[str, Any]:
    match = _LEG.fullmatch(text)
    if match is None:
        raise LegsUnreadable(text)
    side, right = match[1].upper(), match[2].upper()
    return {"right": right, "side": side, "offset": int(match[3] or 0), "lots": int(match[4] or 1)}


def _short(text: str) -> str:
    return text if len(text) <= _SHORTENED else f"{text[:_SHORTENED]}…"
