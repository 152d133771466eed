"""Mutant: one guard of the order protocol, deleted, and the tests that ought to notice. Applied to a copy, never to the checkout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One deletion: in `file` the text `old`, which must be there exactly once, becomes `new`.

    `invariant` is the number of the invariant that the guard keeps (docs/protocol.md's order, 1 to 18), `guard` says the rule in
    words, `tests` are pytest ids below `tests/`, the cheapest that ought to fail. A guard of the database is taken away by
    `sql` instead, on a copy of the database; `file` and `old` are then where it is declared, and `new` is not used.
    """

    invariant: int
    guard: str
    file: str
    old: str
    tests: tuple[str, ...]
    new: str = ""
    sql: str = ""

    @property
    def deleted(self) -> str:
        """Return what was taken away, on one line."""
        if self.sql:
            return self.sql
        kept = {line.strip() for line in self.new.splitlines()}
        lines = [line.strip() for line in self.old.splitlines()]
        return " ".join(line for line in lines if line and line not in kept)

    @property
    def wants_database(self) -> bool:
        """Return whether a test that ought to notice needs the database."""
        return any(not test.startswith("unit/") for test in self.tests)

    def complaint(self, *, root: Path = ROOT) -> str:
        """Return why it does not apply to the tree at `root`, "" when it does. Reads text only."""
        path = root / self.file
        if not path.is_file():
            return f"{self.file} is not there"
        found = path.read_text(encoding="utf-8").count(self.old)
        if found != 1:
            return f"{self.file} holds the text {found} times"
        for test in self.tests:
            name, _, function = test.partition("::")
            where = root / "tests" / name
            if not where.is_file() or f"def {function.split('[')[0]}(" not in where.read_text(encoding="utf-8"):
                return f"there is no test {test}"
        return ""
