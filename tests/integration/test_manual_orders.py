"""What the interfaces call: preview, token, confirmation; and a dry run, whose orders reach no exchange."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from hedging import manual_orders
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.manual import WantedLeg
from hedging.domain.reasons import Reason
from hedging.engine.execution import send_order
from hedging.engine.manual_claim import By
from hedging.engine.paper import StoredPaperBook
from hedging.engine.reconcile import reconcile
from hedging.engine.ticks import Rules
from hedging.manual_orders import ManualRefused, Offer, TokenRefused
from hedging.models import HedgeTransaction, Origin, PaperOrder
from hedging.selectors import holdings
from sessions_app.models import Mode, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import World
from tests.integration.manual_world import ALICE, CALL, PUT, beat, manual_world, rules

pytestmark = pytest.mark.django_db

START = datetime.fromisoformat("2026-12-01T04:42:00+00:00")


class Watch:
    """Wall time of the interface, moved by hand."""

    now = START


@pytest.fixture
def watch(monkeypatch: pytest.MonkeyPatch) -> Watch:
    found = Watch()
    monkeypatch.setattr(manual_orders, "wall_now", lambda: found.now)
    return found


def offer(place: World, *, by: By = ALICE) -> Offer:
    legs = [WantedLeg(CALL, 1)]
    return manual_orders.preview_buy(session=place.session, legs=legs, by=by, run_by=rules(place))


def test_a_preview_is_confirmed_by_its_token(watch):
    place = manual_world()
    made = offer(place)
    assert made.token is not None
    done = manual_orders.confirm(token=made.token, by=ALICE, key="order-1", run_by=rules(place))
    assert done.transaction_ids == (HedgeTransaction.objects.get().pk,)


def test_a_preview_that_is_refused_has_no_token(watch):
    place = manual_world()
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    made = offer(place)
    assert made.token is None
    assert [refusal.reason for refusal in made.preview.refusals] == [Reason.DENY_TRADING_STATE]


def test_a_token_is_too_old_after_thirty_seconds_and_nothing_is_claimed(watch):
    place = manual_world()
    token = offer(place).token
    assert token is not None
    watch.now += timedelta(seconds=30)
    with pytest.raises(TokenRefused) as caught:
        manual_orders.confirm(token=token, by=ALICE, run_by=rules(place))
    assert caught.value.code == "PREVIEW_EXPIRED"
    assert not HedgeTransaction.objects.exists()


def test_a_repeated_confirmation_gets_its_answer_although_the_token_has_run_out(watch):
    place = manual_world()
    token = offer(place).token
    assert token is not None
    first = manual_orders.confirm(token=token, by=ALICE, key="order-1", run_by=rules(place))
    watch.now += timedelta(hours=1)
    again = manual_orders.confirm(token=token, by=ALICE, key="order-1", run_by=rules(place))
    assert again == replace(first, repeated=True)


def test_without_a_key_the_token_itself_is_one(watch):
    place = manual_world()
    token = offer(place).token
    assert token is not None
    first = manual_orders.confirm(token=token, by=ALICE, run_by=rules(place))
    assert manual_orders.confirm(token=token, by=ALICE, run_by=rules(place)) == replace(first, repeated=True)


@pytest.mark.parametrize("key", ["k" * 129, "new\nline", "nul\x00"])
def test_a_key_that_no_row_could_keep_is_refused(watch, key):
    place = manual_world()
    token = offer(place).token
    assert token is not None
    with pytest.raises(ManualRefused) as caught:
        manual_orders.confirm(token=token, by=ALICE, key=key, run_by=rules(place))
    assert caught.value.code == "IDEMPOTENCY_KEY_INVALID"


def test_one_key_for_two_previews_is_a_mismatch(watch):
    place = manual_world()
    one, two = offer(place).token, offer(place).token
    assert one is not None
    assert two is not None
    manual_orders.confirm(token=one, by=ALICE, key="order-1", run_by=rules(place))
    with pytest.raises(ManualRefused) as caught:
        manual_orders.confirm(token=two, by=ALICE, key="order-1", run_by=rules(place))
    assert caught.value.code == "IDEMPOTENCY_MISMATCH"


def test_a_token_of_somebody_else_confirms_nothing(watch):
    place = manual_world()
    token = offer(place).token
    assert token is not None
    with pytest.raises(TokenRefused) as caught:
        manual_orders.confirm(token=token, by=By("bob", Origin.API), run_by=rules(place))
    assert caught.value.code == "PREVIEW_NOT_YOURS"
    assert not HedgeTransaction.objects.exists()


def test_a_dry_run_buys_and_sells_by_hand_on_paper_and_never_posts(watch):
    place = manual_world(mode=Mode.DRY_RUN, account=make.AccountFactory.create(mode=Mode.DRY_RUN))
    account_id, day = place.session.account_id, place.session.trading_day
    broker = DryRunBroker(
        place.exchange,
        StoredPaperBook(account_id=account_id, day=day),
        clock=place.clock.now,
        symbol_of=format_symbol,
        meaning=PaperMeaning(paid_in_answer=False, credit_from_legs=None),
    )
    ports = replace(place.ports, broker=broker)
    known = replace(rules(place), ports_for=lambda _: ports)

    def settle() -> None:
        for order_id in place.nudges:
            send_order(order_id=order_id, ports=ports)
        place.nudges.clear()
        place.wait(150)  # past the cooldown
        beat(place)
        reconcile(account_id=account_id, day=day, ports=ports)

    def held() -> dict[str, int]:
        rows = holdings(account_id=account_id, mode=Mode.DRY_RUN, day=day)
        return {format_symbol(row.contract): row.quantity for row in rows}

    bought = _confirmed(known, manual_orders.preview_buy(
        session=place.session, legs=[WantedLeg(CALL, 2), WantedLeg(PUT, 2)], by=ALICE, run_by=known
    ))  # fmt: skip
    settle()
    assert held() == {"NIFTY01DEC2626500CE": 130, "NIFTY01DEC2625500PE": 130}
    sold = _confirmed(known, manual_orders.preview_exit(session=place.session, by=ALICE, even_so=True, run_by=known))
    settle()
    assert held() == {}
    assert len(bought) == len(sold) == 2
    assert PaperOrder.objects.count() == 4
    assert not place.exchange.posts
    place.session.refresh_from_db()
    assert place.session.reserved == Decimal(0)


def _confirmed(known: Rules, made: Offer) -> tuple[int, ...]:
    assert made.token is not None, made.preview.refusals
    return manual_orders.confirm(token=made.token, by=ALICE, run_by=known).transaction_ids
