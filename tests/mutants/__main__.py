"""Delete every guard of the order protocol in turn and hold the tests to noticing: `make mutants`.

`python -m tests.mutants [--only WORD] [--page docs/reliability.md]`. Exit code 1 when a mutant survives, or cannot be tried.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import django

os.environ.pop("DATABASE_URL", None)  # a server of our own: databases are dropped and copied here
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
django.setup()

from tests.mutants.mutant import Mutant  # noqa: E402 - after the setup
from tests.mutants.page import write_page  # noqa: E402
from tests.mutants.server import Server, server  # noqa: E402
from tests.mutants.table import MUTANTS  # noqa: E402
from tests.mutants.trial import Verdict, copied, judge, run  # noqa: E402

_stopped = Event()


def main() -> int:
    """Do what the command line says; return the exit code."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the server and the copies go, too
    parser = argparse.ArgumentParser(prog="mutants")
    parser.add_argument("--only", default="", help="only mutants whose guard or file has this word")
    parser.add_argument("--page", type=Path, help="write the table as a part of this page")
    options = parser.parse_args()
    chosen = [mutant for mutant in MUTANTS if options.only in f"{mutant.guard} {mutant.file}"]
    began = time.monotonic()
    with copied() as tree, copied() as other, server(say=_say) as database:
        trouble = _whole(tree, database, sorted({test for mutant in chosen for test in mutant.tests}))
        if trouble:
            _say(trouble)
            return 1
        _say("The tests pass with every guard in place. Seconds, invariant, guard, and the test that noticed its loss:")
        # Those that need no database go beside those that do, in a copy of their own.
        with ThreadPoolExecutor(2) as workers:
            asked = [mutant for mutant in chosen if mutant.wants_database]
            plain = [mutant for mutant in chosen if not mutant.wants_database]
            halves = [workers.submit(_judged, asked, tree, database), workers.submit(_judged, plain, other, None)]
            try:
                verdicts = sorted((v for half in halves for v in half.result()), key=lambda v: chosen.index(v.mutant))
            finally:
                _stopped.set()
    seconds = time.monotonic() - began
    left = [verdict for verdict in verdicts if not verdict.killed_by]
    _say(f"{len(verdicts)} mutants, {len(verdicts) - len(left)} killed, {len(left)} not, in {seconds:.0f} s")
    if options.page and not options.only:
        write_page(options.page, verdicts, seconds=seconds)
    return 1 if left or not verdicts else 0


def _whole(tree: Path, database: Server, tests: list[str]) -> str:
    """Make the database that the others are copied from, and run all tests on the whole code; return what is wrong."""
    code, printed = run(tree, ["integration/test_schema.py"], server=database)
    if code:
        return f"The database of the tests cannot be made:\n{printed}"
    database.keep()
    database.renew()
    code, printed = run(tree, tests, server=database)
    return f"A test fails with every guard in place, so its failure would prove nothing:\n{printed}" if code else ""


def _judged(mutants: list[Mutant], tree: Path, database: Server | None) -> list[Verdict]:
    verdicts = []
    for mutant in mutants:
        if _stopped.is_set():
            break
        verdicts.append(judge(mutant, tree, server=database))
        _say(_line(verdicts[-1]))
    return verdicts


def _line(verdict: Verdict) -> str:
    mutant = verdict.mutant
    head = f"{verdict.seconds:5.1f} {mutant.invariant:>2} {mutant.guard}"
    return f"{head}\n         {mutant.file}: {mutant.deleted[:140]}\n         {verdict.words}"


def _say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
