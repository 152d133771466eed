"""Writes of the API: creating a session and the toggle; who may, and what is refused."""

import json
from decimal import Decimal

import pytest
from django.test import Client

from hedging.engine import clock
from hedging.models import AuditEvent
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, entries, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
KEY = "a-key-that-only-tests-know"
WITH_KEY = {"X-API-Key": KEY}
TOGGLE, SESSION = "/api/hedge/toggle", "/api/hedge/session"


@pytest.fixture(autouse=True)
def _stopped(monkeypatch, settings):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    settings.HEDGE_API_KEY = KEY


def post(client, address, body, **headers):
    return client.post(address, body, content_type="application/json", headers=headers or WITH_KEY)


@pytest.mark.parametrize("address", [TOGGLE, TOGGLE + "/"])
def test_the_toggle_switches_automation_and_is_audited(client, address):
    session = make.TradingSessionFactory.create()

    answer = post(client, address, {"enabled": False, "reason": "news"})

    session.refresh_from_db()
    assert (answer.status_code, answer.json()["enabled"], session.automation) == (200, False, False)
    event = AuditEvent.objects.get()
    assert (event.actor, event.event, event.facts["reason"]) == ("api key", "automation_off", "news")


def test_the_toggle_under_a_closed_lid_is_refused(client, settings):
    settings.AUTO_HEDGE_ENABLED = False
    make.TradingSessionFactory.create()

    answer = post(client, TOGGLE, {"enabled": True})

    assert answer.status_code == 409
    assert answer.json()["message"] == "Orchestrator not initialized: set AUTO_HEDGE_ENABLED=true and restart"


def test_the_toggle_without_a_session_finds_none(client):
    answer = post(client, TOGGLE, {"enabled": True})

    assert (answer.status_code, answer.json()["code"]) == (404, "NO_SESSION")


def test_the_toggle_of_a_closed_session_is_refused(client):
    make.TradingSessionFactory.create(closed=True)

    answer = post(client, TOGGLE, {"enabled": True})

    assert (answer.status_code, answer.json()["code"]) == (409, "SESSION_CLOSED")


@pytest.mark.parametrize("address", [SESSION, SESSION + "/"])
def test_todays_session_is_created_from_the_timetable(client, address):
    known_calendar()
    entries()
    make.AccountFactory.create()

    answer = post(client, address, {"baskets": 2, "budget_per_basket": "800000"})

    assert answer.status_code == 201, answer.json()
    session = TradingSession.objects.get()
    assert (session.trading_day, session.index, session.dte, session.budget) == (
        make.TUESDAY,
        "NIFTY",
        0,
        Decimal(1_600_000),
    )
    assert answer.json()["id"] == session.pk


def test_a_second_session_of_the_day_is_refused(client):
    known_calendar()
    entries()
    make.AccountFactory.create()
    post(client, SESSION, {})

    answer = post(client, SESSION, {})

    assert (answer.status_code, answer.json()["code"]) == (409, "SESSION_EXISTS")
    assert TradingSession.objects.count() == 1


def test_a_session_on_a_day_that_the_calendar_does_not_know_is_refused(client):
    make.AccountFactory.create()

    answer = post(client, SESSION, {})

    assert (answer.status_code, answer.json()["code"]) == (409, "CALENDAR_UNKNOWN")


def test_of_several_accounts_one_must_be_named(client):
    known_calendar()
    entries()
    make.AccountFactory.create(name="first")
    make.AccountFactory.create(name="second")

    assert post(client, SESSION, {}).json()["code"] == "ACCOUNT_NEEDED"
    assert post(client, SESSION, {"account": "third"}).json()["code"] == "NO_ACCOUNT"
    assert post(client, SESSION, {"account": "second"}).json()["account"] == "second"


@pytest.mark.parametrize(
    ("address", "body", "field"),
    [
        (TOGGLE, {}, "enabled"),
        (TOGGLE, {"enabled": "perhaps"}, "enabled"),
        (TOGGLE, {"enabled": True, "enable": True}, "enable"),
        (TOGGLE, {"enabled": [True]}, "enabled"),
        (TOGGLE, {"enabled": True, "reason": "x" * 201}, "reason"),
        (TOGGLE, {"enabled": True, "reason": "\ud800"}, "reason"),
        (TOGGLE, [], "non_field_errors"),
        (TOGGLE, None, "non_field_errors"),
        (TOGGLE, "on", "non_field_errors"),
        (SESSION, {"baskets": 0}, "baskets"),
        (SESSION, {"baskets": 10**30}, "baskets"),
        (SESSION, {"baskets": True}, "baskets"),
        (SESSION, {"budget_per_basket": "NaN"}, "budget_per_basket"),
        (SESSION, {"budget_per_basket": "1e400"}, "budget_per_basket"),
        (SESSION, {"budget_per_basket": -1}, "budget_per_basket"),
        (SESSION, {"index": "FINNIFTY"}, "index"),
        (SESSION, {"day": "2026-12-01"}, "day"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(client, address, body, field):
    answer = client.post(address, json.dumps(body), content_type="application/json", headers=WITH_KEY)

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")
    assert field in answer.json()["facts"]
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b'{"enabled": NaN}', "application/json", 400),
        (b"[" * 60_000, "application/json", 400),
        (b'{"enabled": true, "reason": "' + b"x" * 70_000 + b'"}', "application/json", 413),
        (b"enabled=true", "application/x-www-form-urlencoded", 415),
        (b"<enabled/>", "text/xml", 415),
    ],
)
def test_a_body_that_is_no_sane_json_is_refused(client, body, content_type, status):
    answer = client.post(TOGGLE, body, content_type=content_type, headers=WITH_KEY)

    assert answer.status_code == status
    assert set(answer.json()) == {"code", "message", "facts"}


@pytest.mark.parametrize(
    "headers", [{"X-API-Key": KEY}, {"Authorization": f"Bearer {KEY}"}, {"Authorization": f"bearer  {KEY}"}]
)
def test_the_key_is_taken_from_either_header(client, headers):
    make.TradingSessionFactory.create()

    assert post(client, TOGGLE, {"enabled": False}, **headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-API-Key": ""},
        {"X-API-Key": KEY[:-1]},
        {"X-API-Key": KEY + " x"},
        {"X-API-Key": "ключ".encode().decode("latin-1")},
        {"Authorization": "Bearer"},
        {"Authorization": f"Basic {KEY}"},
        {"Accept": "application/json"},
    ],
)
@pytest.mark.parametrize("address", [TOGGLE, SESSION])
def test_a_wrong_or_missing_key_writes_nothing(client, address, headers):
    session = make.TradingSessionFactory.create()

    answer = post(client, address, {"enabled": False}, **headers)

    session.refresh_from_db()
    assert (answer.status_code, session.automation) == (401, True)
    assert answer.json()["code"] in {"KEY_REFUSED", "LOGIN_OR_KEY_NEEDED"}


def test_without_a_configured_key_no_key_opens(client, settings):
    settings.HEDGE_API_KEY = None

    assert post(client, TOGGLE, {"enabled": False}, **{"X-API-Key": ""}).status_code == 401
    assert post(client, TOGGLE, {"enabled": False}, **{"X-API-Key": "None"}).status_code == 401


def test_a_wrong_key_is_refused_for_reads_as_well(client):
    assert client.get("/api/hedge/transactions", headers={"X-API-Key": "wrong"}).status_code == 401


@pytest.mark.parametrize(("role", "status"), [("operator", 200), ("viewer", 403)])
def test_of_those_logged_in_the_role_decides_who_may_write(client, role, status):
    make.TradingSessionFactory.create()
    client.force_login(person(role))

    answer = client.post(TOGGLE, {"enabled": False}, content_type="application/json")

    assert answer.status_code == status


def test_a_login_without_a_csrf_token_writes_nothing():
    session = make.TradingSessionFactory.create()
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("operator"))

    answer = client.post(TOGGLE, {"enabled": False}, content_type="application/json")

    session.refresh_from_db()
    assert (answer.status_code, session.automation) == (403, True)


@pytest.mark.parametrize(
    ("where", "status"), [(("simulator", True), 200), (("simulator", False), 401), (("real", True), 401)]
)
@pytest.mark.parametrize("name", ["schedule", "transactions"])
def test_reads_are_open_only_in_the_simulators_world_on_loopback(client, settings, name, where, status):
    settings.WORLD, settings.LOOPBACK_BIND = where
    known_calendar()

    assert client.get(f"/api/hedge/{name}").status_code == status
    assert client.get(f"/api/hedge/{name}", headers=WITH_KEY).status_code == 200
    client.force_login(person("viewer"))
    assert client.get(f"/api/hedge/{name}").status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://testserver"}, 200),
        ({"Origin": "http://evil.example"}, 401),
        ({"Origin": "null"}, 401),
        ({"X-Forwarded-For": "10.0.0.1"}, 401),
        ({"Forwarded": "for=10.0.0.1"}, 401),
        ({"Via": "1.1 proxy"}, 401),
    ],
)
def test_dev_mode_opens_writes_on_loopback_to_our_own_pages_alone(client, settings, headers, status):
    settings.HEDGE_DEV_MODE = True
    make.TradingSessionFactory.create()

    answer = post(client, TOGGLE, {"enabled": False}, **({"Accept": "application/json"} | headers))

    assert answer.status_code == status


def test_dev_mode_opens_nothing_on_another_bind(client, settings):
    settings.HEDGE_DEV_MODE, settings.LOOPBACK_BIND = True, False

    assert post(client, TOGGLE, {"enabled": False}, Accept="application/json").status_code == 401


@pytest.mark.parametrize(
    ("method", "address"), [("get", TOGGLE), ("delete", SESSION), ("put", SESSION), ("post", "/api/hedge/status")]
)
def test_another_method_is_refused_in_our_words(client, method, address):
    answer = getattr(client, method)(address, headers=WITH_KEY)

    assert (answer.status_code, answer.json()["code"]) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize(
    ("method", "address", "body"),
    [
        ("post", "toggle", {"enabled": False}),
        ("post", "halt", {"scope": "session", "reason": "news"}),
        ("post", "resume", {"scope": "session", "reason": "news"}),
        ("post", "reconcile", {}),
        ("patch", "session/figures", {"baskets": 9}),
        ("post", "session/baseline", {"used": "1", "reason": "a screen"}),
        ("post", "session/close", {"reason": "done"}),
        ("post", "manual/exit", {}),
    ],
)
def test_nothing_is_done_to_a_guess_among_several_open_sessions(client, method, address, body):
    sessions = [make.TradingSessionFactory.create(account__name=name, automation=True) for name in ("one", "two")]

    answer = getattr(client, method)(f"/api/hedge/{address}", body, content_type="application/json", headers=WITH_KEY)

    assert (answer.status_code, answer.json()["code"]) == (409, "ACCOUNT_NEEDED")
    for session in sessions:
        before = (session.automation, session.baskets, session.trading_state, session.baseline, session.closed_at)
        session.refresh_from_db()
        assert before == (
            session.automation,
            session.baskets,
            session.trading_state,
            session.baseline,
            session.closed_at,
        )
