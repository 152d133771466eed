"""Written: insert rows and change one by statements that are composed once, as `one_row.py` reads them.

PostgreSQL takes all rows of an insert in one statement, each as one value, and the change that they belong to with them.
Signals are not sent, and nobody listens for those of the rows that are written here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model


class Unchanged(Exception):
    """The row of a `Change` is not what it was. What was to be written with it must be rolled back."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row, made only while its conditions hold; `sql` has a `%s` for each of `values`."""

    sql: str
    values: tuple[Any, ...]


def ids_drawn(vendor: str, wanted: Mapping[type[Model], int]) -> list[str]:
    """Return, as SQL, so many new ids for each table, ascending; where several write at once, a sequence's own."""
    each: list[str] = []
    for model, count in wanted.items():
        table = model._meta.db_table
        for place in range(1, count + 1):
            drawn = f"nextval(pg_get_serial_sequence('\"{table}\"', 'id'))"
            after = f'(SELECT coalesce(max(id), 0) + {place} FROM "{table}")'  # noqa: S608 - a table of ours
            each.append(drawn if vendor == "postgresql" else after)  # in memory nobody else writes
    return each


def insert(rows: Sequence[Model], *, after: Change | None = None, beside: Change | None = None) -> Any:
    """Insert new rows, and make the change that they belong to; rows that have no id yet get theirs.

    One statement on PostgreSQL, each after the other elsewhere. Raises `Unchanged` where the change was not made: no row is
    there then. `beside` is a change that is made in any case, and what it returns is returned; elsewhere it is not made, and
    `None` says so.
    """
    if connection.vendor == "postgresql":
        return _write(rows, after, beside)
    if after is not None:
        apply_change(after)
    for row in rows:
        _write([row], None, None)
    return None


def insert_alone(rows: Sequence[Model], *, after: Change, beside: Change | None = None) -> Any:
    """Insert as `insert` does, in a transaction of its own, which one statement is on PostgreSQL without being told."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        return insert(rows, after=after, beside=beside)
    with transaction.atomic():
        return insert(rows, after=after, beside=beside)


def apply_change(change: Change) -> None:
    """Make a change alone. Raises `Unchanged`. One statement."""
    with connection.cursor() as cursor:
        cursor.execute(change.sql, change.values)
        if cursor.rowcount != 1:
            raise Unchanged


def _write(rows: Sequence[Model], after: Change | None, beside: Change | None) -> Any:
    kinds = tuple((type(row), row.pk is not None) for row in rows)
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: `connection` does it anew for each value
    values: list[Any] = [] if after is None else [*after.values]
    for row, (model, named) in zip(rows, kinds, strict=True):
        fields = _fields(model, named)
        if database.vendor == "postgresql":
            values.append(json.dumps({field.column: _plain(getattr(row, field.attname)) for field in fields}))
        else:
            values += [_stored(field, getattr(row, field.attname), database) for field in fields]
    values += [] if beside is None else beside.values
    changes = (None if after is None else after.sql, None if beside is None else beside.sql)
    with database.cursor() as cursor:
        cursor.execute(_inserting(database.vendor, kinds, *changes), values)
        changed, *made, returned = cursor.fetchone()
    if after is not None and changed is None:
        raise Unchanged
    for row, pk in zip(rows, made, strict=True):
        row.pk = pk
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS
    return returned


@cache
def _inserting(vendor: str, kinds: tuple[tuple[type[Model], bool], ...], change: str | None, beside: str | None) -> str:
    parts = []
    for model, named in kinds:
        table, columns = f'"{model._meta.db_table}"', [field.column for field in _fields(model, named)]
        names = ", ".join(f'"{column}"' for column in columns)
        source = f"VALUES ({', '.join(['%s'] * len(columns))})"
        if vendor == "postgresql":  # one value for a row: binding each column apart took longer than writing them
            given = ", ".join(f'given."{column}"' for column in columns)
            only_if = "" if change is None else "changed, "
            source = f"SELECT {given} FROM {only_if}json_populate_record(NULL::{table}, %s::json) given"  # noqa: S608
        parts.append(f"INSERT INTO {table} ({names}) {source} RETURNING id")
    if len(parts) == 1 and change is None and beside is None:
        return parts[0].replace("RETURNING id", "RETURNING NULL, id, NULL")
    written = [f"r{number} AS ({part})" for number, part in enumerate(parts)]
    made = ["NULL", *(f"(SELECT id FROM r{number})" for number in range(len(parts))), "NULL"]  # noqa: S608
    if change is not None:
        written.insert(0, f"changed AS ({change} RETURNING id)")
        made[0] = "(SELECT id FROM changed)"
    if beside is not None:
        written.append(f"beside AS ({beside})")
        made[-1] = "(SELECT * FROM beside)"
    return f"WITH {', '.join(written)} SELECT {', '.join(made)}"


def change_of(row: Model, *, to: Mapping[str, Any], where: Mapping[str, Any]) -> Change:
    """Return the change of a row's columns `to`, made only if its columns are still as `where` says."""
    meta = row._meta
    database = connections[DEFAULT_DB_ALIAS]
    values = [_stored(meta.get_field(name), value, database) for name, value in (*to.items(), *where.items())]
    return Change(_changing(type(row), tuple(to), tuple(where)), (*values, row.pk))


@cache
def _changing(model: type[Model], to: tuple[str, ...], where: tuple[str, ...]) -> str:
    changed, asked = ([f'"{column}" = %s' for column in _columns(model, names)] for names in (to, where))
    conditions = " AND ".join([*asked, "id = %s"])
    return f'UPDATE "{model._meta.db_table}" SET {", ".join(changed)} WHERE {conditions}'  # noqa: S608


def _columns(model: type[Model], names: Iterable[str]) -> list[str]:
    fields: list[Any] = [model._meta.get_field(name) for name in names]
    return [field.column for field in fields]


@cache
def _fields(model: type[Model], named: bool) -> tuple[Any, ...]:  # noqa: FBT001 - half of a key
    """Return the columns that an insert names: all, the id only where it is known."""
    return tuple(field for field in model._meta.concrete_fields if named or not field.primary_key)


def _plain(value: Any) -> Any:
    """Return a column's value as JSON that PostgreSQL reads as that column's type. Raises `TypeError` for any other value."""
    if value is None or isinstance(value, str | int | list | dict):
        return value
    if isinstance(value, Decimal):
        known = value.is_finite()
    elif isinstance(value, datetime):
        known = value.utcoffset() is not None
    else:
        known = isinstance(value, date | time)
    if not known:
        raise TypeError(f"{value!r} is not what a column is written from")
    return str(value)


def _stored(field: Any, value: Any, database: BaseDatabaseWrapper) -> Any:
    return field.get_db_prep_save(value, connection=database)
