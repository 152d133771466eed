"""docs/commands.md: every line that it shows can be typed, and every command for the day at a terminal is in it."""

import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

DOCUMENT = Path(__file__).parents[2] / "docs" / "commands.md"
LINES = [
    line.strip() for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("    manage.py ")
]


@pytest.mark.parametrize("line", LINES)
def test_a_line_of_the_document_can_be_typed_and_takes_json(line):
    program, name, *words = shlex.split(line)
    command = load_command_class(get_commands()[name], name)

    options = vars(command.create_parser(program, name).parse_args([*words, "--json"]))

    assert options.get("json") or options.get("as_json")


def test_every_command_of_the_day_is_shown():
    shown = {line.split()[1] for line in LINES}
    assert shown == {"session", "status", "why", "hedge", "schedule", "halt", "resume"}
