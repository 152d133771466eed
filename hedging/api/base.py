"""What every endpoint shares: JSON only, key or login, one shape of error, input that is checked in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest
from rest_framework import exceptions, serializers
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from hedging import access
from hedging.api.errors import Refused, answer_error

# No input of ours is larger than a few hundred bytes.
_LARGEST_BODY = 64 * 1024


class KeyHolder:
    """The caller who showed HEDGE_API_KEY: every scope, no account in the users' table."""

    is_authenticated = True
    is_active = True
    is_staff = True
    pk = None

    def __str__(self) -> str:
        return "api key"

    def has_perm(self, _permission: str) -> bool:
        """Return True: the key has every scope."""
        return True


class ApiKeyAuthentication(BaseAuthentication):
    """`X-API-Key: …` or `Authorization: Bearer …`. A key that is shown and wrong is refused, whatever else is there."""

    def authenticate(self, request: Request) -> tuple[KeyHolder, None] | None:
        """Return the key's holder, or None when no key is shown."""
        given = request.headers.get("X-API-Key")
        if given is None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                return None
            given = token.strip()
        if not access.is_api_key(given):
            raise exceptions.AuthenticationFailed("This API key is not valid here.")
        return KeyHolder(), None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing login is 401 and not 403."""
        return "Bearer"


class ReadsOpenWritesGuarded(BasePermission):
    """Reads: open where the settings open them, else a login or key. Writes: the key, or a member of staff."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request may go on."""
        plain = _plain(request)
        known = bool(request.user and request.user.is_authenticated)
        if request.method in SAFE_METHODS:
            return known or access.reads_are_open(plain)
        return (known and bool(getattr(request.user, "is_staff", False))) or access.dev_mode_opens(plain)


class SmallJsonParser(JSONParser):
    """JSON of a sane size and depth."""

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        """Return the body as Python values; raises for what is too large, too deep or not JSON."""
        request = (parser_context or {})["request"]
        if int(request.META.get("CONTENT_LENGTH") or 0) > _LARGEST_BODY:
            raise Refused("TOO_LARGE", f"The body is larger than {_LARGEST_BODY} bytes.", status_code=413)
        try:
            return super().parse(stream, media_type, dict(parser_context or {}))
        except RecursionError:
            raise exceptions.ParseError("The JSON is nested too deeply.") from None


class StrictSerializer(serializers.Serializer[Any]):
    """Input whose every key is known: a typing error in a name is refused, not ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Return the validated values; raises for unknown keys beside everything a serializer refuses."""
        if isinstance(data, Mapping):
            unknown = sorted(str(key) for key in set(data) - set(self.fields))
            if unknown:
                known = ", ".join(sorted(self.fields)) or "none"
                raise serializers.ValidationError({name: [f"Unknown key. Known: {known}."] for name in unknown})
        return super().to_internal_value(data)


class Endpoint(APIView):
    """Base of every view under /api/hedge/."""

    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [ReadsOpenWritesGuarded]
    parser_classes = [SmallJsonParser]
    renderer_classes = [JSONRenderer]

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Return our error format."""
        return answer_error

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Forbid caches to keep an answer: it is old within seconds, and it is private."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "no-store")
        return final

    @staticmethod
    def query(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """Return the checked query parameters."""
        checked = serializer(data=request.query_params.dict())
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)

    @staticmethod
    def body(request: Request, serializer: type[StrictSerializer]) -> dict[str, Any]:
        """Return the checked body."""
        checked = serializer(data=request.data)
        checked.is_valid(raise_exception=True)
        return dict(checked.validated_data)


def actor_of(request: Request) -> str:
    """Name the caller for the audit trail."""
    if request.user and request.user.is_authenticated:
        return str(request.user)
    return "dev mode"


def must_be_allowed(request: Request, permission: str) -> None:
    """Raise 403 unless the caller has a permission: the key and dev mode have every one."""
    if not (request.user.has_perm(permission) or access.dev_mode_opens(_plain(request))):
        raise Refused("ROLE_NEEDED", "Your role may not do this: ask a trader.", {"needs": permission}, status_code=403)


def _plain(request: Request) -> HttpRequest:
    return request._request
