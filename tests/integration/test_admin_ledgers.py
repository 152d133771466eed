"""Ledgers in the admin: the questions that an operator asks, links onwards, and lists that no length of table makes slow."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django_celery_beat.models import IntervalSchedule, PeriodicTask

from config import long_lists
from config.beat import ENTRIES
from hedging.admin.people import WITHOUT_IT
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.models import Action, AuditEvent, CycleKind, HedgeDecision, HedgeOrder, HedgeTransaction, Origin
from schedule.models import ContractSpec
from sessions_app.models import Mode
from tests import factories as make
from tests.people import person

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 11, 30)
LEDGERS = (
    "hedging/hedgedecision",
    "hedging/hedgetransaction",
    "hedging/hedgeorder",
    "hedging/fill",
    "hedging/auditevent",
    "hedging/marginjump",
    "hedging/adjustment",
    "hedging/paperorder",
    "hedging/auditlink",
    "notifications/alert",
    "sessions_app/marginsnapshot",
)


@pytest.fixture
def viewer(client):
    client.force_login(person("viewer"))
    return client


def listed(client, ledger: str, **query: Any) -> list[Any]:
    answer = client.get(f"/admin/hedging/{ledger}/", query)
    assert answer.status_code == 200, answer.headers.get("Location")
    return list(answer.context["cl"].result_list)


def days():
    """Return yesterday's session, closed, and today's."""
    account = make.AccountFactory.create()
    yesterday = make.TradingSessionFactory.create(account=account, trading_day=MONDAY, closed=True)
    return yesterday, make.TradingSessionFactory.create(account=account, trading_day=make.TUESDAY)


def transaction(session, **fields: Any) -> HedgeTransaction:
    decision = make.HedgeDecisionFactory.create(session=session, slot=None)
    return make.HedgeTransactionFactory.create(decision=decision, **fields)


def order(session, status: OrderStatus, **fields: Any) -> HedgeOrder:
    acked = {"acked": True} if status is OrderStatus.ACKED else {}
    return make.HedgeOrderFactory.create(transaction=transaction(session, **fields), status=status.value, **acked)


def test_decisions_answer_what_was_denied_today_and_what_acted(viewer):
    yesterday, today = days()
    denied = make.HedgeDecisionFactory.create(
        session=today,
        slot=None,
        action=Action.HOLD.value,
        kind=CycleKind.MANUAL.value,
        reason=Reason.DENY_COOLDOWN.value,
    )
    make.HedgeDecisionFactory.create(
        session=yesterday, slot=None, action=Action.HOLD.value, reason=Reason.DENY_COOLDOWN.value
    )
    bought = make.HedgeDecisionFactory.create(session=today, slot=None, action=Action.ADD.value)
    assert listed(viewer, "hedgedecision", asked="denied") == [denied]
    assert listed(viewer, "hedgedecision", asked="acted") == [bought]
    assert listed(viewer, "hedgedecision", asked="by_hand") == [denied]
    assert len(listed(viewer, "hedgedecision", reason=Reason.DENY_COOLDOWN.value)) == 2
    assert len(listed(viewer, "hedgedecision", asked="nothing that we know")) == 3


def test_a_title_tells_the_time_of_the_market(viewer):
    decision = make.HedgeDecisionFactory.create(session=days()[1], slot=None, at=make.ist(10, 12))
    page = viewer.get(f"/admin/hedging/hedgedecision/{decision.pk}/change/").content.decode()
    assert f"{decision.reason} at 10:12:00" in page
    assert "04:42:00" not in page


def test_transactions_answer_what_is_unresolved_denied_today_by_hand_and_live(viewer):
    yesterday, today = days()
    unknown = order(today, OrderStatus.UNKNOWN, symbol="A").transaction
    working = order(today, OrderStatus.ACKED, symbol="B", origin=Origin.ADMIN.value).transaction
    denied = order(today, OrderStatus.DENIED, symbol="C", is_live=False).transaction
    order(yesterday, OrderStatus.REJECTED, symbol="D", is_live=False)
    on_paper = transaction(today, symbol="E", mode=Mode.DRY_RUN.value, is_live=False)
    assert listed(viewer, "hedgetransaction", asked="unresolved") == [unknown]
    assert listed(viewer, "hedgetransaction", asked="working") == [working, unknown]
    assert listed(viewer, "hedgetransaction", asked="denied") == [denied]
    assert listed(viewer, "hedgetransaction", asked="by_hand") == [working]
    assert on_paper not in listed(viewer, "hedgetransaction", asked="live")


def test_orders_answer_what_is_known_of_them(viewer):
    _, today = days()
    made = {
        status: order(today, status, symbol=status.value)
        for status in (OrderStatus.ACKED, OrderStatus.REVIEW, OrderStatus.FILLED, OrderStatus.DENIED)
    }
    acked, review, filled, denied = made.values()
    assert listed(viewer, "hedgeorder", asked="unresolved") == [review]
    assert listed(viewer, "hedgeorder", asked="working") == [review, acked]
    assert listed(viewer, "hedgeorder", asked="ended") == [denied, filled]
    assert listed(viewer, "hedgeorder", asked="denied") == [denied]


def test_a_day_shows_its_own_rows_and_no_day_shows_none(viewer):
    yesterday, today = days()
    old, new = transaction(yesterday), transaction(today)
    assert listed(viewer, "hedgetransaction", day="2026-11-30") == [old]
    assert listed(viewer, "hedgetransaction", day="2026-12-01") == [new]
    assert listed(viewer, "hedgetransaction", day="2020-01-01") == []
    assert listed(viewer, "hedgetransaction", day="yesterday") == []


def test_events_answer_edits_and_failed_logins(viewer):
    account = make.AccountFactory.create()
    for event in ("admin_changed", "login_failed", "session_opened", "intent_claimed"):
        make.AuditEventFactory.create(account=account, event=event)
    for asked, event in (("edits", "admin_changed"), ("logins", "login_failed"), ("sessions", "session_opened")):
        assert {row.event for row in listed(viewer, "auditevent", asked=asked)} == {event}
    assert AuditEvent.objects.count() >= 4


def test_a_transaction_leads_to_its_decision_and_orders_and_an_order_to_its_fills(viewer):
    _, today = days()
    row = order(today, OrderStatus.ACKED)
    other = order(today, OrderStatus.ACKED, symbol="OTHER")
    page = viewer.get("/admin/hedging/hedgetransaction/").content.decode()
    assert f"/admin/hedging/hedgedecision/{row.transaction.decision_id}/change/" in page
    assert f"/admin/hedging/hedgeorder/?transaction__id__exact={row.transaction_id}" in page
    assert listed(viewer, "hedgeorder", transaction__id__exact=row.transaction_id) == [row]
    assert (
        f"/admin/hedging/fill/?order__id__exact={row.pk}" in viewer.get("/admin/hedging/hedgeorder/").content.decode()
    )
    fill = make.FillFactory.create(order=row)
    make.FillFactory.create(order=other)
    assert listed(viewer, "fill", order__id__exact=row.pk) == [fill]


@pytest.mark.parametrize("ledger", LEDGERS)
def test_a_list_counts_sorts_and_groups_no_whole_table(viewer, ledger):
    days()
    with CaptureQueriesContext(connection) as asked:
        assert viewer.get(f"/admin/{ledger}/", {"q": "x", "o": "1", "_facets": "1"}).status_code == 200
    table = ledger.replace("/", "_")
    of_table = [query["sql"] for query in asked if f'FROM "{table}"' in query["sql"]]
    assert of_table
    for sql in of_table:
        assert "DISTINCT" not in sql
        assert "COUNT(" not in sql or "LIMIT" in sql
        order = sql.rpartition("ORDER BY ")[2]
        assert "ORDER BY" not in sql or order.startswith(
            (f'"{table}"."id" DESC', f'"{table}"."sequence" DESC', "1 DESC", f'"{table}"."event_id" DESC')
        ), order
    assert len(asked) <= 16


def test_a_list_counts_so_far_and_shows_the_newest_rows(viewer, monkeypatch):
    monkeypatch.setattr(long_lists, "COUNTED", 3)
    _, today = days()
    rows = [transaction(today, symbol=f"S{n}") for n in range(5)]
    answer = viewer.get("/admin/hedging/hedgetransaction/")
    assert answer.context["cl"].result_count == 3
    assert next(iter(answer.context["cl"].result_list)) == rows[-1]


def test_a_filter_looks_at_the_newest_rows_and_a_session_at_all_of_its_own(viewer, monkeypatch):
    _, today = days()
    rows = [transaction(today, symbol=f"S{n}") for n in range(4)]
    monkeypatch.setattr(long_lists, "LOOKED_AT", 2)
    assert listed(viewer, "hedgetransaction", q="S") == [rows[3], rows[2]]
    assert len(listed(viewer, "hedgetransaction", session__id__exact=today.pk)) == 4
    assert len(listed(viewer, "hedgetransaction", day="2026-12-01")) == 4


@pytest.mark.parametrize("value", ["abc", "12", "1,2"])
def test_a_list_of_ids_in_an_address_is_not_taken_apart(viewer, value):
    answer = viewer.get("/admin/hedging/hedgetransaction/", {"session__one_of": value})

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/hedging/hedgetransaction/?e=1")


def test_orders_and_fills_are_found_by_their_contract_and_by_the_brokers_number(viewer, monkeypatch):
    _, today = days()
    call = order(today, OrderStatus.ACKED, symbol="NIFTY01DEC2625000CE")
    put = order(today, OrderStatus.ACKED, symbol="NIFTY01DEC2624000PE")
    HedgeOrder.objects.filter(pk=put.pk).update(broker_order_id="24120100000077")
    fills = {row.pk: make.FillFactory.create(order=row) for row in (call, put)}

    for words, found in (
        ("25000ce", [call]),
        ("24120100", [put]),
        (" NIFTY01DEC ", [put, call]),
        ("nothing like it", []),
    ):
        assert listed(viewer, "hedgeorder", q=words) == found
        assert listed(viewer, "fill", q=words) == sorted((fills[row.pk] for row in found), key=lambda fill: -fill.pk)
    monkeypatch.setattr(long_lists, "LOOKED_AT", 1)
    assert listed(viewer, "hedgeorder", q="NIFTY01DEC") == [put]


def test_every_task_of_the_beat_says_what_its_pause_means():
    assert {entry.task for entry in ENTRIES} == set(WITHOUT_IT)


def test_a_pause_warns_of_what_does_not_happen_meanwhile(client):
    client.force_login(person("admin"))
    every = IntervalSchedule.objects.create(every=30, period=IntervalSchedule.SECONDS)
    row = PeriodicTask.objects.create(name="Margin check", task="hedging.tasks.check_margin", interval=every)
    address = "/admin/django_celery_beat/periodictask/"
    answer = client.post(address, {"action": "disable_tasks", "_selected_action": [row.pk]}, follow=True)
    assert "no margin is watched" in " ".join(str(message) for message in answer.context["messages"])
    row.refresh_from_db()
    assert not row.enabled
    client.post(address, {"action": "enable_tasks", "_selected_action": [row.pk]})
    row.refresh_from_db()
    assert row.enabled


def test_a_parameter_of_another_day_is_saved_as_a_row_of_its_own(client):
    client.force_login(person("admin"))
    spec = make.ContractSpecFactory.create()
    address = f"/admin/schedule/contractspec/{spec.pk}/change/"
    form = client.get(address).context["adminform"].form
    data = {name: "" if form[name].value() is None else form[name].value() for name in form.fields}
    answer = client.post(
        address, data | {"effective_from": "2027-01-01", "lot": "70", "freeze_quantity": "1750", "_saveasnew": "1"}
    )
    assert answer.status_code == 302
    assert list(ContractSpec.objects.order_by("effective_from").values_list("lot", flat=True)) == [spec.lot, 70]


def test_decisions_of_both_modes_of_a_day_are_of_that_day(viewer):
    _, today = days()
    other = make.TradingSessionFactory.create(
        account=today.account, trading_day=make.TUESDAY, mode=Mode.DRY_RUN, closed=True
    )
    make.HedgeDecisionFactory.create(session=other, slot=None)
    make.HedgeDecisionFactory.create(session=today, slot=None)
    assert len(listed(viewer, "hedgedecision", day="2026-12-01")) == HedgeDecision.objects.count() == 2
