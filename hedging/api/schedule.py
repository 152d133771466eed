"""A day of the timetable over HTTP: its entries, leaving one out for a day, and changing one's times."""

from __future__ import annotations

from datetime import date, time
from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.exceptions import NotFound
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.describe import tells
from hedging.api.errors import Refused
from hedging.api.fragments import FragmentRenderer, fragment, wants_fragment
from hedging.api.fresh import unless_known
from hedging.api.outputs.plan import DayOutput, EntryDoneOutput
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.engine.states import Act
from hedging.engine.timetable import change_entry, move_entry, set_skipped
from hedging.pages.base import scopes_of
from hedging.pages.schedule import day_parts
from hedging.selectors.day_lines import day_lines, timetable_day
from schedule.calendar import CalendarUnknown
from schedule.models import StrategyEntry


class ScheduleView(Endpoint):
    """GET: the entries of a day."""

    needs = Scope.READ
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "A day's timetable",
        answer=DayOutput,
        example="schedule",
        query=inputs.ScheduleQuery,
        refusals=["CALENDAR_UNKNOWN", "CLOCK_UNAVAILABLE"],
        polled=True,
        fragment=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return `date`, today when it is not given: what is due, and every line that falls on it with its state."""
        wanted = self.query(request, inputs.ScheduleQuery)
        now = clock.market_clock().now()
        today = trading_day_of(now)
        found = timetable_day(day=wanted.get("date") or today, now=now, today=today)
        if wants_fragment(request):
            parts = day_parts(found, scopes=scopes_of(request._request))
            return unless_known(request, repr(parts), lambda: fragment("hedging/_schedule.html", parts))
        if found.unknown:
            raise Refused("CALENDAR_UNKNOWN", found.unknown, {"date": found.day.isoformat()})
        entries, _ = selectors.day_entries(day=found.day)
        body = {"date": found.day, "before": found.before, "after": found.after}
        drawn = DayOutput.of(body | {"entries": entries, "lines": found.lines})
        return unless_known(request, repr(drawn), lambda: Response(drawn))


class SkipView(Endpoint):
    """POST: leave an entry out of one day, or let it be due again."""

    needs = Scope.TRADE

    @tells(
        "The entry on that day",
        answer=EntryDoneOutput,
        example="entry_done",
        body=inputs.SkipInput,
        sent={"portfolio": "ITJ_NF_EXP 4", "skipped": True, "reason": "not sold today"},
        refusals=["NOT_FOUND", "DAY_OVER", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Leave an entry out of every projection of one day, or take that back. The same again changes nothing."""
        wanted = self.body(request, inputs.SkipInput)
        act = _act(request, wanted)
        today = trading_day_of(act.now)
        day = wanted.get("date") or today
        _must_come(day, today)
        entry = _entry(wanted["portfolio"])
        changed = set_skipped(entry=entry, day=day, skipped=wanted["skipped"], act=act)
        return _done(entry, day, act, changed=changed)


class EntryView(Endpoint):
    """POST: change an entry's times, on one day or for good, or switch it on or off."""

    needs = Scope.TRADE

    @tells(
        "The entry as it is now, on today's day or on the one that was named",
        answer=EntryDoneOutput,
        example="entry_done",
        body=inputs.EntryInput,
        sent={"portfolio": "ITJ_NF_EXP 4", "entry_time": "10:21:30", "exit_time": None},
        refusals=["NOT_FOUND", "ENTRY_TIMES", "DAY_OVER", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Change what is named of an entry, on every day that it falls on from now on; the timetable before is kept.

        With `date`, its times of that day alone are changed. The same again changes nothing.
        """
        wanted = self.body(request, inputs.EntryInput)
        act = _act(request, wanted)
        today = trading_day_of(act.now)
        day = wanted.get("date")
        entry = _entry(wanted["portfolio"])
        fields: dict[str, Any] = {name: wanted[name] for name in ("active",) if name in wanted}
        for name in ("entry_time", "exit_time"):
            if name in wanted:
                fields[name] = None if wanted[name] is None else time.fromisoformat(wanted[name])
        try:
            if day is None:
                changed = change_entry(entry=entry, fields=fields, act=act)
            else:
                _must_come(day, today)
                changed = move_entry(entry=entry, day=day, fields=fields, act=act)
        except ValueError as error:
            raise Refused("ENTRY_TIMES", f"Nothing was changed: {error}.") from None
        return _done(entry, day or today, act, changed=changed)


def _must_come(day: date, today: date) -> None:
    if day < today:
        raise Refused("DAY_OVER", f"{day} is over: nothing of it can be changed.", {"today": today.isoformat()})


def _act(request: Request, wanted: dict[str, Any]) -> Act:
    now = clock.market_clock().now()
    return Act(actor=actor_of(request), reason=wanted["reason"], now=now, wall_now=clock.wall_now())


def _entry(portfolio: str) -> StrategyEntry:
    entry = StrategyEntry.objects.filter(portfolio=portfolio).first()
    if entry is None:
        raise NotFound("There is no entry of this name.")
    return entry


def _done(entry: StrategyEntry, day: date, act: Act, *, changed: bool) -> Response:
    try:
        line = next((line for line in day_lines(day=day, now=act.now) if line.id == entry.pk), None)
    except CalendarUnknown:
        line = None
    return Response(EntryDoneOutput.of({"changed": changed, "date": day, "line": line}))
