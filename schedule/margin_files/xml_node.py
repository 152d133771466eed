"""An element of XML that is kept while a file streams by: its figures are read, or refused by line."""

from __future__ import annotations

import math
from datetime import date, datetime
from decimal import Decimal, InvalidOperation

from schedule.margin_files.refusal import MarginFileRefused


class Node:
    """An element: its name, the line it begins in, its text and children."""

    __slots__ = ("children", "line", "name", "text")

    def __init__(self, name: str, line: int) -> None:
        self.name = name
        self.line = line
        self.text = ""
        self.children: list[Node] = []

    def all(self, *path: str) -> list[Node]:
        """Return the descendants at a path of names."""
        found = [self]
        for name in path:
            found = [child for node in found for child in node.children if child.name == name]
        return found

    def first(self, *path: str) -> Node | None:
        """Return the first descendant at a path of names."""
        return next(iter(self.all(*path)), None)

    def need(self, *path: str) -> Node:
        """Return the first descendant at a path. Raises `MarginFileRefused` where there is none."""
        node = self.first(*path)
        if node is None:
            raise MarginFileRefused(f"<{self.name}> has no <{'> <'.join(path)}>", line=self.line)
        return node

    def number(self) -> Decimal:
        """Return the text as a finite number. Raises `MarginFileRefused`."""
        try:
            value = Decimal(self.text.strip())
        except InvalidOperation:
            value = Decimal("NaN")
        if not value.is_finite() or not math.isfinite(float(value)):
            raise self.wrong("a number")
        return value

    def positive(self) -> Decimal:
        """Return the text as a number above 0. Raises `MarginFileRefused`."""
        value = self.number()
        if value <= 0:
            raise self.wrong("a number above 0")
        return value

    def day(self) -> date:
        """Return the text as a date like 20261201. Raises `MarginFileRefused`."""
        try:
            return datetime.strptime(self.text.strip(), "%Y%m%d").date()  # noqa: DTZ007 - a date, no moment
        except ValueError:
            raise self.wrong("a date like 20261201") from None

    def wrong(self, expected: str) -> MarginFileRefused:
        """Return the refusal of this text."""
        return MarginFileRefused(f"<{self.name}> holds {self.text.strip()[:40]!r}, not {expected}", line=self.line)
