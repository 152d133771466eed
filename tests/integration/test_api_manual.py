"""Orders by hand over the API: preview and token, confirmation, who may, and what is refused."""

from __future__ import annotations

import pytest

from hedging import manual_orders
from hedging.access import keys
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.roles import Scope
from hedging.engine import clock
from hedging.models import HedgeDecision, HedgeTransaction, Origin
from sessions_app.models import TradingSession, TradingState
from tests.integration.manual_world import CALL, manual_world, rules

pytestmark = pytest.mark.django_db
KEY = "a-key-that-only-tests-know"
BUY, EXIT = "/api/hedge/manual/buy", "/api/hedge/manual/exit"
LEGS = {"legs": [{"symbol": format_symbol(CALL), "lots": 2}]}


@pytest.fixture
def place(monkeypatch, settings):
    settings.HEDGE_API_KEY = KEY
    found = manual_world(held=1)
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(manual_orders, "rules", lambda: rules(found))
    return found


def post(client, address, body, *, key=KEY, **headers):
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(address, body, content_type="application/json", headers={"X-API-Key": key, **headers})


def test_a_purchase_is_previewed_and_confirmed_once(client, place):
    offer = post(client, BUY, LEGS).json()
    assert (offer["preview"]["allowed"], offer["preview"]["refusals"], offer["valid_seconds"]) == (True, [], 30)
    assert offer["preview"]["legs"][0]["limit_price"] == "4"
    before = HedgeTransaction.objects.count()

    answer = post(client, BUY, {"token": offer["token"]}, Idempotency_Key="k1")
    again = post(client, BUY, {"token": offer["token"]}, Idempotency_Key="k1")

    bought = HedgeTransaction.objects.order_by("-id")[0]
    assert (answer.status_code, HedgeTransaction.objects.count()) == (202, before + 1)
    assert answer.headers["Location"] == f"/api/hedge/transactions/{bought.pk}"
    assert client.get(answer.headers["Location"]).json()["origin"] == Origin.API
    assert client.get(answer.json()["see"][-1]).json()["reason"] == "ADD_BY_HAND"
    assert (again.status_code, again.json()) == (202, answer.json() | {"repeated": True})


def test_an_exit_without_legs_is_of_every_hedge_and_its_lots(client, place):
    preview = post(client, EXIT, {"even_so": True}).json()["preview"]

    assert {(leg["side"], leg["lots"]) for leg in preview["legs"]} == {("SELL", 1)}
    assert len(preview["legs"]) == 2


def test_a_refused_order_has_its_reasons_and_no_token(client, place):
    TradingSession.objects.update(trading_state=TradingState.HALTED)

    answer = post(client, BUY, LEGS)

    assert (answer.status_code, answer.json()["token"]) == (200, None)
    assert [refusal["reason"] for refusal in answer.json()["preview"]["refusals"]] == ["DENY_TRADING_STATE"]


def test_the_same_key_with_another_body_is_refused(client, place):
    first, second = (post(client, BUY, LEGS).json()["token"] for _ in range(2))
    post(client, BUY, {"token": first}, Idempotency_Key="k1")

    answer = post(client, BUY, {"token": second}, Idempotency_Key="k1")

    assert (answer.status_code, answer.json()["code"]) == (409, "IDEMPOTENCY_MISMATCH")


def test_a_token_of_a_purchase_confirms_no_exit(client, place):
    token = post(client, BUY, LEGS).json()["token"]

    answer = post(client, EXIT, {"token": token})

    assert (answer.status_code, answer.json()["code"]) == (409, "PREVIEW_INVALID")


def test_a_token_of_somebody_else_confirms_nothing(client, place):
    token = post(client, BUY, LEGS).json()["token"]
    other = keys.make_key(
        name="desk", scopes=[Scope.TRADE], expires_at=None, made_by="t", wall_now=clock.wall_now()
    ).shown

    answer = post(client, BUY, {"token": token}, key=other)

    assert (answer.status_code, answer.json()["code"]) == (409, "PREVIEW_NOT_YOURS")


def test_whoever_may_exit_may_not_buy(client, place):
    key = keys.make_key(
        name="floor", scopes=[Scope.OPERATE], expires_at=None, made_by="t", wall_now=clock.wall_now()
    ).shown

    assert post(client, BUY, LEGS, key=key).status_code == 403
    assert post(client, EXIT, {}, key=key).status_code == 200


def test_without_a_worker_nothing_is_claimed(client, place):
    token = post(client, BUY, LEGS).json()["token"]
    before = HedgeDecision.objects.count()
    place.wait(200)

    answer = post(client, BUY, {"token": token})

    assert (answer.status_code, answer.json()["code"]) == (503, "WORKER_DOWN")
    assert HedgeDecision.objects.count() == before


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({}, 409, "INVALID_ORDER"),
        ({"legs": [LEGS["legs"][0]] * 2}, 409, "INVALID_ORDER"),
        ({"legs": [{"symbol": "NIFTY31FEB2626500CE", "lots": 1}]}, 409, "INVALID_ORDER"),
        ({"legs": LEGS["legs"], "token": "x"}, 409, "INVALID_ORDER"),
        ({"token": "x"}, 409, "PREVIEW_INVALID"),
        ({"legs": [{"symbol": "RELIANCE", "lots": 1}]}, 400, "INVALID_INPUT"),
        ({"legs": [{"symbol": format_symbol(CALL), "lots": "2"}]}, 400, "INVALID_INPUT"),
        ({"legs": [{"symbol": format_symbol(CALL), "lots": 0}]}, 400, "INVALID_INPUT"),
        ({"legs": [{"symbol": format_symbol(CALL), "lot": 1}]}, 400, "INVALID_INPUT"),
        ({"legs": LEGS["legs"], "even_so": 1}, 400, "INVALID_INPUT"),
    ],
)
def test_what_is_no_order_is_refused_before_the_broker_is_asked(client, place, body, status, code):
    answer = post(client, BUY, body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
