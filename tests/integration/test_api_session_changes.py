"""Changes of a session over the API: its own figures, its baseline, the account's mode, its close; who may, and what is refused."""

from __future__ import annotations

from decimal import Decimal

import pytest

from hedging.api import session_changes
from hedging.engine import clock
from hedging.models import AuditEvent
from sessions_app.models import Account, Mode, TradingSession
from tests import factories as make
from tests.integration.engine_world import hold
from tests.integration.manual_world import manual_world, rules
from tests.integration.page_day import NOW, StoppedClock
from tests.people import person

pytestmark = pytest.mark.django_db
KEY = "a-key-that-only-tests-know"
FIGURES, BASELINE = "/api/hedge/session/figures", "/api/hedge/session/baseline"
CLOSE, MODE = "/api/hedge/session/close", "/api/hedge/mode"


@pytest.fixture(autouse=True)
def _stopped(monkeypatch, settings):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    settings.HEDGE_API_KEY = KEY


def send(client, address, body, method="post"):
    return getattr(client, method)(address, body, content_type="application/json", headers={"X-API-Key": KEY})


def refused(answer):
    return answer.status_code, answer.json()["code"]


# --- figures ----------------------------------------------------------------------------------------------------------------


def test_own_figures_are_changed_by_name_and_the_trail_says_before_and_after(client):
    session = make.TradingSessionFactory.create(max_cost_per_day=Decimal(9000))

    answer = send(client, FIGURES, {"trigger_pct": "92", "max_cost_per_day": None, "reason": "expiry"}, "patch")

    session.refresh_from_db()
    assert (answer.status_code, session.trigger_pct, session.max_cost_per_day) == (200, Decimal(92), None)
    found = {each["name"]: each for each in answer.json()["figures"]}
    assert found["trigger_pct"] == {"name": "trigger_pct", "in_force": "92", "own": "92", "everywhere": "95"}
    assert found["max_cost_per_day"]["own"] is None
    event = AuditEvent.objects.get()
    assert (event.event, event.actor, event.facts["reason"]) == ("figures_changed", "api key", "expiry")
    assert event.facts["before"] == {"trigger_pct": None, "max_cost_per_day": "9000.00"}
    assert event.facts["after"] == {"trigger_pct": "92.00", "max_cost_per_day": None}


def test_the_same_figures_again_leave_no_line(client):
    make.TradingSessionFactory.create(trigger_pct=Decimal(92))

    assert send(client, FIGURES, {"trigger_pct": "92"}, "patch").status_code == 200
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("body", "column"),
    [
        ({"trigger_pct": "80"}, "target_pct"),
        ({"exit_trigger_pct": "96"}, "exit_trigger_pct"),
        ({"min_premium": "7"}, "max_premium"),
    ],
)
def test_figures_that_contradict_each_other_change_nothing_and_name_the_fix(client, body, column):
    session = make.TradingSessionFactory.create()

    answer = send(client, FIGURES, body, "patch")

    session.refresh_from_db()
    assert refused(answer) == (409, "POLICY_CONTRADICTS")
    assert column in answer.json()["facts"]
    assert all(getattr(session, name) is None for name in body)


@pytest.mark.parametrize("body", [{"trigger_pct": 92.5}, {"lookahead_minutes": "5"}, {"baskets": None}, {"spent": "0"}])
def test_figures_of_a_wrong_kind_are_refused(client, body):
    make.TradingSessionFactory.create()

    assert refused(send(client, FIGURES, body, "patch")) == (400, "INVALID_INPUT")


def test_the_figures_of_a_closed_session_stay(client):
    make.TradingSessionFactory.create(closed=True)

    assert refused(send(client, FIGURES, {"baskets": 2}, "patch")) == (409, "SESSION_CLOSED")


def test_a_trader_changes_no_policy(client):
    make.TradingSessionFactory.create()
    client.force_login(person("trader"))

    answer = client.patch(FIGURES, {"baskets": 2}, content_type="application/json")

    assert refused(answer) == (403, "ROLE_NEEDED")


# --- baseline -----------------------------------------------------------------------------------------------------------------


def test_a_baseline_is_set_once_and_the_same_again_changes_nothing(client):
    session = make.TradingSessionFactory.create()
    body = {"used": "592178.63", "reason": "the broker's screen"}

    assert [send(client, BASELINE, body).status_code for _ in range(2)] == [200, 200]
    session.refresh_from_db()
    assert (session.baseline, session.baseline_source) == (Decimal("592178.63"), "by hand: the broker's screen")
    assert AuditEvent.objects.filter(event="baseline_captured").count() == 1


def test_a_baseline_is_corrected_only_where_it_is_the_one_that_was_shown(client):
    session = make.TradingSessionFactory.create(baseline=Decimal(5), baseline_at=NOW)

    late = send(client, BASELINE, {"used": "7", "was": "4", "reason": "x"})
    done = send(client, BASELINE, {"used": "7", "was": "5", "reason": "x"})

    assert refused(late) == (409, "BASELINE_CHANGED")
    assert late.json()["facts"] == {"baseline": "5.00"}
    assert (done.status_code, done.json()["baseline"]) == (200, "7.00")
    session.refresh_from_db()
    assert session.baseline_source == "corrected by hand: x"


def test_a_baseline_wants_a_reason(client):
    make.TradingSessionFactory.create()

    assert refused(send(client, BASELINE, {"used": "7"})) == (400, "INVALID_INPUT")


def test_what_the_baseline_would_be_now_is_offered_and_not_stored(client, monkeypatch, settings):
    place = manual_world()
    monkeypatch.setattr(session_changes, "rules", lambda: rules(place))
    before = TradingSession.objects.get().baseline

    offer = client.get(BASELINE, headers={"X-API-Key": KEY}).json()["offer"]

    assert offer["used"] == "500000.00"
    assert Decimal(offer["offered"]) == Decimal(offer["used"]) - Decimal(offer["book"])
    assert TradingSession.objects.get().baseline == before


# --- mode -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def account(settings):
    settings.WORLD, settings.AUTO_HEDGE_DRY_RUN = "real", False
    return make.AccountFactory.create(mode=Mode.DRY_RUN)


def modes():
    open_now = TradingSession.objects.filter(closed_at=None).first()
    return Account.objects.get().mode, None if open_now is None else open_now.mode


LIVE = {"to": "live", "phrase": "GO LIVE", "reason": "ready"}


def test_going_to_dry_run_is_one_call_and_moves_todays_session(client, account):
    Account.objects.update(mode=Mode.LIVE)
    make.TradingSessionFactory.create(account=account, mode=Mode.LIVE)

    answer = send(client, MODE, {"to": "dry_run", "reason": "by hand"})

    assert (answer.status_code, answer.json()["session"]["mode"]) == (200, "dry_run")
    assert modes() == ("dry_run", "dry_run")
    assert AuditEvent.objects.filter(event="mode_switched").get().actor == "api key"


@pytest.mark.parametrize("phrase", [None, "go live", "GO  LIVE", "GO LIVE!"])
def test_going_live_wants_its_phrase(client, account, phrase):
    body = {**LIVE, "phrase": phrase} if phrase else {"to": "live", "reason": "ready"}

    assert refused(send(client, MODE, body)) == (409, "PHRASE_NEEDED")
    assert modes() == ("dry_run", None)


def test_going_live_under_the_environments_lid_is_refused(client, account, settings):
    settings.AUTO_HEDGE_DRY_RUN = True

    assert refused(send(client, MODE, LIVE)) == (409, "LID_CLOSED")
    assert modes() == ("dry_run", None)


@pytest.mark.parametrize("preflight", ["", "red"])
def test_going_live_is_refused_past_a_preflight_that_says_no(client, account, preflight):
    make.TradingSessionFactory.create(account=account, mode=Mode.DRY_RUN, preflight=preflight)

    answer = send(client, MODE, LIVE)

    assert refused(answer) == (409, "DENY_PREFLIGHT")
    assert modes() == ("dry_run", "dry_run")


def test_going_live_after_a_green_preflight_opens_the_live_row_which_wants_its_own(client, account):
    make.TradingSessionFactory.create(account=account, mode=Mode.DRY_RUN, preflight="green", cleared_at=NOW)

    assert [send(client, MODE, LIVE).status_code for _ in range(2)] == [200, 200]
    assert modes() == ("live", "live")
    assert TradingSession.objects.get(closed_at=None).cleared_at is None


def test_an_order_that_may_still_fill_keeps_the_mode(client, account):
    session = make.TradingSessionFactory.create(account=account, mode=Mode.DRY_RUN, preflight="green", cleared_at=NOW)
    make.HedgeOrderFactory.create(transaction__decision__session=session, acked=True)

    assert refused(send(client, MODE, LIVE)) == (409, "ORDERS_LIVE")
    assert modes() == ("dry_run", "dry_run")


def test_a_trader_does_not_go_live(client, account):
    client.force_login(person("trader"))

    assert refused(client.post(MODE, LIVE, content_type="application/json")) == (403, "ROLE_NEEDED")


# --- close ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def place(monkeypatch):
    found = manual_world()
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(session_changes, "rules", lambda: rules(found))
    return found


def test_a_session_is_closed_once_with_its_reason(client, place):
    answer = send(client, CLOSE, {"reason": "done"})
    again = send(client, CLOSE, {"reason": "done"})

    assert (answer.status_code, refused(again)) == (200, (409, "SESSION_CLOSED"))
    assert answer.json()["closed_at"] is not None
    assert TradingSession.objects.get().summary["closed_by_hand"] == "done"


def test_a_session_with_hedges_is_closed_only_if_they_shall_be_kept(client, place):
    hold(place, 65)

    assert refused(send(client, CLOSE, {"reason": "done"})) == (409, "HEDGES_HELD")
    assert send(client, CLOSE, {"reason": "done", "keep_hedges": True}).status_code == 200
