"""Every management command of ours is run by some test."""

import re
from pathlib import Path

from django.core.management import get_commands

TESTS = Path(__file__).parents[1]
OURS = {"config", "hedging", "schedule", "sessions_app", "notifications"}


def test_every_command_is_named_by_a_test_that_runs_it():
    commands = {name for name, app in get_commands().items() if app in OURS}
    assert "up" in commands
    texts = [path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py") if path != Path(__file__)]
    untested = {name for name in commands if not any(re.search(rf"""["']{name}["']""", text) for text in texts)}
    assert untested == set()
