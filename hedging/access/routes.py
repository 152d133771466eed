"""Routes: every route of the URL configuration with its callback, so that checks and tests see what is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver


@dataclass(frozen=True, slots=True)
class Route:
    """One route: its pattern from the root, its name with namespaces, and what it calls."""

    pattern: str
    name: str
    callback: Any


def all_routes() -> list[Route]:
    """Return every route, in the order in which they are tried."""
    return list(_routes(get_resolver().url_patterns, pattern="", namespace=""))


def _routes(patterns: Any, *, pattern: str, namespace: str) -> Iterator[Route]:
    for each in patterns:
        here = pattern + str(each.pattern)
        if isinstance(each, URLResolver):
            inner = f"{namespace}{each.namespace}:" if each.namespace else namespace
            yield from _routes(each.url_patterns, pattern=here, namespace=inner)
        elif isinstance(each, URLPattern):
            yield Route(pattern=here, name=f"{namespace}{each.name or ''}", callback=each.callback)
