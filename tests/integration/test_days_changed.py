"""The calendar corrected after a session was opened: no day keeps its session for ever, and none loses it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from hedging.brokers.base import BrokerUnavailable
from hedging.domain.instruments import Index
from hedging.engine import ticks
from hedging.engine.day_end import close_early
from hedging.engine.plan import plan_of
from hedging.engine.sessions import SessionRefused, open_session
from hedging.engine.states import Act
from hedging.models import AuditEvent, HedgeDecision, HedgeOrder
from notifications.models import Alert
from schedule.models import MarginParameters, TradingDay
from tests import factories as make
from tests.factories import TUESDAY
from tests.integration.engine_world import POLICY, World, hold, intent, world

pytestmark = pytest.mark.django_db
WEDNESDAY = TUESDAY + timedelta(days=1)


def closed_after_opening() -> World:
    place = world()
    TradingDay.objects.filter(day=TUESDAY).update(is_open=False)
    for days in range(1, 8):
        make.TradingDayFactory.create(day=TUESDAY + timedelta(days=days))
    return place


def tick(place: World) -> dict[str, int]:
    rules = ticks.Rules(
        ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True, pause=lambda _: None
    )
    return ticks.check_margin(now=place.clock.now(), rules=rules)


def close(place: World, **words: bool) -> None:
    act = Act("asha", "a holiday after all", place.clock.now(), place.wall.now())
    close_early(session=place.session, act=act, ports=place.ports, **words)
    place.session.refresh_from_db()


# --- a day that is closed after all --------------------------------------------------------------------------------------


def test_a_day_that_lost_its_hours_ends_with_the_first_tick_of_the_next():
    place = closed_after_opening()
    assert tick(place)["closed"] == 0
    (hours,) = (gate for gate in HedgeDecision.objects.get().gates if gate["gate"] == "hours")
    assert "close the session" in hours["detail"]
    MarginParameters.objects.all().delete()  # the end of a day that is past asks for no plan
    place.clock.moment += timedelta(days=1)

    assert tick(place)["closed"] == 1

    assert place.exchange.calls.count("order_book") == 0  # today's books say nothing of yesterday
    place.session.refresh_from_db()
    opened = open_session(
        account=place.session.account, day=WEDNESDAY, now=place.clock.now(), wall_now=place.wall.now(), actor="test",
        index=Index.NIFTY, expiry=TUESDAY + timedelta(days=7),
    )  # fmt: skip
    assert opened.is_open


def test_what_was_not_settled_on_a_day_that_lost_its_hours_is_told_with_its_end():
    place = closed_after_opening()
    order = intent(place).orders.get()
    HedgeOrder.objects.update(status="review")
    place.clock.moment += timedelta(days=1)

    assert tick(place)["closed"] == 1

    place.session.refresh_from_db()
    assert place.session.summary["unresolved_orders"] == [order.pk]
    assert Alert.objects.filter(kind="order_review", severity="critical").exists()


def test_a_day_that_is_past_is_closed_by_hand_without_todays_books():
    place = closed_after_opening()
    hold(place, 65)
    place.exchange.failing["positions"] = BrokerUnavailable("no answer")
    place.clock.moment += timedelta(days=1)

    close(place)

    assert place.session.summary["closed_by_hand"] == "a holiday after all"
    assert AuditEvent.objects.get(event="session_closed").actor == "asha"
    with pytest.raises(SessionRefused) as refused:
        close(place)
    assert refused.value.code == "SESSION_CLOSED"


def test_a_day_without_hours_is_closed_by_hand_although_its_books_cannot_be_read():
    place = closed_after_opening()
    place.exchange.failing["positions"] = BrokerUnavailable("the exchange is closed")
    close(place)
    assert not place.session.is_open


def test_a_day_without_hours_keeps_its_session_while_an_order_may_still_fill_or_hedges_are_held():
    place = closed_after_opening()
    hold(place, 65)
    with pytest.raises(SessionRefused) as held:
        close(place)
    intent(place)
    with pytest.raises(SessionRefused) as live:
        close(place, keep_hedges=True)
    assert (held.value.code, live.value.code) == ("HEDGES_HELD", "ORDERS_LIVE")
