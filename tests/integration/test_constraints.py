"""What the database refuses by itself, whatever the code does: the last guard of the order protocol's invariants."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from hedging.domain.instruments import Side
from hedging.domain.lifecycle import OrderStatus
from sessions_app.models import TradingSession
from tests import factories as make

pytestmark = pytest.mark.django_db


def second_live_attempt() -> None:
    order = make.HedgeOrderFactory.create(acked=True)
    make.HedgeOrderFactory.create(transaction=order.transaction, attempt=2)


def same_attempt_again() -> None:
    order = make.HedgeOrderFactory.create(status=OrderStatus.CANCELLED)
    make.HedgeOrderFactory.create(transaction=order.transaction, status=OrderStatus.CANCELLED)


def order_of_another_slice() -> None:
    order = make.HedgeOrderFactory.create(acked=True)
    make.HedgeOrderFactory.create(transaction=order.transaction, slice=2, broker_order_id=order.broker_order_id)


def same_slot_again() -> None:
    card = make.HedgeDecisionFactory.create(slot=7)
    make.HedgeDecisionFactory.create(session=card.session, slot=7)


def more_released_than_reserved() -> None:
    session = make.TradingSessionFactory.create()
    TradingSession.objects.filter(pk=session.pk).update(reserved=Decimal("-0.01"))


def same_fill_again() -> None:
    fill = make.FillFactory.create(sequence=1)
    make.FillFactory.create(order=fill.order, sequence=1)


def second_live_intent(side: Side) -> Callable[[], None]:
    def write() -> None:
        tx = make.HedgeTransactionFactory.create()
        make.HedgeTransactionFactory.create(decision=tx.decision, strike=tx.strike, side=side.value)

    return write


def half_a_lot() -> None:
    make.HedgeTransactionFactory.create(lot=65, quantity=97)


def order_of_nothing() -> None:
    make.HedgeOrderFactory.create(quantity=0)


def second_row_of_the_day() -> None:
    session = make.TradingSessionFactory.create(closed=True)
    make.TradingSessionFactory.create(account=session.account, trading_day=session.trading_day, mode=session.mode)


def second_open_session() -> None:
    session = make.TradingSessionFactory.create(mode="live")
    make.TradingSessionFactory.create(account=session.account, mode="dry_run")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(second_live_attempt, id="one_live_order_per_slice"),
        pytest.param(same_attempt_again, id="one_row_per_attempt"),
        pytest.param(order_of_another_slice, id="a_broker_order_belongs_to_one_slice"),
        pytest.param(same_slot_again, id="one_decision_per_slot"),
        pytest.param(more_released_than_reserved, id="session_counters_not_negative"),
        pytest.param(same_fill_again, id="one_row_per_fill"),
        pytest.param(second_live_intent(Side.BUY), id="one_live_intent_per_leg"),
        pytest.param(second_live_intent(Side.SELL), id="no_buy_and_sell_of_a_leg_at_once"),
        pytest.param(half_a_lot, id="intent_whole_lots"),
        pytest.param(order_of_nothing, id="order_quantity_positive"),
        pytest.param(second_row_of_the_day, id="one_session_per_day_and_mode"),
        pytest.param(second_open_session, id="one_open_session_per_account"),
    ],
)
def test_the_database_refuses(write):
    with pytest.raises(IntegrityError), transaction.atomic():
        write()
