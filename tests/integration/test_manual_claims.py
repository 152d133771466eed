"""Confirming manual orders: the same claim as the engine's, once for each preview, and the first answer for every repeat."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from hedging.brokers.base import BrokerUnavailable
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Product, Side
from hedging.domain.manual import Preview, quoted
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.engine import watchdog
from hedging.engine.manual_claim import By, Claimed, ManualRefused, Request, answer_of, confirm
from hedging.manual_requests import ManualRequest
from hedging.models import AuditEvent, Heartbeat, HedgeDecision, HedgeOrder, HedgeTransaction, Origin
from hedging.selectors import holdings
from notifications.messages import render
from notifications.models import Alert
from sessions_app.models import Mode, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import World
from tests.integration.manual_world import (
    ALICE,
    CALL,
    PUT,
    SHORT_CALL,
    SHORT_PUT,
    beat,
    buy,
    claim,
    exits,
    manual_world,
    request,
    rules,
)

pytestmark = pytest.mark.django_db


def refused(place: World, preview: Preview, **how: object) -> ManualRefused:
    with pytest.raises(ManualRefused) as caught:
        claim(place, preview, **how)  # type: ignore[arg-type]
    return caught.value


def untouched(place: World) -> bool:
    place.session.refresh_from_db()
    return not (HedgeTransaction.objects.filter(is_live=True).exists() or place.session.reserved or place.nudges)


# --- what is claimed --------------------------------------------------------------------------------------------------


def test_a_purchase_of_two_legs_is_one_action_claimed_like_every_other():
    place = manual_world(automation=False)
    preview = buy(place, (CALL, 2), (PUT, 2))
    done = claim(place, preview)
    rows = HedgeTransaction.objects.order_by("id")
    assert done.transaction_ids == tuple(row.pk for row in rows)
    assert {(row.origin, row.side, row.reason, row.quantity) for row in rows} == {
        (Origin.API, Side.BUY, Reason.ADD_BY_HAND, 130)
    }
    card = HedgeDecision.objects.get()
    assert (card.kind, card.action, card.reason) == ("manual", "add", Reason.ADD_BY_HAND)
    assert (card.facts["manual"]["by"], card.facts["manual"]["utilization_before_pct"]) == ("alice", "50.00")
    place.session.refresh_from_db()
    assert place.session.reserved == preview.worst_cost
    assert place.session.last_action_at == place.clock.now()
    assert set(AuditEvent.objects.values_list("actor", "event")) == {("alice", "intent_claimed")}
    assert place.nudges == list(HedgeOrder.objects.order_by("id").values_list("pk", flat=True))
    assert not place.exchange.posts


def test_what_was_claimed_is_sent_filled_reconciled_booked_and_told():
    place = manual_world()
    (tx_id,) = claim(place, buy(place, (CALL, 2))).transaction_ids
    place.follow()
    place.reconcile(after=5)
    tx = HedgeTransaction.objects.get(pk=tx_id)
    assert (tx.outcome, tx.filled_quantity) == ("filled", 130)
    place.session.refresh_from_db()
    assert (place.session.reserved, place.session.spent) == (Decimal(0), Decimal(520) + tx.charges)
    assert place.alerts() == ["manual_order", "hedge_bought"]
    said = render(Alert.objects.get(kind="manual_order")).text
    assert "Buying by hand: 130 NIFTY 01DEC26 26500 CE" in said
    assert "alice" in said


def test_an_exit_sells_what_is_ours_and_never_a_unit_more():
    place = manual_world(shorts=0, held=3)
    done = claim(place, exits(place))
    place.follow()
    place.reconcile(after=5)
    assert len(done.transaction_ids) == 2
    assert {tx.outcome for tx in HedgeTransaction.objects.filter(pk__in=done.transaction_ids)} == {"filled"}
    assert (place.exchange.net(CALL), place.exchange.net(PUT)) == (0, 0)
    session = place.session
    assert holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day) == ()
    assert HedgeDecision.objects.latest("id").action == "unwind"


def test_a_dry_run_session_claims_by_the_same_path():
    place = manual_world(mode=Mode.DRY_RUN, account=make.AccountFactory.create(mode=Mode.DRY_RUN))
    (tx_id,) = claim(place, buy(place, (CALL, 1))).transaction_ids
    assert HedgeTransaction.objects.get(pk=tx_id).mode == Mode.DRY_RUN


def test_the_worst_price_is_that_of_the_preview_although_the_touch_moved_within_it():
    place = manual_world()
    preview = buy(place, (CALL, 1))
    place.exchange.quote(CALL, "4.10", "4.20")
    claim(place, preview)
    tx = HedgeTransaction.objects.get()
    assert (tx.reference_price, tx.worst_price) == (Decimal("4.20"), Decimal("4.50"))


# --- what is refused --------------------------------------------------------------------------------------------------


def test_a_price_beyond_the_worst_one_shown_buys_nothing_and_says_both():
    place = manual_world()
    preview = buy(place, (CALL, 1), (PUT, 1))
    place.exchange.quote(CALL, "4.50", "4.55")
    error = refused(place, preview)
    assert error.code == Reason.DENY_PRICE_MOVED
    assert {name: error.facts[name] for name in ("now", "worst", "shown")} == {
        "now": "4.55",
        "worst": "4.50",
        "shown": "4.00",
    }
    assert untouched(place)


def test_a_bid_below_the_worst_one_shown_sells_nothing():
    place = manual_world(shorts=0, held=2)
    preview = exits(place, (CALL, None))
    place.exchange.quote(CALL, "3.35", "4.00")
    assert refused(place, preview).code == Reason.DENY_PRICE_MOVED
    assert untouched(place)


def test_no_worker_alive_claims_nothing_and_leaves_no_trace():
    place = manual_world()
    preview = buy(place)
    Heartbeat.objects.all().delete()
    error = refused(place, preview)
    assert (error.code, error.unavailable) == ("WORKER_DOWN", True)
    assert untouched(place)
    assert not ManualRequest.objects.exists()
    assert not HedgeDecision.objects.exists()


@pytest.mark.parametrize("dead", [watchdog.ORDERS, watchdog.EXITS])
def test_each_side_asks_for_the_workers_that_would_send_it(dead):
    place = manual_world(shorts=0, held=1)
    bought, sold = buy(place, (CALL, 1), even_so=True), exits(place)
    Heartbeat.objects.filter(name=dead).delete()
    stopped, goes = (bought, sold) if dead == watchdog.ORDERS else (sold, bought)
    error = refused(place, stopped)
    assert (error.code, error.facts["queue"]) == ("WORKER_DOWN", dead)
    assert claim(place, goes, asked=request("k2", preview="p2")).transaction_ids


@pytest.mark.parametrize(("silent_for", "alive"), [(75, True), (76, False)])
def test_a_worker_is_alive_for_75_seconds_of_wall_time(silent_for, alive):
    place = manual_world()
    preview = buy(place)
    place.wall.moment += timedelta(seconds=silent_for)
    if alive:
        assert claim(place, preview).transaction_ids
    else:
        assert refused(place, preview).code == "WORKER_DOWN"


def test_after_a_worker_came_back_the_same_confirmation_is_taken():
    place = manual_world()
    preview = buy(place)
    Heartbeat.objects.all().delete()
    refused(place, preview)
    beat(place)
    assert claim(place, preview).repeated is False


def test_books_that_cannot_be_read_claim_nothing_and_leave_no_trace():
    place = manual_world()
    preview = buy(place)
    place.exchange.failing["positions"] = BrokerUnavailable("timed out")
    error = refused(place, preview)
    assert (error.code, error.unavailable) == (Reason.DENY_READS_FAILED, True)
    assert not ManualRequest.objects.exists()


def test_a_halt_between_preview_and_confirmation_counts():
    place = manual_world()
    preview = buy(place)
    TradingSession.objects.update(trading_state=TradingState.HALTED, state_reason="news")
    error = refused(place, preview)
    assert (error.code, "HALTED: news" in error.message) == (Reason.DENY_TRADING_STATE, True)
    assert untouched(place)


def test_a_refusal_is_a_card_an_audit_line_and_the_answer():
    place = manual_world()
    preview = buy(place)
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    error = refused(place, preview)
    card = HedgeDecision.objects.get()
    assert (card.action, card.reason, error.facts["decision"]) == ("hold", Reason.DENY_TRADING_STATE, card.pk)
    assert ("alice", "manual_refused") in AuditEvent.objects.values_list("actor", "event")
    TradingSession.objects.update(trading_state=TradingState.ACTIVE)
    again = refused(place, preview)
    assert (again.code, again.repeated) == (error.code, True)


def test_a_policy_changed_since_the_preview_refuses():
    place = manual_world()
    preview = buy(place)
    error = refused(place, preview, policy=HedgePolicy(max_cost_per_day=Decimal(60_000)))
    assert error.code == Reason.DENY_POLICY_CHANGED
    assert untouched(place)


def test_what_the_claim_itself_denies_is_answered_with_its_figure(monkeypatch):
    """An automatic action that commits between our reads and the claim takes the cooldown first."""
    place = manual_world()
    preview = buy(place)

    def another_action_came_first(**_: object) -> None:
        TradingSession.objects.update(last_action_at=place.clock.now())

    place.exchange.before["depth"] = another_action_came_first
    error = refused(place, preview)
    assert error.code == Reason.DENY_COOLDOWN
    assert "until 10:14:00 IST" in error.message
    assert untouched(place)


def test_a_hedge_sold_meanwhile_is_not_sold_again():
    place = manual_world(shorts=0, held=2)
    preview = exits(place, (CALL, None))
    policy = HedgePolicy(cooldown_seconds=0)
    first = exits(place, (CALL, 1), policy=policy)
    claim(place, first, asked=request("other", preview="p0"), policy=policy)
    place.follow()
    place.reconcile(after=5)
    TradingSession.objects.update(last_action_at=None)
    beat(place)
    error = refused(place, preview)
    assert (error.code, error.facts["held"]) == (Reason.DENY_BEYOND_HELD, 65)
    assert place.exchange.net(CALL) == 65


# --- once, and the same answer again ------------------------------------------------------------------------------------


def test_the_same_key_and_body_gets_the_first_answer_again():
    place = manual_world()
    preview = buy(place)
    first = claim(place, preview)
    calls = len(place.exchange.calls)
    again = claim(place, preview)
    assert (again.transaction_ids, again.repeated) == (first.transaction_ids, True)
    assert HedgeTransaction.objects.count() == 1
    assert len(place.exchange.calls) == calls


def test_the_same_key_with_another_body_is_a_mismatch():
    place = manual_world()
    preview = buy(place)
    claim(place, preview)
    error = refused(place, preview, asked=request(body="another", preview="p2"))
    assert (error.code, error.facts["key"]) == ("IDEMPOTENCY_MISMATCH", "k1")
    with pytest.raises(ManualRefused, match="another request"):
        answer_of(by=ALICE, request=request(body="another"))


def test_a_key_is_its_callers_own():
    place = manual_world()
    claim(place, buy(place))
    assert answer_of(by=By("bob", Origin.API), request=request()) is None


def test_a_preview_is_confirmed_once_whatever_the_key():
    place = manual_world()
    preview, policy = buy(place, policy=HedgePolicy(cooldown_seconds=0)), HedgePolicy(cooldown_seconds=0)
    first = claim(place, preview, policy=policy)
    place.follow()
    place.reconcile(after=5)
    error = refused(place, preview, asked=request("k2"), policy=policy)
    assert (error.code, error.facts["transactions"]) == ("PREVIEW_USED", list(first.transaction_ids))
    assert HedgeTransaction.objects.count() == 1


def race(place: World, preview: Preview, requests: list[Request], policy: HedgePolicy) -> list[object]:
    """Confirm in as many threads as there are requests, all at once after their reads."""
    start = threading.Barrier(len(requests), timeout=20)
    found: list[object] = []

    def meet() -> None:
        start.wait()

    place.exchange.before["depth"] = meet

    def confirm_one(asked: Request) -> None:
        try:
            found.append(confirm(quoted=quoted(preview), by=ALICE, request=asked, rules=rules(place, policy)))
        except Exception as error:  # noqa: BLE001 - a thread must not swallow what the test is about
            found.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=confirm_one, args=(asked,)) for asked in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    return found


@pytest.mark.django_db(transaction=True)
def test_two_confirmations_of_one_preview_at_once_are_one_claim_and_one_answer():
    place, policy = manual_world(), HedgePolicy(cooldown_seconds=0)
    found = race(place, buy(place, policy=policy), [request(), request()], policy)
    claims = [one for one in found if isinstance(one, Claimed)]
    assert len(claims) == 2, found
    assert {one.transaction_ids for one in claims} == {(HedgeTransaction.objects.get().pk,)}
    assert sorted(one.repeated for one in claims) == [False, True]
    assert len(place.nudges) == 1


@pytest.mark.django_db(transaction=True)
def test_two_keys_for_one_preview_at_once_are_one_claim():
    place, policy = manual_world(), HedgePolicy(cooldown_seconds=0)
    found = race(place, buy(place, policy=policy), [request("k1"), request("k2")], policy)
    assert sum(isinstance(one, Claimed) for one in found) == 1, found
    assert [one.code for one in found if isinstance(one, ManualRefused)] == ["PREVIEW_USED"]
    assert HedgeTransaction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_person_and_the_engine_at_once_never_pass_the_cap():
    """Four previews that fit alone and not together: what is reserved stays under the cap."""
    place = manual_world()
    policy = HedgePolicy(cooldown_seconds=0)
    worst = buy(place, policy=policy).worst_cost
    policy = replace(policy, max_cost_per_day=worst + 1)
    preview = buy(place, policy=policy)
    found = race(place, preview, [request(f"k{n}", preview=f"p{n}") for n in range(4)], policy)
    assert sum(isinstance(one, Claimed) for one in found) == 1, found
    place.session.refresh_from_db()
    assert place.session.reserved == worst


def test_a_strike_that_is_kept_apart_is_bought_by_hand_where_its_buyer_says_even_so():
    place = manual_world()
    TradingSession.objects.update(quarantine=[format_symbol(CALL)])
    preview = buy(place, (CALL, 1), even_so=True)
    assert not preview.refusals
    assert claim(place, preview).transaction_ids


def test_a_strike_that_is_kept_apart_since_the_preview_is_not_bought():
    place = manual_world()
    preview = buy(place, (CALL, 1))
    TradingSession.objects.update(quarantine=[format_symbol(CALL)])
    with pytest.raises(ManualRefused) as refused:
        claim(place, preview)
    assert refused.value.code == Reason.DENY_QUARANTINED


def test_even_so_overrides_what_was_shown_and_nothing_that_came_since():
    here = manual_world(held=2, shorts=0)
    shown = exits(here, (CALL, 2), even_so=True)
    assert shown.allowed
    assert not any("without a long" in words for words in shown.warnings)
    here.exchange.foreign[SHORT_CALL, Product.NRML] = -130  # an entry fills between preview and confirmation
    here.exchange.foreign[SHORT_PUT, Product.NRML] = -130
    with pytest.raises(ManualRefused) as denied:
        claim(here, shown)
    assert denied.value.code == Reason.DENY_UNCOVERS_SHORT
    assert not HedgeOrder.objects.filter(transaction__side="SELL").exists()


def test_even_so_still_overrides_what_was_shown():
    here = manual_world(held=2, shorts=2)
    shown = exits(here, (CALL, 2), even_so=True)
    assert any("without a long" in words for words in shown.warnings)
    assert claim(here, shown).transaction_ids


def test_even_so_of_one_lot_without_a_long_uncovers_no_second_one():
    here = manual_world(held=2, shorts=1)
    shown = exits(here, (CALL, 2), even_so=True)
    assert shown.warnings == ("65 more units of short CE without a long",)
    here.exchange.foreign[SHORT_CALL, Product.NRML] = -130  # an entry fills between preview and confirmation
    here.exchange.foreign[SHORT_PUT, Product.NRML] = -130
    assert refused(here, shown).code == Reason.DENY_UNCOVERS_SHORT
    assert not HedgeOrder.objects.filter(transaction__side="SELL").exists()


def test_even_so_of_one_strike_that_is_kept_apart_buys_no_other_that_is_since():
    here = manual_world()
    TradingSession.objects.update(quarantine=[format_symbol(CALL)])
    shown = buy(here, (CALL, 1), (PUT, 1), even_so=True)
    assert shown.allowed
    TradingSession.objects.update(quarantine=[format_symbol(CALL), format_symbol(PUT)])
    assert refused(here, shown).code == Reason.DENY_QUARANTINED
    assert untouched(here)
