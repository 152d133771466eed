"""Page: every deleted guard and the test that noticed, as a part of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hedging.chaos.page import write_part
from tests.mutants.trial import Verdict

_PART = """## Guards deleted

Written by `make mutants`, which exits with 1 when a guard can go unnoticed; `make test` tries two of them, and that each of them
can still be deleted. Each guard is taken out of a copy of the code, or of the database, and the tests are run that ought to notice; all
of them pass on the whole copy first.

**{all} guards, {killed} noticed, {left} not**, in {seconds:.0f} s.

| invariant | guard | where | deleted | noticed by | s |
|---|---|---|---|---|---|
"""
_LONGEST = 110


def write_page(page: Path, verdicts: Sequence[Verdict], *, seconds: float) -> None:
    """Write this proof's part beside `page`, and put the page together from all parts."""
    killed = sum(bool(verdict.killed_by) for verdict in verdicts)
    text = _PART.format(all=len(verdicts), killed=killed, left=len(verdicts) - killed, seconds=seconds)
    write_part(page, name="35-mutants.md", text=text + "".join(f"{_row(verdict)}\n" for verdict in verdicts))


def _row(verdict: Verdict) -> str:
    mutant = verdict.mutant
    deleted = mutant.deleted if len(mutant.deleted) <= _LONGEST else f"{mutant.deleted[:_LONGEST]}…"
    where = "the database" if mutant.sql else mutant.file.removeprefix("hedging/")
    name = verdict.words.rpartition("::")[2].removeprefix("test_").replace("_", " ")
    cells = (mutant.invariant, mutant.guard, where, f"`{deleted}`", name, f"{verdict.seconds:.1f}")
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
