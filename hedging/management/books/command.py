"""Command: what `margin` and `optimize` share: the file, the flags that come before it, and how problems are told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.management.books.book import Book
from hedging.management.books.cells import BookRefused
from hedging.management.books.reader import read_book
from hedging.management.books.source import LARGEST_FILE_BYTES


class BookCommand(BaseCommand):
    """A command over a book file. It needs no database, no server and no setting: the file alone decides the answer."""

    requires_system_checks: list[str] = []
    flags: Mapping[str, tuple[str, str]] = {}
    """Flag to (the setting of the file that it stands before, help)."""
    for_hedging = False

    def add_arguments(self, parser: CommandParser) -> None:
        """Take the file and the flags."""
        parser.add_argument("--book", required=True, metavar="FILE", help="JSON or CSV (docs/books.md), or - for input")
        parser.add_argument("--json", action="store_true", dest="as_json", help="as one JSON object")
        for flag, (setting, text) in self.flags.items():
            parser.add_argument(flag, dest=setting, metavar="VALUE", help=f"{text} (in the file: {setting})")

    def read(self, options: Mapping[str, Any]) -> Book:
        """Read the book of these options; one line for each problem, then `CommandError`."""
        name = options["book"]
        flags = {setting: options[setting] for setting, _ in self.flags.values() if options.get(setting) is not None}
        try:
            return read_book(_bytes(name), flags=_spread(flags), for_hedging=self.for_hedging)
        except OSError as error:
            raise CommandError(f"{name} cannot be read ({error.strerror}): name a file, or - for input") from None
        except BookRefused as error:
            for problem in error.problems:
                self.stderr.write(str(problem))
            count = len(error.problems)
            raise CommandError(f"{count} problem{'s' if count > 1 else ''} in {name}: nothing was computed") from None


def _bytes(name: str) -> bytes:
    # One byte more than is allowed is enough to know that a file is too large.
    if name == "-":
        return sys.stdin.buffer.read(LARGEST_FILE_BYTES + 1)
    with Path(name).open("rb") as file:
        return file.read(LARGEST_FILE_BYTES + 1)


def _spread(flags: Mapping[str, Any]) -> dict[str, str]:
    """Return settings by name; `--spot NIFTY=26000,SENSEX=84000` is one for each index."""
    found: dict[str, str] = {}
    for setting, text in flags.items():
        pairs = [part.partition("=") for part in str(text).split(",")]
        if all(mark for _, mark, _ in pairs):
            found |= {f"{setting}.{name.strip()}": value.strip() for name, _, value in pairs}
        else:
            found[setting] = str(text)
    return found
