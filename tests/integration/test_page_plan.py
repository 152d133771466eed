"""The plan tab: the day ahead in words, and the what-if's controls at the session's own figures."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.engine import clock
from hedging.pages.plan import controls
from schedule.models import MarginParameters
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning
from tests.integration.test_api_plan import drawn, drawn_moment, figures
from tests.people import person

pytestmark = pytest.mark.django_db
QUERIES = 19


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def text(client, address="/plan/"):
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_every_coming_moment_says_what_it_means(client):
    session = hedged_morning()
    drawn(
        session,
        drawn_moment(make.ist(10, 10), kind="now", portfolio="", held=740_000),
        drawn_moment(make.ist(10, 16, 30)),
        drawn_moment(make.ist(10, 30), kind="exit", portfolio="E1", held=700_000),
        drawn_moment(make.ist(11, 0), portfolio="E5", held=900_000),
        drawn_moment(make.ist(11, 30), portfolio="E6", held=1_400_000, beyond_saving=True),
    )

    seen = text(client)

    for words in (
        '<td class="means">under the trigger</td>',
        '<td class="means">crosses the trigger</td>',
        '<td class="means">leaves the book</td>',
        '<td class="means">beyond saving: even hedged it passes the budget</td>',
        "decided when near, at prices of then; at best 76.0 %",
        "nothing: it would not save it",
        "Drawn 10:10:00 IST",
        "<b>1</b> entry is beyond saving",
        "Kept to the end, since their legs were never seen: E2.",
    ):
        assert words in seen
    assert 'data-portfolio="E4" data-held="96.00" data-bare="106.00" data-floor="76.00"' in seen


def test_an_entry_that_asks_for_more_than_is_free_says_so(client):
    session = hedged_morning()
    held = figures(900_000, "300000.00")
    drawn(session, drawn_moment(make.ist(10, 16, 30)) | {"held": held})

    assert "asks for more than is free" in text(client)


def test_what_nobody_knows_is_said_and_is_no_zero(client):
    nothing = {"used_after": None, "used_after_pct": None, "at_order": None}
    session = hedged_morning()
    drawn(session, drawn_moment(make.ist(10, 16, 30)) | {"held": nothing, "bare": nothing, "floor": nothing})

    seen = text(client)

    assert "unknown: used margin is not known" in seen
    assert 'data-held="" data-bare="" data-floor=""' in seen
    assert "0.0 %" not in seen.partition('id="ahead"')[2].partition("</section>")[0]


def test_a_day_that_was_not_drawn_yet_says_when_it_will_be(client):
    hedged_morning()

    seen = text(client)

    assert "Nothing to show: the day is drawn every five minutes while we act." in seen
    assert 'aria-labelledby="ahead-chart-title" hidden' in seen


def test_without_a_session_the_page_says_what_to_do(client):
    assert "No session found: create one" in text(client)


def test_the_controls_stand_at_the_sessions_own_figures(client):
    make.MarginParametersFactory.create()
    session = hedged_morning()
    session.trigger_pct, session.min_premium = Decimal(90), Decimal("2.5")
    session.save()

    found = {each.name: each.present for each in controls(session)}
    assert found == {
        "baskets": 1, "trigger_pct": 90, "target_pct": 85, "min_premium": Decimal("2.5"), "max_premium": 6,
        "scan_range_pct": Decimal("9.3"),
    }  # fmt: skip
    seen = text(client)
    assert 'data-name="trigger_pct" data-present="90"' in seen
    assert 'data-name="min_premium" data-present="2.5"' in seen


def test_a_scan_range_that_no_row_tells_is_unknown(client):
    assert not MarginParameters.objects.exists()
    hedged_morning()

    seen = text(client)

    assert '<div class="control" data-name="scan_range_pct"> ' in seen
    assert "present: unknown" in seen


def test_the_endpoint_draws_the_same_table_for_an_open_page(client):
    session = hedged_morning()
    drawn(session, drawn_moment(make.ist(10, 16, 30)))
    page = text(client)

    answer = client.get("/api/hedge/plan?format=html")

    part = " ".join(answer.content.decode().split())
    assert answer.headers["Content-Type"].startswith("text/html")
    assert part.startswith('<section class="card" id="ahead" data-live')
    assert part in page
    again = client.get("/api/hedge/plan?format=html", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status_code == 304
    assert client.get("/api/hedge/plan").headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("role", ["viewer", "operator"])
def test_whoever_may_look_may_imagine(client, role, settings):
    settings.WORLD = "real"
    hedged_morning()
    assert client.get("/plan/").status_code == 302
    client.force_login(person(role))

    assert 'id="what-if"' in text(client)


@pytest.mark.parametrize("moments", [1, 12])
def test_the_page_takes_as_many_queries_however_long_the_day(client, django_assert_num_queries, moments):
    make.MarginParametersFactory.create()
    session = hedged_morning()
    drawn(session, *(drawn_moment(make.ist(11, each)) for each in range(moments)))

    with django_assert_num_queries(QUERIES):
        client.get("/plan/")
