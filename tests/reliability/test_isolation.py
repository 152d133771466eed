"""Orders whose POSTs hang for half a minute hold up nothing but themselves."""

import os

import pytest

from tests.reliability.page import write_isolation

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_sets_that_hang_in_two_accounts_delay_no_reconcile_cancel_exit_cycle_or_other_accounts_purchase(trials):
    calm, hung, full = trials("isolation")
    if os.environ.get("RELIABILITY") == "full":
        write_isolation(calm, hung, full)
    assert [work["hanging"] for work in (calm, hung, full)] == [False, True, True]
    assert full["places"] == 4 < hung["places"]  # as many as hang: the worker of purchases takes nothing else
    for work in (calm, hung, full):
        assert min(work["reconcile"], work["exit"], work["cycles"]) > 0
        assert (work["cancels"], work["exits_posted"], work["accounts_decided"]) == (1, 1, 3)
        assert work["breaches"] == []
    # And not later than without them, but for the noise of a busy machine; a POST that is waited for costs 30 s.
    for work, asked in ((hung, ("reconcile", "exit", "cycles", "purchase")), (full, ("reconcile", "exit", "cycles"))):
        assert work["still_hanging"]  # everything else was done while no POST had its answer
        for what in asked:
            assert 0 < work[what] < 3 * calm[what] + 5, (what, calm, work)
