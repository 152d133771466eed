"""Overlay: the frozen values of the domain with those fields replaced that a book file names."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from decimal import Decimal
from enum import StrEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_origin, get_type_hints

from hedging.management.books.cells import Cells, Text, shown

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_Value = TypeVar("_Value", bound="DataclassInstance")
MOST_PERCENT = 1000
"""Margin parameters are percentages, points and days: more than that is no parameter of any market."""

# What a formula divides by, or what nothing could be traded without.
_ABOVE_ZERO = frozenset(
    {
        "base_volatility_pct",
        "freeze_quantity",
        "lot",
        "price_scan_minimum_pct",
        "scale",
        "strike_step",
        "tick",
        "trading_days_a_year",
    }
)


def overlay(
    cells: Cells,
    *,
    name: str,
    given: Mapping[str, object],
    kind: type[_Value],
    base: _Value | None,
    fixed: Mapping[str, Any],
) -> _Value | None:
    """Return `base` with the fields that `given` names; `fixed` fields are not the file's to choose.

    Without a base every field must be given. Returns `None` after a problem.
    """
    readers = {field: reader for field, reader in _readers(kind).items() if field not in fixed}
    before = len(cells.problems)
    cells.unknown(name, given, sorted(readers))
    found: dict[str, Any] = {}
    for field, reader in readers.items():
        value = reader(cells, f"{name}.{field}", given.get(field))
        if value is not None:
            found[field] = value
    if len(cells.problems) > before:
        return None
    if base is not None:
        return replace(base, **found)
    missing = sorted(readers.keys() - found.keys())
    if missing:
        cells.wrong("", name, "nothing shipped is in force on that day", f"give {', '.join(missing)} of that day")
        return None
    return kind(**found, **fixed)


def _readers(kind: type[DataclassInstance]) -> dict[str, Callable[[Cells, str, object], Any]]:
    hints = get_type_hints(kind)
    found = {field.name: _reader(field.name, hints[field.name]) for field in fields(kind)}
    return {name: reader for name, reader in found.items() if reader is not None}


def _reader(name: str, hint: Any) -> Callable[[Cells, str, object], Any] | None:
    """Return how a field of this type is read; `None` for what one cell cannot say."""
    if isinstance(hint, UnionType) and len(kinds := [k for k in get_args(hint) if k is not NoneType]) == 1:
        hint = kinds[0]
    above = 0 if name in _ABOVE_ZERO else None
    least = None if above == 0 else 0
    if hint is bool:
        return lambda cells, field, value: cells.flag("", field, value)
    if hint is int:
        return lambda cells, field, value: cells.whole("", field, value, least=1 if above == 0 else 0)
    if hint is Decimal:
        return lambda cells, field, value: cells.number("", field, value, least=least, above=above)
    if hint is float:
        return lambda cells, field, value: _float(
            cells.number("", field, value, least=least, above=above, most=MOST_PERCENT)
        )
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return lambda cells, field, value: cells.choice("", field, value, hint)
    if get_origin(hint) is tuple and issubclass(get_args(hint)[0], StrEnum):
        return lambda cells, field, value: _members(cells, field, value, get_args(hint)[0])
    return None


def _float(number: Decimal | None) -> float | None:
    return None if number is None else float(number)


def _members(cells: Cells, field: str, value: object, kind: type[StrEnum]) -> tuple[StrEnum, ...] | None:
    if value is None:
        return None
    words = value.split() if isinstance(value, Text) else value
    if not isinstance(words, list):
        cells.wrong("", field, f"is {shown(value)}", f"write a list of {', '.join(kind)} (in CSV with spaces between)")
        return None
    found = [cells.choice("", field, word, kind) for word in words]
    return tuple(member for member in found if member is not None)
