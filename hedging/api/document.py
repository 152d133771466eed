"""The OpenAPI document, made from the endpoints once a process. `/api/docs/` (hedging/pages/others.py) draws it."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.http.response import HttpResponseBase
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint
from hedging.api.fresh import unless_known

Route = tuple[str, str, str, Callable[..., Any]]


def without_slashes(endpoints: list[Route]) -> list[Route]:
    """Return the routes as they are written: the slash at their end is optional."""
    return [(path.rstrip("/"), regex, method, view) for path, regex, method, view in endpoints]


@lru_cache(maxsize=1)
def openapi_document() -> dict[str, Any]:
    """Return the OpenAPI document of this release."""
    return dict(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call] # its stubs


class SchemaView(Endpoint):
    """GET: the OpenAPI document."""

    needs = Scope.READ

    def get(self, request: Request) -> HttpResponseBase:
        """Return the OpenAPI document as JSON."""
        self.query(request, inputs.NothingInput)
        document = openapi_document()
        return unless_known(request, repr(document), lambda: Response(document))


extend_schema(exclude=True)(SchemaView)
