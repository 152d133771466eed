"""Store: where a schedule's rows live, and how a database dies. In memory it is SQLite, so that production's ORM runs.

Each schedule is one transaction that is never committed: what production commits is a savepoint of it. PostgreSQL runs
the same; only what is PostgreSQL's own (row locks, triggers) is not there in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.backends.sqlite3.base import SQLiteCursorWrapper

from hedging.chaos.kernel import Disaster, Kernel
from hedging.chaos.plans import moment, remember_numbers
from hedging.chaos.statements import remember_statements
from hedging.engine import shared_limits

OURS = ("notifications", "sessions_app", "schedule", "hedging")
_BENEATH = ("contenttypes", "auth")


class DatabaseGone(Disaster, OperationalError):
    """What a schedule does to the database; production sees an `OperationalError`."""


class CommitAnswerLost(Disaster):
    """No `DatabaseError`, or Django would try to roll back what was committed."""


def use_memory() -> None:
    """Point this process at an empty SQLite database in memory with the tables of our models. Not to be undone."""
    config = connections.configure_settings(
        {
            DEFAULT_DB_ALIAS: {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": ":memory:",
                "OPTIONS": {"cached_statements": 1000, "detect_types": 0},
            }
        }
    )
    use(config[DEFAULT_DB_ALIAS])
    connection: Any = connections[DEFAULT_DB_ALIAS]
    plain = connection.ops.combine_expression

    def exact(connector: str, parts: list[str]) -> str:
        # SQLite adds decimals as floats: 0.1 + 0.2 - 0.3 would be below zero and break a CHECK that PostgreSQL keeps.
        combined: str = plain(connector, parts)
        return f"ROUND({combined}, 6)" if connector in {"+", "-"} else combined

    connection.ops.combine_expression = exact
    connection.execute_wrappers.append(_speak_sqlite)
    connection.ensure_connection()
    connection.connection.create_function("greatest", -1, max, deterministic=True)
    connection.connection.create_function("least", -1, min, deterministic=True)
    connection.create_cursor = lambda name=None: connection.connection.cursor(factory=_Cursor)
    raw, quoted = connection.connection, connection.ops.quote_name
    connection._savepoint = lambda sid: raw.execute(f"SAVEPOINT {quoted(sid)}")
    connection._savepoint_commit = lambda sid: raw.execute(f"RELEASE SAVEPOINT {quoted(sid)}")
    connection._savepoint_rollback = lambda sid: raw.execute(f"ROLLBACK TO SAVEPOINT {quoted(sid)}")
    setattr(shared_limits.OrderTurn, "wait_seconds", _wait_seconds)  # noqa: B010 - its own type does not know of it
    remember_numbers(connection)
    remember_statements(connection)
    with connection.schema_editor() as editor:
        for label in (*_BENEATH, *OURS):
            for model in apps.get_app_config(label).get_models():
                editor.create_model(model)


def _speak_sqlite(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
    """Put a statement that production wrote by hand into SQLite's words; what the ORM writes has no names in it."""
    if isinstance(params, dict):
        # Of a column that an upsert leaves out, SQLite's RETURNING says that it is not null.
        sql = sql.replace("::timestamptz", "").replace("RETURNING open_until IS NOT NULL", "RETURNING open_until > ''")
        adapt = context["connection"].ops.adapt_datetimefield_value
        params = {name: adapt(value) if isinstance(value, datetime) else value for name, value in params.items()}
    return execute(sql, params, many, context)


class _Cursor(SQLiteCursorWrapper):
    """A cursor that reads a stored time as one: the ORM would ask what each column is, a statement of ours cannot."""

    def convert_query(self, query: str, *, param_names: list[str] | None = None) -> str:
        """Return a statement in SQLite's words, which are searched for once."""
        key = (query, param_names and tuple(param_names))
        if key not in _converted:
            _converted[key] = super().convert_query(query, param_names=param_names)
        return _converted[key]

    def fetchone(self) -> Any:
        """Return the next row."""
        row = super().fetchone()
        return row and tuple([_read(value) if type(value) is str else value for value in row])


_converted: dict[Any, str] = {}


def _read(value: str) -> Any:
    if len(value) >= 19 and (value[4], value[7], value[10]) == ("-", "-", " "):
        return moment(value)
    return time.fromisoformat(value) if len(value) == 8 and value[2] == value[5] == ":" else value


_next_turns: dict[int, datetime] = {}  # by account; forgotten after each schedule, where the ids come again


def _wait_seconds(turn: shared_limits.OrderTurn) -> float:
    """Reserve an order turn in memory: the one statement of `engine/shared_limits.py` adds intervals, which SQLite cannot."""
    spacing, wall_now = timedelta(seconds=1) / shared_limits.ORDERS_PER_SECOND, turn.wall_now
    known = _next_turns.get(turn.account_id, wall_now)
    ahead = timedelta(0) < known - wall_now <= timedelta(seconds=5)
    next_at = _next_turns[turn.account_id] = (known if ahead else wall_now) + spacing
    return max(0.0, (next_at - shared_limits.ORDERS_AT_ONCE * spacing - wall_now).total_seconds())


def use(config: dict[str, Any]) -> None:
    """Point this process at the database that `config` describes."""
    connections.settings[DEFAULT_DB_ALIAS] = config
    connections[DEFAULT_DB_ALIAS] = connections.create_connection(DEFAULT_DB_ALIAS)


@contextmanager
def nothing_kept() -> Iterator[None]:
    """Undo everything that the block writes."""
    _next_turns.clear()
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


class Disasters:
    """What happens to one schedule's database connection: commits that kill or fail, and times without a database."""

    def __init__(self, kernel: Kernel, *, commit_rate: float) -> None:
        self._kernel = kernel
        self._rate = commit_rate
        self._connection: Any = connections[DEFAULT_DB_ALIAS]
        self._commit = self._connection.savepoint_commit
        self._roll_back = self._connection.savepoint_rollback
        self._rolled_back: set[str] = set()
        self.gone = False
        self.calm = False

    def __enter__(self) -> Disasters:
        self._connection.savepoint_commit = self._savepoint_commit
        self._connection.savepoint_rollback = self._savepoint_rollback
        return self

    def __exit__(self, *_: object) -> None:
        del self._connection.savepoint_commit  # the instance's, which hid the class's
        del self._connection.savepoint_rollback
        self.come_back()

    @property
    def in_transaction(self) -> bool:
        """Return whether production holds a transaction open, and with it row locks."""
        return bool(self._connection.savepoint_ids)

    def go(self) -> None:
        """Let every statement fail from now on."""
        if not self.gone:
            self.gone = True
            self._connection.execute_wrappers.append(self._refuse)

    def come_back(self) -> None:
        """Let statements succeed again."""
        if self.gone:
            self.gone = False
            self._connection.execute_wrappers.remove(self._refuse)

    def _refuse(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        if self._kernel.current is None or "SAVEPOINT" in sql:
            return execute(sql, params, many, context)
        raise DatabaseGone("the connection to the database was lost")

    def _savepoint_commit(self, savepoint: str) -> None:
        kernel, outermost = self._kernel, not self._connection.savepoint_ids
        if not outermost or kernel.current is None or savepoint in self._rolled_back:
            self._commit(savepoint)
            return
        fate = kernel.random.random() if self._rate and not self.calm else 1.0
        if fate >= self._rate:
            self._commit(savepoint)
            return
        where = int(fate / self._rate * 4)
        if where == 0:
            self._undo(savepoint)
            kernel.kill("before a commit")
        if where == 1:
            self._commit(savepoint)
            kernel.kill("right after a commit")
        if where == 2:
            kernel.tally["the disk was full at a commit"] += 1
            kernel.tell("the commit fails: disk full")
            raise DatabaseGone("could not extend file: no space left on device")
        self._commit(savepoint)
        kernel.tally["a commit was made and its answer lost"] += 1
        kernel.tell("the commit is made, and its answer lost")
        raise CommitAnswerLost("the connection was lost after COMMIT")

    def _savepoint_rollback(self, savepoint: str) -> None:
        self._rolled_back.add(savepoint)  # Django releases it afterwards, which is no commit
        self._roll_back(savepoint)

    def _undo(self, savepoint: str) -> None:
        self._roll_back(savepoint)
        self._commit(savepoint)
