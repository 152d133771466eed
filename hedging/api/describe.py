"""How an endpoint tells of itself in the OpenAPI document: what it asks for, what it answers, and every way to refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeVar

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from hedging.access.declare import need_of_endpoint
from hedging.api.fragments import MARKET_TIME
from hedging.api.strict import StrictSerializer

View = TypeVar("View", bound=Callable[..., Any])

# Status, an example of its code, its message, and when it comes.
_REFUSALS: Final[Mapping[str, tuple[int, str, str]]] = {
    "INVALID_INPUT": (400, "The input is not valid; facts name each field.", "A value or a key that is not known."),
    "INVALID_JSON": (400, "JSON parse error", "The body is not JSON."),
    "INVALID_ORDER": (409, "a contract is named twice: add its lots up", "Legs that are no order at all."),
    "LOGIN_OR_KEY_NEEDED": (401, "Authentication credentials were not provided.", "No key and no login."),
    "KEY_REFUSED": (401, "This API key is not valid here.", "A key that is wrong, revoked or expired."),
    "SCOPE_NEEDED": (403, "This API key does not hold the scope.", "A key, or a role, that does not hold the scope."),
    "NO_SESSION": (404, "No session found", "No session of today, or none of this account."),
    "NOT_FOUND": (404, "There is nothing at this address.", "No such row."),
    "SESSION_EXISTS": (409, "The account has a session open.", "There is one already."),
    "SESSION_CLOSED": (409, "The session is closed.", "The day is over."),
    "POLICY_CONTRADICTS": (409, "exit trigger, target and trigger must rise in this order", "Figures that contradict."),
    "BASELINE_CHANGED": (409, "The baseline is another than the one you were shown.", "`was` is not the baseline."),
    "ORDERS_LIVE": (409, "2 orders may still fill: wait.", "An order whose fate is open."),
    "HEDGES_HELD": (409, "2 hedges are held: sell them, or keep them.", "Hedges that nobody would sell."),
    "BOOKS_UNREAD": (409, "The books are not settled: try again.", "Books that could not be read, or differ."),
    "PHRASE_NEEDED": (409, "Type GO LIVE to go live.", "Going live without its phrase."),
    "DENY_PREFLIGHT": (409, "Nothing goes live before one of today is green or amber.", "A pre-flight that says no."),
    "DAY_OVER": (409, "2026-11-30 is over: nothing of it can be skipped.", "A day before today."),
    "ENTRY_TIMES": (409, "the exit at 09:00 is not after the entry at 10:16", "Times that cannot be meant."),
    "DAYS_REVERSED": (409, "`first` is after `last`.", "A period that ends before it begins."),
    "CALENDAR_UNKNOWN": (409, "The calendar does not know the day.", "A day that is not in the calendar."),
    "ACCOUNT_NEEDED": (409, "There are several accounts: name one as `account`.", "No account, or several."),
    "REFERENCE_MISSING": (409, "no contract spec is in force: add one in admin", "A dated row is not there."),
    "LID_CLOSED": (
        409,
        "Orchestrator not initialized: set AUTO_HEDGE_ENABLED=true and restart",
        "The environment's lid on automation is closed.",
    ),
    "PREVIEW_EXPIRED": (409, "The preview is older than 30 s: look at a new one.", "A token that cannot be confirmed."),
    "DENY_COST_CAP": (409, "The order's worst cost does not fit under the day's cost cap.", "What a preview refuses."),
    "IDEMPOTENCY_MISMATCH": (
        409,
        "This Idempotency-Key was used for another request: use a new key for a new order.",
        "The same key and another body.",
    ),
    "TOO_LARGE": (413, "The body is larger than 65536 bytes.", "A body beyond 64 KB."),
    "JSON_ONLY": (415, "Unsupported media type in request.", "A body that is not declared as JSON."),
    "TOO_MANY_REQUESTS": (429, "Request was throttled.", "Faster than fair; `Retry-After` says how long to wait."),
    "CLOCK_UNAVAILABLE": (503, "Market time cannot be read now; try again.", "Market time cannot be read."),
    "WORKER_DOWN": (
        503,
        "No worker would send it now, so nothing was claimed.",
        "No worker alive: nothing was claimed.",
    ),
}
_ALWAYS = ("INVALID_INPUT", "LOGIN_OR_KEY_NEEDED", "KEY_REFUSED", "SCOPE_NEEDED", "TOO_MANY_REQUESTS")
_OF_WRITES = ("INVALID_JSON", "TOO_LARGE", "JSON_ONLY")
_EXAMPLES = Path(__file__).with_name("examples.json")


class ErrorOutput(serializers.Serializer[Any]):
    """Every refusal: a stable code, a message that names the fix, and the figures."""

    code = serializers.CharField()
    message = serializers.CharField()
    facts = serializers.DictField()


def tells(
    summary: str,
    *,
    answer: Any,
    example: str,
    status: int = 200,
    query: type[serializers.Serializer[Any]] | None = None,
    body: Any = None,
    sent: Mapping[str, Any] | None = None,
    refusals: Sequence[str] = (),
    polled: bool = False,
    table: bool = False,
    fragment: bool = False,
    more: Mapping[int, tuple[Any, str, str]] | None = None,
    parameters: Sequence[OpenApiParameter] = (),
) -> Callable[[View], View]:
    """Describe one operation; its docstring is the description.

    `example` names an answer of `examples.json`, `sent` an example of the body; `polled` says that it has an ETag, `table`
    that it is to be had as CSV, `fragment` as HTML for our pages; `more` are further answers by status: serializer, words, example.
    """
    taken: list[Any] = [*parameters, *([query] if query else [])]
    if polled:
        taken.append(_IF_NONE_MATCH)
        taken.append(_etag(status))
    codes = [*_ALWAYS, *(_OF_WRITES if body is not None else ()), *refusals]
    good = OpenApiResponse(answer, summary, [OpenApiExample(summary, _example(example))])
    responses: dict[Any, Any] = {(status, "application/json"): good}
    if table:
        responses[status, "text/csv"] = OpenApiResponse(str, "The same as a table, streamed.")
    if fragment:
        responses[status, "text/html"] = OpenApiResponse(str, "The same, drawn for the dashboard to swap in.")
    if polled:
        responses[304] = OpenApiResponse(description="Nothing is new since the answer with this ETag.")
    for number, (serializer, words, name) in (more or {}).items():
        responses[number] = OpenApiResponse(serializer, words, [OpenApiExample(words, _example(name))])
    responses |= _refusals(codes)
    return extend_schema(
        summary=summary,
        parameters=taken,
        request=body,
        examples=[OpenApiExample("request", sent, request_only=True)] if sent is not None else None,
        responses=responses,
    )


def row_id(of: str) -> OpenApiParameter:
    """Return the path parameter that names a row."""
    schema = {"type": "integer", "minimum": 1, "maximum": 10**18 - 1}
    return OpenApiParameter("id", schema, OpenApiParameter.PATH, description=f"The id of {of}.")


class ApiSchema(AutoSchema):
    """Names operations by their address, groups them, and says which scope they need."""

    def get_operation_id(self) -> str:
        """Return a name such as `get_manual_buy`."""
        words = [part for part in self.path.split("/") if part and not part.startswith("{")][2:]
        suffix = "_one" if "{" in self.path else ""
        return f"{self.method.lower()}_{'_'.join(words)}{suffix}"

    def get_tags(self) -> list[str]:
        """Return the one group of the operation."""
        return [getattr(self.view, "group", "Day")]

    def get_description(self) -> str:  # type: ignore[override] # spectacular's form of it
        """Return the operation's docstring, and the scope that it needs."""
        need = need_of_endpoint(type(self.view), self.method)
        return f"{super().get_description()}\n\nNeeds the scope `{need}`."

    def _map_basic_serializer(self, serializer: Any, direction: str) -> Any:
        schema = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call] # its stubs
        if isinstance(serializer, StrictSerializer):
            schema["additionalProperties"] = False
        return schema

    def _map_serializer_field(self, field: Any, direction: str, bypass_extensions: bool = False) -> Any:  # noqa: FBT001, FBT002 - its form
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call] # its stubs
        text = type(field) is serializers.CharField and not field.allow_blank
        if text and isinstance(field.parent, StrictSerializer):
            # Blanks alone are no text; the last five are blanks to Python, and none to the document's kind of pattern.
            schema["pattern"] = r"[^\s\u001c-\u001f\u0085]"
        return schema


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # its registry is untyped
    """The two ways to show an API key."""

    target_class = "hedging.api.base.ApiKeyAuthentication"
    name = ["apiKey", "bearer"]  # two schemes of one class

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:
        """Return the header and the bearer token."""
        return [
            {"type": "apiKey", "in": "header", "name": "X-API-Key", "description": "A key made in the admin."},
            {"type": "http", "scheme": "bearer", "description": "The same key as a bearer token."},
        ]

    def get_security_requirement(self, auto_schema: AutoSchema) -> list[dict[str, list[Any]]]:
        """Return that either of them is enough."""
        return [{name: []} for name in self.name]


_IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="The ETag of the last answer: 304 when nothing is new."
)


MARKET_TIME_TOLD: Final = OpenApiParameter(
    MARKET_TIME, int, OpenApiParameter.HEADER, description="Market time in ms since 1970.", response=[200, 304]
)


def _etag(status: int) -> OpenApiParameter:
    words = "Names this answer; send it back as If-None-Match."
    return OpenApiParameter("ETag", str, OpenApiParameter.HEADER, description=words, response=[status, 304])


def _refusals(codes: Sequence[str]) -> dict[int, OpenApiResponse]:
    by_status: dict[int, list[str]] = {}
    for code in dict.fromkeys(codes):
        by_status.setdefault(_REFUSALS[code][0], []).append(code)
    return {
        status: OpenApiResponse(
            ErrorOutput,
            " ".join(f"`{code}`: {_REFUSALS[code][2]}" for code in same),
            [OpenApiExample(code, {"code": code, "message": _REFUSALS[code][1], "facts": {}}) for code in same],
        )
        for status, same in sorted(by_status.items())
    }


@lru_cache(maxsize=1)
def _examples() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_EXAMPLES.read_text(encoding="utf-8"))
    return found


def _example(name: str) -> Any:
    return _examples()[name]
