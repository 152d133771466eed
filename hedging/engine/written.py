"""Written: insert rows and change one by statements that are composed once, as `one_row.py` reads them.

PostgreSQL takes all rows of an insert in one statement. Values are bound as the ORM would bind them; signals are not sent,
and nobody listens for those of the rows that are written here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model


def draw_ids(wanted: Mapping[type[Model], int]) -> list[list[int]]:
    """Return so many new ids for each table, ascending. One statement; where several write at once, a sequence's own."""
    with connection.cursor() as cursor:
        cursor.execute(_drawing(connection.vendor, tuple(wanted.items())))
        drawn = iter(cursor.fetchone())
    return [[next(drawn) for _ in range(count)] for count in wanted.values()]


@cache
def _drawing(vendor: str, wanted: tuple[tuple[type[Model], int], ...]) -> str:
    each: list[str] = []
    for model, count in wanted:
        table = model._meta.db_table
        for place in range(1, count + 1):
            drawn = f"nextval(pg_get_serial_sequence('\"{table}\"', 'id'))"
            after = f'(SELECT coalesce(max(id), 0) + {place} FROM "{table}")'  # noqa: S608 - a table of ours
            each.append(drawn if vendor == "postgresql" else after)  # in memory nobody else writes
    return f"SELECT {', '.join(each)}"


def insert(rows: Sequence[Model]) -> None:
    """Insert new rows; those that have no id yet get theirs. One statement on PostgreSQL, each after the other elsewhere."""
    if connection.vendor == "postgresql":
        _insert(rows)
    else:
        for row in rows:
            _insert([row])


def _insert(rows: Sequence[Model]) -> None:
    kinds = tuple((type(row), row.pk is not None) for row in rows)
    database = connections[DEFAULT_DB_ALIAS]  # looked up once: `connection` does it anew for each value
    values: list[Any] = []
    for row, (model, named) in zip(rows, kinds, strict=True):
        values += [_stored(field, getattr(row, field.attname), database) for field in _fields(model, named)]
    with database.cursor() as cursor:
        cursor.execute(_inserting(kinds), values)
        made = cursor.fetchone()
    for row, pk in zip(rows, made, strict=True):
        row.pk = pk
        row._state.adding, row._state.db = False, DEFAULT_DB_ALIAS


@cache
def _inserting(kinds: tuple[tuple[type[Model], bool], ...]) -> str:
    parts = []
    for model, named in kinds:
        columns = [field.column for field in _fields(model, named)]
        names, places = ", ".join(f'"{column}"' for column in columns), ", ".join(["%s"] * len(columns))
        parts.append(f'INSERT INTO "{model._meta.db_table}" ({names}) VALUES ({places}) RETURNING id')  # noqa: S608
    if len(parts) == 1:
        return parts[0]
    written = ", ".join(f"r{number} AS ({part})" for number, part in enumerate(parts))
    made = ", ".join(f"(SELECT id FROM r{number})" for number in range(len(parts)))  # noqa: S608
    return f"WITH {written} SELECT {made}"


def change(row: Model, *, to: Mapping[str, Any], where: Mapping[str, Any]) -> bool:
    """Change the columns `to` of a row if its columns are still as `where` says; return whether they were. One statement."""
    meta = row._meta
    names = tuple(to), tuple(where)
    database = connections[DEFAULT_DB_ALIAS]
    values = [_stored(meta.get_field(name), value, database) for name, value in (*to.items(), *where.items())]
    with database.cursor() as cursor:
        cursor.execute(_changing(type(row), *names), [*values, row.pk])
        return bool(cursor.rowcount == 1)


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


def _stored(field: Any, value: Any, database: BaseDatabaseWrapper) -> Any:
    return field.get_db_prep_save(value, connection=database)
