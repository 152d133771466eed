"""A moment in an admin form: Django's two boxes, each with a name of its own for those who hear the page."""

from __future__ import annotations

from typing import Any, Final

from django import forms
from django.contrib.admin.widgets import AdminSplitDateTime
from django.db import models


class NamedSplitDateTime(AdminSplitDateTime):
    """Date and time in two boxes. Django writes the words beside them and ties them to nothing."""

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs)
        for widget, words in zip(self.widgets, ("Date", "Time"), strict=True):
            widget.attrs["aria-label"] = words


MOMENTS: Final[dict[type[models.Field[Any, Any]], dict[str, Any]]] = {
    models.DateTimeField: {"form_class": forms.SplitDateTimeField, "widget": NamedSplitDateTime}
}
"""For `formfield_overrides`."""
