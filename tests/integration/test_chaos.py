"""The order protocol under seeded disasters: no breach with production's sender, many with each that sends again."""

import json
import time
from concurrent.futures import Future

import pytest
from django.core.management import CommandError, call_command
from django.db import connections

from hedging.chaos.controls import CONTROLS
from hedging.chaos.runner import Store, compare, cores, explain, pool_of, run_many

MEMORY = Store()


def on_postgres():
    return Store(dict(connections["default"].settings_dict))


@pytest.mark.slow
def test_three_hundred_schedules_of_disasters_breach_no_invariant():
    with pool_of(MEMORY, jobs=cores()) as pool:
        found = run_many(range(1, 301), pool=pool)
    assert found.breaches == []
    assert found.schedules == 300
    assert found.tally["POST: 500, accepted late"] > 20  # things did go wrong
    assert sum(count for what, count in found.tally.items() if what.startswith("killed")) > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(CONTROLS))
def test_a_sender_that_sends_again_breaches_on_the_same_schedules(name):
    with pool_of(MEMORY, jobs=1) as pool:  # the tests beside it have the other cores
        found = run_many(range(1, 101), pool=pool, control=name)
    assert found.breached > CONTROLS[name].must_breach * found.schedules
    assert {"one POST", "quantity"} <= {rule for _, rule, _ in found.breaches}


@pytest.mark.slow
@pytest.mark.django_db
def test_twenty_schedules_end_in_the_same_tables_on_postgresql():
    seeds = range(1, 21)
    assert list(compare(seeds, stores=(MEMORY, on_postgres()), progress=lambda _: None)) == []


@pytest.mark.slow
def test_whoever_leaves_early_waits_for_what_has_begun_and_for_nothing_else():
    waiting: list[Future[None]] = []

    def leave_early():
        with pool_of(MEMORY, jobs=1) as pool:
            waiting.extend(pool.submit(time.sleep, 0.1) for _ in range(1000))
            waiting[0].result()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        leave_early()
    assert all(one.done() for one in waiting)
    assert waiting[-1].cancelled()


def test_a_seed_tells_the_same_story_every_time():
    once, again = explain(11, store=MEMORY), explain(11, store=MEMORY)
    assert once.story == again.story
    assert any("POST" in words for _, words in once.story)


def test_the_command_reports_figures_as_its_last_line_and_writes_its_page(tmp_path, capsys):
    page = tmp_path / "reliability.md"
    call_command("chaos", schedules=5, seed=1, jobs=1, controls=2, json=True, page=page)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (figures["schedules"], figures["breaches"]) == (5, 0)
    assert set(figures["negative_controls"]) == set(CONTROLS)
    assert all(control["schedules"] == 2 for control in figures["negative_controls"].values())
    assert "**5 schedules, 0 with a breach**" in page.read_text(encoding="utf-8")


def test_few_schedules_are_run_by_each_control_too(capsys):
    call_command("chaos", schedules=3, seed=1, jobs=1, json=True)
    figures = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert [control["schedules"] for control in figures["negative_controls"].values()] == [3, 3, 3]


def test_the_command_explains_one_schedule_step_by_step(capsys):
    call_command("chaos", schedules=1, seed=11, explain=True, control="retry_three_times")
    told = capsys.readouterr().out
    assert "POST" in told
    assert told.splitlines()[-1].endswith("breaches")


def test_the_command_refuses_nothing_to_do():
    with pytest.raises(CommandError, match="at least 1"):
        call_command("chaos", schedules=0)
