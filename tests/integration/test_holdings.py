"""Holdings kept under the name of their ledger's state: the name must change with every row, in whatever order rows commit."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from hedging.models import Fill, HedgeOrder
from hedging.selectors.ledger import holdings, holdings_as_of, ledger_state
from tests import factories as make


def _of(order: HedgeOrder) -> dict[str, Any]:
    return {"account_id": order.account_id, "mode": order.mode, "day": order.transaction.expiry}


def kept(order: HedgeOrder) -> int:
    asked = _of(order)
    return sum(row.quantity for row in holdings_as_of(ledger_state(**asked), **asked))


@pytest.mark.django_db(transaction=True)
def test_of_two_fills_under_way_the_one_with_the_lower_number_may_commit_last():
    call = make.HedgeOrderFactory.create(acked=True)
    put = make.HedgeOrderFactory.create(
        acked=True,
        account=call.account,
        transaction__decision__session=call.transaction.session,
        transaction__strike=call.transaction.strike + 500,
    )
    written, go_on = threading.Event(), threading.Event()

    def other_worker() -> None:
        try:
            with transaction.atomic():
                make.FillFactory.create(order=call)
                written.set()
                go_on.wait(10)
        finally:
            connection.close()

    worker = threading.Thread(target=other_worker)
    worker.start()
    assert written.wait(10)
    make.FillFactory.create(order=put)
    assert kept(put) == put.quantity  # what is not committed is not there yet, and the answer is kept

    go_on.set()
    worker.join(10)

    assert Fill.objects.get(order=call).pk < Fill.objects.get(order=put).pk
    assert kept(put) == put.quantity + call.quantity


@pytest.mark.django_db
def test_what_others_fill_names_no_new_state():
    order = make.FillFactory.create().order
    before = ledger_state(**_of(order))

    make.FillFactory.create()  # of another account

    assert ledger_state(**_of(order)) == before


@pytest.mark.django_db
def test_what_is_taken_off_names_a_new_state():
    order = make.FillFactory.create().order
    before = kept(order)
    tx = order.transaction
    make.AdjustmentFactory.create(
        session=tx.session,
        account=order.account,
        mode=order.mode,
        index=tx.index,
        expiry=tx.expiry,
        strike=tx.strike,
        right=tx.right,
        product=tx.product,
        quantity=order.quantity,
    )

    assert (before, kept(order)) == (order.quantity, 0)
    assert holdings(**_of(order)) == ()
