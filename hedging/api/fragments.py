"""Fragments: the same answer drawn for our pages, so that what they swap in is what they were first drawn with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpResponse
from django.template.loader import render_to_string
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class FragmentRenderer(BaseRenderer):
    """`?format=html`, and never by `Accept` alone: a browser that opens the address sees JSON. The view draws it itself."""

    media_type = "text/html"
    format = "html"
    charset = "utf-8"
    only_by_format = True

    def render(self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None) -> bytes:
        """Return nothing: answers without a fragment, such as "not modified", have no body."""
        return b""


def wants_fragment(request: Request) -> bool:
    """Return whether the caller asked for HTML."""
    return bool(request.accepted_renderer.format == FragmentRenderer.format)


def fragment(template: str, context: Mapping[str, Any]) -> HttpResponse:
    """Return a template drawn for a page to swap in."""
    return HttpResponse(render_to_string(template, dict(context)))


MARKET_TIME: Final = "X-Market-Time"
"""Header of what pages poll: market time in ms since 1970, also on "nothing new", so that their clocks keep right."""
