"""Positions and funds are behind a fill for some seconds: nothing is bought or sold a second time meanwhile."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from hedging.brokers.base import BrokerStatus, OrderRequest, PlaceReply, ReplyClass
from hedging.domain.facts import SETTLES_WITHIN
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Position
from hedging.engine.execution import send_order
from hedging.engine.plan import DayPlan, plan_of
from hedging.engine.reconcile import reconcile
from hedging.models import HedgeDecision, HedgeOrder, HedgeTransaction
from tests import factories as make
from tests.integration import fake_exchange as fake
from tests.integration.engine_world import POLICY, World, hold, world
from tests.integration.test_engine_cycle import accepted, cycle, entry_soon, margin, reason

pytestmark = pytest.mark.django_db
SHORT, FAR, NEAR = (Contract(Index.NIFTY, make.TUESDAY, Decimal(strike), Right.CE) for strike in (26000, 26800, 26500))


def over_the_trigger() -> tuple[World, DayPlan]:
    """A book over the trigger with nothing due: 260 short on each side."""
    place = world()
    entry_soon(place)  # quotes the chain
    for right in Right:
        place.exchange.foreign[Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), right), Product.NRML] = -260
    place.exchange.used = Decimal(970_000)
    return place, plan_of(place.session)


def decided(place: World, plan: DayPlan, slot: int) -> HedgeDecision:
    card = cycle(place, plan=plan, slot=slot)
    assert card is not None
    return card


def longs(place: World) -> list[int]:
    return [position.quantity for position in place.exchange._positions() if position.quantity > 0]


def show(place: World, positions: tuple[Position, ...]) -> None:
    """Let the position book stay as it was."""
    setattr(place.exchange, "positions", lambda: positions)  # noqa: B010 - its own type does not know that it can be replaced


def filled_late(place: World, plan: DayPlan) -> tuple[Position, ...]:
    """A pair that is chased, and whose last attempts fill after the cooldown; return the positions before it."""
    place.wait(10)
    assert decided(place, plan, 1).reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    match = place.exchange.match
    setattr(place.exchange, "match", lambda resting: None)  # noqa: B010 - others take the touch before us
    place.follow()
    claimed = place.clock.now()
    while (
        place.clock.now() - claimed < timedelta(seconds=119) or not HedgeOrder.objects.filter(status="acked").exists()
    ):
        place.reconcile(after=5)
    before = place.exchange._positions()
    for order in place.exchange.orders.values():
        if order.status is BrokerStatus.WORKING:
            place.exchange.fill(order, order.rest, str(order.request.limit_price))
    place.reconcile(after=2)
    setattr(place.exchange, "match", match)  # noqa: B010
    return before


def test_a_pair_that_fills_after_its_cooldown_is_not_bought_again_while_the_position_book_is_behind():
    place, plan = over_the_trigger()
    before = filled_late(place, plan)
    show(place, before)
    place.wait(1)
    card = decided(place, plan, 500)
    place.follow()
    assert card.reason == Reason.HOLD_IN_FLIGHT
    assert longs(place) == [130, 130]


def test_nor_while_funds_are_and_once_they_had_their_time_what_is_needed_is_bought():
    place, plan = over_the_trigger()
    filled_late(place, plan)
    place.wait(1)
    assert decided(place, plan, 500).reason == Reason.HOLD_IN_FLIGHT  # funds say ₹9.7 lakh as before
    place.wait(SETTLES_WITHIN.total_seconds())
    assert decided(place, plan, 501).reason.startswith("ADD"), "margin was not released: that is real by now"


def test_a_fill_that_is_found_by_another_process_while_the_books_are_read_counts():
    place, plan = over_the_trigger()
    place.exchange.replies = [fake.timed_out, fake.timed_out]
    place.wait(10)
    decided(place, plan, 1)
    place.follow()
    for _ in range(12):
        place.reconcile(after=10)
    before = place.exchange._positions()
    for request in list(place.exchange.posts):
        place.exchange.accept(request)
    place.reconcile(after=1)  # adopted
    show(place, before)
    account, day = place.session.account_id, place.session.trading_day
    place.exchange.before["funds"] = lambda: reconcile(account_id=account, day=day, ports=place.ports)
    place.wait(1)
    card = decided(place, plan, 500)
    place.exchange.before.clear()
    place.follow()
    assert card.reason == Reason.HOLD_IN_FLIGHT
    assert longs(place) == [130, 130]


@pytest.mark.parametrize("shown", ["as it was", "as it is"])
def test_the_sale_of_what_is_left_over_uncovers_no_short_while_the_position_book_is_behind(shown):
    place = world(dte=1)
    place.clock.moment = make.ist(15, 25)
    for contract, bid, ask in ((SHORT, "100", "101"), (FAR, "1.90", "2.00"), (NEAR, "3.90", "4.00")):
        place.exchange.quote(contract, bid, ask)
    place.exchange.foreign[SHORT, Product.NRML] = -130  # stays overnight
    hold(place, 130, contract=FAR)
    hold(place, 130, contract=NEAR)  # one of the two covers the short
    place.exchange.used = Decimal(100_000)
    plan = plan_of(place.session)
    assert decided(place, plan, 1).reason == Reason.UNWIND_SESSION_END
    before = place.exchange._positions()
    place.follow()
    place.reconcile(after=10)
    if shown == "as it was":
        show(place, before)
    decided(place, plan, 2)
    place.follow()
    assert (place.exchange.net(FAR), place.exchange.net(NEAR)) == (0, 130)


def test_a_sale_at_the_end_that_another_action_came_before_is_decided_anew(monkeypatch):
    place = world(dte=1)
    place.clock.moment = make.ist(15, 25)
    place.exchange.quote(FAR, "1.90", "2.00")
    hold(place, 130, contract=FAR)
    plan = plan_of(place.session)
    place.exchange.used = Decimal(100_000)
    sessions = type(place.session).objects.filter(pk=place.session.pk)
    place.exchange.before["positions"] = lambda: sessions.update(last_action_at=place.clock.now())  # by hand, say
    assert decided(place, plan, 1).reason == Reason.DENY_COOLDOWN
    place.exchange.before.clear()
    place.session.refresh_from_db()
    place.wait(30)
    assert decided(place, plan, 2).reason == Reason.UNWIND_SESSION_END


def test_a_strike_refused_while_the_cycle_reads_is_not_ordered_again():
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1500)
    place.exchange.replies = [accepted, fake.refused]
    assert reason(place, plan=plan, after=0) == Reason.ADD_PROJECTION_OVER_TRIGGER
    first, second = place.nudges
    place.nudges.clear()
    send_order(order_id=first, ports=place.ports)
    place.wait(1)
    reconcile(account_id=place.session.account_id, day=place.session.trading_day, ports=place.ports)
    place.nudges.clear()
    late = iter([second])
    place.exchange.before["funds"] = lambda: [send_order(order_id=order, ports=place.ports) for order in late]
    card = decided(place, plan, 5000)
    place.exchange.before.clear()
    place.session.refresh_from_db()
    assert place.session.quarantine
    assert card.reason == Reason.DENY_QUARANTINED
    assert not HedgeTransaction.objects.filter(decision=card).exists()
    assert decided(place, plan, 5001).reason.startswith("ADD"), "another strike completes it"


# --- waiting for the books misses no entry ---------------------------------------------------------------------------------


def reasons_until(place: World, plan: DayPlan, entry_at: datetime) -> list[tuple[int, str]]:
    """Let cycles decide every ten seconds until an entry; return what they said, with the seconds that were left."""
    said: list[tuple[int, str]] = []
    while place.clock.now() + timedelta(seconds=10) < entry_at:
        for _ in range(2):
            place.reconcile(after=5)
        card = decided(place, plan, 9000 + len(said))
        said.append((int((entry_at - place.clock.now()).total_seconds()), card.reason))
        place.follow()
    return said


@pytest.mark.parametrize("shown", [True, False])
def test_an_entry_that_is_due_before_the_books_must_have_settled_gets_its_hedge_where_they_show_ours(shown):
    place, plan = over_the_trigger()
    before = filled_late(place, plan)
    place.exchange.used = Decimal(870_000)  # released
    coming = entry_soon(place, minutes=28 / 60, lots=1)
    place.exchange.added_by_basket = lambda legs: Decimal(5_000) if legs else Decimal(0)
    if not shown:
        show(place, before)
    said = [reason for _, reason in reasons_until(place, coming, coming.entries[0].entry_at)]
    assert any(reason.startswith("ADD") for reason in said) is shown


def test_a_leg_that_failed_after_a_short_cooldown_is_completed_before_its_entry(monkeypatch):
    monkeypatch.setattr("tests.integration.test_engine_cycle.POLICY", replace(POLICY, cooldown_seconds=60))
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1500)
    match = place.exchange.match
    setattr(place.exchange, "match", lambda resting: None)  # noqa: B010 - others take the touch before us
    decided(place, plan, 1)
    place.follow()
    claimed = place.clock.now()
    while place.clock.now() - claimed < timedelta(seconds=62) or not HedgeOrder.objects.filter(status="acked").exists():
        place.reconcile(after=5)
    first, *others = [order for order in place.exchange.orders.values() if order.status is BrokerStatus.WORKING]
    setattr(place.exchange, "match", match)  # noqa: B010
    place.exchange.fill(first, first.rest, str(first.request.limit_price))
    for order in others:
        order.status = BrokerStatus.CANCELLED  # by the exchange
    said = reasons_until(place, plan, plan.entries[0].entry_at)
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in [reason for _, reason in said]


def test_a_purchase_of_which_both_sides_filled_in_part_is_completed_once_funds_had_their_time():
    place, _ = over_the_trigger()
    place.exchange.used = Decimal(860_000)
    plan = entry_soon(place, minutes=95 / 60, lots=1)
    place.exchange.added_by_basket = lambda legs: (
        Decimal(5_000) if any(leg.side is Side.SELL for leg in legs) else Decimal(0)
    )
    place.exchange.replies = [accepted, accepted, accepted, fake.refused]
    decided(place, plan, 1)
    place.follow()
    filled = sum(longs(place))
    said = reasons_until(place, plan, place.clock.now() + timedelta(seconds=25))
    assert said and {reason for _, reason in said} == {Reason.HOLD_IN_FLIGHT}  # noqa: PT018 - said before anything else
    assert sum(longs(place)) == filled


def option(strike: int, right: Right) -> Contract:
    return Contract(Index.NIFTY, make.TUESDAY, Decimal(strike), right)


def filled_in_part(exchange: fake.FakeExchange, request: OrderRequest) -> PlaceReply:
    """Two lots trade, and the exchange cancels the rest."""
    order = fake.Resting(f"B{len(exchange.orders) + 1:04d}", request)
    exchange.orders[order.order_id] = order
    exchange.fill(order, 130, str(request.limit_price))
    order.status = BrokerStatus.CANCELLED
    return PlaceReply(ReplyClass.ACKED, order.order_id)


def test_a_wing_of_the_only_side_that_was_open_released_margin_and_funds_have_their_time_before_more_is_bought():
    place = world()
    entry_soon(place)  # quotes the chain
    for right in Right:
        place.exchange.foreign[option(26000, right), Product.NRML] = -520
    hold(place, 520, contract=option(25400, Right.PE))  # the puts are covered: each call wing releases by itself
    place.exchange.used = Decimal(980_000)
    plan = entry_soon(place, minutes=98 / 60, lots=1)
    place.exchange.added_by_basket = lambda legs: (
        Decimal(5_000) if any(leg.side is Side.SELL for leg in legs) else Decimal(0)
    )
    place.wait(1)
    place.exchange.replies = [filled_in_part]
    [wanted] = decided(place, plan, 1).transactions.all()
    assert wanted.right == Right.CE
    place.follow()
    said = reasons_until(place, plan, place.clock.now() + timedelta(seconds=25))
    assert [reason for _, reason in said] == [Reason.HOLD_IN_FLIGHT] * 2
    assert place.exchange._positions()[-1].quantity == 130


def said_up_to_the_entry(place: World, plan: DayPlan, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Follow what a purchase 100 s before its entry came to, up to the last tick before the entry."""
    said = []
    for tick in range(9):
        monkeypatch.setattr(fake, "SPOT", Decimal(26000) + tick % 2)
        for _ in range(2):
            place.reconcile(after=5)
        said.append(decided(place, plan, 9000 + tick).reason)
        place.follow()
    return said


@pytest.mark.parametrize("replaces", [False, True])
def test_a_pair_of_which_a_leg_failed_is_completed_before_its_entry_though_it_was_to_replace_another(
    replaces, monkeypatch
):
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1500)
    if replaces:
        place.exchange.used = Decimal(300_000)
        hold(place, 260, contract=option(27000, Right.CE))
        hold(place, 260, contract=option(25000, Right.PE))
    place.wait(1)
    place.exchange.replies = [accepted, fake.refused]
    first = decided(place, plan, 0)
    assert first.reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert first.transactions.filter(side=Side.SELL).exists() is replaces
    place.follow()
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in said_up_to_the_entry(place, plan, monkeypatch)
    assert place.clock.now() < plan.entries[0].entry_at
    # What it completes is not sold for it.
    [kept] = first.transactions.filter(filled_quantity__gt=0)
    assert not HedgeTransaction.objects.filter(symbol=kept.symbol, side=Side.SELL).exists()


@pytest.mark.parametrize(
    ("replaces", "fates"),
    [(False, [fake.timed_out] * 2), (True, [fake.timed_out] * 2), (True, [accepted, fake.timed_out])],
    ids=["replaces nothing", "both unknown", "one unknown"],
)
def test_nor_does_a_sale_that_waits_for_a_buy_of_which_nobody_knows_keep_a_purchase_from_the_entry(
    replaces, fates, monkeypatch
):
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1100)
    if replaces:
        hold(place, 130, contract=option(27000, Right.CE))
        hold(place, 130, contract=option(25000, Right.PE))
    place.wait(1)
    place.exchange.replies = list(fates)
    first = decided(place, plan, 0)
    assert first.reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    sales = first.transactions.filter(side=Side.SELL)
    assert sales.exists() is replaces
    place.follow()
    assert Reason.ADD_PROJECTION_OVER_TRIGGER in said_up_to_the_entry(place, plan, monkeypatch)
    # The wings stay: nobody knows whether what was to replace them is there.
    assert {sale.filled_quantity for sale in sales} <= {0}
    assert {sale.is_live for sale in sales} <= {False}


def test_nor_is_what_a_purchase_bought_sold_to_complete_it_a_second_time(monkeypatch):
    place = world()
    plan = entry_soon(place, minutes=100 / 60)
    place.exchange.added_by_basket = margin(1500)
    place.wait(1)
    place.exchange.replies = [accepted, fake.refused, fake.refused]
    first = decided(place, plan, 0)
    place.follow()
    place.reconcile(after=1)
    [kept] = first.transactions.filter(filled_quantity__gt=0)
    completes = []
    for tick in range(4):
        monkeypatch.setattr(fake, "SPOT", Decimal(26000) + tick % 2)
        for _ in range(2):
            place.reconcile(after=5)
        if tick == 1:
            place.exchange.quote(kept.contract, "9.00", "9.05")  # it became dear, and its neighbours did not
        completes.append(decided(place, plan, 9000 + tick).facts.get("completes"))
        place.follow()
    assert completes[:2] == [1, 2]
    assert not HedgeTransaction.objects.filter(symbol=kept.symbol, side=Side.SELL).exists()
