"""GET /api/hedge/plan: the rest of the day as the last drawing on a card shows it."""

import pytest

from hedging.engine import clock
from hedging.models import CycleKind
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning

pytestmark = pytest.mark.django_db
DRAWN_AT = make.ist(10, 10)


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def figures(used, at_order=None):
    return {"used_after": f"{used}.00", "used_after_pct": f"{used / 10_000:.2f}", "at_order": at_order}


def drawn_moment(at, *, kind="entry", portfolio="E4", held=960_000, **fields):
    return {
        "kind": kind,
        "portfolio": portfolio,
        "at": at.isoformat(),
        "held": figures(held, "260000.00"),
        "bare": figures(held + 100_000),
        "floor": figures(held - 200_000),
        "beyond_saving": False,
    } | fields


def drawn(session, *moments, at=DRAWN_AT, **day):
    card = {
        "at": at.isoformat(),
        "spot": "26000.00",
        "free_margin": "260000.00",
        "trigger_pct": "95",
        "calibrated": True,
        "moments": list(moments),
        "kept_to_the_end": ["E2"],
        "not_of_this_session": [],
        "unknown": "",
    }
    return make.HedgeDecisionFactory.create(
        session=session, at=at, kind=CycleKind.MARGIN_CHECK.value, facts={"day": card | day}
    )


def test_the_plan_is_the_last_drawing_and_not_the_last_card(client):
    session = hedged_morning()
    drawn(session, at=make.ist(10, 5), spot="25000.00")
    drawn(session, drawn_moment(make.ist(10, 10), kind="now", portfolio=""), drawn_moment(make.ist(10, 16)))
    make.HedgeDecisionFactory.create(session=session, at=make.ist(10, 11), kind=CycleKind.MARGIN_CHECK.value)

    plan = client.get("/api/hedge/plan").json()

    assert {key: plan[key] for key in ("session", "at", "age_seconds", "spot", "budget", "trigger_pct", "unknown")} == {
        "session": session.pk,
        "at": "2026-12-01T10:10:00+05:30",
        "age_seconds": 120,
        "spot": "26000.00",
        "budget": "1000000.00",
        "trigger_pct": "95.00",
        "unknown": "",
    }
    assert [m["kind"] for m in plan["moments"]] == ["now", "entry"]
    assert plan["moments"][1] == {
        "kind": "entry",
        "portfolio": "E4",
        "at": "2026-12-01T10:16:00+05:30",
        "with_hedges": {"used_after": "960000.00", "used_after_pct": "96.00", "at_order": "260000.00"},
        "without_hedges": {"used_after": "1060000.00", "used_after_pct": "106.00", "at_order": None},
        "floor": {"used_after": "760000.00", "used_after_pct": "76.00", "at_order": None},
        "beyond_saving": False,
        "crosses": True,
    }
    assert plan["kept_to_the_end"] == ["E2"]


@pytest.mark.parametrize(("minute", "shown"), [(11, False), (12, True), (13, True)])
def test_what_has_passed_since_the_drawing_is_left_out(client, minute, shown):
    drawn(hedged_morning(), drawn_moment(make.ist(10, minute)))

    assert bool(client.get("/api/hedge/plan").json()["moments"]) is shown


def test_a_day_that_was_not_drawn_yet_says_so(client):
    make.TradingSessionFactory.create()

    plan = client.get("/api/hedge/plan/").json()

    assert (plan["at"], plan["moments"]) == (None, [])
    assert "every five minutes" in plan["unknown"]


def test_why_nothing_could_be_drawn_is_told(client):
    drawn(hedged_morning(), unknown="no price for 26000 CE, a leg of E4")

    plan = client.get("/api/hedge/plan").json()

    assert (plan["moments"], plan["unknown"]) == ([], "no price for 26000 CE, a leg of E4")


def test_figures_that_nobody_knows_are_null_and_cross_nothing(client):
    nothing = {"used_after": None, "used_after_pct": None, "at_order": None}
    session = hedged_morning()
    drawn(session, drawn_moment(make.ist(10, 16)) | {"held": nothing})

    (found,) = client.get("/api/hedge/plan").json()["moments"]

    assert (found["with_hedges"], found["crosses"]) == (nothing, None)


def test_without_a_session_there_is_no_plan(client):
    answer = client.get("/api/hedge/plan")

    assert (answer.status_code, answer.json()["code"]) == (404, "NO_SESSION")


def test_the_plan_takes_a_fixed_number_of_queries(client, django_assert_num_queries):
    session = hedged_morning()
    for minute in range(5):
        drawn(session, drawn_moment(make.ist(10, 16)), at=make.ist(10, minute))

    with django_assert_num_queries(3):
        client.get("/api/hedge/plan")
