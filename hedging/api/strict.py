"""Input that is what the document says, and nothing else: every key known, every value of its type, no kind guesses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from drf_spectacular.drainage import set_override
from rest_framework import serializers

_WHOLE = re.compile(r"-?[0-9]+")
_KINDS: tuple[tuple[type[serializers.Field[Any, Any, Any, Any]], type, str], ...] = (
    (serializers.BooleanField, bool, "true or false"),
    (serializers.IntegerField, int, "a whole number"),
    (serializers.CharField, str, "a text"),
    (serializers.ChoiceField, str, "one of the words"),
    (serializers.DateField, str, "a date as text"),
)


class StrictSerializer(serializers.Serializer[Any]):
    """Query parameters of which every key is known: a typing error in a name is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values; raises for unknown keys and guessed types beside all that a serializer refuses."""
        if isinstance(data, Mapping):
            unknown = sorted(str(key) for key in set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields)) or "none"
                raise serializers.ValidationError({name: [f"Unknown key. Known: {known}."] for name in unknown})
            wrong = {name: words for name, value in data.items() if (words := self.objection(self.fields[name], value))}
            if wrong:
                raise serializers.ValidationError({name: [words] for name, words in wrong.items()})
        return super().to_internal_value(data)

    def objection(self, field: serializers.Field[Any, Any, Any, Any], value: Any) -> str:
        """Return what is wrong with the text of a parameter before it is read; "" when nothing is."""
        if isinstance(field, serializers.BooleanField) and value not in {"true", "false"}:
            return "Must be true or false."
        if isinstance(field, serializers.IntegerField) and not _WHOLE.fullmatch(str(value)):
            return "Must be a whole number."
        return ""


class BodySerializer(StrictSerializer):
    """A JSON body: `"5"` is no number, `1` is not true."""

    def objection(self, field: serializers.Field[Any, Any, Any, Any], value: Any) -> str:
        """Return what is wrong with the type of a value; "" when nothing is."""
        if value is None and field.allow_null:
            return ""
        for kind, expected, words in _KINDS:
            if isinstance(field, kind):
                fits = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
                return "" if fits else f"Must be {words}."
        return ""


class Amount(serializers.DecimalField):
    """An amount with at most two places, written as text or as a whole number: a float would not be what was meant."""

    def __init__(self, *, digits: int, least: int = 0, **kwargs: Any) -> None:
        super().__init__(
            max_digits=digits + 2,
            decimal_places=2,
            min_value=Decimal(least),
            max_value=Decimal(10**digits - 1),
            **kwargs,
        )
        start = f"[0-9]{{1,{digits}}}" if not least else f"[1-9][0-9]{{0,{digits - 1}}}"
        self._form = re.compile(rf"{start}(\.[0-9]{{1,2}})?")
        text = {"type": "string", "pattern": f"^{self._form.pattern}$"}
        whole = {"type": "integer", "minimum": least, "maximum": 10**digits - 1}
        set_override(self, "field", {"anyOf": [text, whole]})

    def to_internal_value(self, data: Any) -> Decimal:
        """Return the amount; raises for whatever is not written as the document says."""
        if isinstance(data, bool) or not isinstance(data, str | int) or not self._form.fullmatch(str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)
