"""Every route × method × caller × world × place, against the tables of docs/security.md. The judge shares no code with the guards."""

from __future__ import annotations

import importlib
import itertools
import logging
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings as live_settings
from django.contrib import admin
from django.contrib.auth.models import AnonymousUser, Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from django.urls import clear_url_caches, get_resolver, path
from rest_framework.response import Response

import config.urls
from hedging.access import checks, keys
from hedging.access.middleware import AccessMiddleware
from hedging.access.site import HedgeAdminSite
from hedging.api.base import Endpoint
from hedging.domain.roles import Scope
from hedging.engine import clock
from hedging.pages import base, others
from tests.people import person

pytestmark = pytest.mark.django_db
PAGE = (live_settings.BASE_DIR / "docs" / "security.md").read_text(encoding="utf-8")
ROLES = {
    "read": {"viewer", "operator", "trader", "admin"},
    "operate": {"operator", "trader", "admin"},
    "trade": {"trader", "admin"},
    "admin": {"admin"},
}
METHODS = ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
LOOKING = {"GET", "HEAD", "OPTIONS"}
PEOPLE = ("viewer", "operator", "trader", "admin")
CALLERS = ("anonymous", *PEOPLE, "revoked key", "expired key", "wrong scope", "right scope")
WORLDS = ("simulator", "real", "real in dev mode")
PLACES = ("loopback", "other host", "behind a proxy")
LET_IN = 299
KINDS = {"changelist": "view", "history": "view", "change": "change", "add": "add", "delete": "delete"}


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table of the page whose header begins with `heading`."""
    lines = PAGE[PAGE.index(f"| {heading} |") :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def declared_addresses() -> dict[str, dict[str, str]]:
    table: dict[str, dict[str, str]] = {}
    for address, method, need in rows("address"):
        table.setdefault(address.strip("`"), {})[method] = need
    return table


def declared_admin() -> dict[str, dict[str, str]]:
    return {
        cells[0].strip("`"): dict(zip(("view", "add", "change", "delete"), cells[1:5], strict=True))
        for cells in rows("admin pages of")
    }


def declared_own_pages() -> dict[str, str]:
    return {cells[0].strip("`"): cells[1] for cells in rows("own page")}


@dataclass(frozen=True)
class Route:
    address: str
    name: str
    callback: Any


def routes() -> list[Route]:
    def walk(patterns, before, inside):
        for each in patterns:
            here = before + str(each.pattern)
            if hasattr(each, "url_patterns"):
                yield from walk(each.url_patterns, here, inside or each.namespace or "")
            else:
                address = "/" + re.sub(r"\(\?P(<\w+>)[^)]*\)", r"\1", here.replace("^", "").replace("/?$", ""))
                yield Route("/api/…" if address == "/api/" else address, each.name or "", each.callback)

    return list(walk(get_resolver().url_patterns, "", ""))


OWN_PAGES = declared_own_pages()


def admin_need(route: Route, method: str, table: dict[str, dict[str, str]]) -> str:
    """Return what the page says of an admin route: a scope, `open`, or `–` for closed."""
    if route.name in OWN_PAGES:
        return OWN_PAGES[route.name]
    parts = route.address.removeprefix("/admin/").split("/")
    model = ".".join(parts[:2])
    if model not in table:
        return "open" if route.name in {"login", "logout"} else "read"
    if route.name == "auth_user_password_change":
        return table[model]["change"]
    kind = KINDS.get(route.name.rpartition("_")[2], "view")
    return table[model]["view" if kind == "change" and method in LOOKING else kind]


@dataclass(frozen=True)
class Case:
    method: str
    caller: str
    world: str
    place: str

    def exception_opens(self, need: str) -> bool:
        """Say what design.md grants to everybody: looks in the simulator's world, and dev mode; never a proxy's visitor there."""
        if self.world == "simulator":
            return need == "read" and self.method in LOOKING and self.place != "other host"
        return self.world == "real in dev mode" and self.place == "loopback"

    def holds(self, need: str) -> bool:
        return self.caller in ROLES[need] or self.caller == "right scope"


def api_outcome(case: Case, declared: dict[str, str]) -> int:
    if case.caller in {"revoked key", "expired key"}:
        return 401
    answered = "GET" if case.method == "HEAD" else case.method
    need = declared.get(answered) or "read"
    if not (case.exception_opens(need) or case.holds(need)):
        return 401 if case.caller == "anonymous" else 403
    if "none" in declared:
        return 404
    if case.method == "OPTIONS":
        return 200
    return LET_IN if answered in declared else 405


def page_outcome(case: Case, need: str) -> int:
    if case.method not in {"GET", "HEAD"}:
        return 405
    if need == "open":
        return 200
    return LET_IN if case.exception_opens(need) or case.caller in ROLES[need] else 302


def admin_outcome(case: Case, need: str, name: str) -> int:
    if need == "–":
        return 403
    if name == "login":
        return LET_IN
    if case.caller not in PEOPLE:  # keys open no page of the admin
        return 302
    return LET_IN if need == "open" or case.caller in ROLES[need] else 403


def let_in(*_args, **_kwargs):
    return HttpResponse(status=LET_IN)


DENY = AccessMiddleware(let_in)


def away(**_kwargs):
    raise clock.ClockUnavailable("stopped for the matrix")


@pytest.fixture
def doors(monkeypatch):
    """Put a sign behind every door: what is let in answers 299, and does nothing else."""

    def stand_in(view):
        def sign(*_args, **_kwargs):
            return HttpResponse(status=LET_IN)

        sign.__dict__.update(getattr(view, "__dict__", {}))
        sign.__name__ = getattr(view, "__name__", "view")
        if hasattr(view, "__self__"):
            vars(sign)["__self__"] = view.__self__
        return sign

    guard = HedgeAdminSite.admin_view
    monkeypatch.setattr(
        HedgeAdminSite, "admin_view", lambda site, view, cacheable=False: guard(site, stand_in(view), cacheable)
    )
    monkeypatch.setattr(HedgeAdminSite, "login", let_in)
    vars(let_in)["needs"] = "open"
    monkeypatch.setattr(clock, "market_clock", away)
    monkeypatch.setattr(base, "render", let_in)
    monkeypatch.setattr(others, "render", let_in)
    monkeypatch.setattr("hedging.selectors.readiness", away)
    # What takes longer than a refusal and says nothing about it: log lines, addresses of redirects, headers for caches.
    logging.disable(logging.CRITICAL)
    monkeypatch.setattr("django.contrib.admin.sites.reverse", lambda *_a, **_k: "/admin/login/")
    monkeypatch.setattr("django.contrib.auth.views.redirect_to_login", lambda *_a: HttpResponse(status=302))
    monkeypatch.setattr("django.views.decorators.cache.add_never_cache_headers", lambda _response: None)
    importlib.reload(config.urls)
    clear_url_caches()
    found = routes()
    for endpoint in {route.callback.cls for route in found if hasattr(route.callback, "cls")}:
        for method in METHODS:
            if method != "OPTIONS" and hasattr(endpoint, method.lower()):
                monkeypatch.setattr(endpoint, method.lower(), lambda *_a, **_k: Response(status=LET_IN))
    yield found
    logging.disable(logging.NOTSET)
    monkeypatch.undo()
    importlib.reload(config.urls)
    clear_url_caches()


class Callers:
    """The nine callers, made once: four people, keys of every kind, and nobody."""

    def __init__(self) -> None:
        now = clock.wall_now()
        self.people = {role: person(role) for role in PEOPLE}
        everything = list(Scope)
        soon = now + timedelta(seconds=1)
        self.expired = keys.make_key(name="old", scopes=everything, expires_at=soon, made_by="test", wall_now=now)
        type(self.expired.row).objects.filter(pk=self.expired.row.pk).update(expires_at=now)
        self.revoked = keys.make_key(name="gone", scopes=everything, expires_at=None, made_by="test", wall_now=now)
        keys.revoke(self.revoked.row, by="test", wall_now=now)
        self.only = {scope.value: self._key([scope]) for scope in Scope}
        self.all_but = {scope.value: self._key([each for each in Scope if each is not scope]) for scope in Scope}

    @staticmethod
    def _key(scopes: list[Scope]) -> str:
        made = keys.make_key(name="k", scopes=scopes, expires_at=None, made_by="test", wall_now=clock.wall_now())
        return made.shown

    def headers(self, caller: str, need: str) -> dict[str, str]:
        shown = {
            "revoked key": self.revoked.shown,
            "expired key": self.expired.shown,
            "wrong scope": self.all_but.get(need, ""),
            "right scope": self.only.get(need, ""),
        }.get(caller)
        return {} if not shown else {"HTTP_X_API_KEY": shown}


def request_of(case: Case, *, who: Callers, need: str) -> Any:
    """Make a request as the case says. Views of one kind share it: a hundred thousand of them take half a minute to make."""
    extra: dict[str, Any] = {"REMOTE_ADDR": "192.0.2.9" if case.place == "other host" else "127.0.0.1"}
    if case.place == "behind a proxy":
        extra["HTTP_X_FORWARDED_FOR"] = "203.0.113.5"
    make: Any = RequestFactory().generic
    request = make(
        case.method, "/admin/x/", data=b"{}", content_type="application/json", **extra, **who.headers(case.caller, need)
    )
    request._dont_enforce_csrf_checks = True
    request.user = who.people.get(case.caller) or AnonymousUser()
    request.session = {}
    return request


def ask(route: Route, request: HttpRequest) -> int:
    """Ask a view with its deny-by-default middleware, and return the status."""
    try:
        DENY.process_view(request, route.callback, (), {})
        return int(route.callback(request).status_code)
    except PermissionDenied:
        return 403


def test_every_route_answers_every_caller_everywhere_as_the_page_says(doors, settings):
    who = Callers()
    addresses, pages = declared_addresses(), declared_admin()
    made: dict[tuple[Case, str], HttpRequest] = {}
    wrong, asked = [], 0
    for world, place in itertools.product(WORLDS, PLACES):
        settings.WORLD = "simulator" if world == "simulator" else "real"
        settings.HEDGE_DEV_MODE = world == "real in dev mode"
        settings.AUTO_HEDGE_DRY_RUN = True
        settings.LOOPBACK_BIND = place != "other host"
        for route, method, caller in itertools.product(doors, METHODS, CALLERS):
            case = Case(method, caller, world, place)
            if route.address.startswith("/admin/"):
                need = admin_need(route, method, pages)
                expected = admin_outcome(case, need, route.name)
            elif hasattr(route.callback, "cls"):
                declared = addresses[route.address]
                need = declared.get("GET" if method == "HEAD" else method) or "read"
                expected = api_outcome(case, declared)
            else:
                need = addresses[route.address]["GET"]
                expected = page_outcome(case, need)
                expected = 503 if route.address == "/readyz" and expected == 200 else expected
            asked += 1
            request = made.get((case, need)) or made.setdefault((case, need), request_of(case, who=who, need=need))
            if (got := ask(route, request)) != expected:
                wrong.append(f"{case} {route.address}: {got}, not {expected}")
    assert not wrong, "\n".join(wrong[:20])
    assert asked >= len(doors) * len(METHODS) * 8 * 9


def test_the_page_lists_the_addresses_and_admin_pages_that_are_there_and_no_others():
    found = routes()
    ours = {route.address for route in found if not route.address.startswith("/admin/")}
    assert ours == set(declared_addresses())
    assert {model._meta.label_lower for model in admin.site._registry} == set(declared_admin())
    assert set(OWN_PAGES) <= {route.name for route in found}


def test_the_page_lists_the_actions_and_what_they_ask_for():
    said = {cells[0].strip("`"): cells[5] for cells in rows("admin pages of")}
    for model, owner in admin.site._registry.items():
        asks = [
            f"{name}: {', '.join(function.allowed_permissions)}"
            for function, name, _ in owner._get_base_actions()  # type: ignore[attr-defined] # the stubs leave it out
            if name != "delete_selected"
        ]
        assert ", ".join(asks) == said[model._meta.label_lower]


def test_groups_hold_exactly_what_their_scopes_declare():
    person("viewer")  # the groups are there
    for role in PEOPLE:
        expected = {f"access.{scope}" for scope, roles in ROLES.items() if role in roles}
        expected |= {
            f"{model.rpartition('.')[0]}.{kind}_{model.rpartition('.')[2]}"
            for model, kinds in declared_admin().items()
            for kind, need in kinds.items()
            if need != "–" and role in ROLES[need]
        }
        held = Group.objects.get(name=role).permissions.values_list("content_type__app_label", "codename")
        assert {f"{app}.{codename}" for app, codename in held} == expected


def test_a_route_that_declares_nothing_is_refused_named_by_the_check_and_missing_on_the_page(monkeypatch):
    class Forgotten(Endpoint):
        def get(self, _request):
            return Response()

    monkeypatch.setattr(
        config.urls,
        "urlpatterns",
        [*config.urls.urlpatterns, path("forgot", let_nobody), path("api2/forgot", Forgotten.as_view())],
    )
    clear_url_caches()
    try:
        found = {route.address: route for route in routes()}
        assert {"/forgot", "/api2/forgot"} <= set(found) - set(declared_addresses())
        named = [error.msg for error in checks.routes_declare_what_they_need(None)]
        assert [text.split()[0] for text in named] == ["forgot", "api2/forgot"]
        who = Callers()
        case = Case("GET", "admin", "simulator", "loopback")
        for address in ("/forgot", "/api2/forgot"):
            assert ask(found[address], request_of(case, who=who, need="read")) == 403
    finally:
        monkeypatch.undo()
        clear_url_caches()


def let_nobody(_request):
    raise AssertionError("it was called")
