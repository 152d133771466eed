"""API keys in the admin: make one, whose text is shown this once; see when it was used; revoke it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.cache import add_never_cache_headers

from hedging.access import Scope
from hedging.access.keys import NewKey, make_key, revoke
from hedging.access.models import SCOPE_CHOICES, ApiKey
from hedging.admin.moments import MOMENTS
from hedging.admin.scopes import ScopedActions
from hedging.engine import clock

if TYPE_CHECKING:
    _KeyAdmin = admin.ModelAdmin[ApiKey]
    _KeyForm = forms.ModelForm[ApiKey]
else:  # Django's own classes take no type parameter at run time
    _KeyAdmin, _KeyForm = admin.ModelAdmin, forms.ModelForm


class NewKeyForm(_KeyForm):
    """What a person says of a new key. The key itself nobody types."""

    scopes = forms.MultipleChoiceField(
        choices=SCOPE_CHOICES,
        widget=forms.CheckboxSelectMultiple,
        initial=[Scope.READ.value],
        help_text="Each alone: trade does not include read.",
    )

    class Meta:
        model = ApiKey
        fields = ("name", "scopes", "expires_at")

    def clean_expires_at(self) -> Any:
        """Refuse a key that would be born expired."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= clock.wall_now():
            raise forms.ValidationError("This moment has passed.")
        return expires_at


@admin.register(ApiKey)
class ApiKeyAdmin(ScopedActions, _KeyAdmin):
    """Keys of the API. Made and revoked; never edited, so that the trail says what each could do."""

    needs = {"view": Scope.ADMIN, "add": Scope.ADMIN}
    list_display = ["name", "prefix", "scope_words", "state", "expires_at", "last_used_at", "created_by", "created_at"]
    list_filter = [("revoked_at", admin.EmptyFieldListFilter)]
    search_fields = ["name", "prefix", "created_by"]
    ordering = ["-id"]
    actions = ("revoke_keys",)
    formfield_overrides = MOMENTS
    fields = (
        "name",
        "prefix",
        "scope_words",
        "state",
        "expires_at",
        "last_used_at",
        "created_by",
        "created_at",
        "revoked_by",
        "revoked_at",
    )

    def get_form(
        self,
        request: HttpRequest,
        obj: ApiKey | None = None,
        change: bool = False,  # noqa: FBT001, FBT002 - Django's signature
        **kwargs: Any,
    ) -> type[forms.ModelForm[ApiKey]]:
        """Return the form of a new key."""
        if obj is None:
            kwargs |= {"form": NewKeyForm, "fields": NewKeyForm.Meta.fields}
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: ApiKey | None = None) -> Any:
        """Return the three fields of a new key, else what there is to see. The hash is nowhere."""
        return NewKeyForm.Meta.fields if obj is None else super().get_fields(request, obj)

    def has_change_permission(self, _request: HttpRequest, _obj: ApiKey | None = None) -> bool:
        """Refuse: make another, and revoke this one."""
        return False

    def has_delete_permission(self, _request: HttpRequest, _obj: ApiKey | None = None) -> bool:
        """Refuse: the audit trail names keys for years."""
        return False

    def save_model(
        self,
        request: HttpRequest,
        obj: ApiKey,
        form: Any,
        change: bool,  # noqa: FBT001 - Django's signature
    ) -> None:
        """Make the key; its text lives until the answer to this request is written, and nowhere else."""
        made = make_key(
            name=obj.name,
            scopes=[Scope(word) for word in form.cleaned_data["scopes"]],
            expires_at=obj.expires_at,
            made_by=request.user.get_username(),
            wall_now=clock.wall_now(),
        )
        obj.pk = made.row.pk
        obj.refresh_from_db()
        form.made = made

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:  # noqa: FBT001, FBT002 - Django's signature
        """Remember the new key for the answer of this request."""
        request.new_key = form.made  # type: ignore[attr-defined]
        return super().construct_change_message(request, form, formsets, add)

    def response_add(self, request: HttpRequest, obj: ApiKey, _post_url_continue: str | None = None) -> HttpResponse:
        """Show the key, this once: no redirect, since a message would carry it through a cookie."""
        made: NewKey = request.new_key  # type: ignore[attr-defined]
        context = self.admin_site.each_context(request) | {"title": f"Key {obj}", "shown": made.shown, "key": obj}
        response = TemplateResponse(request, "admin/new_key.html", context)
        add_never_cache_headers(response)
        return response

    @admin.action(description="Revoke: the key opens nothing from now on", permissions=["administer"])
    def revoke_keys(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        """Revoke the chosen keys; a line of the journal for each."""
        by, now = request.user.get_username(), clock.wall_now()
        revoked = 0
        for key in queryset.order_by("id"):
            if revoke(key, by=by, wall_now=now):
                self.log_change(request, key, "Revoked.")
                revoked += 1
        self.message_user(request, f"{revoked} revoked.")

    @admin.display(description="scopes")
    def scope_words(self, key: ApiKey) -> str:
        """Return the scopes in a row."""
        return ", ".join(key.scopes)

    @admin.display(description="state")
    def state(self, key: ApiKey) -> str:
        """Return whether the key opens anything now."""
        return key.refusal(wall_now=clock.wall_now()) or "valid"
