"""Cells: the values of a book file made typed, one by one; everything that is wrong is collected, nothing is guessed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from hedging.domain.risk import IST

LARGEST = Decimal(10) ** 12
"""Beyond any rupee figure or quantity of one account: what is larger is a slip of the keyboard."""
LONGEST_SHOWN = 40
YEARS = range(2000, 2100)
"""What two digits in a symbol can say, and far from where dates overflow."""

_NUMBER = re.compile(r"[+-]?(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:[eE][+-]?[0-9]{1,2})?")
_YES = {"yes": True, "true": True, "no": False, "false": False}
_Choice = TypeVar("_Choice", bound=StrEnum)


class Text(str):
    """Text of a CSV cell or of a flag, where a number is written like any other text. In JSON a number needs no quotes."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a book: where, which field, what, and what would be right."""

    where: str
    field: str
    wrong: str
    right: str

    def __str__(self) -> str:
        return f"{', '.join(part for part in (self.where, self.field) if part)}: {self.wrong}; {self.right}"


class BookRefused(Exception):
    """A book was not read, and nothing was computed. Correct every one of `problems`, then try again."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Cells:
    """Reads values and keeps the problems. Every reader returns `None` where nothing is given, or after a problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def wrong(self, where: str, field: str, wrong: str, right: str) -> None:
        """Note one problem."""
        self.problems.append(Problem(where, field, wrong, right))

    def unknown(self, where: str, given: Collection[str], known: Collection[str]) -> None:
        """Note every field that nobody reads: a misspelt one must not be passed over."""
        for name in given:
            if name not in known:
                self.wrong(where, shown(name), "is no field that we know", f"use {', '.join(known)}")

    def number(
        self,
        where: str,
        field: str,
        value: object,
        *,
        least: Decimal | int | None = None,
        above: Decimal | int | None = None,
        most: Decimal | int = LARGEST,
    ) -> Decimal | None:
        """Return a finite number within its bounds (`least` and `most` inclusive, `above` exclusive)."""
        if value is None:
            return None
        number = self._plain_number(where, field, value)
        if number is None:
            return None
        if above is not None and number <= above:
            self.wrong(where, field, f"is {shown(value)}", f"write a number above {above}, or leave it out")
        elif least is not None and number < least:
            self.wrong(where, field, f"is {shown(value)}", f"write at least {least}")
        elif number > most or number < -LARGEST:
            self.wrong(where, field, f"is {shown(value)}", f"write at most {most:f}")
        else:
            return number
        return None

    def whole(
        self, where: str, field: str, value: object, *, least: int | None = None, most: Decimal | int = LARGEST
    ) -> int | None:
        """Return a whole number within its bounds."""
        number = self.number(where, field, value, least=least, most=most)
        if number is None:
            return None
        if number != number.to_integral_value():
            self.wrong(where, field, f"is {shown(value)}", "write a whole number")
            return None
        return int(number)

    def flag(self, where: str, field: str, value: object) -> bool | None:
        """Return true or false; in CSV yes or no as well."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Text) and value.lower() in _YES:
            return _YES[value.lower()]
        self.wrong(where, field, f"is {shown(value)}", "write yes or no (in JSON true or false)")
        return None

    def text(self, where: str, field: str, value: object) -> str | None:
        """Return text that is not empty."""
        if value is None:
            return None
        if isinstance(value, str) and value.strip() and value.isprintable():
            return value.strip()
        self.wrong(where, field, f"is {shown(value)}", "write text")
        return None

    def choice(self, where: str, field: str, value: object, kind: type[_Choice]) -> _Choice | None:
        """Return a member of an enumeration, by its value."""
        if value is None:
            return None
        if isinstance(value, str) and value in set(kind):
            return kind(value)
        self.wrong(where, field, f"is {shown(value)}", f"write one of {', '.join(kind)}")
        return None

    def moment(self, where: str, field: str, value: object) -> datetime | None:
        """Return an aware date-time; one without an offset is Indian time."""
        if value is None:
            return None
        try:
            moment = (
                datetime.fromisoformat(value) if isinstance(value, str) and len(value) > len("2026-12-01") else None
            )
        except ValueError:
            moment = None
        if moment is None or moment.year not in YEARS:
            self.wrong(where, field, f"{shown(value)} is no date-time", "write it like 2026-12-01T10:12:00 (IST)")
            return None
        return moment if moment.tzinfo is not None else moment.replace(tzinfo=IST)

    def day(self, where: str, field: str, value: object) -> date | None:
        """Return a date."""
        if value is None:
            return None
        try:
            return date.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            self.wrong(where, field, f"{shown(value)} is no date", "write it like 2026-12-01")
            return None

    def clock(self, where: str, field: str, value: object) -> time | None:
        """Return a time of day in India."""
        if value is None:
            return None
        try:
            found = time.fromisoformat(value if isinstance(value, str) else "")
        except ValueError:
            found = None
        if found is None or found.tzinfo is not None:
            self.wrong(where, field, f"{shown(value)} is no time of day", "write it like 15:30 (IST)")
            return None
        return found

    def group(self, where: str, field: str, value: object) -> Mapping[str, object]:
        """Return a group of named values; nothing where none is given or after a problem."""
        if isinstance(value, Mapping):
            return value
        if value is not None:
            self.wrong(
                where, field, f"is {shown(value)}", f'write a group, in JSON {{"name": value}}, in CSV {field}.name'
            )
        return {}

    def _plain_number(self, where: str, field: str, value: object) -> Decimal | None:
        if isinstance(value, Decimal):
            # A NaN compares with nothing, and a huge exponent must not be written out.
            if value.is_finite() and (not value or -30 <= value.adjusted() <= 30):
                return value
            self.wrong(where, field, f"is {shown(value)}", "write a finite number")
            return None
        if isinstance(value, Text):
            if _NUMBER.fullmatch(value):
                return Decimal(value)
            self.wrong(where, field, f"{shown(value)} is no number", "write digits only, like 1250.5")
            return None
        quoted = isinstance(value, str)
        fix = "write the number without quotes" if quoted else "write a number"
        self.wrong(where, field, f"{shown(value)} is no number", fix)
        return None


def shown(value: object) -> str:
    """Return a value as it is named in a problem: short, on one line."""
    if isinstance(value, Mapping):
        return "a group"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        value = str(value)  # Text shows as what it is
    text = str(value) if isinstance(value, Decimal) else repr(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"
