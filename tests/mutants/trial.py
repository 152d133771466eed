"""Trial: apply a mutant to a copy of the tree, run the tests that ought to notice, and say which of them did."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.mutants.mutant import ROOT, Mutant
from tests.mutants.server import Server

SURVIVED, NOT_RUN = "SURVIVED", "NOT RUN"
SECONDS = 600  # a busy machine is no survivor
_NOT_COPIED = {"var", "node_modules"}  # what was compiled goes along, with its times
_NOT_LOADED = ("cacheprovider", "randomly", "xdist", "faker")
_FAILED = re.compile(r"^FAILED (?:tests/)?(\S+?)(?:\[.*)?(?: - .*)?$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a mutant: the test that failed, or why none did."""

    mutant: Mutant
    killed_by: str
    trouble: str
    seconds: float

    @property
    def words(self) -> str:
        """Return the test that noticed, or SURVIVED, or why it could not be tried."""
        return self.killed_by or self.trouble


@contextmanager
def copied(folder: Path | None = None) -> Iterator[Path]:
    """Make a copy of the tree without environment, data and caches; it is removed afterwards."""
    place = Path(mkdtemp(prefix="auto-hedge-mutants-", dir=folder))
    tree = place / "tree"
    try:
        shutil.copytree(ROOT, tree, ignore=lambda _, names: {n for n in names if n in _NOT_COPIED or n[0] == "."})
        yield tree
    finally:
        shutil.rmtree(place, ignore_errors=True)


def run(tree: Path, tests: Iterable[str], *, server: Server | None) -> tuple[int, str]:
    """Run tests of the copy up to the first failure; return pytest's exit code and what it printed."""
    options = ["-x", "-q", "-rf", "--no-header", "--tb=no", *(f"-pno:{plugin}" for plugin in _NOT_LOADED)]
    words = [sys.executable, "-m", "pytest", *options, "--reuse-db", *(f"tests/{test}" for test in tests)]
    env = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
    env |= {} if server is None else {"DATABASE_URL": server.url}
    done = subprocess.run(
        words, cwd=tree, env=env, capture_output=True, text=True, check=False, timeout=SECONDS, stdin=subprocess.DEVNULL
    )
    return done.returncode, done.stdout + done.stderr


def judge(mutant: Mutant, tree: Path, *, server: Server | None) -> Verdict:
    """Delete the guard in the copy (or its database), run its tests, put it back."""
    began = time.monotonic()
    killed_by, trouble = "", mutant.complaint(root=tree)
    if not trouble:
        if server is not None and mutant.wants_database:
            server.renew(without=mutant.sql)
        with _applied(mutant, tree):
            killed_by, trouble = _outcome(mutant, tree, server)
    return Verdict(mutant, killed_by, trouble, time.monotonic() - began)


def _outcome(mutant: Mutant, tree: Path, server: Server | None) -> tuple[str, str]:
    try:
        code, printed = run(tree, mutant.tests, server=server if mutant.wants_database else None)
    except subprocess.TimeoutExpired:
        return "", f"{NOT_RUN}: no end after {SECONDS} s"
    failed = _FAILED.search(printed)
    if code == 1 and failed:
        return failed[1], ""
    # A tree that cannot even be imported was not judged by a test: that is no kill.
    return "", SURVIVED if code == 0 else f"{NOT_RUN}: {' '.join(printed.split())[-200:]}"


@contextmanager
def _applied(mutant: Mutant, tree: Path) -> Iterator[None]:
    if mutant.sql:
        yield
        return
    path = tree / mutant.file
    whole = path.read_text(encoding="utf-8")
    path.write_text(whole.replace(mutant.old, mutant.new), encoding="utf-8")
    _forget_compiled(path)
    try:
        yield
    finally:
        path.write_text(whole, encoding="utf-8")
        _forget_compiled(path)


def _forget_compiled(path: Path) -> None:
    # Python trusts a compiled file by the second and the size of its source: two mutants may share both.
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()
