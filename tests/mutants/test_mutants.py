"""Guard deletion cannot rot: every mutant applies to the code as it is, and the tool tells a kill from a survivor."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.mutants.protocol import MACHINE
from tests.mutants.table import MUTANTS
from tests.mutants.trial import SURVIVED, copied, judge


@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.guard for mutant in MUTANTS])
def test_every_guard_is_where_the_table_says_and_its_tests_exist(mutant):
    assert mutant.complaint() == ""


def test_every_invariant_has_guards_that_are_deleted():
    assert {mutant.invariant for mutant in MUTANTS} == set(range(1, 19))
    assert len({mutant.guard for mutant in MUTANTS}) == len(MUTANTS) >= 25


@pytest.mark.slow
def test_a_deleted_guard_is_noticed_and_a_deletion_that_changes_nothing_is_not():
    guard = MACHINE[1]
    harmless, gone = replace(guard, new=f"{guard.old} "), replace(guard, old="not in this file")
    with copied() as tree:
        assert judge(guard, tree, server=None).killed_by == guard.tests[0]
        assert judge(harmless, tree, server=None).words == SURVIVED
        assert judge(gone, tree, server=None).words.endswith("holds the text 0 times")
