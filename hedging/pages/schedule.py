"""The schedule tab: a day of the timetable, with skips and changes by those who may."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from hedging.access import Scope, needing
from hedging.engine.hours import trading_day_of
from hedging.pages.base import draw, look, page, scopes_of
from hedging.selectors.day_lines import TimetableDay, timetable_day

NO_DATE = "That is no date: write it like 2026-12-01. Below is today."


@require_safe
@page
@needing(Scope.READ)
def schedule_page(request: HttpRequest) -> HttpResponse:
    """Draw the day that `?date=2026-12-01` names, today without it."""
    moment = look(request)
    today = trading_day_of(moment.now)
    said = request.GET.get("date", "")
    try:
        day, trouble = date.fromisoformat(said or today.isoformat()), ""
    except ValueError:
        day, trouble = today, NO_DATE
    found = timetable_day(day=day, now=moment.now, today=today)
    parts = day_parts(found, scopes=scopes_of(request))
    return draw(request, "hedging/schedule.html", tab="schedule", moment=moment, context=parts | {"trouble": trouble})


def day_parts(found: TimetableDay, *, scopes: Sequence[str]) -> dict[str, Any]:
    """Return what is drawn of a day. No query."""
    return {
        "found": found,
        "due": sum(line.state == "due" for line in found.lines),
        "may_change": "trade" in scopes,
        "may_skip": "trade" in scopes and found.day >= found.today,
    }
