"""What an open page asks for: the same parts as it was first drawn with, only when something changed, and the day's series."""

import re
from datetime import timedelta
from decimal import Decimal
from importlib import import_module

import pytest

from hedging.engine import clock
from hedging.models import CycleKind
from sessions_app.models import TradingState
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning
from tests.people import person

pytestmark = pytest.mark.django_db
FRAGMENT = "/api/hedge/status?format=html"
LIVE = re.compile(r'<(?:section|header|div)[^>]* id="([a-z-]+)" data-live|id="([a-z-]+)"[^>]*data-live')


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def parts(body):
    return {first or second for first, second in LIVE.findall(body)}


def test_every_live_part_of_the_page_is_in_the_fragment(client):
    hedged_morning()

    page, fragment = client.get("/").content.decode(), client.get(FRAGMENT).content.decode()

    assert parts(page) == parts(fragment)
    assert {"banner", "safety", "next", "hedges", "machine", "feed", "why", "books", "timetable", "trades"} <= parts(
        page
    )


def test_a_part_is_drawn_alike_at_first_and_later(client):
    hedged_morning()

    page, fragment = client.get("/").content.decode(), client.get(FRAGMENT).content.decode()

    section = re.search(r'<section class="card safety".*?</section>', fragment, re.S)
    assert section is not None
    assert section.group() in page


def test_other_tabs_ask_for_the_banner_alone(client):
    hedged_morning()

    assert parts(client.get(f"{FRAGMENT}&part=banner").content.decode()) == {"banner"}


def test_an_open_page_is_told_that_nothing_is_new(client):
    hedged_morning()
    first = client.get(FRAGMENT)

    again = client.get(FRAGMENT, headers={"if-none-match": first.headers["ETag"]})

    assert first.headers["Content-Type"].startswith("text/html")
    assert (again.status_code, again.content) == (304, b"")


def test_json_and_fragment_have_different_tags(client):
    hedged_morning()

    assert client.get(FRAGMENT).headers["ETag"] != client.get("/api/hedge/status").headers["ETag"]


def test_a_browser_that_opens_the_address_sees_json(client):
    hedged_morning()

    answer = client.get("/api/hedge/status", headers={"accept": "text/html,*/*;q=0.8"})

    assert answer.headers["Content-Type"] == "application/json"


def test_a_refusal_of_a_fragment_is_json(client):
    answer = client.get(FRAGMENT)

    assert (answer.status_code, answer.json()["code"]) == (404, "NO_SESSION")


def test_the_banner_carries_title_and_icon_of_the_mode(client):
    session = hedged_morning()
    calm = client.get("/").content.decode()
    session.trading_state, session.state_reason = TradingState.HALTED, "by hand"
    session.save()

    halted = client.get("/").content.decode()

    assert 'data-icon="/static/hedging/icons/simulated.svg"' in calm
    assert 'data-icon="/static/hedging/icons/halted.svg"' in halted
    assert 'data-title="HALTED · 74.0 % SIMULATED – Auto-Hedge"' in halted


@pytest.mark.parametrize(("mode", "icon", "words"), [("live", "live", "LIVE"), ("dry_run", "dry_run", "DRY RUN")])
def test_in_the_real_world_the_mode_cannot_be_missed(client, settings, mode, icon, words):
    settings.WORLD = "real"
    session = hedged_morning()
    type(session).objects.filter(pk=session.pk).update(mode=mode)
    client.force_login(person("viewer"))

    seen = client.get("/").content.decode()

    assert f'class="banner real {mode} active"' in seen
    assert f'<strong class="mode">{words}</strong>' in seen
    assert f"icons/{icon}.svg" in seen


@pytest.mark.parametrize(("role", "shown"), [("viewer", False), ("operator", True), ("trader", True)])
def test_the_switches_are_shown_to_who_may_use_them(client, role, shown):
    hedged_morning()
    client.force_login(person(role))

    assert ('data-switch="halt"' in client.get("/").content.decode()) is shown


def test_a_stranger_is_shown_where_to_log_in(client):
    hedged_morning()

    seen = client.get("/").content.decode()

    assert 'data-switch="halt"' not in seen
    assert "/admin/login/?next=/" in seen


def test_a_decision_opens_to_its_whole_card(client):
    session = hedged_morning()
    decision = session.decisions.get(action="add")

    seen = " ".join(client.get(f"/api/hedge/decisions/{decision.pk}?format=html").content.decode().split())

    assert "stops here" in seen
    assert "107.6 % is over 95 %" in seen
    assert "buy 130 NIFTY01DEC2626500CE at ₹4.05" in seen
    assert "foretold <b>unknown</b>, realized <b>unknown</b>" in seen


def test_the_course_has_readings_marks_and_thresholds(client):
    hedged_morning()

    course = client.get("/api/hedge/course").json()

    assert course["readings"]["used_pct"] == ["0.00", "25.00", "74.00"]
    assert course["readings"]["at"] == sorted(course["readings"]["at"])
    assert [(mark["kind"], mark["words"]) for mark in course["marks"]] == [
        ("entry", "ITJ_NF_EXP 1"),
        ("exit", "ITJ_NF_EXP 1"),
        ("buy", "130 NIFTY01DEC2626500CE at 4.0500"),
        ("entry", "ITJ_NF_EXP 4"),
    ]
    assert (course["exit_trigger_pct"], course["trigger_pct"]) == ("70.00", "95.00")


def test_an_unknown_reading_is_a_gap_in_the_course(client):
    session = hedged_morning()
    make.MarginSnapshotFactory.create(session=session, at=NOW, unknown=True)

    assert client.get("/api/hedge/course").json()["readings"]["used_pct"][-1] is None


def test_the_course_of_a_long_day_is_thinned_and_ends_with_the_newest(client, monkeypatch):
    session = hedged_morning()
    monkeypatch.setattr(import_module("hedging.selectors.course"), "MOST_POINTS", 10)
    for number in range(35):
        at = NOW + timedelta(seconds=30 * number)
        make.MarginSnapshotFactory.create(session=session, at=at, utilization_pct=Decimal(number))

    shown = client.get("/api/hedge/course").json()["readings"]["used_pct"]

    assert len(shown) == 10
    assert shown[-1] == "34.00"


@pytest.mark.parametrize(("address", "queries"), [("/api/hedge/course", 10), (f"{FRAGMENT}&part=banner", 17)])
def test_what_is_polled_asks_the_database_a_fixed_number_of_times(client, django_assert_num_queries, address, queries):
    session = hedged_morning()
    for _ in range(20):
        make.MarginSnapshotFactory.create(session=session)
        make.HedgeDecisionFactory.create(session=session, kind=CycleKind.MARGIN_CHECK.value)

    with django_assert_num_queries(queries):
        client.get(address)
