"""Edits in the admin say what each field was and is: a row keeps only what it is, and figures were computed from what it was."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest


class SaysWhatWas:
    """Mixin of a `ModelAdmin` whose messages of a change hold the values before and after it."""

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Return Django's message, with "(before → after)" behind the name of each changed field."""
        told = super().construct_change_message(request, form, formsets, add)  # type: ignore[misc]
        if form.changed_data and not add:
            labels = told[0]["changed"]["fields"]
            told[0]["changed"]["fields"] = [
                f"{label} ({_shown(form.initial.get(name))} → {_shown(form.cleaned_data[name])})"
                for name, label in zip(form.changed_data, labels, strict=True)
            ]
        return told


def _shown(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)
