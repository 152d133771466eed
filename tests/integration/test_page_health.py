"""Liveness and readiness."""

from datetime import timedelta

import pytest

from hedging.engine import clock
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _stopped(monkeypatch, settings):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)
    settings.SPEED = 1.0
    make.TradingDayFactory.create(day=make.TUESDAY)


def working(*, cycle_age=10, data_age=10, beat_age=10):
    session = make.TradingSessionFactory.create()
    make.HedgeDecisionFactory.create(session=session, at=NOW - timedelta(seconds=cycle_age))
    make.MarginSnapshotFactory.create(session=session, at=NOW - timedelta(seconds=data_age))
    make.HeartbeatFactory.create(name="hedge", wall_at=NOW - timedelta(seconds=beat_age))
    return session


def test_a_living_process_says_so_without_asking_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert client.get("/healthz").content == b"ok\n"


def test_a_working_service_is_ready_and_tells_its_ages(client):
    working(cycle_age=12, data_age=7)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "ready": True,
        "problems": [],
        "cycle_age_seconds": 12.0,
        "data_age_seconds": 7.0,
        "workers": {"hedge": 10},
    }


@pytest.mark.parametrize(
    ("what", "problem"), [("cycle_age", "decision"), ("data_age", "margin reading"), ("beat_age", "hedge")]
)
@pytest.mark.parametrize(("age", "status"), [(75, 200), (76, 503)])
def test_what_is_older_than_75_seconds_is_not_ready(client, what, problem, age, status):
    working(**{what: age})

    answer = client.get("/readyz")

    assert answer.status_code == status
    assert (problem in " ".join(answer.json()["problems"])) is (status == 503)


def test_ages_are_judged_by_the_wall_in_a_market_that_runs_faster(client, settings):
    settings.SPEED = 60.0
    working(cycle_age=600, data_age=600)

    assert client.get("/readyz").json()["cycle_age_seconds"] == 10.0


def test_a_service_whose_workers_never_came_is_not_ready(client):
    answer = client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["problems"] == ["no worker has ever given a sign of life"]


def test_outside_the_acting_hours_an_old_decision_is_no_problem(client, monkeypatch):
    working(cycle_age=20000, data_age=20000)
    make.TradingDayFactory._meta.model.objects.update(act_from="11:00")

    assert client.get("/readyz").status_code == 200


def test_an_unreadable_clock_is_not_ready(client, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))

    answer = client.get("/readyz/")

    assert (answer.status_code, answer.json()["problems"]) == (503, ["market time cannot be read"])


@pytest.mark.parametrize("stands_still", [0, 1])
def test_of_several_open_sessions_none_may_stand_still(client, stands_still):
    sessions = [working(), make.TradingSessionFactory.create(account__name="another")]
    make.HedgeDecisionFactory.create(session=sessions[1], at=NOW - timedelta(seconds=10))
    make.MarginSnapshotFactory.create(session=sessions[1], at=NOW - timedelta(seconds=10))
    assert client.get("/readyz").status_code == 200
    late = sessions[stands_still]
    for rows in (late.decisions, late.snapshots):
        rows.update(at=NOW - timedelta(hours=1))

    answer = client.get("/readyz")

    assert (answer.status_code, answer.json()["cycle_age_seconds"]) == (503, 3600.0)
    assert answer.json()["problems"] == [
        f"the last decision of session {late.pk} is 3600 s old",
        f"the last margin reading of session {late.pk} is 3600 s old",
    ]
