"""What every page shares: the guard, the frame with banner and tabs, and the answer when something is away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import render, resolve_url

from hedging import access, selectors
from hedging.access import Scope, need_of
from hedging.engine import clock
from hedging.selectors.facts import Status
from hedging.selectors.moment import mode_words
from hedging.selectors.versions import session_version, status_seen
from sessions_app.models import TradingSession

POLL_MS: Final = 2000
"""Wall time between two questions of an open page: a fill is shown within three seconds. Mostly the answer is 304."""
STALE_SECONDS: Final = 95
"""Market time after which a figure is drawn grey: three checks of margin were missed."""

View = Callable[[HttpRequest], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Tab:
    """A page of the dashboard: the name of its route, its label, and the key that follows `g` to go there."""

    name: str
    label: str
    key: str


TABS: Final = (
    Tab("status", "Status", "s"),
    Tab("plan", "Plan", "p"),
    Tab("session", "Session", "e"),
    Tab("schedule", "Schedule", "c"),
    Tab("manual", "Manual", "m"),
    Tab("transactions", "Transactions", "t"),
    Tab("analytics", "Analytics", "a"),
)


@dataclass(frozen=True, slots=True)
class Moment:
    """One look at the day: market time, the session and where it stands, both `None` when there is none.

    `version` names what there is to see: what is drawn of it alone may be shared by all who look.
    """

    now: datetime
    account: str | None
    session: TradingSession | None = None
    version: str = ""
    status: Status | None = None


def page(view: View) -> View:
    """Guard a page by what it declares (or open reads), forbid caches, and show no figure where one cannot be read."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        need = need_of(view, request.method or "")
        if isinstance(need, Scope) and access.may(request, need):
            try:
                response = view(request)
            except (clock.ClockUnavailable, DatabaseError) as error:
                what = "Market time" if isinstance(error, clock.ClockUnavailable) else "The database"
                response = render(request, "hedging/unavailable.html", {"what": what} | frame(request), status=503)
        elif not isinstance(need, Scope) or (request.user.is_authenticated and access.holds(request.user, Scope.READ)):
            raise PermissionDenied(f"This page needs {need or 'what nobody declared'}.")
        else:
            response = redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
        response.headers["Cache-Control"] = "no-store"
        return response

    return guarded


def look(request: HttpRequest) -> Moment:
    """Read where the day stands, of the account that the address names. Raises `ClockUnavailable`."""
    now = clock.market_clock().now()
    account = request.GET.get("account") or None
    session = selectors.current_session(now=now, account=account)
    if session is None:
        return Moment(now, account)
    wall_now = clock.wall_now()
    version = session_version(session=session, now=now, wall_now=wall_now)
    return Moment(now, account, session, version, status_seen(version, session=session, now=now, wall_now=wall_now))


def draw(request: HttpRequest, template: str, *, tab: str, moment: Moment, context: dict[str, Any]) -> HttpResponse:
    """Draw a tab in its frame. Where there is no session, the page says what to do instead."""
    return render(request, template, frame(request, moment) | {"tab": tab} | context)


def frame(request: HttpRequest, moment: Moment | None = None) -> dict[str, Any]:
    """Return what the frame shows: mode, state, utilization, tabs, and which switches this visitor may use."""
    state = None if moment is None else moment.status
    return banner(state, now=None if moment is None else moment.now) | {
        "tabs": TABS,
        "account": None if moment is None else moment.account,
        # Whose figures an open page keeps asking for, and whom its buttons act on, also once another account opens its session.
        "shown_account": "" if state is None else state.session.account,
        "scopes": scopes_of(request),
        "logged_in": request.user.is_authenticated,
    }


def scopes_of(request: HttpRequest) -> list[str]:
    """Return what this visitor may do: controls are drawn for those who may use them."""
    return [scope.value for scope in Scope if access.may(request, scope) or access.dev_mode_opens(request)]


def banner(state: Status | None, *, now: datetime | None) -> dict[str, Any]:
    """Return what the banner shows of the day: it is drawn anew with every answer, whoever asks."""
    return {
        "status": state,
        "now": now,
        "speed": settings.SPEED,
        "world": settings.WORLD,
        "mode_words": mode_words(mode=None) if state is None else state.session.mode_words,
        "halted": "active" if state is None else state.session.trading_state,
        "poll_ms": POLL_MS,
        "stale_seconds": STALE_SECONDS,
    }
