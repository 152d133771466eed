"""Worker processes are killed at every crash point under every gateway fault; what the exchange then holds is right."""

import os

import pytest

from tests.reliability.cells import FAULTS, POINTS

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # the mark has the tests' database made, which is then copied
SHARE = 12
ALL = os.environ.get("RELIABILITY") == "full"


def test_no_crash_point_under_any_fault_doubles_overspends_or_loses_an_order(trials):
    found = trials("kills", *(() if ALL else ("--cells", str(SHARE), "--seed", "7")), seconds=3000)
    assert [cell for cell in found if cell["breaches"]] == []
    assert len(found) == (len(POINTS) * len(FAULTS) if ALL else SHARE)
    # A crash point that no cell comes to would prove nothing.
    assert sum(cell["reached"] for cell in found) > 0.8 * len(found)
