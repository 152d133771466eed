"""In the real world nothing automatic is decided and nothing live is claimed or sent past the pre-flight; and no absurd order is."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.test import override_settings

from hedging.domain.decision import Decision
from hedging.domain.instruments import Product, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine.intents import record
from hedging.models import AuditEvent, CycleKind, HedgeOrder, Origin
from hedging.selectors import session_facts
from notifications.models import Alert
from sessions_app.models import Account, Mode, TradingSession
from tests import factories as make
from tests.integration.engine_world import CALL, PUT, World, add, facts, hold, intent, leg, slice_of, unwind, world
from tests.integration.test_engine_cycle import entry_soon, margin, reason

pytestmark = pytest.mark.django_db
GREEN = {"preflight": "green", "cleared_at": make.ist(9, 0)}
RED_SINCE = {"preflight": "red", "cleared_at": make.ist(9, 0)}
RED = {"preflight": "red", "cleared_at": None}
YESTERDAY = {"preflight": "green", "cleared_at": make.ist(9, 0) - timedelta(days=1)}
NONE = {"preflight": "", "cleared_at": None}


@pytest.fixture(autouse=True)
def _real():
    with override_settings(WORLD="real", AUTO_HEDGE_DRY_RUN=False, AUTO_HEDGE_ENABLED=True):
        yield


def claimed(place: World, decision, *, origin: Origin = Origin.AUTO) -> str:
    """Record a decision; return the reason of its card."""
    done = record(
        decision=decision,
        facts=facts(place),
        session=place.session,
        kind=CycleKind.MARGIN_CHECK,
        slot=None,
        ports=place.ports,
        origin=origin,
    )
    assert done is not None
    return done.card.reason


def standing(place: World, columns) -> None:
    TradingSession.objects.update(**columns)
    place.session.refresh_from_db()


CLAIMS = [
    # (gate, mode, decision, origin, let through)
    (GREEN, Mode.LIVE, "buy", Origin.AUTO, True),
    (RED, Mode.LIVE, "buy", Origin.AUTO, False),
    (NONE, Mode.LIVE, "buy", Origin.AUTO, False),
    (YESTERDAY, Mode.LIVE, "buy", Origin.AUTO, False),
    (RED_SINCE, Mode.LIVE, "buy", Origin.AUTO, False),
    (RED_SINCE, Mode.LIVE, "buy", Origin.ADMIN, False),
    (RED_SINCE, Mode.LIVE, "sell", Origin.AUTO, False),
    (RED_SINCE, Mode.LIVE, "sell", Origin.ADMIN, True),
    (RED_SINCE, Mode.LIVE, "sell by clock", Origin.AUTO, True),
    (RED, Mode.LIVE, "sell by clock", Origin.AUTO, False),
    (RED, Mode.LIVE, "sell", Origin.ADMIN, False),
    (RED, Mode.DRY_RUN, "buy", Origin.AUTO, False),
    (RED, Mode.DRY_RUN, "buy", Origin.API, True),
    (NONE, Mode.DRY_RUN, "sell by clock", Origin.AUTO, True),
]


@pytest.mark.parametrize(("columns", "mode", "what", "origin", "passes"), CLAIMS)
def test_a_claim_passes_by_the_sessions_own_row(columns, mode, what, origin, passes):
    place = world(mode=mode)
    standing(place, columns)
    decision: Decision
    if what == "buy":
        decision = add(leg(CALL))
    else:
        hold(place, 130)
        decision = unwind(leg(CALL, side=Side.SELL, due_by_clock=what == "sell by clock"))
    reason = claimed(place, decision, origin=origin)
    assert (reason != Reason.DENY_PREFLIGHT) is passes
    assert HedgeOrder.objects.filter(status=OrderStatus.NEW).exists() is passes


@pytest.mark.parametrize(
    ("columns", "side", "sent"),
    [
        (GREEN, Side.BUY, True),
        (RED_SINCE, Side.BUY, False),
        (RED, Side.BUY, False),
        (NONE, Side.BUY, False),
        (YESTERDAY, Side.BUY, False),
        (RED_SINCE, Side.SELL, True),
        (RED, Side.SELL, False),
        (NONE, Side.SELL, False),
    ],
)
def test_the_fence_asks_again_right_before_a_live_post(columns, side, sent):
    place = world()
    standing(place, GREEN)
    if side is Side.SELL:
        hold(place, 130)
    tx = intent(place, side=side, reserve=Decimal(0) if side is Side.SELL else Decimal(585))
    place.exchange.before["depth"] = lambda: standing(place, columns)  # it turns while the reads go on
    place.send(slice_of(tx))
    assert bool(place.exchange.posts) is sent
    if not sent:
        assert denied_by(place, tx) == Reason.DENY_PREFLIGHT


def denied_by(place: World, tx) -> str:
    assert not place.exchange.posts
    return str(AuditEvent.objects.filter(subject_id=slice_of(tx).pk).latest("id").facts["reason"])


@pytest.mark.parametrize(
    ("bid", "ask", "reason"),
    [
        ("1.25", "1.30", Reason.DENY_ABSURD_QUOTE),
        ("1.00", "4.00", Reason.DENY_ABSURD_QUOTE),
        ("4.10", "4.00", Reason.DENY_CROSSED_QUOTE),
        ("3.90", None, Reason.DENY_STALE_QUOTE),
        ("4.50", "4.60", Reason.DENY_PRICE_MOVED),
    ],
)
def test_no_buy_is_sent_at_a_price_that_cannot_be_meant(bid, ask, reason):
    place = world()
    standing(place, GREEN)
    place.exchange.quote(CALL, bid, ask)
    tx = intent(place)
    place.send(slice_of(tx))
    assert denied_by(place, tx) == reason


@pytest.mark.parametrize(
    ("shorts", "sent"),
    [
        ({}, True),  # before the day's first short
        ({Product.NRML: -650}, True),
        ({Product.MIS: -650}, False),
        ({Product.MIS: -650, Product.NRML: -65}, True),
    ],
)
def test_a_hedge_carries_the_product_of_the_shorts_that_it_covers(shorts, sent):
    place = world()
    standing(place, GREEN)
    nearer = CALL.__class__(CALL.index, CALL.expiry, Decimal(26000), CALL.right)
    for product, quantity in shorts.items():
        place.exchange.foreign[(nearer, product)] = quantity
    place.exchange.foreign[(PUT, Product.MIS)] = -650  # the other side's product says nothing of this one
    tx = intent(place)
    place.send(slice_of(tx))
    assert bool(place.exchange.posts) is sent
    if not sent:
        assert denied_by(place, tx) == Reason.DENY_OTHER_PRODUCT


def test_a_cycle_holds_until_the_pre_flight_is_green_and_then_its_order_goes_out():
    place = world()
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)
    assert reason(place, plan=plan) == Reason.HOLD_PREFLIGHT
    assert not HedgeOrder.objects.exists()
    standing(place, GREEN)
    assert reason(place, plan=plan) == Reason.ADD_PROJECTION_OVER_TRIGGER
    place.follow()
    assert place.exchange.posts
    assert set(HedgeOrder.objects.values_list("mode", flat=True)) == {Mode.LIVE}


# --- live that is closed ------------------------------------------------------------------------------------------------


def close_the_lid(settings):
    settings.AUTO_HEDGE_DRY_RUN = True


def take_the_account_to_dry_run(_):
    Account.objects.update(mode=Mode.DRY_RUN)


@pytest.mark.parametrize("closed_by", [close_the_lid, take_the_account_to_dry_run])
def test_a_live_session_that_may_not_go_live_decides_nothing_and_is_told_once(closed_by, settings):
    place = world()
    standing(place, GREEN)
    hold(place, 130)
    plan = entry_soon(place)
    place.exchange.added_by_basket = margin(1100)
    closed_by(settings)
    place.session.account.refresh_from_db()
    for _ in range(3):
        assert reason(place, plan=plan) == Reason.HOLD_LIVE_CLOSED
    assert place.alerts() == ["live_closed"]
    assert not HedgeOrder.objects.exclude(status=OrderStatus.FILLED).exists()


def test_a_live_claim_under_the_lid_is_refused(settings):
    place = world()
    standing(place, GREEN)
    settings.AUTO_HEDGE_DRY_RUN = True
    assert claimed(place, add(leg())) == Reason.DENY_LIVE_NOT_ALLOWED
    assert not HedgeOrder.objects.exists()
    place.session.refresh_from_db()
    assert place.session.reserved == 0
    assert place.session.last_action_at is None


@pytest.mark.parametrize(
    ("mode", "lid", "columns", "held_by"),
    [
        (Mode.LIVE, False, GREEN, ""),
        (Mode.LIVE, True, GREEN, "live is closed: AUTO_HEDGE_DRY_RUN=true"),
        (Mode.DRY_RUN, True, GREEN, ""),
        (Mode.DRY_RUN, True, RED, "pre-flight: the last one was red: /preflight/ says what to mend"),
        (Mode.LIVE, False, NONE, "pre-flight: none of today yet"),
    ],
)
def test_whoever_looks_at_the_session_sees_what_holds_it(mode, lid, columns, held_by, settings):
    place = world(mode=mode)
    standing(place, columns)
    settings.AUTO_HEDGE_DRY_RUN = lid
    seen = session_facts(place.session)
    assert (seen.held_by, seen.automatic) == (held_by, not held_by)


@pytest.mark.parametrize(("columns", "told"), [(NONE, 1), (YESTERDAY, 1), (RED, 0)])
def test_a_session_that_no_preflight_lets_act_is_told_once_five_minutes_after_it_was_opened(columns, told):
    place = world()
    standing(place, columns | {"opened_at": place.clock.now() - timedelta(minutes=4), "mode": Mode.DRY_RUN})
    assert reason(place, after=30) == Reason.HOLD_PREFLIGHT
    assert not Alert.objects.exists()
    assert {reason(place, after=30) for _ in range(30)} == {Reason.HOLD_PREFLIGHT}
    alerts = Alert.objects.filter(kind="no_preflight")
    assert alerts.count() == told  # a red run has told itself
    assert all("manage.py preflight" in alert.facts["fix"] for alert in alerts)


def test_a_red_run_of_the_morning_is_told_again_for_each_entry_that_falls_due():
    place = world()
    plan = entry_soon(place, minutes=12)
    standing(place, RED | {"opened_at": place.clock.now() - timedelta(hours=1)})
    for minute in range(10):
        assert reason(place, plan=plan, after=60) == Reason.HOLD_PREFLIGHT
        assert Alert.objects.filter(kind="no_preflight").count() == (minute >= 6)
    alert = Alert.objects.get(kind="no_preflight")
    assert alert.facts["due"] == [plan.entries[0].portfolio]
    assert "/preflight/" in alert.facts["fix"]
