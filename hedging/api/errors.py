"""Errors of the API: always `{"code", "message", "facts"}` as JSON, with a 4xx (503 when a server behind us is away)."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404
from rest_framework import exceptions, status
from rest_framework.response import Response

from hedging import selectors
from hedging.engine.clock import ClockUnavailable
from hedging.engine.plan import ReferenceMissing
from hedging.engine.sessions import SessionRefused
from hedging.manual_orders import ManualRefused, TokenRefused
from sessions_app.models import TradingSession

_CODES: dict[type[Exception], str] = {
    exceptions.ValidationError: "INVALID_INPUT",
    exceptions.ParseError: "INVALID_JSON",
    exceptions.UnsupportedMediaType: "JSON_ONLY",
    exceptions.NotAcceptable: "JSON_ONLY",
    exceptions.MethodNotAllowed: "METHOD_NOT_ALLOWED",
    exceptions.NotAuthenticated: "LOGIN_OR_KEY_NEEDED",
    exceptions.AuthenticationFailed: "KEY_REFUSED",
    exceptions.PermissionDenied: "NOT_ALLOWED",
    exceptions.NotFound: "NOT_FOUND",
    exceptions.Throttled: "TOO_MANY_REQUESTS",
}


class Refused(exceptions.APIException):
    """A request that was understood and cannot be done. `code` is stable; the message names the fix."""

    def __init__(
        self,
        code: str,
        message: str,
        facts: dict[str, Any] | None = None,
        *,
        status_code: int = status.HTTP_409_CONFLICT,
    ) -> None:
        super().__init__(message, code)
        self.code = code
        self.message = message
        self.facts = facts or {}
        self.status_code = status_code


def no_session() -> Refused:
    """Return the error for a day without a session."""
    return Refused("NO_SESSION", "No session found", status_code=status.HTTP_404_NOT_FOUND)


def session_of(account: str | None, *, now: datetime) -> TradingSession:
    """Return the open session, else today's last one. Raises `Refused` (NO_SESSION) when there is none."""
    session = selectors.current_session(now=now, account=account)
    if session is None:
        raise no_session()
    return session


def session_meant(account: str | None, *, now: datetime) -> TradingSession:
    """Return the session that is to be changed or ordered by: like `session_of`, and never a guess among several open ones.

    Raises `Refused` (NO_SESSION, ACCOUNT_NEEDED).
    """
    if account is None and TradingSession.objects.open().count() > 1:
        raise Refused("ACCOUNT_NEEDED", "Sessions of several accounts are open: name one as `account`.")
    return session_of(account, now=now)


def answer_error(error: Exception, context: dict[str, Any]) -> Response | None:
    """Turn an exception into an answer; None for what nobody foresaw, which Django logs and answers with a 500."""
    error = _refusal_of(error)
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    if isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if not isinstance(error, exceptions.APIException):
        return None
    scheme = getattr(error, "auth_header", None)  # set by DRF on 401s
    headers = {"WWW-Authenticate": scheme} if scheme else {}
    if wait := getattr(error, "wait", None):  # of 429s
        headers["Retry-After"] = str(math.ceil(wait))
    return Response(_body(error), status=error.status_code, headers=headers)


def _refusal_of(error: Exception) -> Exception:
    """Return the answer to what the engine refuses; anything else as it is."""
    away = status.HTTP_503_SERVICE_UNAVAILABLE
    if isinstance(error, SessionRefused | TokenRefused):
        return Refused(error.code, error.message, error.facts)
    if isinstance(error, ManualRefused):
        facts = {**error.facts, "repeated": error.repeated}
        code = away if error.unavailable else status.HTTP_409_CONFLICT
        return Refused(error.code, error.message, facts, status_code=code)
    if isinstance(error, ReferenceMissing):
        return Refused("REFERENCE_MISSING", str(error))
    if isinstance(error, TradingSession.DoesNotExist):
        return no_session()
    if isinstance(error, ClockUnavailable):
        words, facts = "Market time cannot be read now; try again.", {"reason": str(error)}
        return Refused("CLOCK_UNAVAILABLE", words, facts, status_code=away)
    return error


def _body(error: exceptions.APIException) -> dict[str, Any]:
    if isinstance(error, Refused):
        return {"code": error.code, "message": error.message, "facts": error.facts}
    code = next((code for kind, code in _CODES.items() if isinstance(error, kind)), "REFUSED")
    if isinstance(error, exceptions.ValidationError):
        return {"code": code, "message": "The input is not valid; facts name each field.", "facts": error.detail}
    return {"code": code, "message": str(error.detail), "facts": {}}
