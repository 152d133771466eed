"""One row: read a row, by its id or as the first of some, by a statement that is composed once and not on every call.

On the way to the bytes of an order, and in what every page asks, composing the ORM's wide statements took longer than the
database took to answer them. What comes out is the model's own object, as the ORM would have made it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)
_Convert = Callable[[Any, Any, Any], Any]
Conversions = tuple[tuple[int, _Convert, Any], ...]
"""Of a row: the place of a value, what makes it the model's own, and the column that this needs to know."""


@dataclass(frozen=True, slots=True)
class _Part:
    """One table of the statement: what its columns become, and whose relation it is."""

    model: type[Model]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    conversions: Conversions
    parent: int
    relation: str
    key: int


class OneRow(Generic[M]):
    """A row together with rows that it needs: `joined` names them as `a` and `a.b`, and their columns or all.

    `locked` names the tables whose rows are locked until the transaction ends, "" is the row's own. `where` is SQL with a
    `%s` for each value that is asked with, `first_by` the SQL of an order; in both `t0` is the row, `t1` what `joined` names
    first. Without them the one value is the row's id. What may be missing is joined last of its branch, and never locked:
    the first statement raises `ValueError` otherwise.
    """

    def __init__(
        self,
        model: type[M],
        *,
        joined: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        locked: tuple[str, ...] = (),
        where: str = "",
        first_by: str = "",
    ) -> None:
        self._model, self._joined, self._locked = model, dict(joined), locked
        self._where, self._first_by = where, first_by
        self._composed: dict[str, tuple[str, list[_Part]]] = {}

    def get(self, pk: int) -> M:
        """Return the row. Raises its model's `DoesNotExist`. One statement."""
        row = self.find(pk)
        if row is None:
            gone: type[ObjectDoesNotExist] = vars(self._model)["DoesNotExist"]
            raise gone(f"{self._model._meta.model_name} {pk}")
        return row

    def find(self, *values: Any) -> M | None:
        """Return the row, or the first one; `None` where there is none. One statement."""
        vendor = connection.vendor
        if vendor not in self._composed:
            self._composed[vendor] = self._compose()
        sql, parts = self._composed[vendor]
        with connection.cursor() as cursor:
            cursor.execute(sql, values)
            found = cursor.fetchone()
        if found is None:
            return None
        rows: list[Any] = []
        at = 0
        for part in parts:
            read = converted(found[at : at + len(part.names)], part.conversions)
            at += len(part.names)
            absent = part.relation and read[part.key] is None
            rows.append(None if absent else part.model.from_db(connection.alias, part.names, read))
            if part.relation:
                setattr(rows[part.parent], part.relation, rows[-1])
        whole: M = rows[0]
        return whole

    def _compose(self) -> tuple[str, list[_Part]]:
        quote: Callable[[Any], str] = connection.ops.quote_name
        places, columns, parts = {"": 0}, [], [_part(self._model, (), alias="t0", parent=0, relation="")]
        source = f"FROM {quote(self._model._meta.db_table)} t0"
        may_be_missing = set()
        for path, wanted in self._joined.items():
            before, _, name = path.rpartition(".")
            parent = places[before]
            relation: Any = parts[parent].model._meta.get_field(name)
            if before in may_be_missing or (relation.null and path in self._locked):
                raise ValueError(f"{path} may be missing: nothing is joined to it, and it is not locked")
            if relation.null:
                may_be_missing.add(path)
            other, alias = relation.related_model, f"t{len(parts)}"
            source += (
                f" {'LEFT ' if relation.null else ''}JOIN {quote(other._meta.db_table)} {alias}"
                f" ON {alias}.{quote(other._meta.pk.column)} = t{parent}.{quote(relation.column)}"
            )
            places[path] = len(parts)
            parts.append(_part(other, wanted, alias=alias, parent=parent, relation=name))
        for number, part in enumerate(parts):
            columns += [f"t{number}.{quote(column)}" for column in part.columns]
        sql = f"SELECT {', '.join(columns)} {source} WHERE {self._where or f't0.{quote(self._model._meta.pk.column)} = %s'}"
        if self._first_by:
            sql += f" ORDER BY {self._first_by} LIMIT 1"
        if self._locked and connection.features.has_select_for_update:
            sql += " FOR UPDATE OF " + ", ".join(f"t{places[path]}" for path in self._locked)
        return sql, parts


def _part(model: type[Model], wanted: tuple[str, ...], *, alias: str, parent: int, relation: str) -> _Part:
    fields: list[Any] = [field for field in model._meta.concrete_fields if not wanted or field.attname in wanted]
    names, columns = (tuple(getattr(field, what) for field in fields) for what in ("attname", "column"))
    key = names.index(model._meta.pk.attname)
    return _Part(model, names, columns, conversions_of(fields, alias=alias), parent, relation, key)


def conversions_of(fields: Iterable[Any], *, alias: str) -> Conversions:
    """Return what makes a row of these fields' columns, as this database gives it, a row of the models' values."""
    found: list[tuple[int, _Convert, Any]] = []
    for place, field in enumerate(fields):
        column = field.get_col(alias)
        both = (*connection.ops.get_db_converters(column), *field.get_db_converters(connection))
        found += [(place, way, column) for way in both]
    return tuple(found)


def converted(row: Sequence[Any], conversions: Conversions) -> tuple[Any, ...]:
    """Return a row with the models' own values."""
    if not conversions:
        return tuple(row)
    values = list(row)
    for place, way, column in conversions:
        values[place] = way(values[place], column, connection)
    return tuple(values)
