"""The store: one SQLite file from which a killed simulator goes on at the same simulated minute.

A day is its seed, its plain values, and the commands that clients gave with their market times; the same commands at the
same times make the same orders, trades, positions and strategist. So the store keeps these, and a restart plays them again.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from threading import Lock
from typing import Any

from hedging.simulator.day import SimulatedDay, day_from_json, day_to_json
from hedging.simulator.rules import AccountRules

FORMAT = "1"
_TABLES = """
CREATE TABLE IF NOT EXISTS world (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commands (
    number INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL, order_id TEXT NOT NULL
);
"""


class StoreUnusable(Exception):
    """The file is not a state that this version can go on from. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Command:
    """An accepted command of a client: `place`, `modify` or `cancel`, at its market time, and the order it concerned."""

    at: datetime
    kind: str
    body: Mapping[str, Any]
    order_id: str


@dataclass(frozen=True, slots=True)
class StoredDay:
    """A day as it was left: `now` is a market time that nobody was shown a later one than."""

    day: SimulatedDay
    seed: int
    cash: Decimal
    now: datetime
    profile: str
    rules: AccountRules
    commands: tuple[Command, ...]


class Store:
    """The open file. Commands are on disk (synced) when `append` returns; the clock is safe from kill -9 alone."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._claim = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreUnusable(f"The simulator's state {path} cannot be opened ({error}): move it away.") from error
        try:
            # Held until this process ends, however it ends: two markets in one file would be two truths.
            fcntl.flock(self._claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=2.0)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_TABLES)
        except BlockingIOError as error:
            os.close(self._claim)
            raise StoreUnusable(f"Another simulator uses {path}: stop it, or give --state another file.") from error
        except sqlite3.Error as error:
            os.close(self._claim)
            raise StoreUnusable(f"The simulator's state {path} cannot be opened ({error}): move it away.") from error

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def load(self) -> StoredDay | None:
        """Return the stored day, or `None` if the file is new. Raises `StoreUnusable` for another version's file."""
        with self._lock:
            world = dict(self._db.execute("SELECT name, value FROM world"))
            rows = self._db.execute("SELECT at, kind, body, order_id FROM commands ORDER BY number").fetchall()
        if not world:
            return None
        if world.get("format") != FORMAT:
            raise StoreUnusable(f"The simulator's state {self.path} is of another version: move it away to start anew.")
        return StoredDay(
            day=day_from_json(json.loads(world["day"])),
            seed=int(world["seed"]),
            cash=Decimal(world["cash"]),
            now=datetime.fromisoformat(world["now"]),
            profile=world.get("profile", "zerodha"),
            rules=AccountRules.from_json(json.loads(world.get("rules", "{}"))),
            commands=tuple(
                Command(datetime.fromisoformat(at), kind, json.loads(body), order) for at, kind, body, order in rows
            ),
        )

    def begin(self, *, day: SimulatedDay, seed: int, cash: Decimal, profile: str, rules: AccountRules) -> None:
        """Forget what was stored and begin a day."""
        world = {
            "format": FORMAT,
            "day": json.dumps(day_to_json(day)),
            "seed": str(seed),
            "cash": str(cash),
            "now": day.start_at.isoformat(),
            "profile": profile,
            "rules": json.dumps(rules.as_json()),
        }
        with self._transaction() as db:
            db.execute("DELETE FROM commands")
            db.execute("DELETE FROM world")
            db.executemany("INSERT INTO world VALUES (?, ?)", world.items())

    def append(self, command: Command) -> None:
        """Store a command durably."""
        row = (command.at.isoformat(), command.kind, json.dumps(command.body), command.order_id)
        with self._lock:
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.execute("INSERT INTO commands (at, kind, body, order_id) VALUES (?, ?, ?, ?)", row)
            self._db.execute("PRAGMA synchronous=NORMAL")

    def save_clock(self, now: datetime) -> None:
        """Store the market time from which a restart goes on."""
        with self._lock:
            self._db.execute("UPDATE world SET value = ? WHERE name = 'now'", (now.isoformat(),))

    def close(self) -> None:
        """Close the file and let another process have it. Closing twice is no error."""
        with self._lock:
            self._db.close()
            if self._claim >= 0:
                os.close(self._claim)
                self._claim = -1
