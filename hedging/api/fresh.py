"""Freshness: ETag on what is polled, and 304 when nothing is new. Weak ones: the ages in an answer move on without them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

_TAG = re.compile(r'(?:W/)?("[^"]*")')


def unless_known(request: Request, version: str, draw: Callable[[], HttpResponseBase]) -> HttpResponseBase:
    """Return 304 when the caller holds this `version` of what is asked for already; else what `draw` returns, with its ETag.

    The tag is of the version and of the address with its query, in this format.
    """
    rendered = request.accepted_renderer.format
    asked = f"{request.get_full_path()}\n{rendered}\n{version}"
    tag = f'"{hashlib.sha256(asked.encode(errors="replace")).hexdigest()[:32]}"'
    held = request.headers.get("If-None-Match", "")
    known = held.strip() == "*" or tag in _TAG.findall(held)
    answer = Response(status=status.HTTP_304_NOT_MODIFIED) if known else draw()
    answer.headers["ETag"] = f"W/{tag}"
    return answer
