"""The table of the pre-flight: whole, in an order that can be asked, documented, and its verdict the worst of its checks."""

from __future__ import annotations

import re

import pytest
from django.conf import settings

from hedging.domain.preflight import CHECKS, Result, State, verdict
from hedging.engine.preflight.asking import ASKED

ROW = re.compile(r"^\| `([a-z_]+)` \| (.+?) \| (\w+) \| (.+?) \| (.*?) ?\|$", re.MULTILINE)
G, A, R, N = State.GREEN, State.AMBER, State.RED, State.NOT_ASKED


def test_every_check_of_the_table_is_asked_and_nothing_else():
    assert list(ASKED) == [check.name for check in CHECKS]


def test_a_check_needs_only_what_was_asked_before_it():
    asked: set[str] = set()
    for check in CHECKS:
        assert set(check.needs) <= asked, check.name
        asked.add(check.name)


def test_telegram_and_the_margin_profile_are_amber_and_everything_else_is_red():
    assert {check.name for check in CHECKS if check.failing is A} == {"telegram", "margin_profile"}
    assert {check.failing for check in CHECKS} == {A, R}


def test_what_others_rest_on_is_red_so_that_no_run_passes_with_a_check_that_was_not_asked():
    needed = {need for check in CHECKS for need in check.needs}
    assert {check.failing for check in CHECKS if check.name in needed} == {R}


def test_the_page_shows_the_table_of_the_code():
    page = (settings.BASE_DIR / "docs" / "preflight.md").read_text(encoding="utf-8")
    assert ROW.findall(page) == [
        (c.name, c.holds, c.failing.value, c.fix, ", ".join(f"`{need}`" for need in c.needs)) for c in CHECKS
    ]


@pytest.mark.parametrize(
    ("states", "worst"), [((G, G), G), ((G, A), A), ((A, R), R), ((R, N), R), ((), G), ((N, A), A)]
)
def test_a_run_is_as_bad_as_its_worst_check(states, worst):
    assert verdict(Result(CHECKS[0], state, "") for state in states) is worst
