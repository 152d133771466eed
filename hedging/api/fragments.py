"""Fragments: the same answer drawn for our pages, so that what they swap in is what they were first drawn with.

A fragment shows nothing of who asks, so pages of the same version share one drawing: fifty open pages cost one.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from threading import Lock
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
_KEPT: Final = 16
"""Drawings of the last versions, of a few accounts and parts; each is some 20 KB."""
_drawings: OrderedDict[tuple[str, str], str] = OrderedDict()
_turns = Lock()


def shared_fragment(template: str, version: str, context: Callable[[], Mapping[str, Any]]) -> HttpResponse:
    """Return a template drawn once for each `version`: what may differ at one version must not be on it."""
    key = (template, version)
    with _turns:
        drawn = _drawings.get(key)
    if drawn is None:
        drawn = render_to_string(template, dict(context()))
        with _turns:
            _drawings[key] = drawn
            while len(_drawings) > _KEPT:
                _drawings.popitem(last=False)
    return HttpResponse(drawn)
