"""Plans: what the ORM made of one shape of a question, to be asked again with other values. For schedules in memory only.

A plan is kept only if the parameters that are bound here are those that the ORM itself bound for the same question.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Field, ForeignKey, JSONField, Model
from django.db.models import query as orm
from django.db.models.expressions import Col

Bind = Callable[[Any], Any]
_NUMBERS_KEPT = 50_000


class NotPlain(Exception):
    """The ORM must answer this one itself."""


class Plan:
    """A statement, what is bound before the values, how each value is bound, and what becomes of a row that is read."""

    __slots__ = ("_before", "_binds", "_connection", "_question", "_statement", "make")

    def __init__(self, connection: Any, sql: str, before: Sequence[Any], binds: Sequence[Bind]) -> None:
        self._connection, self._statement, self._before, self._binds = connection, sql, tuple(before), tuple(binds)
        self._question = sql.replace("%s", "?")
        self.make: Callable[[Sequence[Any]], list[Any]] = list

    def rows(self, values: Sequence[Any]) -> list[Any]:
        """Ask with `values`; return the rows as they are stored."""
        return self._run(values)[0]

    def changed(self, values: Sequence[Any]) -> int:
        """Change with `values`; return how many rows it met."""
        return self._run(values)[1]

    def _run(self, values: Sequence[Any]) -> tuple[list[Any], int]:
        params = (*self._before, *[bind(value) for bind, value in zip(self._binds, values, strict=True)])
        connection = self._connection
        if connection.needs_rollback or len(connection.execute_wrappers) > 1:  # a disaster has a word in it
            with connection.cursor() as cursor:
                cursor.execute(self._statement, params)
                return (cursor.fetchall() if cursor.description else []), cursor.rowcount
        with connection.wrap_database_errors:
            cursor = connection.connection.execute(self._question, params)
            return cursor.fetchall(), cursor.rowcount


def learnt(connection: Any, heard: tuple[str, Any], values: Sequence[Any], binds: Sequence[Bind]) -> Plan | None:
    """Return the plan of a statement with its parameters, `None` where `binds` do not account for them."""
    sql, params = heard
    bound = [bind(value) for bind, value in zip(binds, values, strict=True)]
    at = len(params) - len(bound)
    if at < 0 or list(params[at:]) != bound or "%%" in sql:
        return None
    return Plan(connection, sql, params[:at], binds)


@contextmanager
def listening(connection: Any) -> Iterator[list[tuple[str, Any]]]:
    """Give the statements that the block executes."""
    heard: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:  # noqa: FBT001
        heard.append((sql, params))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield heard


# --- values on their way in ------------------------------------------------------------------------------------------


def bind_of(field: Any, kind: type, connection: Any) -> Bind:
    """Return how a value of type `kind` is bound to a column. Raises `NotPlain` where only the ORM knows."""
    if isinstance(field, JSONField):
        raise NotPlain
    if issubclass(kind, Model):
        return lambda row: row.pk
    if issubclass(kind, Enum):
        return lambda word: word.value
    if kind in {int, str}:
        return lambda value: value
    if kind is datetime:
        return stored_moment
    if kind is date:
        return str
    return lambda value: field.get_db_prep_value(value, connection=connection)


def store_of(field: Field[Any, Any], connection: Any) -> Bind:
    """Return how any value is bound where it is stored in `field`."""
    general: Bind = lambda value: field.get_db_prep_save(value, connection=connection)  # noqa: E731
    if isinstance(field, JSONField):
        return general
    known: dict[Decimal, Any] = {}

    def store(value: Any) -> Any:
        kind = type(value)
        if value is None or kind is int or kind is str:
            return value
        if kind is datetime:
            return stored_moment(value)
        if kind is not Decimal:
            return general(value)
        if value not in known:
            if len(known) > _NUMBERS_KEPT:
                known.clear()
            known[value] = general(value)
        return known[value]

    return store


# --- rows on their way out -------------------------------------------------------------------------------------------


def maker_of(queryset: Any, connection: Any) -> tuple[tuple[str, Any], Callable[[Sequence[Any]], list[Any]]]:
    """Return the statement of a real queryset with its parameters, and what makes its results of stored rows."""
    query = queryset.query
    compiler = query.get_compiler(using=DEFAULT_DB_ALIAS)
    heard = compiler.as_sql()
    reads = _reads([column for column, _, _ in compiler.select], connection)
    kind = queryset._iterable_class
    if kind is orm.ModelIterable:
        return heard, _objects(compiler, reads)
    if kind is orm.FlatValuesListIterable:
        return heard, lambda rows: [row[0] for row in map(reads, rows)]
    if kind is orm.ValuesListIterable:
        return heard, lambda rows: [tuple(reads(row)) for row in rows]
    if kind is orm.ValuesIterable:
        names = query.values_select
        return heard, lambda rows: [dict(zip(names, reads(row), strict=True)) for row in rows]
    raise NotPlain


def _objects(compiler: Any, reads: Callable[[Sequence[Any]], Any]) -> Callable[[Sequence[Any]], list[Any]]:
    info, select = compiler.klass_info, compiler.select
    model, fields = info["model"], info["select_fields"]
    first, last = fields[0], fields[-1] + 1
    names = [column.target.attname for column, _, _ in select[first:last]]
    populators = orm.get_related_populators(info, select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]

    def make(rows: Sequence[Any]) -> list[Any]:
        found = []
        for stored in rows:
            row = reads(stored)
            made = model.from_db(DEFAULT_DB_ALIAS, names, row[first:last])
            for populator in populators:
                populator.populate(row, made)
            found.append(made)
        return found

    return make


def _reads(columns: Sequence[Any], connection: Any) -> Callable[[Sequence[Any]], Any]:
    ways = [(at, way) for at, way in enumerate(_read_of(column, connection) for column in columns) if way]

    def read(row: Sequence[Any]) -> Any:
        values = list(row)
        for at, way in ways:
            value = values[at]
            if value is not None:
                values[at] = way(value)
        return values

    return read


def _read_of(column: Any, connection: Any) -> Bind | None:
    """Return how a stored value that is not null is read, `None` where it is what it is stored as."""
    if type(column) is not Col:
        raise NotPlain
    field = column.target
    while isinstance(field, ForeignKey):
        field = field.target_field
    kind = field.get_internal_type()
    if kind in _READ:
        return _READ[kind]
    converters = [*connection.ops.get_db_converters(column), *column.get_db_converters(connection)]
    if not converters:
        return None
    if kind != "DecimalField" or len(converters) > 1:
        raise NotPlain
    return lambda value: converters[0](value, column, connection)


def stored_moment(moment: datetime) -> str:
    """Return a time as SQLite's tables hold it."""
    return moment.astimezone(UTC).isoformat(" ")[: -len("+00:00")]


def moment(text: str) -> datetime:
    """Return a stored time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


_READ: Mapping[str, Bind] = {
    "DateTimeField": moment,
    "DateField": date.fromisoformat,
    "TimeField": time.fromisoformat,
    "BooleanField": bool,
    "JSONField": json.loads,
}


def remember_numbers(connection: Any) -> None:
    """Let a connection convert a stored number to a decimal once, and not each time that it is read."""
    plain = connection.ops.get_decimalfield_converter

    def converter_of(expression: Any) -> Any:
        known: dict[float, Any] = {}
        convert = plain(expression)

        def remembered(value: Any, expression: Any, connection: Any) -> Any:
            if value not in known:
                if len(known) > _NUMBERS_KEPT:
                    known.clear()
                known[value] = convert(value, expression, connection)
            return known[value]

        return remembered

    connection.ops.get_decimalfield_converter = converter_of
