"""Source: the text of a book file, JSON or CSV, taken apart into settings and rows that know where they stand."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NoReturn

from hedging.management.books.cells import BookRefused, Cells, Problem, Text, shown

LARGEST_FILE_BYTES = 2_000_000
MOST_ROWS = 2_000


class Part(StrEnum):
    """What a row is. A row of the part `rows` with a quantity is held, one with quantity 0 could be bought."""

    ROWS = "rows"
    COMING = "coming"
    CANDIDATES = "candidates"


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row: where it stands, for people; its part; its cells by field name, empty ones left out."""

    where: str
    part: Part
    cells: Mapping[str, object]


@dataclass(slots=True)
class Source:
    """A book file taken apart, with nothing checked but its form."""

    settings: dict[str, object] = field(default_factory=dict)
    rows: list[SourceRow] = field(default_factory=list)


def parse_source(cells: Cells, data: bytes) -> Source:
    """Take a file apart: JSON where it starts with a brace, else CSV. Raises `BookRefused` for one that has no form at all."""
    if len(data) > LARGEST_FILE_BYTES:
        _refuse("", f"is larger than {LARGEST_FILE_BYTES} bytes", "a book has a few hundred rows")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        _refuse(f"line {line}", "is not UTF-8 text", "save the file as UTF-8")
    source = _from_json(cells, text) if text.lstrip()[:1] in {"{", "["} else _from_csv(cells, text)
    if len(source.rows) > MOST_ROWS:
        _refuse("", f"has {len(source.rows)} rows", f"write at most {MOST_ROWS}")
    return source


# --- JSON -------------------------------------------------------------------------------------------------------------


class _TwiceError(ValueError):
    """An object names a field twice, and JSON would silently take the last."""


def _from_json(cells: Cells, text: str) -> Source:
    try:
        # Every number stays exactly what was written, NaN and Infinity included: they are named where they stand.
        document = json.loads(
            text, parse_float=Decimal, parse_int=Decimal, parse_constant=Decimal, object_pairs_hook=_once
        )
    except json.JSONDecodeError as error:
        _refuse(f"line {error.lineno}, column {error.colno}", f"broken JSON: {error.msg}", "correct it there")
    except _TwiceError as error:
        _refuse("", str(error), "keep one of the two")
    except RecursionError:
        _refuse("", "broken JSON: nested too deeply", "a book has groups and lists of rows only")
    if not isinstance(document, dict):
        _refuse("", "is a list", 'write an object: {"as_of": …, "spot": …, "rows": […]}')
    source = Source({name: value for name, value in document.items() if name not in set(Part) and value is not None})
    for part in Part:
        rows = document.get(part)
        if rows is None:
            continue
        if not isinstance(rows, list):
            cells.wrong("", part, f"is {shown(rows)}", "write a list of rows")
            continue
        for number, row in enumerate(rows):
            where = f"{part}[{number}]"
            if isinstance(row, dict):
                known = {name: value for name, value in row.items() if value is not None}
                source.rows.append(SourceRow(_named(where, known), part, known))
            else:
                cells.wrong(where, "", f"is {shown(row)}", 'write a row: {"symbol": …, "quantity": …}')
    return source


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(f"{shown(name)} stands twice in one object")
        found[name] = value
    return found


# --- CSV --------------------------------------------------------------------------------------------------------------


def _from_csv(cells: Cells, text: str) -> Source:
    """Read `name,value` lines down to the header, which is the line with a cell `symbol`; then one row a line."""
    source = Source()
    header: list[str] = []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for line in reader:
            where, values = f"line {reader.line_num}", [cell.strip() for cell in line]
            if not any(values):
                continue
            if header:
                _add_row(cells, source, where, header, values)
            elif "symbol" in values:
                header = _header(cells, where, values)
            else:
                _add_setting(cells, source.settings, where, values)
    except csv.Error as error:
        _refuse(f"line {reader.line_num}", f"broken CSV: {error}", "correct it there")
    if not header:
        _refuse("", "no line has a cell `symbol`", "write a header: symbol,quantity,bid,ask, cells apart by commas")
    return source


def _header(cells: Cells, where: str, values: list[str]) -> list[str]:
    while values and not values[-1]:
        values.pop()
    for name in sorted({name for name in values if values.count(name) > 1}):
        cells.wrong(where, shown(name), "stands twice in the header", "give each column its own name")
    return values


def _add_row(cells: Cells, source: Source, where: str, header: list[str], values: list[str]) -> None:
    if len(values) < len(header) or any(values[len(header) :]):
        cells.wrong(where, "", f"{len(values)} cells under {len(header)} columns", "write one cell for each column")
        return
    known: dict[str, object] = {
        name: Text(value) for name, value in zip(header, values, strict=False) if value and name != "part"
    }
    named = dict(zip(header, values, strict=False)).get("part", "") or Part.ROWS
    if named not in set(Part):
        cells.wrong(_named(where, known), "part", f"is {shown(named)}", f"write one of {', '.join(Part)}, or nothing")
        return
    source.rows.append(SourceRow(_named(where, known), Part(named), known))


def _add_setting(cells: Cells, settings: dict[str, object], where: str, values: list[str]) -> None:
    while values and not values[-1]:
        values.pop()
    if len(values) != 2 or not all(values):
        cells.wrong(
            where, "", f"{len(values)} cells before the header", "write name,value, or the header with `symbol`"
        )
        return
    put_setting(cells, settings, where=where, path=values[0], value=values[1])


def put_setting(cells: Cells, settings: dict[str, object], *, where: str, path: str, value: str) -> None:
    """Store text under a dotted name (`spot.NIFTY`); note a name that stands already."""
    *groups, name = path.split(".")
    place = settings
    for group in groups:
        inner = place.setdefault(group, {})
        if not isinstance(inner, dict):
            cells.wrong(where, path, f"{group} has a value of its own already", "write one of the two")
            return
        place = inner
    if name in place:
        cells.wrong(where, path, "stands twice", "keep one of the two")
        return
    place[name] = Text(value)


def _named(where: str, cells: Mapping[str, object]) -> str:
    symbol = cells.get("symbol")
    return f"{where} {symbol[:30]}" if isinstance(symbol, str) and symbol.isprintable() else where


def _refuse(where: str, wrong: str, right: str) -> NoReturn:
    raise BookRefused([Problem(where or "the file", "", wrong, right)])
