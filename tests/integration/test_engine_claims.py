"""Claims: what the session's row allows, under any concurrency, and that a claim is stored whole or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction

from hedging.domain.charges import order_charges
from hedging.domain.decision import Decision, Hold
from hedging.domain.facts import Unfinished
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.engine.intents import Recorded, record, worst_cost
from hedging.engine.path_rows import reserve_of
from hedging.engine.written import Unchanged, apply_change
from hedging.models import AuditEvent, CycleKind, Fill, HedgeDecision, HedgeOrder, HedgeTransaction, Origin
from sessions_app.models import Breaker, BreakerKind, MarginSnapshot, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import CALL, POLICY, PUT, World, add, facts, hold, leg, unwind, world
from tests.unit.cycle_facts import straddle

pytestmark = pytest.mark.django_db


def claim(
    place: World,
    decision: Decision,
    *,
    slot: int | None = None,
    origin: Origin = Origin.AUTO,
    kind: CycleKind = CycleKind.MARGIN_CHECK,
    **known: Any,
) -> Recorded | None:
    return record(
        decision=decision,
        facts=facts(place, **known),
        session=TradingSession.objects.get(pk=place.session.pk),
        kind=kind,
        slot=slot,
        ports=place.ports,
        origin=origin,
    )


def reason(recorded: Recorded | None) -> str:
    assert recorded is not None
    return recorded.card.reason


def row(place: World) -> TradingSession:
    place.session.refresh_from_db()
    return place.session


# --- a claim ----------------------------------------------------------------------------------------------------------


def test_a_claim_stores_card_intents_slices_reserve_and_audit_before_anything_is_sent():
    place = world()
    recorded = claim(place, add(leg(CALL), leg(PUT, 65)), slot=7)
    assert recorded is not None
    assert len(recorded.order_ids) == 2
    call, put = HedgeTransaction.objects.order_by("id")
    assert (call.symbol, call.quantity, call.lot, call.product, call.is_live) == (
        "NIFTY01DEC2626500CE",
        130,
        65,
        "NRML",
        True,
    )
    assert call.valid_until == place.clock.now() + timedelta(seconds=POLICY.intent_valid_seconds)
    assert row(place).reserved == call.reserve + put.reserve
    assert row(place).last_action_at == place.clock.now()
    assert [line.subject_id for line in AuditEvent.objects.filter(event="intent_claimed").order_by("id")] == [
        call.pk,
        put.pk,
    ]
    assert MarginSnapshot.objects.count() == 1
    assert not place.exchange.posts
    assert not place.nudges


def test_the_reserve_is_the_worst_price_and_the_charges_of_every_chase():
    place = world()
    known = facts(place)
    wanted = Decimal("4.50") * 1820 + order_charges(
        rates=known.charges, side=Side.BUY, premium_rupees=Decimal("4.50") * 1820, orders=2 * (1 + POLICY.max_chases)
    )
    assert worst_cost(leg(CALL, 1820), known) == wanted.quantize(Decimal("0.01"))
    assert worst_cost(leg(CALL, 1820, side=Side.SELL), known) == 0


@pytest.mark.parametrize(
    ("quantity", "slices"),
    [(65, [65]), (1755, [1755]), (1820, [1755, 65]), (3510, [1755, 1755]), (3575, [1755, 1755, 65])],
)
def test_an_intent_is_cut_into_whole_lots_under_the_freeze_quantity(quantity, slices):
    place = world()
    claim(place, add(leg(CALL, quantity)))
    assert list(HedgeOrder.objects.order_by("slice").values_list("quantity", flat=True)) == slices


def test_a_sale_that_waits_for_its_buys_is_not_nudged():
    place = world()
    hold(place, 130)
    recorded = claim(place, add(leg(PUT), leg(CALL, side=Side.SELL, after_buys=True, reason=Reason.UNWIND_REPLACED)))
    assert recorded is not None
    sale = HedgeOrder.objects.get(transaction__side=Side.SELL, transaction__is_live=True)
    assert sale.pk not in recorded.order_ids
    assert sale.status == OrderStatus.NEW


def test_the_same_slot_decides_once():
    place = world()
    assert claim(place, add(leg(CALL)), slot=7) is not None
    assert claim(place, add(leg(PUT)), slot=7) is None
    assert claim(place, Hold(Reason.HOLD_NOTHING_DUE, ()), slot=7) is None
    assert (HedgeDecision.objects.count(), HedgeTransaction.objects.count(), MarginSnapshot.objects.count()) == (
        1,
        1,
        1,
    )
    assert claim(place, Hold(Reason.HOLD_NOTHING_DUE, ()), slot=7, kind=CycleKind.ENTRY_PROJECTION) is not None


def test_a_failure_in_the_middle_of_a_claim_leaves_nothing_behind(monkeypatch):
    place = world()
    before = row(place).reserved

    def fail(**_: Any) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr("hedging.engine.audit.line", fail)
    with pytest.raises(RuntimeError):
        claim(place, add(leg(CALL)))
    assert not HedgeDecision.objects.exists()
    assert not HedgeTransaction.objects.exists()
    assert not MarginSnapshot.objects.exists()
    assert row(place).reserved == before


# --- what is refused --------------------------------------------------------------------------------------------------


def set_session(**fields: Any) -> Callable[[World], None]:
    def change(place: World) -> None:
        TradingSession.objects.filter(pk=place.session.pk).update(**fields)

    return change


def breaker_open(place: World) -> None:
    for kind in BreakerKind:
        Breaker.objects.create(
            account_id=place.session.account_id, kind=kind, open_until=place.wall.now() + timedelta(seconds=1)
        )


BUY, SALE = add(leg(CALL)), unwind(leg(CALL, side=Side.SELL))
CLOCK = unwind(leg(CALL, side=Side.SELL, due_by_clock=True))


@pytest.mark.parametrize(
    ("happens", "decision", "denied"),
    [
        (set_session(trading_state=TradingState.REDUCING), BUY, Reason.DENY_TRADING_STATE),
        (set_session(trading_state=TradingState.REDUCING), SALE, None),
        (set_session(trading_state=TradingState.HALTED), SALE, Reason.DENY_TRADING_STATE),
        (set_session(trading_state=TradingState.HALTED), CLOCK, Reason.DENY_TRADING_STATE),
        (set_session(automation=False), BUY, Reason.DENY_AUTOMATION_OFF),
        (set_session(automation=False), SALE, Reason.DENY_AUTOMATION_OFF),
        (set_session(automation=False), CLOCK, None),
        (breaker_open, BUY, Reason.DENY_BREAKER_OPEN),
        (breaker_open, SALE, Reason.DENY_BREAKER_OPEN),
        (breaker_open, CLOCK, None),
        (set_session(spent=Decimal(49_900)), BUY, Reason.DENY_COST_CAP),
        (set_session(spent=Decimal(49_900)), SALE, None),
    ],
)
def test_the_row_refuses_what_the_facts_did_not_know_yet(happens, decision, denied):
    place = world()
    hold(place, 130)
    known = facts(place)  # gathered before it happens
    happens(place)
    recorded = record(
        decision=decision, facts=known, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1, ports=place.ports
    )
    if denied is None:
        assert reason(recorded) == decision.reason
    else:
        assert reason(recorded) == denied
        assert recorded is not None
        assert (recorded.card.action, recorded.order_ids) == ("hold", ())
        assert not HedgeTransaction.objects.live().exists()
        assert row(place).reserved == 0


def test_a_closed_session_claims_nothing():
    place = world()
    known = facts(place)
    TradingSession.objects.update(closed_at=place.clock.now())
    recorded = record(
        decision=BUY, facts=known, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1, ports=place.ports
    )
    assert reason(recorded) == Reason.DENY_TRADING_STATE


@pytest.mark.parametrize(
    ("moment", "denied"),
    [
        (make.ist(9, 14, 59), True),
        (make.ist(9, 15), False),
        (make.ist(15, 29, 59), False),
        (make.ist(15, 30), True),
    ],
)
def test_claims_are_made_in_hours_only(moment, denied):
    place = world()
    place.clock.moment = moment
    assert (reason(claim(place, BUY)) == Reason.DENY_OUT_OF_HOURS) is denied


def test_a_day_that_the_calendar_does_not_know_claims_nothing():
    place = world()
    assert reason(claim(place, BUY, window=None)) == Reason.DENY_OUT_OF_HOURS


@pytest.mark.parametrize(("seconds", "denied"), [(119, True), (120, False), (121, False)])
@pytest.mark.parametrize("origin", [Origin.AUTO, Origin.API])
def test_the_cooldown_is_one_for_all_origins(seconds, denied, origin):
    place = world()
    claim(place, add(leg(CALL), leg(PUT)))  # a pair is one action
    other = Contract(Index.NIFTY, make.TUESDAY, Decimal(26600), Right.CE)
    place.clock.moment += timedelta(seconds=seconds)
    assert (reason(claim(place, add(leg(other)), origin=origin)) == Reason.DENY_COOLDOWN) is denied


def completing(place: World, **known: Any) -> dict[str, Any]:
    """What a cycle knows that would complete the last action, of which a leg failed."""
    return {"coming": (straddle(2, minutes=1),), "unfinished": Unfinished(frozenset({"ITJ_NF_EXP 4"}), 0)} | known


@pytest.mark.parametrize(
    ("known", "denied"),
    [
        ({}, False),
        ({"coming": ()}, True),
        ({"unfinished": None}, True),
        ({"unfinished": Unfinished(frozenset({"another"}), 0)}, True),
        ({"unfinished": Unfinished(frozenset({"ITJ_NF_EXP 4"}), 1)}, False),
        ({"unfinished": Unfinished(frozenset({"ITJ_NF_EXP 4"}), 2)}, True),
    ],
)
def test_within_the_cooldown_the_last_purchase_is_completed_for_its_own_entry_so_often(known, denied):
    place = world()
    claim(place, BUY)
    place.clock.moment += timedelta(seconds=10)
    assert (reason(claim(place, add(leg(PUT)), **completing(place, **known))) == Reason.DENY_COOLDOWN) is denied
    assert (row(place).last_action_at == place.clock.now()) is not denied  # the cooldown begins again


@pytest.mark.parametrize("case", ["a sale", "a sale beside it", "by hand"])
def test_nothing_but_automatic_buys_completes_within_the_cooldown(case):
    place = world()
    hold(place, 130, contract=PUT)
    claim(place, BUY)
    place.clock.moment += timedelta(seconds=10)
    other = leg(Contract(Index.NIFTY, make.TUESDAY, Decimal(26600), Right.CE))
    sale = leg(PUT, side=Side.SELL)
    decisions: dict[str, Decision] = {
        "a sale": unwind(sale),
        "a sale beside it": add(other, sale),
        "by hand": add(other),
    }
    origin = Origin.API if case == "by hand" else Origin.AUTO
    assert reason(claim(place, decisions[case], origin=origin, **completing(place))) == Reason.DENY_COOLDOWN


def test_of_two_that_would_complete_the_same_purchase_one_does():
    place = world()
    claim(place, BUY)
    place.clock.moment += timedelta(seconds=10)
    seen = facts(place, **completing(place)).session
    first, second = (
        claim(place, add(leg(contract)), session=seen, **completing(place))
        for contract in (PUT, Contract(Index.NIFTY, make.TUESDAY, Decimal(25400), Right.PE))
    )
    assert (reason(first), reason(second)) == (Reason.ADD_PROJECTION_OVER_TRIGGER, Reason.DENY_COOLDOWN)


def test_a_sale_due_by_the_clock_does_not_wait_for_the_cooldown():
    place = world()
    hold(place, 130)
    claim(place, add(leg(PUT)))
    assert reason(claim(place, CLOCK)) == CLOCK.reason


@pytest.mark.parametrize("decision", [BUY, SALE, CLOCK])
def test_a_leg_has_one_live_intent(decision):
    place = world()
    hold(place, 130)
    claim(place, BUY)
    place.clock.moment += timedelta(seconds=200)
    assert reason(claim(place, decision)) == Reason.DENY_LIVE_INTENT


def test_the_database_refuses_a_second_live_intent_whatever_the_code_does():
    place = world()
    tx = make.HedgeTransactionFactory.create(decision__session=place.session, strike=CALL.strike)
    for side in ("BUY", "SELL"):
        with pytest.raises(IntegrityError), transaction.atomic():
            make.HedgeTransactionFactory.create(decision=tx.decision, strike=CALL.strike, side=side)


@pytest.mark.parametrize(("quantity", "denied"), [(65, False), (130, False), (195, True)])
def test_no_more_is_sold_than_our_fills_hold(quantity, denied):
    place = world()
    hold(place, 130)
    recorded = claim(place, unwind(leg(CALL, quantity, side=Side.SELL)))
    assert (reason(recorded) == Reason.DENY_BEYOND_HELD) is denied


def test_a_buy_in_flight_is_not_held_yet():
    place = world()
    hold(place, 130)
    claim(place, add(leg(PUT)))
    place.clock.moment += timedelta(seconds=200)
    assert reason(claim(place, unwind(leg(PUT, side=Side.SELL)))) == Reason.DENY_LIVE_INTENT
    HedgeTransaction.objects.update(is_live=False)
    assert reason(claim(place, unwind(leg(PUT, side=Side.SELL)))) == Reason.DENY_BEYOND_HELD


def test_a_sale_in_another_product_would_sell_somebody_elses():
    place = world()
    hold(place, 130)
    known = facts(place)
    intraday = replace(known, session=replace(known.session, product=Product.MIS))
    sale = unwind(leg(side=Side.SELL))
    recorded = record(
        decision=sale, facts=intraday, session=place.session, kind=CycleKind.MARGIN_CHECK, slot=1, ports=place.ports
    )
    assert reason(recorded) == Reason.DENY_BEYOND_HELD
    assert reason(claim(place, sale)) != Reason.DENY_BEYOND_HELD


def test_fills_of_another_mode_are_not_held():
    place = world()
    hold(place, 130)
    Fill.objects.update(mode="dry_run")
    assert reason(claim(place, SALE)) == Reason.DENY_BEYOND_HELD


@pytest.mark.parametrize(("spare", "denied"), [("-0.01", True), ("0.00", False), ("0.01", False)])
def test_the_cap_counts_what_is_spent_and_what_is_reserved(spare, denied):
    place = world()
    cost = worst_cost(leg(CALL), facts(place))
    set_session(spent=Decimal(20_000), reserved=Decimal(30_000) - cost - Decimal(spare))(place)
    assert (reason(claim(place, BUY)) == Reason.DENY_COST_CAP) is denied
    assert row(place).spent + row(place).reserved <= POLICY.max_cost_per_day


def test_one_leg_too_dear_refuses_the_whole_pair():
    place = world()
    cost = worst_cost(leg(CALL), facts(place))
    set_session(spent=POLICY.max_cost_per_day - cost)(place)
    assert reason(claim(place, add(leg(CALL), leg(PUT)))) == Reason.DENY_COST_CAP
    assert not HedgeTransaction.objects.exists()
    assert row(place).reserved == 0


# --- at once ----------------------------------------------------------------------------------------------------------


def race(
    place: World, decisions: list[Decision], policy: HedgePolicy, *, slots: list[int | None]
) -> list[Recorded | None]:
    """Claim from as many threads as there are decisions, all with facts gathered before the first claim."""
    known = replace(facts(place), policy=policy)
    start, found, failed = threading.Barrier(len(decisions), timeout=20), [], []

    def worker(decision: Decision, slot: int | None) -> None:
        try:
            start.wait()
            found.append(
                record(
                    decision=decision,
                    facts=known,
                    session=TradingSession.objects.get(pk=place.session.pk),
                    kind=CycleKind.MARGIN_CHECK,
                    slot=slot,
                    ports=place.ports,
                )
            )
        except Exception as error:  # noqa: BLE001 - a thread must not swallow what the test is about
            failed.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=worker, args=pair) for pair in zip(decisions, slots, strict=True)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert not failed
    return found


def calls(count: int) -> list[Decision]:
    return [
        add(leg(Contract(Index.NIFTY, make.TUESDAY, Decimal(26500 + 50 * number), Right.CE))) for number in range(count)
    ]


@pytest.mark.django_db(transaction=True)
def test_eight_workers_never_reserve_more_than_the_cap():
    place, cost = world(), Decimal("812.34")
    session_id, acted_at = place.session.pk, place.clock.now()
    start, fitted = threading.Barrier(8, timeout=20), []

    def worker() -> None:
        start.wait()
        try:
            apply_change(reserve_of(session_id=session_id, amount=cost, cap=3 * cost + 1, acted_at=acted_at))
        except Unchanged:
            fitted.append(False)
        else:
            fitted.append(True)
        connection.close()

    threads = [threading.Thread(target=worker) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert sorted(fitted) == [False] * 5 + [True] * 3
    assert TradingSession.objects.get(pk=session_id).reserved == 3 * cost


@pytest.mark.django_db(transaction=True)
def test_eight_workers_who_decided_on_the_same_book_act_once_even_without_a_cooldown():
    place = world()
    policy = HedgePolicy(cooldown_seconds=0)
    found = race(place, calls(8), policy, slots=list(range(8)))
    claimed = [one for one in found if one is not None and one.order_ids]
    assert len(claimed) == 1
    assert {reason(one) for one in found if one not in claimed} == {Reason.DENY_COOLDOWN}


@pytest.mark.django_db(transaction=True)
def test_eight_workers_act_once_within_the_cooldown():
    place = world()
    found = race(place, calls(8), HedgePolicy(), slots=list(range(8)))
    assert [reason(one) for one in found].count(Reason.DENY_COOLDOWN) == 7
    assert HedgeTransaction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_workers_claim_one_leg_once():
    place = world()
    race(place, [add(leg(CALL))] * 8, HedgePolicy(cooldown_seconds=0), slots=list(range(8)))
    assert HedgeTransaction.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_eight_workers_in_one_slot_decide_once():
    place = world()
    found = race(place, calls(8), HedgePolicy(cooldown_seconds=0), slots=[5] * 8)
    assert [one is None for one in found].count(True) == 7
    assert (HedgeDecision.objects.count(), HedgeTransaction.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_eight_workers_sell_what_is_held_once():
    place = world()
    hold(place, 130)
    race(place, [unwind(leg(CALL, side=Side.SELL, due_by_clock=True))] * 8, HedgePolicy(), slots=list(range(8)))
    assert HedgeTransaction.objects.filter(side=Side.SELL).count() == 1


# --- the audit trail --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change", [lambda rows: rows.update(event="something else"), lambda rows: rows._raw_delete("default")]
)
def test_the_database_refuses_to_change_or_remove_an_audit_line(change):
    place = world()
    claim(place, BUY)
    with pytest.raises(ProgrammingError, match="append-only"), transaction.atomic():
        change(AuditEvent.objects.all())
    assert AuditEvent.objects.filter(event="intent_claimed").count() == 1
