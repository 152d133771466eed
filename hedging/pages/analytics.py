"""The analytics tab."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hedging.access import Scope, needing
from hedging.pages.base import draw, look, page


@require_safe
@page
@needing(Scope.READ)
def analytics_page(request: HttpRequest) -> HttpResponse:
    """Draw the analytics tab."""
    moment = look(request)
    return draw(request, "hedging/analytics.html", tab="analytics", moment=moment, context={})
