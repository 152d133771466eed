"""The analytics tab and its endpoints: periods, modes apart, the calendar, forecasts, and the bot that always hedges."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from hedging.engine import clock
from hedging.models import JumpKind
from hedging.pages.heat import Figure, heat_of
from hedging.selectors import accuracy, static_hedge
from hedging.selectors.outcomes import Outcome, Period
from sessions_app.models import Mode
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning, known_calendar

pytestmark = pytest.mark.django_db
FRAME = 17  # what the banner asks of a session's day
QUERIES = 21  # the accounts; three tables of six; forecasts; the bot
MONDAY = date(2026, 11, 30)
ALL = Period(date(2026, 1, 1), date(2026, 12, 31))


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def text(client, address="/analytics"):
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def closed_day(day=MONDAY, *, net="-850.00", peak="91.5", static=None, **fields):
    summary = {"spend": "1000.00", "recovery": "200.00", "charges": "50.00", "net": net, "peak_utilization_pct": peak}
    if static is not None:
        summary["always_hedge"] = static
    return make.TradingSessionFactory.create(
        trading_day=day, closed_at=NOW - timedelta(days=1), summary=summary, **({"dte": 1} | fields)
    )


def bot(*, known=4, no_strike=0, no_price=0, no_end=0, paid="2000.00", got_back="150.00"):
    return {
        "entries": known + no_strike + no_price + no_end,
        "known": known,
        "no_strike": no_strike,
        "no_price": no_price,
        "no_end": no_end,
        "paid": paid,
        "got_back": got_back,
        "whole": not no_price and not no_end,
    }


def jump(session, *, forecast, realized, kind=JumpKind.ENTRY, source="engine", **fields):
    return make.MarginJumpFactory.create(
        session=session,
        kind=kind.value,
        forecast=None if forecast is None else Decimal(forecast),
        forecast_source=source,
        before=Decimal(100_000),
        after=None if realized is None else Decimal(100_000) + Decimal(realized),
        measured_at=None if realized is None else NOW,
        **fields,
    )


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_shows_the_period_by_index_and_dte(client):
    session = hedged_morning()
    closed_day(account=session.account)

    seen = text(client)

    assert "3 Sep 2026 to 1 Dec 2026" in seen
    assert "2 sessions" in seen
    assert "<dt>Premium paid</dt><dd>₹1,527</dd>" in seen
    assert "<dt>Net</dt><dd>−₹1,398</dd>" in seen
    assert "<dt>Peak utilization</dt><dd>91.5 %</dd>" in seen
    assert '<th scope="row">1DTE</th>' in seen
    assert 'href="/transactions?day=2026-11-30">Mon 30 Nov 2026</a>' in seen


@pytest.mark.parametrize(
    ("query", "sessions"),
    [
        ("span=7", 1), ("span=30", 2), ("span=90", 3), ("span=custom&first=2026-09-01&last=2026-09-30", 1),
        ("span=30&index=SENSEX", 0), ("span=30&mode=dry_run", 0), ("span=30&index=NIFTY&mode=live", 2),
    ],
)  # fmt: skip
def test_a_period_and_filters_choose_the_sessions(client, query, sessions):
    account = make.AccountFactory.create()
    for day in (MONDAY, date(2026, 11, 9), date(2026, 9, 10)):
        closed_day(day, account=account)

    seen = text(client, f"/analytics?{query}")

    assert f"{sessions} session" in seen if sessions else "No session in this period" in seen


def test_an_account_is_chosen_by_its_name(client):
    ours, theirs = (make.AccountFactory.create(name=name) for name in ("Asha", "Ravi"))
    closed_day(account=ours, net="-1.00")
    closed_day(account=theirs, net="-2.00")

    seen = text(client, "/analytics?account=Ravi")

    assert "1 session" in seen
    assert "<option selected>Ravi</option>" in seen


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("span=custom&first=2026-12-02&last=2026-12-01", "The first day is after the last."),
        ("span=custom&first=soon", "First: "),
        ("span=custom&first=2020-01-01&last=2026-12-01", "At most three years"),
        ("mode=real", "Mode: "),
        ("span=custom&first=2026-01-01&last=0001-01-01", "The first day is after the last."),
    ],
)
def test_a_period_that_is_none_is_said(client, query, words):
    hedged_morning()

    seen = text(client, f"/analytics?{query}")

    assert f'<p class="notice wrong" role="alert">{words}' in seen
    assert "Premium paid" not in seen


def test_real_and_paper_money_are_shown_apart(client):
    for number, mode in enumerate((Mode.LIVE, Mode.DRY_RUN)):
        closed_day(account__name=f"a{number}", mode=mode.value)

    seen = text(client)

    assert seen.count("Premium paid</dt><dd>₹1,000") == 2
    assert "SIMULATED PAPER</span> 1 session" in seen


def test_an_empty_period_says_what_to_do(client):
    known_calendar()

    seen = text(client)

    assert "No session in this period" in seen
    assert 'href="/session"' in seen


def test_the_page_takes_a_fixed_number_of_queries(client, django_assert_num_queries):
    session = hedged_morning()
    for number in range(20):
        other = closed_day(MONDAY - timedelta(days=number), account=session.account, static=bot())
        jump(other, forecast=1000, realized=1100)
    with django_assert_num_queries(FRAME + QUERIES):
        client.get("/analytics")


# --- the calendar -----------------------------------------------------------------------------------------------------


def outcome(day, cost=0, peak=None):
    return Outcome(str(day), "live", cost=Decimal(cost), peak_utilization_pct=peak)


def test_the_calendar_has_a_row_for_each_week_and_a_shade_for_each_day():
    days = [outcome(date(2026, 11, 24), 1000), outcome(date(2026, 12, 1), 201), outcome(date(2026, 11, 26), 0)]

    heat = heat_of(days, first=date(2026, 11, 23), last=date(2026, 12, 2), figure=Figure.COST)

    assert heat.weekdays == ("Mon", "Tue", "Wed", "Thu", "Fri")
    first, second = heat.weeks
    assert [(day.words, day.shade) for day in first] == [("", 0), ("₹1,000", 5), ("", 0), ("₹0", 0), ("", 0)]
    assert [(day.words, day.shade) for day in second][:2] == [("", 0), ("₹201", 2)]
    assert [day.within for day in second] == [True, True, True, False, False]


def test_a_gain_is_a_negative_cost_and_has_its_own_colour():
    gained = Outcome("2026-12-01", "live", recovery=Decimal(300))

    (week,) = heat_of([gained], first=date(2026, 12, 1), last=date(2026, 12, 1), figure=Figure.COST).weeks

    assert (week[1].words, week[1].gain) == ("−₹300", True)


@pytest.mark.parametrize(
    ("peak", "words", "shade"),
    [(None, "unknown", 0), ("50", "50.0 %", 1), ("50.01", "50.0 %", 2), ("95", "95.0 %", 4), ("101", "101.0 %", 5)],
)
def test_an_unknown_peak_is_said_and_has_no_shade(peak, words, shade):
    day = outcome(date(2026, 12, 1), peak=None if peak is None else Decimal(peak))

    (week,) = heat_of([day], first=date(2026, 12, 1), last=date(2026, 12, 1), figure=Figure.PEAK).weeks

    assert (week[1].words, week[1].shade) == (words, shade)


def test_a_special_session_on_a_sunday_shows_the_weekend():
    heat = heat_of([outcome(date(2026, 11, 8))], first=date(2026, 11, 2), last=date(2026, 11, 8), figure=Figure.COST)

    assert heat.weekdays[-1] == "Sun"
    assert heat.weeks[0][6].words == "₹0"


def test_the_calendar_shows_what_is_chosen_in_words_for_every_day(client):
    closed_day()

    assert '<span class="unseen">Mon 30 Nov 2026: </span>₹850</td>' in text(client)
    peak = text(client, "/analytics?heat=peak")
    assert '<span class="unseen">Mon 30 Nov 2026: </span>91.5 %</td>' in peak
    assert '<option value="peak" selected>' in peak


# --- forecasts --------------------------------------------------------------------------------------------------------


def test_forecasts_are_judged_by_kind_and_source_in_per_cent_of_the_budget():
    session = make.TradingSessionFactory.create()  # ten lakh: ₹1,000 are 0.1 %
    for missed in (1000, -2000, 3000):
        jump(session, forecast=50_000, realized=50_000 + missed)
    jump(session, forecast=50_000, realized=None, note="not measured")
    jump(session, forecast=None, realized=40_000)
    jump(session, forecast=-20_000, realized=-19_000, kind=JumpKind.HEDGE, subject="1")
    jump(session, forecast=-20_000, realized=None, kind=JumpKind.HEDGE, subject="2", note="nothing was filled")

    entries, hedges = accuracy(period=ALL)

    assert (entries.kind, entries.source, entries.measured, entries.unmeasured) == ("entry", "engine", 3, 2)
    assert (entries.p50_pct, entries.p95_pct, entries.worst_pct) == (Decimal("0.20"), Decimal("0.29"), Decimal("0.30"))
    assert entries.bias_pct == Decimal("0.07")
    assert (hedges.kind, hedges.measured, hedges.unmeasured, hedges.bias_pct) == ("hedge", 1, 0, Decimal("0.10"))


def test_what_was_never_measured_is_unknown_and_not_zero(client):
    jump(make.TradingSessionFactory.create(), forecast=50_000, realized=None)

    (row,) = accuracy(period=ALL)

    assert (row.measured, row.unmeasured, row.p50_pct, row.bias_pct) == (0, 1, None, None)
    assert client.get("/api/hedge/analytics/accuracy").json()["rows"][0]["p95_pct"] is None
    assert "unknown</td>" in text(client)


def test_forecasts_of_the_two_modes_are_apart():
    for number, mode in enumerate((Mode.LIVE, Mode.DRY_RUN)):
        session = make.TradingSessionFactory.create(account__name=f"a{number}", mode=mode.value)
        jump(session, forecast=1000, realized=1000)

    assert [(row.mode, row.measured) for row in accuracy(period=ALL)] == [("dry_run", 1), ("live", 1)]


# --- the bot that always hedges ---------------------------------------------------------------------------------------


def test_only_whole_days_are_compared_and_the_others_are_counted(client):
    account = make.AccountFactory.create()
    closed_day(account=account, static=bot(no_strike=6))
    closed_day(MONDAY - timedelta(days=3), account=account, net="-99.00", static=bot(known=1, no_price=2, no_end=1))
    closed_day(MONDAY - timedelta(days=4), account=account)  # before anything was kept
    hedged_morning()  # open: not added up yet

    told = static_hedge(period=ALL)

    (total,) = told.totals
    assert (total.closed, total.recorded, total.whole) == (3, 2, 1)
    assert (total.entries, total.known, total.no_strike, total.no_price, total.no_end) == (14, 5, 6, 2, 1)
    assert (total.paid, total.static_net, total.our_net) == (Decimal(4000), Decimal(-1850), Decimal(-850))
    assert [(f"{row.day:%d}", row.whole) for row in told.rows if row.day] == [("27", 0), ("30", 1)]
    seen = text(client)
    assert (
        "On 1 of 3 closed sessions, a hedge with every entry would have come to <b>−₹1,850</b>; ours came to <b>−₹850</b>."
        in seen
    )
    assert "3 closed sessions: 2 kept their prices, 1 whole." in seen
    assert seen.count(">not compared<") == 1


def test_where_no_day_is_whole_nothing_is_compared(client):
    closed_day(static=bot(no_end=1))

    seen = text(client)

    assert "Of no session is every price stored, so nothing is compared." in seen
    assert "would have come to" not in seen


def test_the_endpoints_answer_the_same_and_say_when_nothing_is_new(client):
    closed_day(static=bot())
    for address in ("accuracy", "static-hedge"):
        first = client.get(f"/api/hedge/analytics/{address}?index=NIFTY")
        again = client.get(
            f"/api/hedge/analytics/{address}?index=NIFTY", headers={"If-None-Match": first.headers["ETag"]}
        )
        assert (first.status_code, again.status_code) == (200, 304)
        refused = client.get(f"/api/hedge/analytics/{address}?first=2026-12-02&last=2026-12-01")
        assert refused.json()["code"] == "DAYS_REVERSED"
    told = client.get("/api/hedge/analytics/static-hedge").json()
    assert told["totals"][0]["static_net"] == "-1850.00"
    assert (told["rows"][0]["day"], told["totals"][0]["day"]) == ("2026-11-30", None)


@pytest.mark.parametrize(("address", "queries"), [("accuracy", 6), ("static-hedge", 6)])
def test_the_endpoints_take_a_fixed_number_of_queries(client, django_assert_num_queries, address, queries):
    session = hedged_morning()
    for number in range(5):
        jump(closed_day(MONDAY - timedelta(days=number), account=session.account), forecast=1, realized=1)
    with django_assert_num_queries(queries):
        client.get(f"/api/hedge/analytics/{address}")
