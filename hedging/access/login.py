"""The login form: name, password, and a code of the second factor where one is enrolled. Failures are counted, and alike."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.contrib.auth.forms import AuthenticationForm
from django.contrib.auth.models import AbstractBaseUser
from django.contrib.auth.signals import user_login_failed
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django_otp import match_token, user_has_device

from hedging.access import lockout
from hedging.access.rules import client_address, is_direct_loopback
from hedging.domain.roles import Scope, permission_of
from hedging.engine import clock


def login_sources(request: HttpRequest, name: str) -> list[str]:
    """Return what failures of a login count against: the address, and from elsewhere the name that was typed.

    From loopback the name does not count: nobody far away can lock a person out at the machine itself. Names are kept
    as hashes, because people type passwords there.
    """
    sources = [f"login from {client_address(request)}"]
    if not is_direct_loopback(request):
        sources.append(f"login {hashlib.sha256(name.strip().lower().encode(errors='replace')).hexdigest()[:24]}")
    return sources


class LoginForm(AuthenticationForm):
    """Name, password, code. One message for all that can be wrong, so that it tells a guesser nothing."""

    error_messages = {
        "invalid_login": "Name, password or code is wrong. A code is needed once a second factor is enrolled.",
        "inactive": "Name, password or code is wrong. A code is needed once a second factor is enrolled.",
        "no_role": "This user has no role here. An administrator gives one: viewer, operator, trader or admin.",
    }
    otp_token = forms.CharField(
        required=False,
        max_length=16,
        label="Code",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def clean(self) -> dict[str, Any]:
        """Return the values once all three are right; count a failure otherwise."""
        try:
            cleaned = super().clean()
            self._check_second_factor()
        except ValidationError as error:
            if error.code != "no_role" and self.request is not None:
                sources = login_sources(self.request, str(self.cleaned_data.get("username", "")))
                lockout.count_failure(sources, wall_now=clock.wall_now())
            raise
        return cleaned

    def confirm_login_allowed(self, user: AbstractBaseUser) -> None:
        """Refuse who is not active; of those who are, the role decides, which is told after the password only."""
        super().confirm_login_allowed(user)  # type: ignore[arg-type] # the stubs want the concrete user
        if not user.has_perm(permission_of(Scope.READ)):  # type: ignore[attr-defined]
            raise ValidationError(self.error_messages["no_role"], code="no_role")

    def _check_second_factor(self) -> None:
        user = self.get_user()
        if user is None or not user_has_device(user, confirmed=True):
            return
        # django_otp holds the devices' rows and slows down guesses; `otp_device` is what its receiver of
        # `user_logged_in` writes into the session.
        code = self.cleaned_data.get("otp_token", "").strip()
        device = match_token(user, code) if code else None  # a code that was forgotten slows nobody down
        if device is None:
            user_login_failed.send(sender=__name__, credentials={"username": user.get_username()}, request=self.request)
            raise self.get_invalid_login_error()
        user.otp_device = device  # type: ignore[attr-defined]
