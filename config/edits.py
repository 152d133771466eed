"""Edits in the admin write only what was changed on their page, and say what each field was and is.

A page may have stood open for an hour: what it did not change is as others left it. A row keeps only what it is, and figures
were computed from what it was.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.http import HttpRequest

if TYPE_CHECKING:
    _Form = forms.ModelForm[Any]
else:  # Django's own class takes no type parameter at run time
    _Form = forms.ModelForm


class ChangesForm(_Form):
    """A form that knows what its page showed: `changed_data` is what a person changed there, the rest is as it is by now.

    A field that somebody else has changed meanwhile is refused, not written over.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            # Sent without what was shown, as by a script, a field is compared with what is stored.
            shown = not self.is_bound or self.add_initial_prefix(name) in self.data
            field.show_hidden_initial = shown and not self.instance._state.adding

    def clean(self) -> dict[str, Any]:
        """Take what was not changed here as it is now; refuse at its field what was changed elsewhere too."""
        cleaned = super().clean() or self.cleaned_data
        if self.instance._state.adding:
            return cleaned
        for name in [name for name in cleaned if name in self.initial]:
            if name not in self.changed_data:
                cleaned[name] = getattr(self.instance, name)
            elif self.fields[name].show_hidden_initial and self._is_another_by_now(name):
                self.add_error(name, _changed_meanwhile(getattr(self.instance, name)))
        return cleaned

    def _is_another_by_now(self, name: str) -> bool:
        now, field = self.initial[name], self.fields[name]
        if self.cleaned_data[name] == getattr(self.instance, name):
            return False  # both want the same
        try:
            shown = field.to_python(self.data.get(self.add_initial_prefix(name)))
        except forms.ValidationError:
            return True
        return field.has_changed(now, field.prepare_value(shown))


class SaysWhatWas:
    """Mixin of a `ModelAdmin` that writes what was changed alone, and whose messages hold the values before and after."""

    form: Any = ChangesForm

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001 - Django's signature
        """Save what is new whole, and of an edit what was changed: the rest of the row may be another by now."""
        obj.save(update_fields=form.changed_data if change else None)

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


def _changed_meanwhile(value: Any) -> str:
    return (
        f"Nothing was saved: somebody changed this after you opened the page, to {_shown(value)}. "
        "Open the page again, and change it there if you still mean to."
    )


def _shown(value: Any) -> str:
    return "none" if value is None or value == "" else str(value)
