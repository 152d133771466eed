"""Declarations: how a view, a page or an admin page says what it needs, and how that is read back from a route.

class HaltView(Endpoint):
needs = Scope.OPERATE                                   # every method
class SessionView(Endpoint):
needs = {"GET": Scope.READ, "POST": Scope.TRADE}        # by method
@needing(Scope.READ)                                        # a function: a page, or a view inside a ModelAdmin
class RatesAdmin(admin.ModelAdmin):
needs = {"view": Scope.READ, "change": Scope.ADMIN}     # by kind of page; a kind that is not named is refused
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from hedging.domain.roles import Scope

OPEN: Final = "open"
"""The declaration of the few views that anybody may call: login, health and metrics. They show nothing of the account."""
Declaration = Scope | str | Mapping[str, Scope]
ViewType = TypeVar("ViewType", bound=Callable[..., Any])

_ADMIN_KINDS: Final = {
    "changelist_view": "view",
    "history_view": "view",
    "change_view": "change",
    "add_view": "add",
    "delete_view": "delete",
    "view": "view",  # the redirect from an old form of a row's address
}
# The pages of the admin site itself, by their function: the index, the help of forms, one's own password and logout.
_SITE_VIEWS: Final[Mapping[str, Declaration]] = {
    "login": OPEN,
    "logout": OPEN,
    "index": Scope.READ,
    "app_index": Scope.READ,
    "password_change": Scope.READ,
    "password_change_done": Scope.READ,
    "autocomplete_view": Scope.READ,
    "i18n_javascript": Scope.READ,
    "shortcut": Scope.READ,
    "catch_all_view": Scope.READ,
    "view": Scope.READ,  # the redirect from an old form of a row's address; the middleware knows of which model
}


def needing(declared: Scope | str) -> Callable[[ViewType], ViewType]:
    """Declare what a function view needs."""

    def declare(view: ViewType) -> ViewType:
        view.needs = declared  # type: ignore[attr-defined]
        return view

    return declare


def need_of(view: Any, method: str) -> Scope | str | None:
    """Return what a route's callback needs for an HTTP method: a scope, `OPEN`, or None for what nobody declared.

    A method that an API view does not answer needs what looking needs: its answer is "no such method", and no stranger's.
    """
    owner = getattr(view, "model_admin", None)
    if owner is not None and "needs" not in vars(view):
        return _need_of_admin_page(owner, getattr(view, "__name__", ""), method)
    site_view = getattr(view, "admin_site", None) is not None or _is_site_method(view)
    if site_view and "needs" not in vars(getattr(view, "__func__", view)):
        return _SITE_VIEWS.get(getattr(view, "__name__", ""))  # type: ignore[return-value]
    endpoint = getattr(view, "cls", None)
    return need_of_endpoint(endpoint, method) if endpoint is not None else getattr(view, "needs", None)


def need_of_endpoint(endpoint: type, method: str) -> Scope | str | None:
    """Return what an API view needs for a method, None when it does not say."""
    declared: Declaration | None = getattr(endpoint, "needs", None)
    if declared is None:
        return None
    method = "GET" if method == "HEAD" else method
    answered = method != "OPTIONS" and hasattr(endpoint, method.lower())
    if not answered:
        return declared if declared == OPEN else Scope.READ
    return declared.get(method) if isinstance(declared, Mapping) else declared


def _need_of_admin_page(owner: Any, name: str, method: str) -> Scope | None:
    declared: Mapping[str, Scope] = getattr(owner, "needs", None) or {}
    kind = _ADMIN_KINDS.get(name)
    if kind == "change" and method in {"GET", "HEAD", "OPTIONS"}:
        kind = "view"  # the page of a row is for whoever may see it; Django draws it without fields then
    return declared.get(kind) if kind else None


def _is_site_method(view: Any) -> bool:
    from django.contrib.admin.sites import AdminSite  # noqa: PLC0415 - needs the app registry

    return isinstance(getattr(view, "__self__", None), AdminSite)
