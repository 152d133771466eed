"""32 processes race for one row: what is allowed happens exactly, and the naive way, which looks first, oversteps."""

import os

import pytest

from tests.reliability.page import write_races

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
RACES = {"cost cap": 5, "cooldown": 1, "exit": 1, "breaker's probe": 1, "lease": 3}


def test_thirty_two_processes_do_what_is_allowed_and_no_more_while_the_naive_way_oversteps(trials):
    raced = trials("races")
    if os.environ.get("RELIABILITY") == "full":
        write_races(raced)
    ours = [race for race in raced if not race["naive"]]
    assert {race["race"]: race["happened"] for race in ours} == RACES
    assert [race["breaches"] for race in ours if race["breaches"]] == []
    assert all(race["racers"] == 32 for race in raced)
    naive = {race["race"]: race for race in raced if race["naive"]}
    assert naive.keys() == RACES.keys()
    # A control that keeps within its bounds would mean that nothing raced.
    assert [name for name, race in naive.items() if race["happened"] <= race["allowed"]] == []
