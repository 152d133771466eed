"""The status tab at /: am I safe, what is next, what do I hold, is the machine well; and the day so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from hedging import selectors
from hedging.access import Scope, needing
from hedging.engine.static_hedge import KEY as STATIC
from hedging.pages.bars import bar_of, cost_place
from hedging.pages.base import Moment, banner, draw, look, page
from hedging.selectors.ahead import AheadMoment
from hedging.selectors.facts import Status
from hedging.selectors.kept import shared
from hedging.templatetags.hedging_format import percent, rupees, words

LAST_TRADES: Final = 12
"""How many are on the status tab; all are on the transactions tab."""
_MONEY = frozenset({"spend", "spent", "recovery", "recovered", "charges", "net", "paid", "cost", "budget", "reserved"})


@require_safe
@page
@needing(Scope.READ)
def status_page(request: HttpRequest) -> HttpResponse:
    """Draw where the day stands, and its story so far; without a session, how the last one ended."""
    moment = look(request)
    if moment.status is None:
        return draw(request, "hedging/no_session.html", tab="status", moment=moment, context=last_day(moment))
    return draw(
        request, "hedging/status.html", tab="status", moment=moment, context=drawn_parts(moment.status, moment.version)
    )


def last_day(moment: Moment) -> dict[str, Any]:
    """Return how the last session ended, for a day that has none."""
    last = selectors.last_session(account=moment.account)
    return {"last": last, "summary": summary_rows(last.summary if last else {})}


def glance(state: Status) -> dict[str, Any]:
    """Return what the four cards of the first screen need beside the status itself. One query."""
    return {
        "foreseen": _foreseen(state),
        "bar": bar_of(state.session, state.margin, state.projections),
        "cost_place": cost_place(state.cost),
        "unprojected": unprojected_words(state),
        "automation": automation_words(state),
        "summary": summary_rows(state.summary),
    }


def story(state: Status) -> dict[str, Any]:
    """Return the day so far: decisions, timetable, trades."""
    session_id = state.session.id
    trades = selectors.transactions(session_id=session_id, limit=LAST_TRADES)
    return {
        "feed": selectors.feed(session_id=session_id),
        "timetable": selectors.timetable(session_id=session_id, entries=state.entries, now=state.now),
        "trades": trades.results,
        "more_trades": trades.next_cursor is not None,
    }


def _foreseen(state: Status) -> AheadMoment | None:
    """Return what the day ahead, as last drawn, says of the next entry while it is too far away to be projected."""
    coming = state.next_entry
    if coming is None or state.projections:
        return None
    drawn = selectors.day_ahead(session=state.session, now=state.now).moments
    return next((m for m in drawn if m.kind == "entry" and m.portfolio == coming.portfolio), None)


def drawn_parts(state: Status, version: str) -> dict[str, str]:
    """Return what moves on the status tab, drawn once for all who see this version: at first, and while their page is open."""

    def drawn() -> dict[str, str]:
        context = banner(state, now=state.now) | glance(state) | story(state)
        return {part: render_to_string(f"hedging/_{part}.html", context) for part in ("day", "story")}

    return shared(version, "status tab", drawn)


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
    if session.automatic:
        return "on"
    return f"held: {session.held_by}" if session.trading_state == "active" else f"held: {session.trading_state.upper()}"


def summary_rows(summary: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """Return a day's summary as labels and figures in their units."""
    rows = []
    for key, value in summary.items():
        if key == STATIC:
            continue  # no figure of ours: the analytics tab shows it
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
