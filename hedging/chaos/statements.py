"""Statements: remember what the ORM writes. Only for schedules in memory, where writing SQL costs more than running it.

A query whose structure was seen before gets the same text with its own parameters. What is not plain (subqueries,
expressions, annotations) is written by the ORM as always, and a structure is remembered only if the parameters that were
gathered here are those that the ORM itself bound.
"""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.backends.sqlite3.base import FORMAT_QMARK_REGEX, SQLiteCursorWrapper
from django.db.models import Model
from django.db.models import query as query_module
from django.db.models.base import ModelState
from django.db.models.expressions import Col, Value
from django.db.models.sql.compiler import SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler
from django.db.models.sql.query import Query
from django.db.models.sql.where import AND, WhereNode

_make_from_db: Any = Model.from_db.__func__  # type: ignore[attr-defined]
_sets: Any = query_module.QuerySet
_filter_inplace = _sets._filter_or_exclude_inplace
_add_ordering: Any = Query.add_ordering
_write = SQLCompiler.as_sql
_write_insert = SQLInsertCompiler.as_sql
_write_update = SQLUpdateCompiler.as_sql
_converters = SQLCompiler.get_converters
_populators: Any = query_module.get_related_populators


class _NotPlain(Exception):
    """The ORM must write this one itself."""


class _Known:
    """What the ORM made of one structure."""

    __slots__ = ("annotations", "before", "converters", "has_extra_select", "klass_info", "select", "sql")

    def __init__(self, compiler: Any, sql: str, before: tuple[Any, ...]) -> None:
        self.sql, self.before = sql, before
        self.select, self.klass_info, self.annotations = (
            compiler.select,
            compiler.klass_info,
            compiler.annotation_col_map,
        )
        self.has_extra_select = compiler.has_extra_select
        self.converters: Any = None

    def give(self, compiler: Any) -> None:
        """Leave a compiler as writing the statement would have left it."""
        compiler.select, compiler.klass_info, compiler.annotation_col_map = (
            self.select,
            self.klass_info,
            self.annotations,
        )
        compiler.col_count = len(self.select)
        compiler.has_extra_select = self.has_extra_select
        compiler.known = self


_seen: dict[Any, _Known | None] = {}
_populators_of: dict[int, tuple[Any, Any]] = {}


def remember_statements() -> None:
    """Make this process's ORM remember what it writes and how it reads. Not to be undone."""
    compiler, insert, update, query, cursor, model = (
        _open(kind) for kind in (SQLCompiler, SQLInsertCompiler, SQLUpdateCompiler, Query, SQLiteCursorWrapper, Model)
    )
    _sets._filter_or_exclude_inplace = _filter
    query.add_ordering = _order
    model.from_db = classmethod(_from_db)
    cursor.convert_query = _convert_query
    compiler.as_sql, insert.as_sql, update.as_sql = _as_sql, _insert, _update
    compiler.has_composite_fields = _has_composite_fields
    compiler.get_converters = _get_converters
    vars(query_module)["get_related_populators"] = _get_related_populators


def _open(kind: type) -> Any:
    return kind


def _from_db(cls: Any, db: str, field_names: Any, values: Any) -> Any:
    """Make a row's object without asking for each column how it wants to be set: no model of ours has a say in that."""
    if len(values) != len(cls._meta.concrete_fields):
        return _make_from_db(cls, db, field_names, values)
    row = cls.__new__(cls)
    row.__dict__.update(zip(field_names, values, strict=True))
    row.__dict__["_state"] = state = ModelState()
    state.adding, state.db = False, db
    return row


def _convert_query(_self: Any, query: str, *, param_names: list[str] | None = None) -> str:
    if param_names is not None:
        return query % {name: f":{name}" for name in param_names}
    found = _converted.get(query)
    if found is None:
        found = _converted[query] = FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%")
    return found


_converted: dict[str, str] = {}
_PLAIN_VALUES = (int, str, Decimal, datetime, date, list, tuple, Model)
_LOOKUPS = frozenset({"exact", "in", "gt", "gte", "lt", "lte"})
_columns: dict[tuple[Any, str], tuple[Any, Any] | None] = {}


def _filter(self: Any, negate: bool, args: Any, kwargs: Any) -> None:  # noqa: FBT001
    """Add conditions on columns of the model's own table without the search for joins that they cannot need."""
    query = self._query
    if negate or args or query.annotations or len(query.alias_map) > 1:
        _filter_inplace(self, negate, args, kwargs)
        return
    found = []
    for words, value in sorted(kwargs.items()):
        key = (query.model, words)
        if key not in _columns:
            _columns[key] = _own_column(*key)
        column = _columns[key]
        if column is None or not isinstance(value, _PLAIN_VALUES):
            _filter_inplace(self, negate, args, kwargs)
            return
        found.append((*column, value))
    alias = query.get_initial_alias()
    for field, lookup, value in found:
        query.where.add(lookup(query._get_col(field, field, alias), value), AND)


def _order(self: Any, *ordering: Any) -> None:
    """Order by columns of the model's own table; anything else is looked at as always."""
    for item in ordering:
        key = (self.model, item.lstrip("-") if isinstance(item, str) else "")
        if key not in _columns:
            _columns[key] = _own_column(*key)
        if _columns[key] is None:
            _add_ordering(self, *ordering)
            return
    if ordering:
        self.order_by += ordering
    else:
        self.default_ordering = False


def _own_column(model: Any, words: str) -> tuple[Any, Any] | None:
    name, _, lookup = words.partition("__")
    try:
        field = model._meta.pk if name == "pk" else model._meta.get_field(name)
    except FieldDoesNotExist:
        return None
    lookup = lookup or "exact"
    own = field.concrete and field.model is model
    if not own or lookup not in _LOOKUPS or field.get_internal_type() == "JSONField":
        return None
    return field, field.get_lookup(lookup)


def _as_sql(self: Any, with_limits: bool = True, with_col_aliases: bool = False) -> Any:  # noqa: FBT001, FBT002
    params: list[Any] = []
    if type(self) is not SQLCompiler or with_col_aliases or not with_limits:
        return _write(self, with_limits=with_limits, with_col_aliases=with_col_aliases)
    try:
        key = _structure(self, params)
    except _NotPlain:
        return _write(self)
    known = _seen.get(key)
    if known is not None:
        known.give(self)
        return known.sql, (*known.before, *params)
    sql, bound = _write(self)
    if key not in _seen:
        before = len(bound) - len(params)
        exact = before >= 0 and list(bound[before:]) == params and not self.query.subquery
        _seen[key] = _Known(self, sql, tuple(bound[:before])) if exact else None
    return sql, bound


_inserts: dict[Any, tuple[str, Any] | None] = {}
_updates: dict[Any, str | None] = {}


def _insert(self: Any) -> Any:
    query = self.query
    if len(query.objs) != 1 or query.on_conflict is not None or not query.fields or not self.returning_fields:
        return _write_insert(self)
    params = [self.prepare_value(field, self.pre_save_val(field, query.objs[0])) for field in query.fields]
    key = (query.model, tuple(map(id, query.fields)), tuple(map(id, self.returning_fields)))
    known = _inserts.get(key)
    if known is not None and not any(hasattr(value, "as_sql") for value in params):
        sql, self.returning_params = known
        return [(sql, tuple(params))]
    written = _write_insert(self)
    if key not in _inserts:
        exact = len(written) == 1 and list(written[0][1]) == params
        _inserts[key] = (written[0][0], self.returning_params) if exact else None
    return written


def _update(self: Any) -> Any:
    query, params, shape = self.query, [], []
    for field, _, value in query.values:
        if any(hasattr(value, name) for name in ("resolve_expression", "prepare_database_save")):
            return _write_update(self)
        bound = field.get_db_prep_save(value, connection=self.connection)
        shape.append((id(field), bound is None))
        params += [] if bound is None else [bound]
    try:
        key = (query.model, tuple(shape), tuple(query.alias_map), _condition(query.where, self, params))
    except _NotPlain:
        return _write_update(self)
    sql = None if query.related_updates or query.annotations else _updates.get(key)
    if sql is not None:
        return sql, tuple(params)
    written, bound_params = _write_update(self)
    if key not in _updates:
        _updates[key] = written if list(bound_params) == params and not query.related_updates else None
    return written, bound_params


def _structure(compiler: Any, params: list[Any]) -> Any:
    """Return what decides the text of a query; its parameters are added to `params` in their order."""
    query = compiler.query
    plain = not (
        query.combinator
        or query.group_by is not None
        or query.extra
        or query.explain_info
        or query.distinct_fields
        or query.extra_order_by
        or query.subquery
    )
    if not plain or not all(isinstance(name, str) for name in query.order_by):
        raise _NotPlain
    return (
        query.model,
        _frozen(query.select_related),
        (frozenset(query.deferred_loading[0]), query.deferred_loading[1]),
        query.default_cols,
        query.default_ordering,
        query.standard_ordering,
        query.distinct,
        query.order_by,
        query.low_mark,
        query.high_mark,
        query.values_select,
        tuple(_column(column) for column in query.select),
        tuple(_annotation(name, value) for name, value in query.annotations.items()),
        None if query.annotation_select_mask is None else tuple(sorted(query.annotation_select_mask)),
        tuple(_table(alias, table, query) for alias, table in query.alias_map.items()),
        _condition(query.where, compiler, params),
    )


def _frozen(related: Any) -> Any:
    return tuple((name, _frozen(rest)) for name, rest in related.items()) if isinstance(related, dict) else related


def _column(column: Any) -> Any:
    if type(column) is not Col:
        raise _NotPlain
    return column.alias, id(column.target)


def _annotation(name: str, value: Any) -> Any:
    if type(value) is not Value or not isinstance(value.value, int):
        raise _NotPlain
    return name, value.value


def _table(alias: str, table: Any, query: Any) -> Any:
    if getattr(table, "filtered_relation", None) is not None:
        raise _NotPlain
    field = getattr(table, "join_field", None)
    return alias, table.table_name, table.join_type, table.parent_alias, id(field), query.alias_refcount[alias] > 0


def _condition(node: Any, compiler: Any, params: list[Any]) -> Any:
    parts: list[Any] = [node.connector, node.negated]
    for child in node.children:
        if type(child) is WhereNode:
            parts.append(_condition(child, compiler, params))
            continue
        rhs: Any = getattr(child, "rhs", None)
        if type(getattr(child, "lhs", None)) is not Col or hasattr(rhs, "resolve_expression") or hasattr(rhs, "as_sql"):
            raise _NotPlain
        if isinstance(rhs, bool):  # it is in the text: IS NULL, NOT
            parts.append((type(child), _column(child.lhs), rhs))
            continue
        if child.lookup_name == "in" and not rhs:
            raise _NotPlain
        _, bound = child.process_rhs(compiler, compiler.connection)
        params.extend(bound)
        parts.append((type(child), _column(child.lhs), len(bound)))
    return tuple(parts)


def _get_converters(self: Any, expressions: Any) -> Any:
    known: _Known | None = getattr(self, "known", None)
    if known is None or type(self) is not SQLCompiler:
        return _converters(self, expressions)
    if known.converters is None:
        known.converters = _converters(self, expressions)
    return known.converters


def _has_composite_fields(_self: Any, _expressions: Any) -> bool:
    return False  # no table of ours has a key of several columns; the ORM would look at each column of each result


def _get_related_populators(klass_info: Any, select: Any, db: str) -> Any:
    held = _populators_of.get(id(klass_info))
    if held is None or held[0] is not klass_info:
        if len(_populators_of) > 500:
            _populators_of.clear()
        held = _populators_of[id(klass_info)] = (klass_info, _populators(klass_info, select, db))
    return held[1]
