"""Write audit lines to a file, as JSON lines or CSV, one at a time."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from hedging.domain.audit_chain import ChainedLine
from schedule.calendar import IST

COLUMNS = (
    "sequence",
    "hash",
    "digest",
    "at",
    "wall_at",
    "account",
    "session",
    "actor",
    "event",
    "subject_kind",
    "subject_id",
    "facts",
)
# A spreadsheet takes a cell that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_trail(lines: Iterable[ChainedLine], path: Path, *, as_csv: bool) -> tuple[int, ChainedLine | None]:
    """Write the lines to a new file that only its owner may read; return how many, and the last one.

    Raises `FileExistsError` for a file that is there, and leaves none behind when it fails halfway.
    """
    unfinished = path.with_name(f".{path.name}.unfinished")
    if path.exists():
        raise FileExistsError(str(path))
    count, last = 0, None
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            put = _csv_writer(file) if as_csv else _json_writer(file)
            for last in lines:
                put(_row(last))
                count += 1
        unfinished.rename(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return count, last


def _row(stored: ChainedLine) -> dict[str, Any]:
    line = stored.line
    return {
        "sequence": stored.sequence,
        "hash": stored.hash,
        "digest": stored.digest,
        "at": line.at.astimezone(IST).isoformat(timespec="microseconds"),
        "wall_at": line.wall_at.astimezone(IST).isoformat(timespec="microseconds"),
        "account": line.account_id,
        "session": line.session_id,
        "actor": line.actor,
        "event": line.event,
        "subject_kind": line.subject_kind,
        "subject_id": line.subject_id,
        "facts": line.facts,
    }


def _json_writer(file: TextIO) -> Callable[[dict[str, Any]], object]:
    return lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")


def _csv_writer(file: TextIO) -> Callable[[dict[str, Any]], object]:
    writer = csv.DictWriter(file, COLUMNS)
    writer.writeheader()

    def put(row: dict[str, Any]) -> None:
        actor = f"'{row['actor']}" if row["actor"].startswith(_FORMULA) else row["actor"]
        writer.writerow(row | {"actor": actor, "facts": json.dumps(row["facts"], ensure_ascii=False)})

    return put
