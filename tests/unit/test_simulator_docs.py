"""The simulator's document names every profile and every fault."""

from __future__ import annotations

from pathlib import Path

import pytest

from hedging.simulator.faults import KINDS
from hedging.simulator.profiles import PROFILES

DOCUMENT = (Path(__file__).parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [*PROFILES, *KINDS])
def test_the_document_names_it_in_a_table(name):
    assert any(line.startswith("|") and f"`{name}`" in line for line in DOCUMENT.splitlines())
