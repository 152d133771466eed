"""The admin site: every page asks for the scope that was declared for it, and logins are counted, with a second factor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from django.contrib.admin import AdminSite, ModelAdmin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, path
from django.utils.decorators import method_decorator
from django.views.decorators.cache import never_cache

from hedging.access import lockout
from hedging.access.declare import OPEN, need_of
from hedging.access.keys import LockedOut
from hedging.access.login import LoginForm, login_sources
from hedging.access.rules import holds
from hedging.domain.roles import Scope
from hedging.engine import clock

View = TypeVar("View", bound=Callable[..., Any])


class HedgeAdminSite(AdminSite):
    """Django's admin, denying what nobody declared. Registered as the default site by `config.apps`."""

    site_header = "Auto-Hedge"
    site_title = "Auto-Hedge"
    index_title = "Operate"
    login_form = LoginForm

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the visitor is somebody: logged in, with a role, and a second factor where one is enrolled."""
        return holds(request.user, Scope.READ)

    def admin_view(self, view: View, cacheable: bool = False) -> View:  # noqa: FBT001, FBT002 - Django's signature
        """Return the view behind its declared scope; without a declaration, behind a closed door."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if self.has_permission(request):
                need = need_of(_Callback(view, self), request.method or "")
                if need != OPEN and not (isinstance(need, Scope) and holds(request.user, need)):
                    raise PermissionDenied(f"This page needs {need or 'what nobody declared'}.")
                _refuse_undeclared_action(view, request)
            return inner(request, *args, **kwargs)

        guarded.__dict__.update(inner.__dict__)
        guarded.__name__ = getattr(inner, "__name__", "view")
        guarded.__doc__ = inner.__doc__
        guarded.csrf_exempt = True  # type: ignore[attr-defined] # `inner` checks it itself
        return cast("View", guarded)

    @method_decorator(never_cache)
    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Log in; from a source with too many failures nothing is looked at."""
        if request.method == "POST":
            sources = login_sources(request, request.POST.get("username", ""))
            if seconds := lockout.seconds_locked(sources, wall_now=clock.wall_now()):
                return HttpResponse(
                    f"{LockedOut(seconds)}\n",
                    status=429,
                    content_type="text/plain; charset=utf-8",
                    headers={"Retry-After": str(seconds)},
                )
        return super().login(request, extra_context)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return Django's routes, and those of one's own second factor."""
        from hedging.access import two_factor  # noqa: PLC0415 - needs the app registry

        own = [path("second-factor/", two_factor.page_of(self), name="second_factor")]
        return [*own, *super().get_urls()]


class _Callback:
    """What `need_of` reads of a route's callback: the function's name, its declaration, and who owns it."""

    def __init__(self, view: Callable[..., Any], site: AdminSite) -> None:
        self.__dict__.update(getattr(view, "__dict__", {}))
        self.__name__ = getattr(view, "__name__", "")
        owner = getattr(view, "__self__", None)
        if isinstance(owner, ModelAdmin):
            self.model_admin = owner
        elif not hasattr(self, "model_admin"):
            self.admin_site = site


def _refuse_undeclared_action(view: Callable[..., Any], request: HttpRequest) -> None:
    """Refuse an action of a list that does not say which permission it needs."""
    owner = getattr(view, "__self__", None)
    chosen = request.POST.get("action") if request.method == "POST" else None
    if not chosen or not isinstance(owner, ModelAdmin):
        return
    for function, name, _ in owner._get_base_actions():  # type: ignore[attr-defined]
        if name == chosen and not getattr(function, "allowed_permissions", None):
            raise PermissionDenied("Nobody declared what this action needs.")
