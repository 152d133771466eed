"""What every endpoint shares: JSON only, key or login, one shape of error, input that is checked in full."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import SimpleRateThrottle
from rest_framework.views import APIView

from hedging import access
from hedging.access import OPEN, KeyHolder, Scope, keys
from hedging.access.declare import need_of_endpoint
from hedging.access.rules import SAFE_METHODS, client_address
from hedging.api.errors import Refused, answer_error
from hedging.api.strict import StrictSerializer
from hedging.domain.roles import ROLES_WITH
from hedging.engine import clock

# No input of ours is larger than a few hundred bytes.
_LARGEST_BODY = 64 * 1024


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
        try:
            return keys.holder_of(given, request=_plain(request), wall_now=clock.wall_now()), None
        except keys.KeyRefused as refused:
            raise exceptions.AuthenticationFailed(str(refused)) from None
        except keys.LockedOut as locked:
            raise LockedOut(locked) from None

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme, so that a missing login is 401 and not 403."""
        return "Bearer"


class LockedOut(Refused):
    """429: too many wrong keys from this address, or for this key. `wait` becomes the header Retry-After."""

    def __init__(self, locked: keys.LockedOut) -> None:
        super().__init__("LOCKED_OUT", str(locked), {"retry_after_seconds": locked.seconds}, status_code=429)
        self.wait = locked.seconds


class HoldsDeclaredScope(BasePermission):
    """What the view declares for the method (`needs`) is held: by key, by role, or by an exception of design.md §4 and §6.

    A view that declares nothing is refused to everybody.
    """

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Return whether the request may go on."""
        plain = _plain(request)
        method = request.method or ""
        need = need_of_endpoint(type(view), method)
        if need == OPEN:
            return True
        if not isinstance(need, Scope):
            return False
        if access.holds(request.user, need):
            return True
        looks = need is Scope.READ and method in SAFE_METHODS
        if looks and access.reads_are_open(plain):
            return True
        if access.dev_mode_opens(plain):
            must_be_json(plain)
            return True
        if request.user and request.user.is_authenticated:
            raise lacks(need, request.user)
        return False


def must_be_json(request: HttpRequest) -> None:
    """Refuse a write without a key or a login that a form of another page could send."""
    if request.method not in SAFE_METHODS and request.content_type != "application/json":
        raise exceptions.UnsupportedMediaType(request.content_type or "nothing")


def lacks(need: Scope, caller: Any) -> Refused:
    """Return the refusal for somebody who is known, and may not do this."""
    facts = {"needs": need.value, "roles": sorted(role.value for role in ROLES_WITH[need])}
    if isinstance(caller, KeyHolder):
        message = f"This API key does not hold the scope {need.value}: an administrator makes one that does."
        return Refused("SCOPE_NEEDED", message, facts, status_code=403)
    if access.lacks_second_factor(caller):
        return Refused("SECOND_FACTOR_NEEDED", "Log in again, with a code of your second factor.", status_code=403)
    message = f"Your role may not do this: it needs {need.value}. Ask an administrator."
    return Refused("ROLE_NEEDED", message, facts, status_code=403)


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


class LenientNegotiation(DefaultContentNegotiation):
    """`?format=` of a kind that is not here is an input that is not valid, and is named as such: not a missing address."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """Return what to answer in: what changes answers in JSON alone; what is `only_by_format` has to be named."""
        if request.method not in SAFE_METHODS:
            renderers = [each for each in renderers if isinstance(each, JSONRenderer)]
        if self.settings.URL_FORMAT_OVERRIDE not in request.query_params:
            renderers = [each for each in renderers if not getattr(each, "only_by_format", False)]
        return super().select_renderer(request, renderers, format_suffix)

    def filter_renderers(self, renderers: Iterable[Any], format: str) -> list[Any]:  # noqa: A002 - its form
        """Return the renderers of this format, all of them where there is none."""
        return [renderer for renderer in renderers if renderer.format == format] or list(renderers)


class FairShare(SimpleRateThrottle):
    """No caller takes all the time of a process: so many reads and writes a minute each. Not what stops a guesser."""

    kind = ""
    """Which rate of the settings counts; that of reads or of writes, by the method, where none is named."""

    def __init__(self) -> None:
        """Read the rates with the first request: they differ by method."""

    def allow_request(self, request: Request, view: APIView) -> bool:
        """Return whether the caller has any of this minute left."""
        kind = self.kind or ("reads" if request.method in SAFE_METHODS else "writes")
        self.scope = kind
        self.rate = settings.API_RATES[kind]
        self.num_requests, self.duration = self.parse_rate(self.rate)
        return bool(super().allow_request(request, view))

    def wait(self) -> float:
        """Return the seconds until the next request is free: the whole period where racing requests overdrew the share."""
        return super().wait() or float(self.duration or 0)

    def get_cache_key(self, request: Request, view: APIView) -> str:
        """Name the caller: a person, a key, or an address."""
        known = bool(request.user and request.user.is_authenticated)
        caller = str(request.user) if known else client_address(_plain(request))
        return f"fair-{self.scope}-{hashlib.sha256(caller.encode(errors='replace')).hexdigest()}"


class Endpoint(APIView):
    """Base of every view under /api/hedge/. Each declares what it `needs`; docs/security.md tells how."""

    authentication_classes = [ApiKeyAuthentication, SessionAuthentication]
    permission_classes = [HoldsDeclaredScope]
    throttle_classes = [FairShare]
    parser_classes = [SmallJsonParser]
    renderer_classes = [JSONRenderer]
    content_negotiation_class = LenientNegotiation
    group = "Day"

    def get_exception_handler(self) -> Callable[[Exception, dict[str, Any]], Response | None]:
        """Return our error format."""
        return answer_error

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """Forbid caches to keep an answer: it is old within seconds, and it is private. Refusals are always JSON."""
        final = super().finalize_response(request, response, *args, **kwargs)
        if getattr(final, "exception", False) and not isinstance(final.accepted_renderer, JSONRenderer):
            final.accepted_renderer, final.accepted_media_type = JSONRenderer(), JSONRenderer.media_type
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


def must_be_allowed(request: Request, scope: Scope) -> None:
    """Raise 403 unless the caller holds a scope beside the declared one: for what only some bodies of a request need."""
    if not (access.holds(request.user, scope) or access.dev_mode_opens(_plain(request))):
        raise lacks(scope, request.user)


def _plain(request: Request) -> HttpRequest:
    return request._request
