"""The analytics tab: what hedging cost and brought over a period, how true the forecasts were, and what always hedging would cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_safe

from hedging import selectors
from hedging.access import Scope, needing
from hedging.api.inputs import PeriodQuery
from hedging.domain.instruments import Index
from hedging.engine.hours import trading_day_of
from hedging.pages.base import draw, look, page
from hedging.pages.heat import Figure, Heat, heat_of
from hedging.pages.transaction import Money, money_of
from hedging.selectors.accuracy import Accuracy
from hedging.selectors.outcomes import By, Outcome, Period
from hedging.selectors.static_hedge import StaticCost
from sessions_app.models import Account, Mode

SPANS: Final = (("7", "last 7 days"), ("30", "last 30 days"), ("90", "last 90 days"), ("custom", "from … to …"))
_QUARTER = timedelta(days=89)
_DAYS = {"7": 7, "30": 30, "90": 90}
_FIELDS = ("first", "last", "mode", "account", "index")
LONGEST: Final = timedelta(days=3 * 366)
"""What is drawn at most: a heat map of more weeks is not looked at."""


@dataclass(frozen=True, slots=True)
class Part:
    """One mode of the period: real and paper money are shown apart, and never added up."""

    mode: str
    money: Money
    total: Outcome
    tables: tuple[tuple[By, str, tuple[Outcome, ...]], ...]
    heat: Heat
    forecasts: tuple[Accuracy, ...]
    static: StaticCost | None
    static_days: tuple[StaticCost, ...]


@require_safe
@page
@needing(Scope.READ)
def analytics_page(request: HttpRequest) -> HttpResponse:
    """Draw the analytics tab."""
    moment = look(request)
    context = _context(request.GET, today=trading_day_of(moment.now))
    return draw(request, "hedging/analytics.html", tab="analytics", moment=moment, context=context)


def _context(query: QueryDict, *, today: date) -> dict[str, Any]:
    span = query.get("span", "90")
    given = {name: query.get(name, "").strip() for name in _FIELDS}
    if span in _DAYS:
        given |= {"first": (today - timedelta(days=_DAYS[span] - 1)).isoformat(), "last": today.isoformat()}
    checked = PeriodQuery(data={name: value for name, value in given.items() if value})
    wrong = "" if checked.is_valid() else _words(checked.errors)
    wanted = {} if wrong else dict(checked.validated_data)
    last = wanted.get("last") or today
    first = wanted.get("first") or max(last, date.min + _QUARTER) - _QUARTER
    if not wrong and first > last:
        wrong = "The first day is after the last."
    if not wrong and last - first > LONGEST:
        wrong = "At most three years are shown at once."
    figure = Figure.PEAK if query.get("heat") == Figure.PEAK else Figure.COST
    form = {
        "span": span if span in _DAYS else "custom",
        "spans": SPANS,
        "given": given,
        "wrong": wrong,
        "figure": figure,
        "modes": Mode.choices,
        "indices": [index.value for index in Index],
        "accounts": list(Account.objects.order_by("name").values_list("name", flat=True)),
    }
    if wrong:
        return form | {"parts": (), "wrong": wrong}
    period = Period(first, last, wanted.get("mode"), wanted.get("account"), wanted.get("index"))
    return form | {"first": first, "last": last} | _figures(period, figure)


def _figures(period: Period, figure: Figure) -> dict[str, Any]:
    """Return all that the page shows of a period, for each mode. Twenty queries, whatever its length."""
    found = {by: selectors.analytics(period=period, by=by) for by in By}
    forecasts, static = selectors.accuracy(period=period), selectors.static_hedge(period=period)
    costs = {cost.mode: cost for cost in static.totals}
    asked = {
        name: value
        for name, value in (("account", period.account), ("index", period.index), ("mode", period.mode))
        if value
    } | {"first": period.first.isoformat(), "last": period.last.isoformat()}
    parts = tuple(
        Part(
            mode=total.mode,
            money=money_of(total.mode),
            total=total,
            tables=tuple((by, _LABELS[by], _of(found[by].rows, total.mode)) for by in By),
            heat=heat_of(_of(found[By.DAY].rows, total.mode), first=period.first, last=period.last, figure=figure),
            forecasts=tuple(row for row in forecasts if row.mode == total.mode),
            static=costs.get(total.mode),
            static_days=tuple(row for row in static.rows if row.mode == total.mode),
        )
        for total in found[By.DAY].totals
    )
    return {"parts": parts, "asks": f"{reverse('api-analytics')}?{urlencode(asked)}"}


_LABELS = {By.DAY: "Day", By.INDEX: "Index", By.DTE: "Days to expiry"}


def _of(rows: tuple[Outcome, ...], mode: str) -> tuple[Outcome, ...]:
    return tuple(row for row in rows if row.mode == mode)


def _words(errors: Mapping[str, Any]) -> str:
    return " ".join(f"{name.capitalize()}: {' '.join(map(str, words))}" for name, words in errors.items())
