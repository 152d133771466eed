"""An Excel workbook's first sheet as CSV, for timetables kept in a spreadsheet. Read with the standard library alone."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any
from xml.parsers import expat  # nosec B406 - declarations of entities are refused below

from schedule.importer import LARGEST_FILE_BYTES, MOST_ROWS, Problem, ScheduleRefused

MAGIC = b"PK\x03\x04"
_SHEET = re.compile(r"xl/worksheets/sheet(\d+)\.xml")
_CELL = re.compile(r"([A-Z]{1,3})(\d{1,7})")
_UNPACKED = 20 * LARGEST_FILE_BYTES
_MOST_COLUMNS = 50
_DAY_SECONDS = 86_400
_BROKEN = (zipfile.BadZipFile, KeyError, EOFError, OSError, RuntimeError, NotImplementedError, expat.ExpatError)


def csv_of(data: bytes) -> str:
    """Return the first sheet as CSV; its lines are the sheet's rows. Times of day come as 09:16:00.

    Raises `ScheduleRefused` for what is no workbook, or unpacks to more than any timetable.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as book:
            shared = "xl/sharedStrings.xml"
            strings = _Strings().read(_member(book, shared)) if shared in book.namelist() else []
            cells = _Cells(strings)
            rows = cells.read(_member(book, _first_sheet(book)))
    except _BROKEN as error:
        raise _refused(f"it is no workbook that can be read ({type(error).__name__})") from None
    return _written(rows, cells.numbers)


def _first_sheet(book: zipfile.ZipFile) -> str:
    """Return the file of the first tab that is seen: files are numbered as sheets were made, and tabs can be moved."""
    sheets = sorted((int(m[1]), m[0]) for m in map(_SHEET.fullmatch, book.namelist()) if m)
    if not sheets:
        raise _refused("it holds no sheet")
    order, targets = "xl/workbook.xml", "xl/_rels/workbook.xml.rels"
    if not {order, targets} <= set(book.namelist()):
        return sheets[0][1]
    named = _Attributes("sheet", "id").read(_member(book, order))
    files = _Attributes("Relationship", "Target", by="Id").read(_member(book, targets))
    first = files.get(next(iter(named), ""), "")
    return first.removeprefix("/") if first.startswith("/") else f"xl/{first}"


def _member(book: zipfile.ZipFile, name: str) -> bytes:
    with book.open(name) as file:
        content = file.read(_UNPACKED + 1)
    if len(content) > _UNPACKED:
        raise _refused("it unpacks to more than any timetable has")
    return content


def _refused(wrong: str) -> ScheduleRefused:
    return ScheduleRefused([Problem(None, "", wrong, "save the sheet as .xlsx or as CSV UTF-8, and bring that")])


def _written(rows: dict[int, dict[int, str]], numbers: set[tuple[int, int]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    width = max((max(cells) + 1 for cells in rows.values() if cells), default=0)
    header = next((cells for _, cells in sorted(rows.items()) if any(cells.values())), {})
    times = {column for column, name in header.items() if name.strip().lower() in {"entry_time", "exit_time"}}
    for number in range(1, max(rows, default=0) + 1):
        cells = rows.get(number, {})
        line = [
            _shown(text, is_time=column in times) if (number, column) in numbers else text
            for column, text in ((column, cells.get(column, "")) for column in range(width))
        ]
        out.write("\n") if not any(line) else writer.writerow(line)
    return out.getvalue()


def _shown(text: str, *, is_time: bool) -> str:
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite():
        return text
    if is_time and 0 <= number < 1:  # a time of day is a fraction of it
        seconds = round(number * _DAY_SECONDS)
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"
    return f"{number:f}" if number != number.to_integral_value() else str(int(number))


class _Reader:
    """An expat reader that keeps the text of some elements, and refuses entities."""

    def __init__(self) -> None:
        self.text: list[str] | None = None
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = lambda name, attributes: self.start(name.rpartition(":")[2], attributes)
        parser.EndElementHandler = lambda name: self.end(name.rpartition(":")[2])
        parser.CharacterDataHandler = self._characters
        parser.EntityDeclHandler = self._entity
        self.parser = parser

    def start(self, name: str, attributes: dict[str, str]) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        raise NotImplementedError

    def taken(self) -> str:
        text, self.text = "".join(self.text or ()), None
        return text

    def _characters(self, text: str) -> None:
        if self.text is not None:
            self.text.append(text)

    def _entity(self, *_: Any) -> None:
        raise _refused("it declares entities, which no spreadsheet does")


class _Attributes(_Reader):
    """One attribute of every element of a name, in their order: by another attribute, or by itself."""

    def __init__(self, element: str, value: str, *, by: str = "") -> None:
        super().__init__()
        self.element, self.value, self.by = element, value, by or value
        self.found: dict[str, str] = {}

    def read(self, content: bytes) -> dict[str, str]:
        self.parser.Parse(content, True)  # noqa: FBT003 - expat's signature
        return self.found

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == self.element and attributes.get("state", "visible") == "visible":  # who hid a tab does not see it
            own = {key.rpartition(":")[2]: value for key, value in attributes.items()}
            self.found[own.get(self.by, "")] = own.get(self.value, "")

    def end(self, name: str) -> None:
        pass


class _Strings(_Reader):
    """The strings that cells share by number."""

    def read(self, content: bytes) -> list[str]:
        self.found: list[str] = []
        self.parser.Parse(content, True)  # noqa: FBT003 - expat's signature
        return self.found

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "si":
            self.found.append("")
        elif name == "t":
            self.text = []

    def end(self, name: str) -> None:
        if name == "t" and self.found:
            self.found[-1] += self.taken()


class _Cells(_Reader):
    """The cells of a sheet: row number → column number → text."""

    def __init__(self, strings: list[str]) -> None:
        super().__init__()
        self.strings, self.kind = strings, ""
        self.rows: dict[int, dict[int, str]] = {}
        self.numbers: set[tuple[int, int]] = set()
        self.place = (0, 0)

    def read(self, content: bytes) -> dict[int, dict[int, str]]:
        self.parser.Parse(content, True)  # noqa: FBT003 - expat's signature
        return self.rows

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if name == "c":
            self.kind = attributes.get("t", "n")
            self.place = next(_places(attributes.get("r", "")), (0, 0))
        elif name in {"v", "t"}:
            self.text = []

    def end(self, name: str) -> None:
        if name not in {"v", "t"}:
            return
        text, (row, column) = self.taken(), self.place
        if not row:
            raise _refused("a cell does not say where it stands")
        if row > 2 * MOST_ROWS or column >= _MOST_COLUMNS:
            raise _refused("it has cells beyond any timetable")
        if self.kind == "n":
            self.numbers.add((row, column))
        cells = self.rows.setdefault(row, {})
        cells[column] = cells.get(column, "") + self._meant(text)

    def _meant(self, text: str) -> str:
        if self.kind == "s":
            number = int(text) if text.isdecimal() else len(self.strings)
            if number >= len(self.strings):
                raise _refused("a cell names a text that is not there")
            return self.strings[number]
        return {"0": "no", "1": "yes"}.get(text, text) if self.kind == "b" else text


def _places(reference: str) -> Iterator[tuple[int, int]]:
    match = _CELL.fullmatch(reference)
    if match is not None:
        column = 0
        for letter in match[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        yield int(match[2]), column - 1
