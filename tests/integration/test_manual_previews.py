"""Previews of manual orders: what a person sees before confirming, and everything that would refuse it, with its figure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from hedging.brokers.base import BrokerUnavailable
from hedging.domain.charges import order_charges
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.manual import Preview, WantedLeg
from hedging.domain.projection import Source
from hedging.domain.reasons import Reason
from hedging.engine import watchdog
from hedging.engine.manual import preview_buy
from hedging.engine.plan import plan_of
from hedging.models import AuditEvent, BookCheck, Heartbeat, HedgeDecision, HedgeTransaction
from sessions_app.models import Breaker, BreakerKind, Mode, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import POLICY, World, intent
from tests.integration.manual_world import CALL, PUT, SHORT_CALL, buy, exits, manual_world, rules

pytestmark = pytest.mark.django_db


def codes(preview: Preview) -> list[Reason]:
    return [refusal.reason for refusal in preview.refusals]


def test_a_purchase_shows_prices_cost_charges_utilization_capacity_cap_and_what_is_held():
    place = manual_world(held=1)
    preview = buy(place, (CALL, 2), (PUT, 2))
    assert preview.allowed, preview.refusals
    call = preview.legs[0]
    assert (call.bid, call.ask, call.limit_price, call.worst_price) == (
        Decimal("3.90"),
        Decimal("4.00"),
        Decimal("4.00"),
        Decimal("4.50"),
    )
    assert (call.quantity, call.slices, call.held) == (130, 1, 65)
    assert call.premium == Decimal(520)
    rates = plan_of(place.session).charges
    charges = order_charges(rates=rates, side=Side.BUY, premium_rupees=Decimal(520))
    assert call.charges == charges.quantize(Decimal("0.01"))
    assert preview.charges is not None
    assert preview.cash == Decimal(1040) + preview.charges
    assert preview.worst_cost > Decimal(1040) + preview.charges
    assert preview.capacity_lots == {Right.CE: 9, Right.PE: 9}
    assert preview.cost_left == POLICY.max_cost_per_day
    assert preview.margin.before_pct == Decimal(50)
    assert preview.margin.after_pct is not None
    assert preview.margin.after_pct < 50
    assert preview.margin.source is Source.ENGINE


def test_a_preview_stores_nothing_and_sends_nothing():
    place = manual_world()
    buy(place)
    assert not HedgeDecision.objects.exists()
    assert not AuditEvent.objects.exists()
    assert not place.exchange.posts


def test_the_brokers_basket_call_counts_where_its_answer_is_true():
    place = manual_world(shorts=0, account=make.AccountFactory.create(premium_counted=False))
    place.exchange.added_by_basket = lambda _: Decimal(-100_000)
    margin = buy(place, (CALL, 1), (PUT, 1), even_so=True).margin
    assert (margin.source, margin.before_pct, margin.after_pct) == (Source.BROKER, Decimal(50), Decimal(40))


def test_the_engine_counts_and_says_so_where_the_basket_call_is_not_settled():
    margin = buy(manual_world(), (CALL, 1), (PUT, 1)).margin
    assert margin.source is Source.ENGINE
    assert "not settled" in margin.note


def test_a_ladder_of_several_levels_is_paid_level_by_level():
    place = manual_world()
    _, asks = place.exchange.ladders[CALL]
    asks[0] = replace(asks[0], quantity=65)
    asks.append(replace(asks[0], price=Decimal("4.20"), quantity=65))
    (leg,) = buy(place, (CALL, 2)).legs
    assert leg.premium == 65 * (Decimal("4.00") + Decimal("4.20"))


def test_lots_beyond_the_ladder_are_told():
    place = manual_world()
    place.exchange.quote(CALL, "3.90", "4.00", quantity=65)
    preview = buy(place, (CALL, 3))
    assert preview.allowed
    assert any("1 of 3 lots can trade" in said for said in preview.warnings)


def test_a_manual_order_goes_with_automation_off_and_under_a_closed_lid(settings):
    settings.AUTO_HEDGE_ENABLED = False
    place = manual_world(automation=False)
    assert buy(place).allowed


def test_a_dry_run_previews_as_well():
    assert buy(manual_world(mode=Mode.DRY_RUN)).allowed


# --- what is refused --------------------------------------------------------------------------------------------------


def session_set(**fields: Any) -> Callable[[World], None]:
    return lambda place: TradingSession.objects.filter(pk=place.session.pk).update(**fields)  # type: ignore[return-value]


def breaker(kind: BreakerKind) -> Callable[[World], None]:
    def set_up(place: World) -> None:
        until = place.wall.now() + timedelta(seconds=60)
        Breaker.objects.create(account=place.session.account, kind=kind, open_until=until)

    return set_up


def out_of_hours(place: World) -> None:
    place.clock.moment = make.ist(16, 0)


def just_acted(place: World) -> None:
    session_set(last_action_at=place.clock.now() - timedelta(seconds=30))(place)


def unread_positions(place: World) -> None:
    place.exchange.failing["positions"] = BrokerUnavailable("timed out")


def quoted_at(bid: str | None, ask: str | None) -> Callable[[World], None]:
    return lambda place: place.exchange.quote(CALL, bid, ask)


def not_compared(place: World) -> None:
    BookCheck.objects.filter(session=place.session).update(read_wall=None)


BUYS: list[tuple[Callable[[World], None], Reason, str]] = [
    (session_set(trading_state=TradingState.HALTED, state_reason="news"), Reason.DENY_TRADING_STATE, "HALTED: news"),
    (session_set(trading_state=TradingState.REDUCING), Reason.DENY_TRADING_STATE, "REDUCING"),
    (session_set(closed_at=make.ist(10)), Reason.DENY_TRADING_STATE, "closed"),
    (out_of_hours, Reason.DENY_OUT_OF_HOURS, "16:00:00"),
    (just_acted, Reason.DENY_COOLDOWN, "90 s left"),
    (breaker(BreakerKind.ORDERS), Reason.DENY_BREAKER_OPEN, "Circuit breaker OPEN"),
    (session_set(spent=Decimal(49_500)), Reason.DENY_COST_CAP, "₹500.00 left of ₹50000"),
    (unread_positions, Reason.DENY_READS_FAILED, "timed out"),
    (not_compared, Reason.DENY_NOT_RECONCILED, "not been compared"),
    (quoted_at("4.10", "4.00"), Reason.DENY_CROSSED_QUOTE, "4.10"),
    (quoted_at("3.90", None), Reason.DENY_STALE_QUOTE, "nobody offers"),
    (quoted_at("0.50", "4.00"), Reason.DENY_ABSURD_QUOTE, "3.50 apart"),
    (session_set(quarantine=["NIFTY01DEC2626500CE"]), Reason.DENY_QUARANTINED, "quarantine"),
]


@pytest.mark.parametrize(("set_up", "reason", "figure"), BUYS, ids=[str(case[1]) + case[2][:9] for case in BUYS])
def test_a_purchase_is_refused_with_its_code_its_figure_and_a_fix(set_up, reason, figure):
    place = manual_world()
    set_up(place)
    found = {refusal.reason: refusal for refusal in buy(place).refusals}
    assert reason in found
    assert figure in found[reason].text
    assert found[reason].fix


def test_reducing_lets_an_exit_go_and_a_halt_does_not():
    place = manual_world(shorts=0, held=2)
    session_set(trading_state=TradingState.REDUCING)(place)
    assert exits(place).allowed
    session_set(trading_state=TradingState.HALTED)(place)
    assert codes(exits(place)) == [Reason.DENY_TRADING_STATE]


def test_the_breaker_of_purchases_stops_no_exit():
    place = manual_world(shorts=0, held=2)
    breaker(BreakerKind.ORDERS)(place)
    assert exits(place).allowed
    breaker(BreakerKind.EXITS)(place)
    assert codes(exits(place)) == [Reason.DENY_BREAKER_OPEN]


def test_a_live_purchase_wants_a_pre_flight_that_is_not_red(settings):
    place = manual_world()
    settings.WORLD = "openalgo"
    refused = buy(place)
    assert codes(refused) == [Reason.DENY_PREFLIGHT]
    session_set(cleared_at=place.clock.now(), preflight="green")(place)
    assert buy(place).allowed


def test_the_environments_lid_keeps_a_live_order_back(settings):
    place = manual_world()
    settings.AUTO_HEDGE_DRY_RUN = True
    assert codes(buy(place)) == [Reason.DENY_LIVE_NOT_ALLOWED]
    session_set(mode=Mode.DRY_RUN)(place)
    assert buy(place).allowed


def test_freeze_is_sliced_and_what_is_beyond_the_slices_is_refused():
    place = manual_world(shorts=300)
    place.exchange.quote(CALL, "0.25", "0.30", quantity=10**6)
    sliced = buy(place, (CALL, 270))
    assert (sliced.legs[0].slices, sliced.allowed) == (10, True)
    (refusal,) = buy(place, (CALL, 271)).refusals
    assert (refusal.reason, refusal.facts) == (
        Reason.DENY_BEYOND_FREEZE,
        {"lots": 271, "most_lots": 270, "freeze_lots": 27},
    )


def test_the_cap_counts_what_is_spent_and_reserved_and_the_worst_case():
    place = manual_world()
    worst = buy(place, (CALL, 2)).worst_cost
    session_set(spent=POLICY.max_cost_per_day - worst - 100, reserved=Decimal(100))(place)
    assert buy(place, (CALL, 2)).allowed
    session_set(reserved=Decimal("100.01"))(place)
    (refusal,) = buy(place, (CALL, 2)).refusals
    assert refusal.reason is Reason.DENY_COST_CAP
    assert refusal.facts == {"worst_cost": str(worst), "cost_left": str(worst - Decimal("0.01"))}


def test_longs_beyond_shorts_want_a_person_who_says_even_so():
    place = manual_world(shorts=2)
    (refusal,) = buy(place, (CALL, 3)).refusals
    assert (refusal.reason, refusal.overridable) == (Reason.DENY_BEYOND_CAPACITY, True)
    assert refusal.facts == {"lots": 3, "capacity_lots": 2}
    allowed = buy(place, (CALL, 3), even_so=True)
    assert allowed.allowed
    assert refusal.text in allowed.warnings


def test_a_live_purchase_takes_up_capacity():
    place = manual_world(shorts=5)
    intent(place, contract=PUT, quantity=130)
    assert buy(place, (CALL, 1)).capacity_lots == {Right.CE: 5, Right.PE: 3}


def test_even_so_overrides_nothing_but_what_says_so():
    place = manual_world()
    session_set(spent=Decimal(50_000), trading_state=TradingState.HALTED)(place)
    assert codes(buy(place, even_so=True)) == [Reason.DENY_TRADING_STATE, Reason.DENY_COST_CAP]


def test_a_contract_of_which_the_account_is_short_is_not_bought():
    refused = buy(manual_world(), (SHORT_CALL, 1))
    assert codes(refused) == [Reason.DENY_SHORT_CONTRACT]
    assert refused.refusals[0].facts == {"short": 650}


def test_a_hedge_of_another_product_than_the_shorts_is_not_bought():
    place = manual_world(shorts=0)
    place.exchange.foreign[SHORT_CALL, Product.MIS] = -650
    assert Reason.DENY_OTHER_PRODUCT in codes(buy(place, even_so=True))


@pytest.mark.parametrize("index", [Index.NIFTY, Index.SENSEX])
def test_a_contract_that_is_not_of_the_session_is_not_bought(index):
    place = manual_world()
    other = Contract(index, make.TUESDAY + timedelta(days=7), Decimal(26500), Right.CE)
    place.exchange.quote(other, "3.90", "4.00")
    assert Reason.DENY_NOT_OF_SESSION in codes(buy(place, (other, 1), even_so=True))


def test_a_leg_that_is_on_its_way_is_not_ordered_again():
    place = manual_world()
    intent(place, contract=CALL)
    (refusal,) = buy(place, (CALL, 1)).refusals
    assert (refusal.reason, refusal.facts) == (Reason.DENY_LIVE_INTENT, {"in_flight": 130})


def test_a_strike_in_the_money_and_a_price_out_of_band_are_told_and_not_refused():
    place = manual_world()
    inside = Contract(Index.NIFTY, make.TUESDAY, Decimal(25900), Right.CE)
    place.exchange.quote(inside, "150", "151")
    preview = buy(place, (inside, 1))
    assert preview.allowed
    assert any("in the money" in said for said in preview.warnings)
    assert any("the band is" in said for said in preview.warnings)


def test_a_silent_worker_is_told():
    place = manual_world()
    Heartbeat.objects.filter(name=watchdog.ORDERS).delete()
    assert any("no worker of the queue orders" in said for said in buy(place).warnings)
    assert not any("no worker" in said for said in exits(place).warnings)


@pytest.mark.parametrize("legs", [[], [WantedLeg(CALL, None)], [WantedLeg(CALL, 1), WantedLeg(CALL, 2)]])
def test_what_is_no_order_at_all_is_not_looked_at(legs):
    place = manual_world()
    with pytest.raises(ValueError, match="contract"):
        preview_buy(session_id=place.session.pk, legs=legs, rules=rules(place))
    with pytest.raises(ValueError, match="at least 1"):
        WantedLeg(CALL, 0)


# --- exits ------------------------------------------------------------------------------------------------------------


def test_an_exit_of_everything_names_every_hedge_with_bid_proceeds_and_charges():
    place = manual_world(shorts=0, held=3)
    preview = exits(place)
    assert preview.allowed, preview.refusals
    assert [(leg.contract, leg.lots, leg.limit_price) for leg in preview.legs] == [
        (PUT, 3, Decimal("3.90")),
        (CALL, 3, Decimal("3.90")),
    ]
    assert preview.premium == 2 * 195 * Decimal("3.90")
    assert preview.charges is not None
    assert preview.cash == preview.premium - preview.charges
    assert preview.worst_cost == 0
    assert not HedgeTransaction.objects.filter(side=Side.SELL.value).exists()


def test_an_exit_takes_one_hedge_whole_or_a_part_of_it():
    place = manual_world(shorts=0, held=3)
    assert [leg.lots for leg in exits(place, (CALL, None)).legs] == [3]
    assert [leg.lots for leg in exits(place, (CALL, 1)).legs] == [1]


def test_more_than_is_held_is_refused_with_both_figures():
    place = manual_world(shorts=0, held=2)
    (refusal,) = exits(place, (CALL, 3)).refusals
    assert (refusal.reason, refusal.facts) == (
        Reason.DENY_BEYOND_HELD,
        {"wanted": 195, "held": 130, "broker_net": 130},
    )
    assert "at most 2 lots" in refusal.fix


def test_what_is_long_and_not_ours_is_not_sold():
    place = manual_world(shorts=0, held=1)
    place.exchange.foreign[CALL, Product.NRML] += 650
    (refusal,) = exits(place, (CALL, 2)).refusals
    assert refusal.facts == {"wanted": 130, "held": 65, "broker_net": 715}


def test_what_is_ours_and_gone_at_the_broker_is_not_sold():
    place = manual_world(shorts=0, held=2)
    place.exchange.foreign[CALL, Product.NRML] = 65
    (refusal,) = exits(place, (CALL, 2)).refusals
    assert refusal.facts == {"wanted": 130, "held": 130, "broker_net": 65}


def test_an_exit_without_a_hedge_says_that_nothing_is_held():
    assert codes(exits(manual_world(shorts=0))) == [Reason.DENY_BEYOND_HELD]


def test_an_exit_that_nobody_bids_for_is_refused():
    place = manual_world(shorts=0, held=2)
    place.exchange.quote(CALL, None, "0.05")
    assert codes(exits(place, (CALL, None))) == [Reason.DENY_NO_BID]


def test_an_exit_that_uncovers_shorts_wants_a_person_who_says_even_so():
    place = manual_world(held=2)
    (refusal,) = exits(place, (CALL, 1)).refusals
    assert (refusal.reason, refusal.facts, refusal.overridable) == (
        Reason.DENY_UNCOVERS_SHORT,
        {"units": 65},
        True,
    )
    assert exits(place, (CALL, 1), even_so=True).allowed


def test_an_exit_that_lifts_utilization_past_the_trigger_wants_even_so_too():
    place = manual_world(held=10)
    place.exchange.used = Decimal(900_000)
    refused = exits(place, (CALL, None), (PUT, None))
    found = {refusal.reason: refusal for refusal in refused.refusals}
    assert set(found) == {Reason.DENY_UNCOVERS_SHORT, Reason.DENY_OVER_TRIGGER}
    assert found[Reason.DENY_OVER_TRIGGER].facts["before_pct"] == "90.00"
    assert exits(place, (CALL, None), (PUT, None), even_so=True).allowed


def test_an_exit_goes_on_while_margin_is_unknown():
    place = manual_world(shorts=0, held=2, baseline=None, baseline_at=None)
    preview = exits(place)
    assert preview.allowed
    assert preview.margin.after_pct is None
    assert any("not known" in said for said in preview.warnings)


def test_what_brings_less_than_its_charges_is_told():
    place = manual_world(shorts=0, held=1)
    place.exchange.quote(CALL, "0.10", "0.15")
    preview = exits(place, (CALL, None))
    assert preview.allowed
    assert any("its charges are" in said for said in preview.warnings)


def test_a_hedge_that_is_being_sold_is_no_longer_there_to_sell():
    place = manual_world(shorts=0, held=3)
    intent(place, contract=CALL, side=Side.SELL, quantity=65)
    preview = exits(place, (CALL, None))
    assert [(leg.lots, leg.held) for leg in preview.legs] == [(2, 130)]
    assert codes(preview) == [Reason.DENY_LIVE_INTENT]


def test_a_hedge_of_another_product_is_not_the_sessions_to_sell():
    place = manual_world(shorts=0, held=2)
    HedgeTransaction.objects.filter(strike=CALL.strike).update(product=Product.MIS.value)
    assert [leg.contract for leg in exits(place).legs] == [PUT]
    assert codes(exits(place, (CALL, 1))) == [Reason.DENY_BEYOND_HELD]
