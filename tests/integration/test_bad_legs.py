"""One row of the timetable whose legs cannot be read: its need is unknown and told, and the day goes on beside it."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta

import pytest

from hedging.domain.instruments import Index
from hedging.domain.reasons import Reason
from hedging.engine import clock, ticks
from hedging.engine.plan import plan_of
from hedging.engine.sessions import open_session
from hedging.models import HedgeDecision
from notifications.models import Alert
from schedule.models import StrategyEntry, short_straddle
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.engine_world import NOW, POLICY, World, hold, world
from tests.integration.page_day import StoppedClock, hedged_morning, known_calendar
from tests.integration.test_engine_cycle import cycle, entry_soon, margin
from tests.people import person

pytestmark = pytest.mark.django_db


def bad(**fields: object) -> StrategyEntry:
    known = {"portfolio": "BAD", "entry_time": time(14), "exit_time": time(15), "legs": [{"right": "CE"}]}
    entry: StrategyEntry = make.StrategyEntryFactory.create(**known | fields)
    return entry


def tick(place: World) -> dict[str, int]:
    rules = ticks.Rules(
        ports_for=lambda _: place.ports, plan_for=plan_of, policy=POLICY, enabled=True, pause=lambda _: None
    )
    return ticks.check_margin(now=place.clock.now(), rules=rules)


def told() -> list[Alert]:
    return list(Alert.objects.filter(kind="entries_unreadable").order_by("id"))


def test_the_margin_check_goes_on_and_tells_of_the_row_once():
    place = world()
    bad()
    for _ in range(3):
        assert tick(place)["failed"] == 0
        place.wait(30)
    assert HedgeDecision.objects.count() == 3
    (alert,) = told()
    assert (alert.severity, alert.subject_id) == ("critical", place.session.pk)
    assert "BAD" in alert.title
    assert '{"right": "CE"} is no leg' in alert.facts["troubles"][0]


def test_it_is_told_again_where_another_row_is_bad_and_not_where_all_are_mended():
    place = world()
    row = bad()
    tick(place)
    other = bad(portfolio="WORSE", legs=7)
    place.wait(30)
    tick(place)
    assert [len(alert.facts["troubles"]) for alert in told()] == [1, 2]
    StrategyEntry.objects.filter(pk__in=[row.pk, other.pk]).update(legs=short_straddle())
    place.wait(30)
    tick(place)
    assert len(told()) == 2


def test_the_entries_beside_it_are_hedged():
    place = world()
    place.exchange.added_by_basket = margin(1000)
    plan = entry_soon(place)
    (mine,) = plan.entries
    unread = replace(mine, portfolio="BAD", entry_at=mine.entry_at - timedelta(seconds=30), legs=(), trouble="no legs")
    place.wait(30)
    card = cycle(place, plan=replace(plan, entries=(unread, mine)))
    assert card is not None
    assert card.reason == Reason.ADD_PROJECTION_OVER_TRIGGER
    assert [line["portfolio"] for line in card.facts["projection"]] == [mine.portfolio]


@pytest.mark.parametrize(("hour", "action"), [(14, "hold"), (10, "unwind")])
def test_no_wing_is_sold_by_itself_until_its_time(hour, action):
    place = world()
    plan = replace(entry_soon(place), entries=())
    place.clock.moment = make.ist(10, 15)
    hold(place, 130)
    bad(entry_time=time(hour))
    entries = plan_of(place.session).entries
    card = cycle(place, plan=replace(plan, entries=entries))
    assert card is not None
    assert (card.action, card.facts.get("need_unknown")) == (action, ["BAD"] if action == "hold" else None)


@pytest.mark.parametrize("days", [0, 1])
def test_the_day_ends_beside_it(days):
    place = world()
    bad()
    place.clock.moment = make.ist(15, 43) + timedelta(days=days)
    assert tick(place)["closed"] == 1
    assert TradingSession.objects.get().summary["always_hedge"]["whole"] is False


@pytest.mark.parametrize("index", [Index.NIFTY, None])
def test_the_days_session_is_opened_beside_it_and_the_row_is_told(index):
    known_calendar()
    bad()
    account = make.AccountFactory.create()
    assert open_session(account=account, day=make.TUESDAY, now=NOW, wall_now=NOW, actor="asha", index=index).is_open
    assert len(told()) == 1


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("/api/hedge/status", False),
        ("/api/hedge/schedule", True),
        ("/api/hedge/plan", False),
        ("/", True),
        ("/schedule", True),
        ("/admin/schedule/strategyentry/day/", True),
        ("/admin/sessions_app/tradingsession/add/", True),
    ],
)
def test_a_page_is_shown_beside_it_and_says_what_is_wrong(client, monkeypatch, page, says):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    hedged_morning()
    bad()
    client.force_login(person("admin", name="ada"))
    answer = client.get(page)
    assert answer.status_code == 200
    assert not says or "the legs of BAD cannot be read" in answer.content.decode()
