"""The kinds of figures that answers are made of, and their base. Money is text: no reader rounds it."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

from rest_framework import serializers

from schedule.calendar import IST


class _Figure(serializers.DecimalField):
    """A figure with a fixed number of places. What is stored has them already, and is not rounded to them once more."""

    def to_representation(self, value: Any) -> str:
        """Return the figure as text."""
        text, places = str(value), self.decimal_places or 0
        if text[-1 - places :][:1] == "." and "E" not in text:
            return text
        rounded: str = super().to_representation(value)
        return rounded


class Rupees(_Figure):
    """Rupees to the paisa, or null where unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=2, allow_null=True, **kwargs)


class Price(serializers.DecimalField):
    """Rupees a unit; an average may need four places."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=4, allow_null=True, normalize_output=True, **kwargs)


class Percent(_Figure):
    """Per cent, or null where unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=2, allow_null=True, **kwargs)


class Moment(serializers.DateTimeField):
    """An instant, as IST with its offset. Stored times are aware, so the framework's questions about zones are not asked."""

    def to_representation(self, value: Any) -> str:
        """Return ISO 8601 in IST."""
        text: str = value.astimezone(IST).isoformat()
        return text


class Symbol(serializers.CharField):
    """A contract as the broker spells it, and as orders by hand want it; cards are written for people, with blanks."""

    def to_representation(self, value: Any) -> str:
        """Return the text without blanks."""
        return "".join(str(value).split())


class Output(serializers.Serializer[Any]):
    """Base: values in, never out."""

    @classmethod
    def of(cls, value: Any) -> dict[str, Any]:
        """Return a value as this answer."""
        return _kept(cls).to_representation(value)

    @cached_property
    def _plan(self) -> tuple[tuple[str, list[str], Callable[[Any], Any]], ...]:
        return tuple((name, field.source_attrs, field.to_representation) for name, field in self.fields.items())

    def to_representation(self, instance: Any) -> dict[str, Any]:
        """Return the values of one answer: each read by name and drawn by its field, null where it is unknown.

        What the framework does beside it (values that may be left out, that are calls, or that name rows) is not of our answers,
        and asking for it a thousand times takes longer than drawing them.
        """
        drawn = {}
        for name, path, draw in self._plan:
            value = instance
            for part in path:
                value = value[part] if isinstance(value, dict) else getattr(value, part)
            drawn[name] = None if value is None else draw(value)
        return drawn


@cache
def _kept(answer: type[Output]) -> Output:
    """Return an answer's fields, made once for a process: making them takes longer than using them."""
    return answer()
