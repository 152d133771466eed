"""Statements: ask again what was asked before. Only for schedules in memory, where composing SQL costs more than running it.

Production's chains of queryset calls are noted down instead of composed. A chain of a shape that was seen before is asked
by its plan, with its own values; one that is new, or not plain (subqueries, unions, aggregates), goes through the
ORM as always, and is learnt from it where it can be.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from types import FunctionType, MappingProxyType, MethodType
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import DEFAULT_DB_ALIAS
from django.db.models import F, Model, Q, Value
from django.db.models.base import ModelState
from django.db.models.expressions import CombinedExpression
from django.db.models.manager import BaseManager

from hedging.chaos.plans import Bind, NotPlain, Plan, bind_of, learnt, listening, maker_of, store_of

_PLAIN = (int, str, Decimal, datetime, date, Model)
_LOOKUPS = frozenset({"exact", "in", "gt", "gte", "lt", "lte", "isnull"})
_CONDITIONS = frozenset({"filter", "exclude"})
_SEVERAL = frozenset({list, tuple, set, frozenset})
_plans: dict[Any, Plan | None] = {None: None}  # the key of what is not plain
_connection: Any = None


def remember_statements(connection: Any) -> None:
    """Make this process's ORM remember what it asks over `connection`. Not to be undone."""
    global _connection  # noqa: PLW0603 - a process that runs schedules in memory has one connection, and only one
    _connection = connection
    manager, model = _open(BaseManager), _open(Model)
    manager.get_queryset = lambda self: Chain(self.model, self._queryset_class)
    model.from_db = classmethod(_from_db)


def _open(kind: type) -> Any:
    return kind


def _from_db(cls: Any, db: str, field_names: Any, values: Any) -> Any:
    """Make a row's object without asking for each column how it wants to be set: no model of ours has a say in that."""
    row = cls.__new__(cls)
    row.__dict__.update(zip(field_names, values, strict=True))
    row.__dict__["_state"] = state = ModelState()
    state.adding, state.db = False, db
    return row


class Chain:
    """Calls on a queryset that were not made yet."""

    def __init__(self, model: Any, queryset_class: Any, calls: tuple[Any, ...] = ()) -> None:
        self.model, self._queryset_class, self._calls = model, queryset_class, calls
        self._known_related_objects: dict[Any, Any] = {}
        self._found: list[Any] | None = None

    # --- calls that are noted down -----------------------------------------------------------------------------------

    def _then(self, name: str, args: Any, kwargs: Any) -> Chain:
        longer = Chain(self.model, self._queryset_class, (*self._calls, (name, args, kwargs)))
        longer._known_related_objects = self._known_related_objects
        return longer

    def all(self) -> Chain:
        """Note nothing."""
        longer = Chain(self.model, self._queryset_class, self._calls)
        longer._known_related_objects = self._known_related_objects
        return longer

    def using(self, _: str | None) -> Chain:
        """Note nothing: there is one database."""
        return self

    def _add_hints(self, **_: Any) -> None:
        """Note nothing: hints are about which database."""

    def filter(self, *args: Any, **kwargs: Any) -> Chain:
        """Note conditions."""
        return self._then("filter", args, kwargs)

    def exclude(self, *args: Any, **kwargs: Any) -> Chain:
        """Note conditions that must not hold."""
        return self._then("exclude", args, kwargs)

    def order_by(self, *names: Any) -> Chain:
        """Note an order."""
        return self._then("order_by", names, {})

    def select_related(self, *names: Any) -> Chain:
        """Note rows to be read with each."""
        return self._then("select_related", names, {})

    def select_for_update(self, **how: Any) -> Chain:
        """Note a lock, which SQLite has not."""
        return self._then("select_for_update", (), how)

    def only(self, *names: Any) -> Chain:
        """Note the columns to be read."""
        return self._then("only", names, {})

    def values(self, *names: Any) -> Chain:
        """Note that dictionaries are wanted."""
        return self._then("values", names, {})

    def values_list(self, *names: Any, **how: Any) -> Chain:
        """Note that tuples are wanted."""
        return self._then("values_list", names, how)

    # --- questions ---------------------------------------------------------------------------------------------------

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows())

    def __len__(self) -> int:
        return len(self._rows())

    def __bool__(self) -> bool:
        return bool(self._rows())

    def __getitem__(self, place: Any) -> Any:
        return self._real()[place]

    def _rows(self) -> list[Any]:
        if self._found is None:
            self._found = self._read("rows", lambda real: real)
        return self._found

    def get(self, *args: Any, **kwargs: Any) -> Any:
        """Return the one row."""
        chain = self.filter(*args, **kwargs) if args or kwargs else self
        found = chain._read("get", lambda real: real.order_by()[:21])
        return found[0] if len(found) == 1 else chain._real().get()

    def first(self) -> Any:
        """Return the first row, or `None`."""
        found = self._read("first", lambda real: (real if real.ordered else real.order_by("pk"))[:1])
        return found[0] if found else None

    def exists(self) -> bool:
        """Return whether there is a row."""
        shape = self._shape("exists")
        plan = _plans.get(shape.key)
        return bool(plan.rows(shape.values) if plan else self._heard(shape, lambda real: real.exists()))

    def count(self) -> int:
        """Return how many rows there are."""
        shape = self._shape("count")
        plan = _plans.get(shape.key)
        return int(plan.rows(shape.values)[0][0] if plan else self._heard(shape, lambda real: real.count()))

    def update(self, **changes: Any) -> int:
        """Change the rows; return how many."""
        shape = self._shape("update", changes)
        plan = _plans.get(shape.key)
        return int(plan.changed(shape.values) if plan else self._heard(shape, lambda real: real.update(**changes)))

    def _update(self, values: Any) -> int:
        return self.update(**{field.attname: value for field, _, value in values})

    def create(self, **kwargs: Any) -> Any:
        """Write a row."""
        row = self.model(**kwargs)
        row.save(force_insert=True, using=DEFAULT_DB_ALIAS)
        return row

    def _insert(self, objs: Any, fields: Any, **how: Any) -> Any:
        returning = how.get("returning_fields")
        if len(objs) != 1 or how.get("raw") or not returning:
            return self._real()._insert(objs, fields, **how)
        values = [field.pre_save(objs[0], add=True) for field in fields]
        key = ("insert", self.model, tuple(map(id, fields)), tuple(map(id, returning)))
        plan = _plans.get(key)
        if plan is not None and not any(hasattr(value, "resolve_expression") for value in values):
            return plan.rows(values)
        with listening(_connection) as heard:
            made = self._real()._insert(objs, fields, **how)
        if key not in _plans:
            _plans[key] = learnt(_connection, heard[0], values, [store_of(field, _connection) for field in fields])
        return made

    def __getattr__(self, name: str) -> Any:
        """Return what this class does not know: a question of our own over these calls, or the real queryset's."""
        if name.startswith("__"):
            raise AttributeError(name)
        ours = getattr(self._queryset_class, name, None)
        if isinstance(ours, FunctionType) and not ours.__module__.startswith("django."):
            return MethodType(ours, self)
        found = getattr(self._real(), name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: found(*map(_real, args), **{key: _real(value) for key, value in kwargs.items()})

    # --- how they are answered ---------------------------------------------------------------------------------------

    def _real(self) -> Any:
        """Make the calls."""
        queryset = self._queryset_class(model=self.model)
        for name, args, kwargs in self._calls:
            call = getattr(queryset, name)
            queryset = call(*map(_real, args), **{key: _real(value) for key, value in kwargs.items()})
        queryset._known_related_objects = self._known_related_objects
        return queryset

    def _read(self, question: str, narrowed: Callable[[Any], Any]) -> list[Any]:
        shape = self._shape(question)
        plan = _plans.get(shape.key)
        if plan is not None:
            found = plan.make(plan.rows(shape.values))
            for field, rows in self._known_related_objects.items():
                for row in found if found and isinstance(found[0], Model) else ():  # values have no relations
                    if not field.is_cached(row):
                        setattr(row, field.name, rows[getattr(row, field.attname)])
            return found
        real = narrowed(self._real())
        if shape.key not in _plans:
            _plans[shape.key] = None
            with suppress(NotPlain):
                heard, make = maker_of(real, _connection)
                plan = _plans[shape.key] = learnt(_connection, heard, shape.values, shape.binds(self.model))
                if plan is not None:
                    plan.make = make
        return list(real)

    def _heard(self, shape: Shape, ask: Callable[[Any], Any]) -> Any:
        if shape.key in _plans:
            return ask(self._real())
        with listening(_connection) as heard:
            answer = ask(self._real())
        _plans[shape.key] = None
        if len(heard) == 1:
            with suppress(NotPlain):
                _plans[shape.key] = learnt(_connection, heard[0], shape.values, shape.binds(self.model))
        return answer

    def _shape(self, question: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Shape:
        shape = Shape()
        try:
            changed = tuple([shape.change(name, value) for name, value in changes.items()])
            called = tuple([shape.call(*call) for call in self._calls])
        except NotPlain:
            return Shape()
        shape.key = (question, self.model, changed, called)
        return shape


class _Source(Enum):
    """Where in a question a value stands."""

    STORED = "in a column that changes"
    ASKED = "in a condition"
    ADDED = "in a sum of columns"


class Shape:
    """What decides the text of a question, as `key`, and the values that do not. A question that is not plain has none."""

    __slots__ = ("_sources", "key", "values")

    def __init__(self) -> None:
        self.key: Any = None
        self.values: list[Any] = []
        self._sources: list[tuple[_Source, str]] = []

    def change(self, name: str, value: Any) -> Any:
        """Take in a value to be stored; return its part of the key."""
        if value is None:
            return name, None
        if isinstance(value, Model):
            raise NotPlain
        if hasattr(value, "resolve_expression"):
            return name, self._sum(value)
        self._sources.append((_Source.STORED, name))
        self.values.append(value)
        return name

    def call(self, name: str, args: Any, kwargs: Any) -> Any:
        """Take in one call; return its part of the key."""
        if name in _CONDITIONS:
            parts = [self._either(condition) for condition in args]
            parts += [self._condition(words, kwargs[words]) for words in sorted(kwargs)]
            return name, tuple(parts)
        for word in args:
            if type(word) is not str:
                raise NotPlain
        return name, args, tuple(kwargs.items())

    def _either(self, condition: Any) -> Any:
        if type(condition) is not Q:
            raise NotPlain
        parts = [
            self._condition(*child) if type(child) is tuple else self._either(child) for child in condition.children
        ]
        return condition.connector, condition.negated, tuple(parts)

    def _condition(self, words: str, value: Any) -> Any:
        kind = type(value)
        if value is None or kind is bool:  # it is in the text: IS NULL, NOT
            return words, value
        if kind in _SEVERAL:
            items = list(dict.fromkeys(value))
            kinds = set(map(type, items))
            if len(kinds) != 1 or not issubclass(min(kinds, key=str), _PLAIN):
                raise NotPlain
            self.values += items
            self._sources += [(_Source.ASKED, words)] * len(items)
            return words, len(items), *kinds
        if kind is CombinedExpression:
            return words, self._sum(value)
        if not isinstance(value, _PLAIN):
            raise NotPlain
        self.values.append(value)
        self._sources.append((_Source.ASKED, words))
        return words, kind

    def _sum(self, term: Any) -> Any:
        kind = type(term)
        if kind is F:
            return term.name
        if kind is CombinedExpression:
            return self._sum(term.lhs), term.connector, self._sum(term.rhs)
        if kind is not Value or type(term.value) is not Decimal:
            raise NotPlain
        self.values.append(term.value)
        self._sources.append((_Source.ADDED, ""))
        return kind

    def binds(self, model: Any) -> list[Bind]:
        """Return how each value is bound. Raises `NotPlain` where only the ORM knows."""
        return [
            _bind(source, model, words, value)
            for (source, words), value in zip(self._sources, self.values, strict=True)
        ]


def _bind(source: _Source, model: Any, words: str, value: Any) -> Bind:
    if source is _Source.ADDED:
        return lambda number: number
    field = _field(model, words)
    stored = source is _Source.STORED
    return store_of(field, _connection) if stored else bind_of(field, type(value), _connection)


def _real(value: Any) -> Any:
    return value._real() if isinstance(value, Chain) else value


def _field(model: Any, words: str) -> Any:
    """Return the column that the words of a condition mean."""
    field = None
    for name in words.split("__"):
        if name in _LOOKUPS and field is not None:
            continue
        try:
            within = model if field is None else field.related_model
            field = within._meta.pk if name == "pk" else within._meta.get_field(name)
        except (AttributeError, FieldDoesNotExist):
            raise NotPlain from None
    if not getattr(field, "concrete", False):
        raise NotPlain
    return field
