"""Pages: the status page at /, the API's, and the answers for whoever watches the processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import render, resolve_url
from django.views.decorators.http import require_safe

from hedging import access, selectors
from hedging.access import OPEN, Scope, need_of, needing
from hedging.access.middleware import DOCS_POLICY
from hedging.engine import clock
from hedging.engine.preflight import gate
from hedging.metrics import PROMETHEUS, prometheus_text
from hedging.selectors.facts import Cost, Margin, Projection, SessionFacts, Status
from hedging.selectors.moment import mode_words
from hedging.selectors.preflight import preflights
from hedging.templatetags.hedging_format import percent, rupees, words

REFRESH_SECONDS = 3
# The bar shows up to this percentage of the budget; beyond, it is simply full.
BAR_END = Decimal(120)
_MONEY = frozenset({"spend", "spent", "recovery", "recovered", "charges", "net", "paid", "cost", "budget", "reserved"})

View = Callable[[HttpRequest], HttpResponseBase]


@dataclass(frozen=True, slots=True)
class Mark:
    """A line on the bar: its place in per cent of the bar's width, and its label."""

    place: str
    label: str
    name: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The utilization bar: how far it is filled, in words how that is, and its marks."""

    filled: str
    level: str
    words: str
    projected: str | None
    marks: tuple[Mark, ...]


def page(view: View) -> View:
    """Guard a page by what it declares (or open reads), and forbid caches. The middleware sends the content policy."""

    @wraps(view)
    def guarded(request: HttpRequest) -> HttpResponseBase:
        need = need_of(view, request.method or "")
        if isinstance(need, Scope) and access.may(request, need):
            response = view(request)
        elif not isinstance(need, Scope) or (request.user.is_authenticated and access.holds(request.user, Scope.READ)):
            raise PermissionDenied(f"This page needs {need or 'what nobody declared'}.")
        else:
            response = redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
        response.headers["Cache-Control"] = "no-store"
        return response

    return guarded


@require_safe
@page
@needing(Scope.READ)
def status_page(request: HttpRequest) -> HttpResponse:
    """Draw the day: am I safe, what is next, what do I hold, what was decided and why."""
    context: dict[str, Any] = {"refresh_seconds": None if "still" in request.GET else REFRESH_SECONDS}
    try:
        now = clock.market_clock().now()
        session = selectors.current_session(now=now)
        if session is None:
            last = selectors.last_session()
            context |= {"now": now, "last": last, "summary": summary_rows(last.summary if last else {})}
            context |= {"mode_words": mode_words(mode=None)}
            return render(request, "hedging/no_session.html", context)
        state = selectors.status(session=session, now=now, wall_now=clock.wall_now())
        context |= {
            "now": now,
            "status": state,
            "mode_words": state.session.mode_words,
            "halted": state.session.trading_state,
            "bar": bar_of(state.session, state.margin, state.projections),
            "cost_place": cost_place(state.cost),
            "unprojected": unprojected_words(state),
            "automation": automation_words(state),
            "feed": selectors.feed(session=session),
            "timetable": selectors.timetable(session=session, entries=state.entries, now=now),
            "trades": selectors.transactions(session_id=session.pk).results,
            "summary": summary_rows(state.summary),
        }
    except (clock.ClockUnavailable, DatabaseError) as error:
        what = "Market time" if isinstance(error, clock.ClockUnavailable) else "The database"
        context |= {"what": what, "mode_words": mode_words(mode=None)}
        return render(request, "hedging/unavailable.html", context, status=503)
    return render(request, "hedging/status.html", context)


@require_safe
@page
@needing(Scope.READ)
def preflight_page(request: HttpRequest) -> HttpResponse:
    """Show the last pre-flight of every account. Asks the database only."""
    context: dict[str, Any] = {
        "refresh_seconds": None if "still" in request.GET else REFRESH_SECONDS,
        "mode_words": mode_words(mode=None),
        "asked_for": gate.is_asked_for(),
    }
    try:
        now = clock.market_clock().now()
        context |= {"now": now, "runs": preflights(now=now)}
    except (clock.ClockUnavailable, DatabaseError) as error:
        what = "Market time" if isinstance(error, clock.ClockUnavailable) else "The database"
        return render(request, "hedging/unavailable.html", context | {"what": what}, status=503)
    return render(request, "hedging/preflight.html", context)


@require_safe
@page
@needing(Scope.READ)
def api_docs_page(request: HttpRequest) -> HttpResponse:
    """Show the OpenAPI document, by files of our own: nobody else's server is asked."""
    answer = render(request, "hedging/api_docs.html")
    answer.headers["Content-Security-Policy"] = DOCS_POLICY
    return answer


def bar_of(session: SessionFacts, margin: Margin | None, projections: tuple[Projection, ...]) -> Bar:
    """Place the utilization, the projection and the marks on the bar. Unknown utilization leaves it empty, in words."""
    used = margin.utilization_pct if margin is not None else None
    ahead = [p.entry.used_after_pct for p in projections if p.entry.used_after_pct is not None]
    marks = (
        (session.exit_trigger_pct, "exit trigger"),
        (session.target_pct, "target"),
        (session.trigger_pct, "trigger"),
        (Decimal(100), "budget"),
    )
    level, text = _level(used, session)
    return Bar(
        filled=_place(used or Decimal(0)),
        level=level,
        words=text,
        projected=_place(max(ahead)) if ahead else None,
        marks=tuple(Mark(_place(at), f"{at.normalize():f}", name) for at, name in marks),
    )


def _level(used: Decimal | None, session: SessionFacts) -> tuple[str, str]:
    if used is None:
        return "unknown", "not known"
    if used > 100:
        return "breach", "over the budget"
    if used > session.trigger_pct:
        return "over", "over the trigger"
    if used > session.target_pct:
        return "watch", "between target and trigger"
    return "calm", "within the target"


def _place(percentage: Decimal) -> str:
    return f"{min(max(percentage, Decimal(0)), BAR_END) / BAR_END * 100:.2f}%"


def cost_place(cost: Cost) -> str:
    """Place what is spent or set aside on the bar of the cap."""
    held = cost.spent + cost.reserved
    return f"{min(held / cost.cap, Decimal(1)) * 100 if cost.cap else Decimal(100):.2f}%"


def unprojected_words(status: Status) -> str:
    """Say why the next entry is not projected; "" when it is, or when there is none."""
    if status.next_entry is None or status.projections:
        return ""
    minutes = status.session.lookahead_minutes
    if status.next_entry.seconds_away > minutes * 60:
        return f"It is projected from {minutes} minutes before it."
    return "The latest decision does not project it: see why below."


def automation_words(status: Status) -> str:
    """Say whether anything is bought without a person, and if not, which lid is closed."""
    session = status.session
    if session.closed_at is not None:
        return "off: the session is closed"
    if not session.lid_open:
        return "off: AUTO_HEDGE_ENABLED is false"
    if not session.enabled:
        return "off: the session's toggle"
    return "on" if session.automatic else f"held: {session.trading_state.upper()}"


def summary_rows(summary: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return a day's summary as labels and figures in their units."""
    rows = []
    for key, value in summary.items():
        if key in _MONEY:
            text = rupees(value)
        elif "utilization" in key or key.endswith("_pct"):
            text = percent(value)
        elif isinstance(value, Mapping):
            text = ", ".join(f"{part} {words(name)}" for name, part in value.items()) or "none"
        elif isinstance(value, list | tuple):
            text = ", ".join(str(part) for part in value) or "none"
        else:
            text = "none" if value is None else str(value)
        rows.append((words(key.removesuffix("_pct")), text))
    return tuple(rows)


@require_safe
@needing(OPEN)
def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer that this process lives; asks nobody."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@needing(OPEN)
def readyz(_request: HttpRequest) -> JsonResponse:
    """Answer whether the service does its work: 200 or 503, with ages in wall seconds. Shows no figures of money."""
    try:
        state = selectors.readiness(now=clock.market_clock().now(), wall_now=clock.wall_now())
    except clock.ClockUnavailable:
        return JsonResponse({"ready": False, "problems": ["market time cannot be read"]}, status=503)
    except DatabaseError:
        return JsonResponse({"ready": False, "problems": ["the database does not answer"]}, status=503)
    body = {
        "ready": state.ready,
        "problems": list(state.problems),
        "cycle_age_seconds": state.cycle_age_seconds,
        "data_age_seconds": state.data_age_seconds,
        "workers": {beat.name: beat.age_seconds for beat in state.heartbeats},
    }
    return JsonResponse(body, status=200 if state.ready else 503)


@require_safe
@needing(OPEN)
def metrics(_request: HttpRequest) -> HttpResponse:
    """Answer with ages and counts in the text format of Prometheus. Shows no figures of money."""
    return HttpResponse(prometheus_text(wall_now=clock.wall_now()), content_type=PROMETHEUS)
