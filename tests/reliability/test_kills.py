"""Worker processes are killed at every crash point under every gateway fault; what the exchange then holds is right."""

import os

import pytest

from tests.reliability.cells import FAULTS, POINTS
from tests.reliability.page import write_kills

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # the mark has the tests' database made, which is then copied
SHARE = 12
ALL = os.environ.get("RELIABILITY") == "full"


def test_no_crash_point_under_any_fault_doubles_overspends_or_loses_an_order(trials):
    found = trials("kills", *(() if ALL else ("--cells", str(SHARE), "--seed", "7")), seconds=3000)
    if ALL:
        write_kills(found, share=SHARE)
    assert [cell for cell in found if cell["breaches"]] == []
    assert len(found) == (len(POINTS) * len(FAULTS) if ALL else SHARE)
    # A crash point that no cell comes to would prove nothing.
    assert sum(cell["reached"] for cell in found) > 0.8 * len(found)


def test_a_worker_that_sends_again_after_its_restart_doubles_orders(trials):
    faults = ("none", "reset after it is done", "500, though done")
    words = [word for fault in faults for word in ("--fault", fault)]
    found = trials("kills", "--control", "--point", "request written, reply unread", *words)
    assert [cell["posts"] for cell in found] == [2, 2, 2]
    assert all(any(breach.startswith("quantity") for breach in cell["breaches"]) for cell in found)


def test_every_alert_comes_though_its_worker_dies_after_sending_and_telegram_is_down_for_an_hour(trials):
    (told,) = trials("alerts")
    assert told["alerts"] > 0
    assert told["died"]
    assert (told["sent_before"], told["sent_while_down"], told["lost"]) == (1, 0, 0)
    assert told["sent_after"] == told["alerts"]  # the first of them came twice: at least once is what is promised
