"""A second factor of one's own: enrol an authenticator, with its QR code drawn here, and backup codes; or give it up."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import segno
from django import forms
from django.contrib.admin import AdminSite
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import mark_safe
from django_otp import login as remember_second_factor
from django_otp import match_token
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice

from hedging.access.declare import needing
from hedging.domain.roles import Scope

if TYPE_CHECKING:
    from django.contrib.auth.models import User

BACKUP_CODES = 10
_NAME = "authenticator"
_BACKUP = "backup codes"


class CodeForm(forms.Form):
    """One code, to prove that the authenticator shows the right ones."""

    code = forms.CharField(
        max_length=16, widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"})
    )


def page_of(site: AdminSite) -> Callable[..., Any]:
    """Return the page of the second factor, inside an admin site."""

    @needing(Scope.READ)
    def second_factor(request: HttpRequest) -> HttpResponse:
        return _page(request, site)

    return site.admin_view(second_factor)


def forget(user: User) -> bool:
    """Take the second factor off a user, backup codes included; return whether there was one."""
    with transaction.atomic():
        had = TOTPDevice.objects.filter(user=user).delete()[0] + StaticDevice.objects.filter(user=user).delete()[0]
    return bool(had)


def _page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    user: Any = request.user
    context: dict[str, Any] = site.each_context(request) | {"title": "Second factor"}
    form = CodeForm(request.POST if request.method == "POST" else None)
    enrolled = TOTPDevice.objects.filter(user=user, confirmed=True).exists()
    if request.method == "POST" and form.is_valid():
        code = form.cleaned_data["code"].strip()
        if enrolled:
            enrolled = _give_up(user, code, form)
        elif codes := _confirm(request, user, code, form):
            context |= {"codes": codes, "enrolled": True}
            return TemplateResponse(request, "admin/second_factor.html", context)
    if not enrolled:
        device = _pending(user)
        # The address holds the secret: it is drawn here, and nothing of it leaves this answer.
        qr = segno.make(device.config_url, error="m").svg_inline(scale=5, border=4, light="white")
        context |= {"qr": mark_safe(qr), "secret": _secret_of(device)}  # nosec B308 B703 # noqa: S308 - drawn by segno from our own text
    return TemplateResponse(request, "admin/second_factor.html", context | {"form": form, "enrolled": enrolled})


def _pending(user: User) -> TOTPDevice:
    device: TOTPDevice = TOTPDevice.objects.get_or_create(user=user, name=_NAME, confirmed=False)[0]
    return device


def _secret_of(device: TOTPDevice) -> str:
    """Return the secret as authenticators want it typed: base 32, in groups of four."""
    from base64 import b32encode  # noqa: PLC0415 - this is its only use

    text = b32encode(device.bin_key).decode().rstrip("=")
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _confirm(request: HttpRequest, user: User, code: str, form: CodeForm) -> list[str]:
    """Confirm the authenticator with its first code, and return the backup codes; [] and an error when it is wrong."""
    with transaction.atomic():
        device = TOTPDevice.objects.select_for_update().get(pk=_pending(user).pk)
        if not device.verify_is_allowed()[0] or not device.verify_token(code):
            form.add_error("code", "This is not the code that your authenticator should show now.")
            return []
        device.confirmed = True
        device.save()
        StaticDevice.objects.filter(user=user).delete()
        backup = StaticDevice.objects.create(user=user, name=_BACKUP)
        codes = [StaticToken.random_token() for _ in range(BACKUP_CODES)]
        StaticToken.objects.bulk_create(StaticToken(device=backup, token=each) for each in codes)
    remember_second_factor(request, device)
    return codes


def _give_up(user: User, code: str, form: CodeForm) -> bool:
    """Take the second factor off with a code of it; return whether it is still enrolled."""
    if match_token(user, code) is None:
        form.add_error("code", "This code is wrong, or was used before.")
        return True
    forget(user)
    return False
