"""Pages beside the tabs: the pre-flight, and the API's own page."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from hedging.access import Scope, needing
from hedging.access.middleware import DOCS_POLICY
from hedging.engine.preflight import gate
from hedging.pages.base import draw, look, page
from hedging.selectors.preflight import preflights


@require_safe
@page
@needing(Scope.READ)
def preflight_page(request: HttpRequest) -> HttpResponse:
    """Show the last pre-flight of every account. Asks the database only."""
    moment = look(request)
    context = {"asked_for": gate.is_asked_for(), "runs": preflights(now=moment.now)}
    return draw(request, "hedging/preflight.html", tab="preflight", moment=moment, context=context)


@require_safe
@page
@needing(Scope.READ)
def api_docs_page(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document, by files of our own: nobody else's server is asked."""
    answer = render(request, "hedging/api_docs.html")
    answer.headers["Content-Security-Policy"] = DOCS_POLICY
    return answer
