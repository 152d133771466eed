"""Middleware: refuse a view that declares nothing, and send the headers that keep browsers from being used against us."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase

from hedging.access.declare import need_of
from hedging.access.rules import holds
from hedging.domain.roles import Scope

# Our pages load their own scripts, style sheets and icons in files, and ask this server alone; nothing inline runs.
PAGES_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
# Django's admin brings fonts of its own, too, and signs as data.
ADMIN_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Swagger UI sets styles of its own and draws its signs as data; its script is a file of ours, and fetches the document.
DOCS_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
PERMISSIONS_POLICY: Final = "camera=(), geolocation=(), microphone=(), payment=(), usb=()"

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class AccessMiddleware:
    """Deny by default, before the view is called; and the policy of the page's contents, unless a view sent its own."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer with the headers set."""
        response = self.get_response(request)
        policy = ADMIN_POLICY if request.path.startswith("/admin/") else PAGES_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        response.headers.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        return response

    def process_view(self, request: HttpRequest, view: Any, _args: Any, _kwargs: Any) -> None:
        """Refuse what nobody declared, and of the admin what a person who is logged in does not hold.

        Of pages and the API the view's own guard asks: it knows of keys, of open reads and of dev mode.
        """
        if hasattr(view, "cls"):
            return
        need = need_of(view, request.method or "")
        if need is None:
            raise PermissionDenied("Nobody declared what this address needs.")
        somebody = hasattr(view, "model_admin") and holds(request.user, Scope.READ)
        if somebody and isinstance(need, Scope) and not holds(request.user, need):
            raise PermissionDenied(f"This page needs {need}.")
