"""One row: read a row by its id, with its relations, by a statement that is composed once and not on every call.

On the way to the bytes of an order composing the ORM's wide statements took longer than the database took to answer them.
What comes out is the model's own object, as the ORM would have made it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from django.core.exceptions import ObjectDoesNotExist
from django.db import connection
from django.db.models import Model

M = TypeVar("M", bound=Model)
_Convert = Callable[[Any, Any, Any], Any]


@dataclass(frozen=True, slots=True)
class _Part:
    """One table of the statement: what its columns become, and whose relation it is."""

    model: type[Model]
    names: tuple[str, ...]
    columns: tuple[str, ...]
    converters: tuple[tuple[int, _Convert, Any], ...]
    parent: int
    relation: str


class OneRow(Generic[M]):
    """A row by its id, together with rows that it needs: `joined` names them as `a` and `a.b`, and their columns or all.

    `locked` names the tables whose rows are locked until the transaction ends, "" is the row's own.
    """

    def __init__(
        self,
        model: type[M],
        *,
        joined: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
        locked: tuple[str, ...] = (),
    ) -> None:
        self._model, self._joined, self._locked = model, dict(joined), locked
        self._composed: dict[str, tuple[str, list[_Part]]] = {}

    def get(self, pk: int) -> M:
        """Return the row. Raises its model's `DoesNotExist`. One statement."""
        vendor = connection.vendor
        if vendor not in self._composed:
            self._composed[vendor] = self._compose()
        sql, parts = self._composed[vendor]
        with connection.cursor() as cursor:
            cursor.execute(sql, [pk])
            found = cursor.fetchone()
        if found is None:
            gone: type[ObjectDoesNotExist] = vars(self._model)["DoesNotExist"]
            raise gone(f"{self._model._meta.model_name} {pk}")
        rows: list[Any] = []
        at = 0
        for part in parts:
            values = list(found[at : at + len(part.names)])
            at += len(part.names)
            for place, convert, column in part.converters:
                values[place] = convert(values[place], column, connection)
            rows.append(part.model.from_db(connection.alias, part.names, values))
            if part.relation:
                setattr(rows[part.parent], part.relation, rows[-1])
        whole: M = rows[0]
        return whole

    def _compose(self) -> tuple[str, list[_Part]]:
        quote: Callable[[Any], str] = connection.ops.quote_name
        places, columns, parts = {"": 0}, [], [_part(self._model, (), alias="t0", parent=0, relation="")]
        source = f"FROM {quote(self._model._meta.db_table)} t0"
        for path, wanted in self._joined.items():
            before, _, name = path.rpartition(".")
            parent = places[before]
            relation: Any = parts[parent].model._meta.get_field(name)
            other, alias = relation.related_model, f"t{len(parts)}"
            source += (
                f" JOIN {quote(other._meta.db_table)} {alias}"
                f" ON {alias}.{quote(other._meta.pk.column)} = t{parent}.{quote(relation.column)}"
            )
            places[path] = len(parts)
            parts.append(_part(other, wanted, alias=alias, parent=parent, relation=name))
        for number, part in enumerate(parts):
            columns += [f"t{number}.{quote(column)}" for column in part.columns]
        sql = f"SELECT {', '.join(columns)} {source} WHERE t0.{quote(self._model._meta.pk.column)} = %s"
        if self._locked and connection.features.has_select_for_update:
            sql += " FOR UPDATE OF " + ", ".join(f"t{places[path]}" for path in self._locked)
        return sql, parts


def _part(model: type[Model], wanted: tuple[str, ...], *, alias: str, parent: int, relation: str) -> _Part:
    fields: list[Any] = [field for field in model._meta.concrete_fields if not wanted or field.attname in wanted]
    converters: list[tuple[int, _Convert, Any]] = []
    for place, field in enumerate(fields):
        column = field.get_col(alias)
        found = (*connection.ops.get_db_converters(column), *field.get_db_converters(connection))
        converters += [(place, convert, column) for convert in found]
    names, columns = (tuple(getattr(field, what) for field in fields) for what in ("attname", "column"))
    return _Part(model, names, columns, tuple(converters), parent, relation)
