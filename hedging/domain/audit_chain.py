"""Audit chain: the canonical content of an audit line, its digest, and the hash that ties it to every line before it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any

GENESIS = "0" * 64
"""What the first line is tied to."""
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """The content of one audit line: everything but its place. Times are aware; `facts` is plain JSON."""

    account_id: int | None
    session_id: int | None
    at: datetime
    wall_at: datetime
    actor: str
    event: str
    subject_kind: str
    subject_id: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """A line as it is stored: its id, its digest, and its place in the chain (`None` where it has none)."""

    event_id: int
    line: AuditLine
    digest: str
    sequence: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class Break:
    """A place at which the trail is not what was written: the event's id and what is wrong there."""

    event_id: int
    what: str


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a chain: how many lines it has and the hash of the last one."""

    sequence: int = 0
    hash: str = GENESIS


def digest_of(line: AuditLine) -> str:
    """Return the SHA-256 of a line's canonical content, in hexadecimal."""
    content = {
        "account": line.account_id,
        "session": line.session_id,
        "at": _moment(line.at),
        "wall_at": _moment(line.wall_at),
        "actor": line.actor,
        "event": line.event,
        "subject": [line.subject_kind, line.subject_id],
        "facts": _plain(line.facts),
    }
    return sha256(_CANONICAL.encode(content).encode("ascii")).hexdigest()


def linked(previous: str, digest: str) -> str:
    """Return the hash of a line after one with the hash `previous`. The database's trigger computes the same."""
    return sha256((previous + digest).encode("ascii")).hexdigest()


class Verifier:
    """Follows a chain line by line, in constant memory. `head` is its end so far."""

    def __init__(self, head: Head = Head()) -> None:
        self.head = head
        self.lines = 0

    def follow(self, lines: Iterable[ChainedLine]) -> Iterator[Break]:
        """Yield every break of `lines`, which come in the order of their places; those without a place come last."""
        for stored in lines:
            self.lines += 1
            if digest_of(stored.line) != stored.digest:
                yield Break(stored.event_id, "the line is not what was written: its digest differs")
            if stored.sequence is None or stored.hash is None:
                yield Break(stored.event_id, "the line is not part of the chain")
                continue
            if stored.sequence != self.head.sequence + 1:
                yield Break(
                    stored.event_id, f"its place is {stored.sequence}, the next one was {self.head.sequence + 1}"
                )
            elif stored.hash != linked(self.head.hash, stored.digest):
                yield Break(stored.event_id, "its hash does not follow from the line before it")
            self.head = Head(stored.sequence, stored.hash)


def _moment(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _plain(value: Any) -> Any:
    """Return a JSON value in which equal numbers are written alike: a database may give 1.0 back as 1, and 1e22 whole."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    number = Decimal(str(value))
    return {"number": format(number.normalize(), "f") if number else "0"}
