"""Trading states and the kill switch: the tightest word counts, at the claim, at the fence and for what already works."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command, load_command_class
from django.db import OperationalError, connection

from config.local.places import places_of
from hedging.domain.instruments import Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine import clock, execution, path_rows, states, ticks
from hedging.engine.intents import record
from hedging.engine.orders import apply_event
from hedging.engine.plan import plan_of
from hedging.engine.sessions import SessionRefused
from hedging.engine.standing import halt_file_exists, standing_of
from hedging.engine.states import Act
from hedging.models import AuditEvent, CycleKind, HedgeDecision, HedgeOrder
from notifications.models import Alert
from sessions_app.models import Installation, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import CALL, POLICY, PUT, World, add, facts, hold, intent, leg, unwind, world
from tests.integration.page_day import NOW, StoppedClock
from tests.people import person

pytestmark = pytest.mark.django_db
A, R, H = TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED
KEY = "a-key-that-only-tests-know"


@pytest.fixture(autouse=True)
def halt_file(settings, tmp_path: Path) -> Path:
    """An installation of its own, whose halt file is not there yet."""
    settings.PLACES = places_of(tmp_path)
    file: Path = settings.PLACES.halt
    return file


def act(place: World | None = None, reason: str = "fire") -> Act:
    now, wall = (NOW, NOW) if place is None else (place.clock.now(), place.wall.now())
    return Act(actor="ops", reason=reason, now=now, wall_now=wall)


def everywhere(state: TradingState) -> None:
    Installation.objects.update_or_create(pk=Installation.ONLY, defaults={"trading_state": state})


def halt_all(place: World) -> None:
    states.restrict_installation(state=H, act=act(place))


# --- the tighter of the two ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("session", "installation", "file", "expected"),
    [
        (A, None, False, (A, "session")),
        (A, A, False, (A, "session")),
        (R, A, False, (R, "session")),
        (A, R, False, (R, "installation")),
        (H, R, False, (H, "session")),
        (R, H, False, (H, "installation")),
        (A, A, True, (H, "file")),
        (H, A, True, (H, "file")),
        (A, H, True, (H, "installation")),
    ],
)
def test_the_tightest_of_session_installation_and_file_is_in_force(halt_file, session, installation, file, expected):
    place = world(trading_state=session)
    if installation is not None:
        everywhere(installation)
    if file:
        halt_file.touch()
    known = standing_of(place.session.pk)
    assert (known.state, known.scope) == expected
    assert (known.allows(Side.BUY), known.allows(Side.SELL)) == (known.state == A, known.state != H)


def test_a_link_that_leads_nowhere_halts_and_so_does_what_cannot_be_looked_at(halt_file, monkeypatch):
    assert not halt_file_exists()
    halt_file.symlink_to(halt_file.parent / "nowhere")
    assert halt_file_exists()

    def forbidden(_: object) -> None:
        raise PermissionError

    halt_file.unlink()
    monkeypatch.setattr(os, "lstat", forbidden)
    assert halt_file_exists()


# --- acts ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("whole", [True, False])
def test_restricting_never_loosens_and_is_told_and_audited_once(whole):
    place = world()

    def restrict(state: TradingState) -> bool:
        if whole:
            return states.restrict_installation(state=state, act=act(place))
        return states.restrict_session(session=place.session, state=state, act=act(place))

    assert [restrict(state) for state in (R, R, H, H, R)] == [True, False, True, False, False]
    assert standing_of(place.session.pk).state == H
    name = "installation" if whole else "trading_state"
    events = AuditEvent.objects.order_by("id").values_list("event", "actor", "facts__reason")
    assert list(events) == [(f"{name}_reducing", "ops", "fire"), (f"{name}_halted", "ops", "fire")]
    alerts = Alert.objects.filter(kind="trading_state", severity="critical")
    assert [("HALTED" in alert.title, "whole" in alert.title) for alert in alerts.order_by("id")] == [
        (False, whole),
        (True, whole),
    ]


def test_resuming_wants_a_reason_and_leaves_the_other_level_alone():
    place = world(trading_state=H)
    everywhere(H)
    for resume in (
        lambda reason: states.resume_installation(act=act(place, reason)),
        lambda reason: states.resume_session(session=place.session, act=act(place, reason)),
    ):
        with pytest.raises(SessionRefused) as refused:
            resume("  ")
        assert refused.value.code == "REASON_NEEDED"
        assert standing_of(place.session.pk).state == H
        assert [resume("put out"), resume("put out")] == [True, False]
    assert standing_of(place.session.pk).state == A
    assert Alert.objects.filter(kind="trading_resumed").count() == 2


def test_a_closed_session_is_neither_halted_nor_resumed():
    session = make.TradingSessionFactory.create(closed=True)
    for change in (
        lambda: states.restrict_session(session=session, state=H, act=act()),
        lambda: states.resume_session(session=session, act=act()),
    ):
        with pytest.raises(SessionRefused) as refused:
            change()
        assert refused.value.code == "SESSION_CLOSED"


def test_an_alert_that_cannot_be_written_leaves_no_halt_without_a_trace(monkeypatch):
    place = world()

    def fail(**_: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("hedging.engine.states.queue_alert", fail)
    with pytest.raises(RuntimeError):
        halt_all(place)
    assert standing_of(place.session.pk).state == A
    assert not AuditEvent.objects.exists()


# --- the claim and the fence --------------------------------------------------------------------------------------------


def touch(_: World) -> None:
    from django.conf import settings

    settings.PLACES.halt.touch()


STOPS = pytest.mark.parametrize("stop", [halt_all, touch], ids=["row", "file"])
SALE = unwind(leg(CALL, side=Side.SELL))
CLOCK = unwind(leg(CALL, side=Side.SELL, due_by_clock=True))


@STOPS
@pytest.mark.parametrize("decision", [add(leg(PUT)), SALE, CLOCK], ids=["buy", "sale", "due by the clock"])
def test_nothing_is_claimed_while_everything_is_halted(stop, decision):
    place = world()
    hold(place, 130)
    known = facts(place)
    stop(place)
    recorded = record(
        decision=decision, facts=known, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1, ports=place.ports
    )
    assert recorded is not None
    assert (recorded.card.reason, recorded.order_ids) == (Reason.DENY_TRADING_STATE, ())


@pytest.mark.parametrize(("decision", "denied"), [(add(leg(PUT)), True), (SALE, False)])
def test_reducing_everywhere_allows_sales(decision, denied):
    place = world()
    hold(place, 130)
    everywhere(R)
    recorded = record(
        decision=decision, facts=facts(place), session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1,
        ports=place.ports,
    )  # fmt: skip
    assert recorded is not None
    assert (recorded.card.reason == Reason.DENY_TRADING_STATE) is denied


@STOPS
@pytest.mark.parametrize("during", ["order_book", "trade_book", "positions", "depth"])
def test_no_order_leaves_after_a_halt_during_its_reads(stop, during):
    place = world()
    tx = intent(place)
    place.exchange.before[during] = lambda: stop(place)
    place.send(tx.orders.get())
    assert tx.orders.get().status == OrderStatus.NOT_SENT
    assert place.exchange.posts == []


def after_sending(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    def then(**event):
        answer = apply_event(**event)
        if answer[0] is OrderStatus.SENDING:
            happens()
        return answer

    monkeypatch.setattr("hedging.engine.execution.apply_event", then)


@STOPS
def test_no_order_leaves_after_a_halt_that_comes_once_it_is_sending(monkeypatch, stop):
    place = world()
    tx = intent(place)
    after_sending(monkeypatch, lambda: stop(place))
    place.send(tx.orders.get())
    assert tx.orders.get().status == OrderStatus.NOT_SENT
    assert place.exchange.posts == []
    tx.refresh_from_db()
    place.session.refresh_from_db()
    assert not tx.is_live
    assert place.session.reserved == 0


@STOPS
def test_no_order_leaves_after_a_halt_while_it_waits_for_its_turn(monkeypatch, stop):
    place = world()
    tx = intent(place)
    monkeypatch.setattr("hedging.engine.execution._wait_for", lambda *_: stop(place))
    place.send(tx.orders.get())
    assert place.exchange.posts == []


def one_order_of_each(place: World, count: int) -> list[HedgeOrder]:
    """Orders that wait for nothing but themselves: an intent of its own strike each."""
    orders = []
    for number in range(count):
        strike = replace(CALL, strike=CALL.strike + 50 * number)
        place.exchange.quote(strike, "3.90", "4.00")
        orders.append(intent(place, contract=strike).orders.get())
    return orders


@pytest.mark.django_db(transaction=True)
def test_no_order_leaves_after_a_halt_was_committed_by_another_process(monkeypatch):
    """Eight senders stand before the fence when another connection halts; every one of them finds it."""
    place = world()
    orders = one_order_of_each(place, 8)
    at_the_fence, halted, errors = threading.Barrier(len(orders) + 1, timeout=20), threading.Event(), []

    def wait() -> None:
        at_the_fence.wait()
        halted.wait(20)

    after_sending(monkeypatch, wait)

    def send(order: HedgeOrder) -> None:
        try:
            place.send(order)
        except Exception as error:  # noqa: BLE001 - raised again below, in the test's thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(order,)) for order in orders]
    for thread in threads:
        thread.start()
    at_the_fence.wait()
    halt_all(place)
    halted.set()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert place.exchange.posts == []
    assert set(HedgeOrder.objects.values_list("status", flat=True)) == {OrderStatus.NOT_SENT}


@pytest.mark.django_db(transaction=True)
def test_every_order_that_did_leave_was_let_through_before_the_halt_was_committed(monkeypatch):
    """A halt in the midst of senders: an order posted has a fence that was looked at before the commit began."""
    place = world()
    looked: list[bool] = []
    committed = threading.Event()
    real_fence, real_look, here = execution._fence, path_rows.at_the_fence, threading.local()

    def look(order):
        here.late = committed.is_set()  # before the look: whoever starts to look after the commit must find the halt
        return real_look(order)

    def fence(*about, **known):
        closed = real_fence(*about, **known)
        looked.append(here.late and closed is None)
        return closed

    monkeypatch.setattr(execution, "at_the_fence", look)
    monkeypatch.setattr(execution, "_fence", fence)
    orders = one_order_of_each(place, 6)
    errors = []

    def send(order: HedgeOrder) -> None:
        try:
            place.send(order)
        except Exception as error:  # noqa: BLE001 - raised again below, in the test's thread
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=send, args=(order,)) for order in orders]
    for number, thread in enumerate(threads):
        thread.start()
        if number == 2:
            halt_all(place)
            committed.set()
    for thread in threads:
        thread.join(30)
    assert errors == []
    assert len(looked) == 6
    assert not any(looked)
    orders[5].refresh_from_db()
    assert orders[5].status == OrderStatus.NOT_SENT


# --- what works already -------------------------------------------------------------------------------------------------


@STOPS
def test_a_halt_cancels_working_orders_at_the_next_reconcile_and_keeps_positions(stop):
    place = world()
    hold(place, 130)
    place.exchange.quote(PUT, "3.90", "4.00", quantity=65)
    tx = intent(place, contract=PUT)
    place.send(tx.orders.get())
    place.reconcile(after=1)  # 65 of 130 are filled, the rest works
    stop(place)
    place.reconcile(after=1)
    assert len(place.exchange.cancels) == 1
    for _ in range(3):
        place.reconcile(after=6)
    tx.refresh_from_db()
    assert (tx.is_live, tx.filled_quantity) == (False, 65)
    assert (place.exchange.net(CALL), place.exchange.net(PUT)) == (130, 65)
    assert len(place.exchange.posts) == 1  # what was cancelled is not offered again


def test_reducing_offers_no_purchase_again():
    place = world()
    place.exchange.quote(CALL, "3.90", "4.00", quantity=65)
    tx = intent(place)
    place.send(tx.orders.get())
    everywhere(R)
    for _ in range(5):
        place.reconcile(after=6)
    assert len(place.exchange.posts) == 1
    assert place.exchange.net(CALL) == 65


# --- ticks --------------------------------------------------------------------------------------------------------------


def rules(place: World) -> ticks.Rules:
    return ticks.Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True, pause=place.wait)


@pytest.mark.parametrize(
    "tick",
    [
        lambda place: ticks.check_margin(now=place.clock.now(), rules=rules(place)),
        lambda place: ticks.project_entries(now=place.clock.now(), rules=rules(place)),
        lambda place: ticks.reconcile_books(ports_for=lambda _: place.ports),
    ],
    ids=["margin check", "entry projection", "reconcile"],
)
def test_every_tick_writes_the_halt_of_a_file_down_once(halt_file, monkeypatch, tick):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    place = world()
    halt_file.write_text("because")
    tick(place)
    tick(place)
    row = Installation.objects.get()
    assert (row.trading_state, row.state_by) == (H, states.HALT_FILE_ACTOR)
    assert Alert.objects.filter(kind="trading_state").count() == 1
    assert AuditEvent.objects.filter(event="installation_halted").count() == 1


def test_removing_the_file_does_not_resume_and_nothing_resumes_while_it_is_there(halt_file):
    place = world()
    halt_file.touch()
    ticks.check_margin(now=place.clock.now(), rules=rules(place))
    with pytest.raises(SessionRefused) as refused:
        states.resume_installation(act=act(place))
    assert refused.value.code == "HALT_FILE"
    halt_file.unlink()
    ticks.check_margin(now=place.clock.now(), rules=rules(place))
    assert standing_of(place.session.pk).state == H
    states.resume_installation(act=act(place, "the cause is gone"))
    assert standing_of(place.session.pk).state == A


def test_a_cycle_under_a_halted_installation_holds_and_says_whose_word_it_is():
    place = world()
    halt_all(place)
    ticks.check_margin(now=place.clock.now(), rules=rules(place))
    card = HedgeDecision.objects.get()
    (gate,) = (gate for gate in card.gates if gate["gate"] == "trading state")
    assert (card.reason, gate["passed"]) == (Reason.HOLD_TRADING_STATE, False)
    assert gate["detail"] == "HALTED: whole installation: fire"


# --- by command ---------------------------------------------------------------------------------------------------------


def run(*words: str) -> str:
    out = StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


@pytest.fixture
def stopped(monkeypatch) -> None:
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


@pytest.mark.usefixtures("stopped")
def test_the_commands_halt_and_resume_everything():
    assert "is REDUCING" in run("halt", "--reduce", "--reason", "careful")
    assert "is HALTED" in run("halt", "--reason", "fire")
    assert "already, or tighter" in run("halt", "--reduce", "--reason", "careful")
    row = Installation.objects.get()
    assert (row.trading_state, row.state_reason) == (H, "fire")
    assert row.state_by.startswith("command by ")
    assert "is ACTIVE." in run("resume", "--reason", "put out")
    assert "ACTIVE already" in run("resume", "--reason", "put out")


@pytest.mark.usefixtures("stopped")
def test_the_commands_halt_and_resume_one_session_or_all():
    first, second = (make.TradingSessionFactory.create(account__name=name) for name in ("first", "second"))
    run("halt", "--session", "first", "--reason", "fire")
    assert dict(TradingSession.objects.values_list("pk", "trading_state")) == {first.pk: H, second.pk: A}
    run("halt", "--reason", "fire", "--session")
    assert set(TradingSession.objects.values_list("trading_state", flat=True)) == {H}
    run("resume", "--reason", "out", "--session", "second")
    assert dict(TradingSession.objects.values_list("pk", "trading_state")) == {first.pk: H, second.pk: A}
    assert not Installation.objects.exists()
    with pytest.raises(CommandError, match="No session is open there"):
        run("halt", "--session", "third", "--reason", "fire")


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("words", [("halt",), ("resume",), ("halt", "--reason", " "), ("resume", "--reason", "")])
def test_a_command_without_a_reason_changes_nothing(words):
    with pytest.raises(CommandError):
        run(*words)
    assert not Installation.objects.exists()


def test_a_halt_works_whatever_else_is_wrong_with_the_installation():
    assert load_command_class("hedging", "halt").requires_system_checks == []


def test_a_halt_does_not_wait_for_a_market_clock(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))
    run("halt", "--reason", "the server hangs")
    assert Installation.objects.get().trading_state == H


@pytest.mark.usefixtures("stopped")
def test_a_halt_without_the_database_makes_the_file(halt_file, monkeypatch):
    def away(**_: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("hedging.management.commands.halt.restrict_installation", away)
    halt_file.parent.mkdir(exist_ok=True)
    with pytest.raises(CommandError, match="was made"):
        run("halt", "--reason", "fire")
    assert halt_file.exists()


# --- over HTTP ----------------------------------------------------------------------------------------------------------

HALT, RESUME = "/api/hedge/halt", "/api/hedge/resume"


def post(client, address, body, **headers):
    return client.post(address, body, content_type="application/json", headers=headers)


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize("slash", ["", "/"])
def test_the_api_halts_and_resumes_everything(client, settings, slash):
    settings.HEDGE_API_KEY = KEY
    halted = post(client, HALT + slash, {"reason": "fire"}, **{"X-API-Key": KEY})
    assert (halted.status_code, halted.json()["changed"], halted.json()["session"]) == (200, True, None)
    assert halted.json()["installation"]["trading_state"] == "halted"
    assert (halted.json()["installation"]["reason"], halted.json()["installation"]["by"]) == ("fire", "api key")
    resumed = post(client, RESUME + slash, {"reason": "out"}, **{"X-API-Key": KEY}).json()
    assert (resumed["changed"], resumed["installation"]["trading_state"]) == (True, "active")


@pytest.mark.usefixtures("stopped")
def test_the_api_reduces_one_session(client, settings):
    settings.HEDGE_API_KEY = KEY
    session = make.TradingSessionFactory.create()
    answer = post(client, HALT, {"reason": "r", "reduce": True, "scope": "session"}, **{"X-API-Key": KEY}).json()
    assert (answer["session"]["trading_state"], answer["installation"]["trading_state"]) == ("reducing", "active")
    session.refresh_from_db()
    assert session.trading_state == R


@pytest.mark.usefixtures("stopped")
@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, (400, "INVALID_INPUT")),
        ({"reason": " "}, (400, "INVALID_INPUT")),
        ({"reason": "x" * 201}, (400, "INVALID_INPUT")),
        ({"reason": "r", "scope": "world"}, (400, "INVALID_INPUT")),
        ({"reason": "r", "force": True}, (400, "INVALID_INPUT")),
        ({"reason": "r", "scope": "session"}, (404, "NO_SESSION")),
    ],
)
@pytest.mark.parametrize("address", [HALT, RESUME])
def test_bad_input_halts_and_resumes_nothing(client, settings, address, body, expected):
    settings.HEDGE_API_KEY = KEY
    answer = post(client, address, body, **{"X-API-Key": KEY})
    assert (answer.status_code, answer.json()["code"]) == expected
    assert not AuditEvent.objects.exists()


@pytest.mark.usefixtures("stopped")
def test_who_may_write_may_halt_and_only_the_role_resumes(client):
    assert post(client, HALT, {"reason": "fire"}).status_code == 401
    client.force_login(person("viewer"))
    assert post(client, HALT, {"reason": "fire"}).status_code == 403
    client.force_login(person("operator"))
    assert post(client, HALT, {"reason": "fire"}).status_code == 200
    refused = post(client, RESUME, {"reason": "out"})
    assert (refused.status_code, refused.json()["code"]) == (403, "ROLE_NEEDED")
    assert Installation.objects.get().trading_state == H
    client.force_login(person("trader"))
    assert post(client, RESUME, {"reason": "out"}).json()["changed"] is True


@pytest.mark.usefixtures("stopped")
def test_the_api_says_that_the_file_still_halts(client, settings, halt_file):
    settings.HEDGE_API_KEY = KEY
    halt_file.touch()
    answer = post(client, RESUME, {"reason": "out"}, **{"X-API-Key": KEY})
    assert (answer.status_code, answer.json()["code"]) == (409, "HALT_FILE")


def test_the_page_and_the_status_show_the_state_in_force(client, monkeypatch):
    from tests.integration.page_day import hedged_morning

    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    hedged_morning()
    states.restrict_installation(state=H, act=act())
    shown = client.get("/api/hedge/status").json()
    assert (shown["session"]["trading_state"], shown["session"]["automatic"]) == ("halted", False)
    assert "HALTED: whole installation: fire" in client.get("/").content.decode()
