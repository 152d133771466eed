"""Admin lists of tables that grow by thousands of rows a day: newest first, never counted in full, never sorted or grouped whole."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.core.paginator import Paginator
from django.db.models import ForeignKey, Lookup, Model, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    _Mixin = admin.ModelAdmin[Any]
    _Paginator = Paginator[Model]
    _Lookup = Lookup[Any]
else:  # at run time a mixin beside a ModelAdmin; Django's own class takes no type parameter
    _Mixin, _Paginator, _Lookup = object, Paginator, Lookup

COUNTED = 5_000
"""Rows that a list counts and pages through; the rest is reached by a filter."""
LOOKED_AT = 25_000
"""The newest rows that a filter or a search looks at, where no day or parent row narrows the list."""


@ForeignKey.register_lookup
class OneOf(_Lookup):
    """`relation__one_of=[ids]`: a list is one value of the statement. `in` writes out each, and thousands take longer than their rows."""

    lookup_name = "one_of"
    prepare_rhs = False

    def get_prep_lookup(self) -> list[int]:
        """Return the ids. Raises `ValueError` for text, as an address of the admin could bring it."""
        if isinstance(self.rhs, str):
            raise ValueError("one_of takes a list of ids")  # noqa: TRY004 - what the admin answers with its own page
        return [int(each) for each in self.rhs]

    def get_db_prep_lookup(self, value: Any, connection: Any) -> Any:
        """Bind the list as an array."""
        return "%s", [value]

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, tuple[Any, ...]]:
        """Return the comparison."""
        field, of_field = self.process_lhs(compiler, connection)
        values, of_values = self.process_rhs(compiler, connection)
        return f"{field} IN (SELECT unnest({values}::bigint[]))", (*of_field, *of_values)


class BoundedPaginator(_Paginator):
    """Pages that count no further than `COUNTED` rows."""

    @cached_property
    def count(self) -> int:
        """Return the number of rows, at most `COUNTED`. One query with a limit."""
        rows: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return rows.values("pk")[:COUNTED].count()


def newest(rows: QuerySet[Any]) -> QuerySet[Any]:
    """Return those of `rows` that are among the newest `LOOKED_AT` of their table. One query."""
    last = rows.model._default_manager.order_by("-pk").values_list("pk", flat=True).first()
    return rows if last is None else rows.filter(pk__gt=last - LOOKED_AT)


class LongList(ChangeList):
    """A list that looks at the newest rows only, unless something with an index narrows it."""

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Any]:
        """Return the rows; their newest `LOOKED_AT` unless a day, a session or a parent row is named."""
        rows = super().get_queryset(request, exclude_parameters)
        if any(name == "day" or name.endswith("__id__exact") for name in request.GET):
            return rows
        return newest(rows)

    def get_ordering(self, _request: HttpRequest, _queryset: QuerySet[Any]) -> list[Any]:
        """Return the list's own order, whatever an address asks for: another would sort every row."""
        return [str(name) for name in self.model_admin.ordering or ("-pk",)]


class LongLists(_Mixin):
    """Mixin of a ModelAdmin whose table is long and keyed by a number that grows."""

    ordering = ("-id",)
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    list_max_show_all = 0

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that looks at the newest rows."""
        return LongList


def choice_filter(name: str, of: Iterable[str], *, title: str = "") -> type[admin.SimpleListFilter]:
    """Return a filter of a column by values that are known beforehand: Django's own would ask the table for them."""
    values = [(value, value.replace("_", " ")) for value in of]

    class Choice(admin.SimpleListFilter):
        parameter_name = name

        def lookups(self, _request: HttpRequest, _model_admin: Any) -> list[tuple[str, str]]:
            """Name the values."""
            return values

        def queryset(self, _request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
            """Return the rows with the chosen value."""
            return queryset if self.value() is None else queryset.filter(**{name: self.value()})

    Choice.title = title or name.replace("_", " ")
    return Choice
