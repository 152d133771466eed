"""The ledgers of the API: filters, cursors, one row whole, CSV, analytics, and 304 where nothing is new."""

from __future__ import annotations

import csv
import io
from datetime import date
from decimal import Decimal

import pytest

from hedging.api.tables import safe_cell
from hedging.engine import clock
from hedging.models import HedgeOrder, HedgeTransaction, JumpKind
from sessions_app.models import Mode
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning

pytestmark = pytest.mark.django_db
POLLED = ("status", "session", "plan", "schedule", "reconcile", "transactions", "decisions", "analytics")


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def get(client, address, tag=None):
    return client.get(f"/api/hedge/{address}", headers={} if tag is None else {"If-None-Match": tag})


def table(answer):
    return list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode())))


@pytest.mark.parametrize("address", POLLED)
def test_what_did_not_change_is_not_drawn_again(client, address):
    hedged_morning()
    first = get(client, address)

    again = get(client, address, first.headers["ETag"])

    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert get(client, address, '"another"').status_code == 200


@pytest.mark.parametrize(
    ("address", "change"),
    [
        ("status", lambda s: make.MarginSnapshotFactory.create(session=s, at=NOW)),
        ("status", lambda s: make.HedgeDecisionFactory.create(session=s)),
        ("status", lambda s: type(s).objects.update(automation=False)),
        ("status", lambda s: make.HeartbeatFactory.create()),
        ("transactions", lambda _: HedgeTransaction.objects.update(charges=Decimal("21.41"))),
        ("transactions", lambda _: HedgeOrder.objects.update(message="seen")),
        ("decisions", lambda s: make.HedgeDecisionFactory.create(session=s)),
        ("analytics", lambda s: make.MarginSnapshotFactory.create(session=s, at=NOW)),
    ],
)
def test_what_changed_has_another_tag(client, address, change):
    session = hedged_morning()
    tag = get(client, address).headers["ETag"]

    change(session)

    assert get(client, address, tag).status_code == 200


def test_a_304_of_status_costs_few_queries(client, django_assert_num_queries):
    hedged_morning()
    tag = get(client, "status").headers["ETag"]

    with django_assert_num_queries(2):
        assert get(client, "status", tag).status_code == 304


def test_transactions_are_filtered_and_paged(client):
    session = hedged_morning()
    bought = HedgeTransaction.objects.get()
    sold = make.HedgeTransactionFactory.create(
        decision__session=session, side="SELL", strike=Decimal(25500), right="PE", reason="UNWIND_BY_HAND", origin="api"
    )

    def ids(query):
        return [row["id"] for row in get(client, f"transactions?{query}").json()["results"]]

    assert ids("") == [sold.pk, bought.pk]
    assert ids("side=SELL") == ids("origin=api") == ids("reason=UNWIND_BY_HAND") == ids("live=true") == [sold.pk]
    assert ids(f"symbol={bought.symbol}") == ids("live=false") == [bought.pk]
    assert ids("day=2026-12-01") == [sold.pk, bought.pk]
    assert ids("day=2026-12-02") == ids(f"mode={Mode.DRY_RUN.value}") == []
    page = get(client, "transactions?limit=1").json()
    assert (page["next"], ids(f"limit=1&cursor={page['next']}")) == (sold.pk, [bought.pk])


def test_one_transaction_has_its_orders_and_fills(client):
    hedged_morning()
    row = get(client, f"transactions/{HedgeTransaction.objects.get().pk}/").json()

    (order,) = row["orders"]
    assert [(fill["quantity"], fill["price"]) for fill in order["fills"]] == [(130, "4.05")]
    for tag in (None, "*"):
        assert get(client, "transactions/999999", tag).json()["code"] == "NOT_FOUND"


def test_decisions_are_filtered_and_one_is_shown_whole(client):
    session = hedged_morning()
    denied = make.HedgeDecisionFactory.create(session=session, action="hold", reason="DENY_COOLDOWN")

    def ids(query):
        return [row["id"] for row in get(client, f"decisions?{query}").json()["results"]]

    assert ids("denied=true") == ids("reason=DENY_COOLDOWN") == [denied.pk]
    assert denied.pk not in ids("denied=false")
    (bought,) = ids("action=add")
    card = get(client, f"decisions/{bought}").json()
    assert [gate["gate"] for gate in card["why"]] == ["toggle", "projection"]
    assert card["chosen"]["buys"] == [{"symbol": "NIFTY01DEC2626500CE", "quantity": 130, "price": "4.05"}]
    assert card["transactions"] == [HedgeTransaction.objects.get().pk]


def test_the_table_of_transactions_is_streamed_whole(client):
    session = hedged_morning()
    for number in range(3):
        make.HedgeTransactionFactory.create(decision__session=session, strike=Decimal(27000 + 50 * number))

    answer = get(client, "transactions?format=csv&limit=1")

    assert answer.streaming
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert [row["symbol"] for row in table(answer)] == list(
        HedgeTransaction.objects.order_by("-id").values_list("symbol", flat=True)
    )


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1+1", "-A1", "@SUM(A1)", "\t=1", "\r=1"])
def test_a_cell_is_never_a_formula(text):
    assert safe_cell(text) == "'" + text


def test_numbers_stay_numbers_and_unknown_is_empty():
    assert (safe_cell(Decimal("-1.50")), safe_cell(None), safe_cell("plain")) == (Decimal("-1.50"), "", "plain")


def test_refusals_of_a_table_are_json(client):
    answer = get(client, "transactions?format=csv&side=up")

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/json")
    assert get(client, "transactions?format=xml").json()["facts"].keys() == {"format"}


def test_analytics_add_up_closed_days_and_the_open_one(client):
    session = hedged_morning()
    make.TradingSessionFactory.create(
        account=session.account,
        closed=True,
        trading_day=date(2026, 11, 30),
        index="NIFTY",
        dte=1,
        summary={
            "spend": "1000.00",
            "recovery": "200.00",
            "charges": "50.00",
            "net": "-850.00",
            "peak_utilization_pct": "91.5",
        },
    )
    make.MarginJumpFactory.create(
        session=session, kind=JumpKind.HEDGE.value, before=Decimal(900_000), after=Decimal(845_210), measured_at=NOW
    )

    told = get(client, "analytics?by=dte").json()

    assert [(row["key"], row["sessions"], row["net"]) for row in told["rows"]] == [
        ("0", 1, "-547.90"),
        ("1", 1, "-850.00"),
    ]
    today = told["rows"][0]
    assert (today["cost"], today["charges"], today["released"]) == ("526.50", "21.40", "54790.00")
    assert (today["benefit_per_rupee"], today["peak_utilization_pct"]) == ("100.00", "74.00")
    assert told["totals"][0]["cost"] == "1526.50"
    assert [row["key"] for row in get(client, "analytics").json()["rows"]] == ["2026-11-30", "2026-12-01"]
    assert [row["key"] for row in table(get(client, "analytics?by=index&format=csv"))] == ["NIFTY"]


def test_real_and_paper_money_are_never_added_up(client):
    for number, mode in enumerate((Mode.LIVE, Mode.DRY_RUN)):
        make.TradingSessionFactory.create(
            account__name=f"a{number}", mode=mode.value, closed=True, summary={"spend": "10", "net": "-10"}
        )

    assert [row["mode"] for row in get(client, "analytics").json()["totals"]] == ["dry_run", "live"]


def test_analytics_take_a_fixed_number_of_queries(client, django_assert_num_queries):
    hedged_morning()
    with django_assert_num_queries(11):
        get(client, "analytics")


def test_days_the_wrong_way_round_are_refused(client):
    assert get(client, "analytics?first=2026-12-02&last=2026-12-01").json()["code"] == "DAYS_REVERSED"
    assert get(client, "analytics?last=0001-01-01").status_code == 200


def test_an_amount_below_0_is_a_number_in_a_table_so_that_a_spreadsheet_adds_it_up(client):
    hedged_morning()

    (row,) = table(get(client, "analytics?format=csv"))

    assert (row["net"], row["cost"]) == ("-547.90", "526.50")


def test_transactions_of_one_account_are_none_of_anothers(client):
    mine = make.HedgeTransactionFactory.create(decision__session__account__name="mine")
    make.HedgeTransactionFactory.create(decision__session__account__name="theirs")

    assert [row["id"] for row in get(client, "transactions?account=mine").json()["results"]] == [mine.pk]
    assert [row["id"] for row in table(get(client, "transactions?account=mine&format=csv"))] == [str(mine.pk)]
    assert get(client, "transactions?account=nobody").json()["results"] == []
