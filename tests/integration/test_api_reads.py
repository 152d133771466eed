"""Reads of the API: status, session, schedule, transactions."""

from decimal import Decimal

import pytest

from hedging.domain.lifecycle import OrderStatus
from hedging.engine import clock
from hedging.models import CycleKind, HedgeOrder
from sessions_app.models import Mode
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning, known_calendar

pytestmark = pytest.mark.django_db
NO_SESSION = {"code": "NO_SESSION", "message": "No session found", "facts": {}}


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


@pytest.mark.parametrize("address", ["/api/hedge/status", "/api/hedge/session"])
def test_a_day_without_a_session_is_no_session_found(client, address):
    answer = client.get(address)

    assert (answer.status_code, answer.json()) == (404, NO_SESSION)


@pytest.mark.parametrize("name", ["status", "session", "schedule", "transactions"])
def test_every_address_works_with_and_without_a_slash(client, name):
    hedged_morning()

    assert client.get(f"/api/hedge/{name}").status_code == 200
    assert client.get(f"/api/hedge/{name}/").status_code == 200


def test_status_tells_margin_projection_hedges_cost_and_why(client):
    hedged_morning()

    state = client.get("/api/hedge/status").json()

    assert state["now"] == "2026-12-01T10:12:00+05:30"
    assert state["margin"] == {
        "at": "2026-12-01T10:11:40+05:30",
        "age_seconds": 20,
        "used": "740000.00",
        "budget": "1000000.00",
        "utilization_pct": "74.00",
        "headroom": "260000.00",
        "free_margin": "500000.00",
        "spot": "26000.00",
        "unknown_reason": "",
    }
    assert state["projection"] == [
        {
            "portfolio": "ITJ_NF_EXP 4",
            "at": "2026-12-01T10:16:30+05:30",
            "at_order": "1150000.00",
            "used_after": "1076000.00",
            "used_after_pct": "107.60",
            "source": "broker",
            "crosses": True,
            "verdict": "hedge planned",
        }
    ]
    assert state["why"] == [
        {"gate": "toggle", "passed": True, "detail": "automation is on"},
        {"gate": "projection", "passed": False, "detail": "107.6 % is over 95 %"},
    ]
    assert state["next_entry"]["portfolio"] == "ITJ_NF_EXP 4"
    assert state["next_entry"]["seconds_away"] == 270
    assert state["active_hedges"] == [
        {
            "symbol": "NIFTY01DEC2626500CE",
            "right": "CE",
            "expiry": "2026-12-01",
            "product": "NRML",
            "quantity": 130,
            "average_price": "4.05",
            "cost": "526.50",
            "since": "2026-12-01T10:11:34+05:30",
            "shorts": None,
            "covers": None,
            "price": None,
            "price_is": "",
            "gain": None,
        }
    ]
    assert state["cost"] == {
        "cap": "50000.00",
        "spent": "547.90",
        "reserved": "0.00",
        "left": "49452.10",
        "paid": "526.50",
        "recovered": "0.00",
        "charges": "21.40",
        "net": "-547.90",
    }
    assert state["session"]["automatic"] is True
    assert state["breaker"] == {
        "is_open": False, "open_until": None, "failures": 0, "exits_open": False, "exits_open_until": None,
    }  # fmt: skip
    assert (state["installation"]["trading_state"], state["installation"]["halt_file"]) == ("active", False)


def test_unknown_margin_is_null_and_says_why(client):
    session = hedged_morning()
    make.MarginSnapshotFactory.create(session=session, at=NOW, unknown=True)

    margin = client.get("/api/hedge/status").json()["margin"]

    assert (margin["used"], margin["utilization_pct"], margin["headroom"]) == (None, None, None)
    assert margin["unknown_reason"] == "the funds could not be read"


def test_a_session_before_its_first_tick_has_a_status_of_nulls(client):
    make.TradingSessionFactory.create()

    state = client.get("/api/hedge/status").json()

    assert (state["margin"], state["decision"], state["why"], state["next_entry"]) == (None, None, [], None)
    assert "not known" in state["calendar_unknown"]


def test_an_order_whose_fate_nobody_knows_is_named_uncertain(client):
    session = hedged_morning()
    make.HedgeOrderFactory.create(
        transaction__decision__session=session,
        transaction__decision__kind=CycleKind.MARGIN_CHECK.value,
        status="unknown",
    )

    (order,) = client.get("/api/hedge/status").json()["live_orders"]

    assert (order["status"], order["uncertain"]) == ("unknown", True)


def test_a_card_of_another_shape_breaks_nothing(client):
    session = hedged_morning()
    make.HedgeDecisionFactory.create(
        session=session,
        facts={"projection": [7, {"at": "soon", "used_after_pct": "NaN"}], "chosen": [], "floor_pct": {}},
        gates={"gate": "toggle"},
    )

    state = client.get("/api/hedge/status").json()

    assert state["why"] == []
    assert state["projection"][0]["used_after_pct"] is None
    assert state["projection"][0]["verdict"] == "not known"


def test_status_takes_a_fixed_number_of_queries(client, django_assert_num_queries):
    session = hedged_morning()
    for number in range(20):
        order = make.HedgeOrderFactory.create(
            transaction__decision__session=session,
            transaction__decision__kind=CycleKind.MARGIN_CHECK.value,
            transaction__strike=Decimal(27000 + 50 * number),
            acked=True,
        )
        make.FillFactory.create(order=order)
        make.StrategyEntryFactory.create()

    with django_assert_num_queries(17):
        client.get("/api/hedge/status")
    make.HedgeDecisionFactory.create(session=session)
    with django_assert_num_queries(13):  # the timetable is known, and what is held
        client.get("/api/hedge/status")
    with django_assert_num_queries(
        2
    ):  # somebody has asked for this version: who asks for which session, and which version
        client.get("/api/hedge/status")


def test_the_schedule_of_a_day_is_its_entries_in_order(client):
    hedged_morning()

    answer = client.get("/api/hedge/schedule", {"date": "2026-12-01"}).json()

    assert answer["date"] == "2026-12-01"
    assert [(e["portfolio"], e["entry_at"], e["exit_at"]) for e in answer["entries"]] == [
        ("ITJ_NF_EXP 1", "2026-12-01T09:16:00+05:30", "2026-12-01T10:00:00+05:30"),
        ("ITJ_NF_EXP 4", "2026-12-01T10:16:30+05:30", None),
    ]


def test_the_schedule_of_an_unknown_year_is_refused(client):
    known_calendar()

    answer = client.get("/api/hedge/schedule", {"date": "2031-12-02"})

    assert (answer.status_code, answer.json()["code"]) == (409, "CALENDAR_UNKNOWN")


def test_transactions_come_newest_first_page_by_page(client):
    session = hedged_morning()
    for _ in range(4):
        make.HedgeTransactionFactory.create(
            decision__session=session, decision__kind=CycleKind.MARGIN_CHECK.value, ended=True
        )
    seen, cursor = [], None
    while True:
        page = client.get("/api/hedge/transactions", {"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen.append([row["id"] for row in page["results"]])
        cursor = page["next"]
        if cursor is None:
            break

    assert [len(page) for page in seen] == [2, 2, 1]
    assert (flat := [number for page in seen for number in page]) == sorted(flat, reverse=True)


@pytest.mark.parametrize(
    ("wanted", "count"),
    [
        ({}, 2),
        ({"side": "BUY"}, 1),
        ({"side": "SELL"}, 1),
        ({"live": "true"}, 1),
        ({"live": "false"}, 1),
        ({"mode": "live"}, 2),
        ({"mode": "dry_run"}, 0),
        ({"day": "2026-12-01"}, 2),
        ({"day": "2026-12-02"}, 0),
        ({"session": 2**63 - 1}, 0),
    ],
)
def test_transactions_are_filtered(client, wanted, count):
    session = hedged_morning()
    make.HedgeTransactionFactory.create(
        decision__session=session, decision__kind=CycleKind.MARGIN_CHECK.value, sell=True
    )

    assert len(client.get("/api/hedge/transactions", wanted).json()["results"]) == count


def test_a_transaction_carries_its_outcome_and_its_orders(client):
    hedged_morning()

    (row,) = client.get("/api/hedge/transactions").json()["results"]

    assert (row["outcome"], row["filled_quantity"], row["average_price"], row["mode"]) == (
        "filled",
        130,
        "4.05",
        Mode.LIVE,
    )
    assert [order["status"] for order in row["orders"]] == ["filled"]


def test_transactions_take_four_queries_whatever_their_number_and_two_once_somebody_has_seen_them(
    client, django_assert_num_queries
):
    session = hedged_morning()
    for number in range(10):
        order = make.HedgeOrderFactory.create(
            transaction__decision__session=session,
            transaction__decision__kind=CycleKind.MARGIN_CHECK.value,
            transaction__strike=Decimal(27000 + 50 * number),
        )

    with django_assert_num_queries(4):
        first = client.get("/api/hedge/transactions").json()
    with django_assert_num_queries(2):
        assert client.get("/api/hedge/transactions").json() == first
    HedgeOrder.objects.filter(pk=order.pk).update(status=OrderStatus.REJECTED.value)
    with django_assert_num_queries(4):
        assert client.get("/api/hedge/transactions").json() != first
    with django_assert_num_queries(4):  # the same rows, in pages of another size
        assert len(client.get("/api/hedge/transactions", {"limit": 5}).json()["results"]) == 5


@pytest.mark.parametrize(
    ("address", "wanted", "field"),
    [
        ("transactions", {"side": "buy"}, "side"),
        ("transactions", {"limit": "0"}, "limit"),
        ("transactions", {"limit": "201"}, "limit"),
        ("transactions", {"cursor": "abc"}, "cursor"),
        ("transactions", {"cursor": str(2**63)}, "cursor"),
        ("transactions", {"session": "1e9999"}, "session"),
        ("transactions", {"live": "perhaps"}, "live"),
        ("transactions", {"sidee": "BUY"}, "sidee"),
        ("schedule", {"date": "01-12-2026"}, "date"),
        ("schedule", {"date": "2026-12-01\x00"}, "date"),
        ("status", {"account": "a\x00"}, "account"),
        ("status", {"format": "xml"}, None),
    ],
)
def test_bad_parameters_are_named_and_never_a_server_error(client, address, wanted, field):
    answer = client.get(f"/api/hedge/{address}", wanted)

    assert 400 <= answer.status_code < 500
    assert set(answer.json()) == {"code", "message", "facts"}
    if field is not None:
        assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")
        assert field in answer.json()["facts"]


def test_an_address_that_is_none_answers_like_the_rest(client):
    answer = client.get("/api/hedge/nothing")

    assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


def test_a_clock_that_cannot_be_read_is_said(client, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))

    answer = client.get("/api/hedge/status")

    assert (answer.status_code, answer.json()["code"]) == (503, "CLOCK_UNAVAILABLE")


def test_no_cache_keeps_an_answer(client):
    assert client.get("/api/hedge/transactions").headers["Cache-Control"] == "no-store"
