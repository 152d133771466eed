"""The tabs Manual, Session and Schedule as they are first drawn, and the parts that an open page draws anew."""

from __future__ import annotations

import re
from datetime import time, timedelta
from decimal import Decimal

import pytest

from hedging import selectors
from hedging.engine import clock
from schedule.models import TradingDay
from sessions_app.models import TradingSession, TradingState
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, entries, hedged_morning, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
LIVE = re.compile(r'<section class="card" id="([a-z-]+)" data-live')
ROLES = ("viewer", "operator", "trader", "admin")


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def text(client, address):
    answer = client.get(address)
    assert answer.status_code == 200
    body = answer.content.decode()
    assert "style=" not in body
    assert not re.search(r"<script(?![^>]*src=)|\son[a-z]+=", body)
    return " ".join(body.split())


def as_(client, role):
    client.force_login(person(role))
    return client


# --- manual -----------------------------------------------------------------------------------------------------------------


def test_the_manual_tab_shows_what_is_held_before_the_board_is_read(client):
    hedged_morning()

    seen = text(as_(client, "trader"), "/manual/")

    assert "NIFTY01DEC2626500CE" in seen
    assert "₹527 <span" in seen
    assert "Reading the option chain" in seen
    assert "unknown" in seen  # no decision has read its bid


@pytest.mark.parametrize(
    ("role", "ticket", "exits"), [("viewer", False, False), ("operator", False, True), ("trader", True, True)]
)
def test_the_controls_of_the_manual_tab_follow_the_role(client, role, ticket, exits):
    hedged_morning()

    seen = text(as_(client, role), "/manual/")

    assert ('id="ticket"' in seen, 'id="exit-all"' in seen) == (ticket, exits)


@pytest.mark.parametrize("closed", [False, True])
def test_without_an_open_session_the_manual_tab_leads_to_the_session(client, closed):
    known_calendar()
    if closed:
        make.TradingSessionFactory.create(closed=True)

    seen = text(client, "/manual/")

    assert "To the session" in seen
    assert "data-board" not in seen


def test_the_manual_tab_asks_the_database_a_fixed_number_of_times(client, django_assert_num_queries):
    hedged_morning()

    with django_assert_num_queries(17):
        client.get("/manual/")


# --- session ----------------------------------------------------------------------------------------------------------------


def test_without_a_session_one_is_created_from_a_form_that_is_filled_in(client):
    known_calendar()
    entries()
    account = make.AccountFactory.create()
    make.TradingSessionFactory.create(
        account=account,
        trading_day=make.TUESDAY - timedelta(days=1),
        closed=True,
        baskets=3,
        budget_per_basket=Decimal(800000),
    )

    seen = text(as_(client, "trader"), "/session/")

    assert '<option value="NIFTY">NIFTY 0DTE, Tue 1 Dec, 2 entries due</option>' in seen
    assert 'value="3"' in seen
    assert 'value="800000"' in seen
    assert "Create today's session" in seen


def test_a_viewer_is_told_who_creates_a_session(client):
    known_calendar()
    make.AccountFactory.create()

    seen = text(as_(client, "viewer"), "/session/")

    assert "Opening a session needs a trader" in seen
    assert 'id="create"' not in seen


@pytest.mark.parametrize(
    ("change", "words"), [("closed", "is not a trading day by the calendar"), ("gone", "are not known")]
)
def test_a_day_on_which_nothing_can_be_opened_says_why(client, change, words):
    known_calendar()
    if change == "closed":
        TradingDay.objects.filter(day=make.TUESDAY).update(is_open=False)
    else:
        TradingDay.objects.all().delete()

    assert words in text(as_(client, "trader"), "/session/")


def test_the_session_is_shown_whole(client):
    session = hedged_morning()
    TradingSession.objects.update(
        trigger_pct=Decimal(92),
        baseline_source="first funds reading after the open",
        last_action_at=NOW - timedelta(seconds=40),
        quarantine=["NIFTY01DEC2626900CE"],
    )

    seen = text(client, "/session/")

    assert "<b>₹10,00,000</b>" in seen
    assert "09:15:00 IST, first funds reading after the open" in seen
    assert 'Trigger, of budget</th><td class="n"><b>92 %</b></td><td><span class="tag">its own</span>' in seen
    assert "95 %" in seen
    assert "cooldown for another 1 min" in seen
    assert "NIFTY01DEC2626900CE" in seen
    assert "<b>₹547.90</b> of at most ₹50,000" in seen
    assert selectors.session_facts(session).mode_words in seen


def test_a_state_that_is_the_installations_is_told_apart_from_the_sessions_own(client):
    hedged_morning()
    make.TradingSessionFactory._meta.model.objects.update(trading_state=TradingState.REDUCING, state_reason="news")

    assert "<b>REDUCING</b>: news" in text(client, "/session/")


FORMS = {
    "viewer": set(),
    "operator": {"toggle", "state", "reconcile"},
    "trader": {"toggle", "state", "reconcile", "baseline", "close"},
    "admin": {"toggle", "state", "reconcile", "baseline", "close", "figures", "go-dry", "go-live"},
}


@pytest.mark.parametrize("role", ROLES)
def test_the_forms_of_the_session_follow_the_role(client, role):
    hedged_morning()

    seen = text(as_(client, role), "/session/")

    assert set(re.findall(r'<form[^>]* id="([a-z-]+)"', seen)) == FORMS[role]
    assert ('value="resume"' in seen) == (role in {"trader", "admin"})


def test_what_the_open_session_page_draws_anew_is_what_it_was_drawn_with(client):
    hedged_morning()

    page = client.get("/session/").content.decode()
    answer = client.get("/api/hedge/session?format=html")
    fragment = answer.content.decode()

    assert (
        LIVE.findall(page)
        == LIVE.findall(fragment)
        == [
            "session-facts",
            "session-counters",
            "session-policy",
            "session-checks",
        ]
    )
    known = client.get("/api/hedge/session?format=html", headers={"If-None-Match": answer.headers["ETag"]})
    assert known.status_code == 304


def test_the_session_tab_asks_the_database_a_fixed_number_of_times(client, django_assert_num_queries):
    hedged_morning()

    with django_assert_num_queries(17):
        client.get("/session/")


# --- schedule ---------------------------------------------------------------------------------------------------------------


def test_the_schedule_shows_today_with_stages_and_the_trading_days_beside_it(client):
    hedged_morning()

    seen = text(as_(client, "trader"), "/schedule/")

    assert "Tuesday 1 Dec 2026" in seen
    assert "2 of 2 entries due" in seen
    assert "<b>10:16:30</b> → held to expiry" in seen
    assert seen.index(">over<") < seen.index(">later<")
    assert "?date=2026-11-30" in seen
    assert "?date=2026-12-02" in seen
    assert seen.count('data-act="skip"') == 1  # what is over is not skipped any more


def test_a_skipped_entry_is_offered_as_due_again(client):
    hedged_morning()
    client = as_(client, "trader")
    client.post("/api/hedge/schedule/skip", {"portfolio": "ITJ_NF_EXP 4"}, content_type="application/json")

    seen = text(client, "/schedule/")

    assert "skipped on this day" in seen
    assert 'data-act="due" data-portfolio="ITJ_NF_EXP 4"' in seen


def test_an_operator_sees_the_schedule_without_its_controls(client):
    hedged_morning()

    seen = text(as_(client, "operator"), "/schedule/")

    assert "data-act" not in seen
    assert "<details" not in seen


def test_entries_that_meet_carry_their_warning(client):
    hedged_morning()
    make.StrategyEntryFactory.create(portfolio="TWIN", entry_time=time(10, 16, 50))

    assert "Enters within a minute of TWIN: both need free margin at once." in text(client, "/schedule/")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ("2026-12-05", "The market is closed on this day"),
        ("2027-06-01", "are not known"),
        ("0001-01-01", "are not known"),
        ("9999-12-31", "are not known"),
        ("yesterday", "That is no date"),
        ("2026-12-03", "No entry of the timetable falls on this day"),
    ],
)
def test_any_day_may_be_asked_for(client, asked, words):
    hedged_morning()

    assert words in text(client, f"/schedule/?date={asked}")


def test_what_the_open_schedule_draws_anew_is_what_it_was_drawn_with(client):
    hedged_morning()
    client = as_(client, "trader")

    page = client.get("/schedule/").content.decode()
    fragment = client.get("/api/hedge/schedule?format=html&date=2026-12-01").content.decode()

    assert fragment.split("<section", 1)[1].strip() in page


def test_the_schedule_asks_the_database_a_fixed_number_of_times(client, django_assert_num_queries):
    hedged_morning()

    with django_assert_num_queries(20):
        client.get("/schedule/")


# --- of several accounts ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tab", ["", "plan", "session", "manual"])
def test_an_open_page_keeps_to_the_account_that_it_shows(client, tab):
    """Its buttons name it, also once another account opens a session: what was shown is what is acted on."""
    known_calendar()
    entries()
    make.TradingSessionFactory.create(account__name="first of two")

    assert 'data-account="first of two"' in text(as_(client, "admin"), f"/{tab}")


def test_the_ticket_has_the_words_of_both_modes(client):
    """A preview says in which mode it would be ordered, whatever the account traded in when the page was drawn."""
    hedged_morning()

    seen = text(as_(client, "trader"), "/manual")

    assert 'data-goes-live="SIMULATED" data-goes-dry="SIMULATED · DRY RUN"' in seen
