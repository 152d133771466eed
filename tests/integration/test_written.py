"""Rows written by one composed statement are those that the ORM would have written, and what it refuses is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import Model
from django.test.utils import CaptureQueriesContext

from hedging.engine.shared_limits import ORDERS_PER_SECOND, OrderTurn
from hedging.engine.written import Unchanged, change_of, insert, insert_alone
from hedging.models import HedgeDecision, HedgeOrder, HedgeTransaction
from sessions_app.models import MarginSnapshot, Mode, TradingSession
from tests import factories as make
from tests.integration.engine_world import CALL, intent, world

pytestmark = pytest.mark.django_db
WALL = datetime(2026, 11, 1, tzinfo=UTC)
IST = timezone(timedelta(hours=5, minutes=30))
STRANGE = {
    "words": "₹ \u2028 \\ ' \" %s $1 \x07 ",
    "deep": [1, None, True, {"a": "1E+3", "": []}],
    "much": 10**30,
    "x": 1.5,
}


def stored(row: Model) -> dict[str, Any]:
    """What the row's columns hold now, without the id."""
    columns = type(row)._default_manager.filter(pk=row.pk).values().get()
    return {name: value for name, value in columns.items() if name != "id"}


def snapshot(session: TradingSession, **fields: Any) -> MarginSnapshot:
    return MarginSnapshot(
        **{"session": session, "mode": session.mode, "at": make.OPEN, "unknown_reason": "", "used": Decimal(1)} | fields
    )


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"used": Decimal("2.675"), "broker_used": Decimal("-0.005"), "free_margin": Decimal("1E+3"), "spot": Decimal("1E-30")},
        {"used": None, "utilization_pct": None, "unknown_reason": "  ' \\ % ₹ \x07 "},
        {"at": datetime(2026, 12, 1, 10, 16, 29, 999_999, IST)},
        {"mode": Mode.DRY_RUN},
    ],
)  # fmt: skip
def test_a_snapshot_is_what_the_orm_writes(fields):
    session = make.TradingSessionFactory.create()
    ours, theirs = snapshot(session, **fields), snapshot(session, **fields)
    insert([ours])
    theirs.save()
    assert stored(ours) == stored(theirs)


def test_a_card_an_intent_and_its_slice_are_what_the_orm_writes():
    tx = make.HedgeTransactionFactory.create()
    order = make.HedgeOrderFactory.create(transaction=tx, seen_order_ids=["1", "two"], limit_price=Decimal("4.15"))
    HedgeDecision.objects.filter(pk=tx.decision_id).update(facts=STRANGE, gates=[STRANGE], policy={})
    rows: list[Any] = [HedgeDecision.objects.get(pk=tx.decision_id), HedgeTransaction.objects.get(pk=tx.pk)]
    rows.append(HedgeOrder.objects.get(pk=order.pk))
    before = [stored(row) for row in rows]
    for row in rows:
        row.pk = None
    rows[0].slot = 999
    rows[1].is_live = False
    rows[2].slice = 2
    insert(rows)
    after = [stored(row) for row in rows]
    assert after == [before[0] | {"slot": 999}, before[1] | {"is_live": False}, before[2] | {"slice": 2}]


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"used": Decimal("NaN")}, TypeError),
        ({"used": Decimal("Infinity")}, TypeError),
        ({"at": datetime(2026, 12, 1, 10, 16)}, TypeError),
        ({"used": 1.5}, TypeError),
        ({"used": Decimal(10) ** 14}, DatabaseError),
        ({"unknown_reason": "nul \x00"}, DatabaseError),
        ({"unknown_reason": "lone \ud800"}, DatabaseError),
        ({"unknown_reason": "x" * 201}, DatabaseError),
    ],
)
def test_what_no_column_holds_is_refused(fields, error):
    session = make.TradingSessionFactory.create()
    with pytest.raises(error), transaction.atomic():
        insert([snapshot(session, **fields)])
    assert not MarginSnapshot.objects.exists()


def test_rows_whose_change_was_not_made_go_with_it():
    session = make.TradingSessionFactory.create(reserved=Decimal(5))
    change = change_of(session, to={"reserved": Decimal(7)}, where={"reserved": Decimal(6)})
    with pytest.raises(Unchanged):
        insert([snapshot(session)], after=change)
    session.refresh_from_db()
    assert session.reserved == 5
    assert not MarginSnapshot.objects.exists()

    change = change_of(session, to={"reserved": Decimal(7)}, where={"reserved": Decimal(5)})
    insert([snapshot(session), snapshot(session, at=datetime(2026, 12, 1, 5, tzinfo=UTC))], after=change)
    session.refresh_from_db()
    assert session.reserved == 7
    assert MarginSnapshot.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_what_is_inserted_alone_is_all_there_or_none_and_the_change_beside_it_is_made():
    session = make.TradingSessionFactory.create(reserved=Decimal(5))
    account_id = session.account_id
    missed = change_of(session, to={"reserved": Decimal(7)}, where={"reserved": Decimal(6)})
    made = change_of(session, to={"reserved": Decimal(7)}, where={"reserved": Decimal(5)})
    with CaptureQueriesContext(connection) as asked, pytest.raises(Unchanged):
        insert_alone([snapshot(session)], after=missed, beside=OrderTurn(account_id, WALL).reservation)
    assert not MarginSnapshot.objects.exists()
    next_at = insert_alone([snapshot(session)], after=made, beside=OrderTurn(account_id, WALL).reservation)
    assert next_at == WALL + timedelta(seconds=2 / ORDERS_PER_SECOND)
    session.refresh_from_db()
    assert session.reserved == 7
    assert MarginSnapshot.objects.count() == 1
    assert len(asked) == 1  # one statement, and neither BEGIN nor COMMIT


@pytest.mark.django_db(transaction=True)
def test_of_a_sending_and_its_turn_one_statement_is_made():
    place = world()
    place.exchange.quote(CALL, "3.90", "4.00", quantity=65)
    order = intent(place).orders.get()
    with CaptureQueriesContext(connection) as asked:
        place.send(order)
    assert len(place.exchange.posts) == 1
    of_a_turn = [query["sql"] for query in asked if "next_order_at" in query["sql"]]
    assert ["json_populate_record" in sql for sql in of_a_turn] == [True]
    assert [query["sql"] for query in asked].count("BEGIN") == 1, "of the reply, which follows"
