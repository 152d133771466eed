"""Two order POSTs that hang for half a minute hold up nothing but themselves."""

import os

import pytest

from tests.reliability.page import write_isolation

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


def test_both_posts_of_a_set_hanging_delay_no_reconcile_cancel_exit_or_other_accounts_cycle(trials):
    calm, hung = trials("isolation")
    if os.environ.get("RELIABILITY") == "full":
        write_isolation(calm, hung)
    assert (calm["hanging"], hung["hanging"]) == (False, True)
    # Everything else was done while both POSTs still had no answer.
    assert hung["still_hanging"]
    for work in (calm, hung):
        assert min(work["reconcile"], work["exit"], work["cycles"]) > 0
        assert (work["cancels"], work["exits_posted"], work["accounts_decided"]) == (1, 1, 2)
        assert work["breaches"] == []
    # And not later than without them, but for the noise of a busy machine; a POST that is waited for costs 30 s.
    for what in ("reconcile", "exit", "cycles"):
        assert hung[what] < 3 * calm[what] + 5, (what, calm, hung)
