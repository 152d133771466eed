"""Importing a margin file: read and check all of it, then write the rows of every index in one transaction, or none."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any, BinaryIO

from django.core.exceptions import ValidationError
from django.db import transaction

from hedging.domain.instruments import Index
from schedule.margin_files.elm_csv import ElmRate, day_in_name, parse_elm
from schedule.margin_files.elm_rule import rule_of
from schedule.margin_files.opening import Progress, Reader, reading, silent
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_check import check_arrays
from schedule.margin_files.span_facts import parameters_of, uneven_scan_ranges
from schedule.margin_files.span_types import SpanFile, SpanIndex
from schedule.margin_files.span_xml import parse_span
from schedule.models import MarginParameters

SPAN, ELM = "SPAN", "ELM"
LONGEST_NAME = 120
FARTHEST_AHEAD = timedelta(days=30)
_FIGURES = (
    "price_scan_pct",
    "volatility_scan_points",
    "base_volatility_pct",
    "rate_pct",
    "calendar_pct",
    "look_ahead_days",
    "extreme_share_pct",
    "elm_pct",
    "elm_deep_pct",
    "deep_otm_pct",
    "elm_expiry_extra_pct",
    "elm_long_dated_pct",
    "long_dated_days",
)


def plain(value: Decimal) -> str:
    """Write a figure without trailing zeros."""
    return f"{value.normalize():f}"


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What a file means for one index: figure → (before, after), how it compares with our engine, and what to know.

    `newest_from` is the newest row of the index: later than `effective_from` when an old file was imported.
    """

    index: Index
    changes: dict[str, tuple[Decimal, Decimal]]
    check: dict[str, Any] | None
    notes: tuple[str, ...]
    newest_from: date


@dataclass(frozen=True, slots=True)
class FileReport:
    """What an import did, or would have done with `dry_run`."""

    kind: str
    business_date: date
    effective_from: date
    indices: tuple[IndexReport, ...]

    def as_json(self) -> dict[str, Any]:
        """Return the report as it is kept: dates and figures as text."""
        return {
            "kind": self.kind,
            "business_date": self.business_date.isoformat(),
            "effective_from": self.effective_from.isoformat(),
            "indices": [
                {
                    "index": report.index.value,
                    "changes": {name: [plain(a), plain(b)] for name, (a, b) in report.changes.items()},
                    "check": report.check,
                    "notes": list(report.notes),
                    "newest_from": report.newest_from.isoformat(),
                }
                for report in self.indices
            ],
        }


@dataclass(frozen=True, slots=True)
class _Finding:
    """The columns that a file supports for an index, notes for a person, and the index's part of a SPAN file."""

    columns: dict[str, Decimal]
    notes: tuple[str, ...]
    span: SpanIndex | None = None


Known = dict[str, Decimal]


@dataclass(frozen=True, slots=True)
class _Content:
    """A file that was read whole. `findings` are computed beside the row that is replaced."""

    kind: str
    day: date
    start: date
    findings: Mapping[Index, Callable[[Known], _Finding]]


def import_margin_file(
    file: BinaryIO,
    *,
    name: str,
    by: str,
    today: date,
    effective_from: date | None = None,
    progress: Progress = silent,
    dry_run: bool = False,
) -> FileReport:
    """Import a SPAN file or an ELM file; which of them it is, its content says.

    The figures hold from `effective_from` on, else from the file's business date, of a settlement file from the day
    after. What a file does not say is taken from the row in force then. `today` bounds how far ahead a file may be.
    Raises `MarginFileRefused` with line and reason, and has then changed nothing.
    """
    name = PurePath(name).name[-LONGEST_NAME:]
    with reading(file, progress=progress) as reader:
        content = _read(reader, name=name, effective_from=effective_from)
    if max(content.day, content.start) > today + FARTHEST_AHEAD:
        raise MarginFileRefused(
            f"it is of {content.day} and would hold from {content.start}, more than a month after today, {today}"
        )
    with transaction.atomic():
        reports = tuple(_apply(content, index, name=name, by=by, dry_run=dry_run) for index in sorted(content.findings))
    return FileReport(content.kind, content.day, content.start, reports)


def _read(reader: Reader, *, name: str, effective_from: date | None) -> _Content:
    if reader.first.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"<"):
        span = parse_span(reader.chunks())
        day = span.business_date
        start = effective_from or (day + timedelta(days=1) if span.settlement else day)
        return _Content(SPAN, day, start, {each.index: _span_finding(span, each) for each in span.indices})
    dated = day_in_name(name) or effective_from
    rates = parse_elm(reader.chunks())
    if dated is None:
        raise MarginFileRefused("its name has no date like _01122026: name it as the exchange does, or give the date")
    return _Content(
        ELM, dated, effective_from or dated, {index: _elm_finding(found, day=dated) for index, found in rates.items()}
    )


def _span_finding(span: SpanFile, part: SpanIndex) -> Callable[[Known], _Finding]:
    def find(known: Known) -> _Finding:
        columns = parameters_of(part, day=span.business_date, look_ahead_years=span.look_ahead_years, known=known)
        uneven = uneven_scan_ranges(part)
        named = ", ".join(f"{expiry:%d-%b-%Y}" for expiry in uneven[:3])
        notes = (f"{len(uneven)} expiries have other scan ranges than the nearest: {named}",) if uneven else ()
        return _Finding(columns, notes, part)

    return find


def _elm_finding(rates: list[ElmRate], *, day: date) -> Callable[[Known], _Finding]:
    def find(known: Known) -> _Finding:
        rule = rule_of(rates, day=day, known=known)
        if not rule.different:
            return _Finding(rule.columns, (f"all of {rule.contracts} contracts are charged as the rule says",))
        note = f"{rule.different} of {rule.contracts} contracts are not charged as the rule says: "
        return _Finding(rule.columns, (note + "; ".join(rule.examples),))

    return find


def _apply(content: _Content, index: Index, *, name: str, by: str, dry_run: bool) -> IndexReport:
    row = _row(index, start=content.start)
    known = {figure: Decimal(getattr(row, figure)) for figure in _FIGURES}
    finding = content.findings[index](known)
    for figure, value in finding.columns.items():
        setattr(row, figure, int(value) if figure == "long_dated_days" else value)
    setattr(row, "source" if content.kind == SPAN else "elm_source", name)
    row.business_date, row.imported_by = content.day, by
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        named = "; ".join(f"{field} {' '.join(words)}" for field, words in error.message_dict.items())
        raise MarginFileRefused(f"{index}: {named}") from None
    check = None if finding.span is None else check_arrays(finding.span, day=content.day, parameters=row.as_facts())
    if not dry_run:
        row.save()
    newest = MarginParameters.objects.filter(index=index).order_by("-effective_from", "-id").first()
    return IndexReport(
        index=index,
        changes={
            figure: (before, Decimal(getattr(row, figure)))
            for figure, before in known.items()
            if Decimal(getattr(row, figure)) != before
        },
        check=None if check is None else check.as_json(),
        notes=finding.notes,
        newest_from=row.effective_from if newest is None else max(newest.effective_from, row.effective_from),
    )


def _row(index: Index, *, start: date) -> MarginParameters:
    """Return the row of that day to write over, or a copy for it of the row in force.

    Raises `MarginFileRefused` where a person wrote a row for that day: nobody's figures are replaced by a file.
    """
    row: MarginParameters | None = (
        MarginParameters.objects.in_force(day=start).filter(index=index).select_for_update().first()
    )
    if row is None:
        return MarginParameters(index=index, effective_from=start)
    if row.effective_from != start:
        row.pk, row.effective_from = None, start
        row._state.adding = True
    elif not row.source and not row.elm_source:
        raise MarginFileRefused(f"the row of {index} from {start} was written by hand: delete it, or give another date")
    return row
