"""What is documented, what the example file shows and what the code reads are the same settings."""

import re

from django.conf import settings

from config.env import parse_env_file

EXAMPLE = settings.BASE_DIR / ".env.example"


def example_settings() -> dict[str, str]:
    """Read the example file with its settings uncommented."""
    lines = [re.sub(r"^# (?=[A-Z_]+=)", "", line) for line in EXAMPLE.read_text(encoding="utf-8").splitlines()]
    return parse_env_file("\n".join(lines))


def test_every_setting_that_is_read_is_in_the_example_file_and_the_other_way_round():
    assert set(example_settings()) == settings.ENVIRONMENT.asked


def test_the_example_file_changes_nothing_as_it_is():
    assert parse_env_file(EXAMPLE.read_text(encoding="utf-8")) == {}


def test_the_example_file_shows_the_defaults():
    shown = example_settings()
    for name in sorted(name for name in shown if name.startswith(("HEDGE_", "SIM_")) or name in {"HOST", "PORT"}):
        value = getattr(settings, name)
        if value is not None and not isinstance(value, bool):
            assert shown[name] in {str(value), f"{value:g}" if isinstance(value, float) else str(value)}, name


def test_no_page_names_a_setting_that_does_not_exist():
    pages = [settings.BASE_DIR / "README.md", *(settings.BASE_DIR / "docs").glob("*.md")]
    pattern = re.compile(r"`((?:AUTO_HEDGE|HEDGE|OPENALGO|SIM|TELEGRAM|DATABASE|REDIS|VAR)_[A-Z_]+)(?:=[^`]*)?`")
    named = {name for page in pages if page.exists() for name in pattern.findall(page.read_text(encoding="utf-8"))}
    assert named - settings.ENVIRONMENT.asked == {"AUTO_HEDGE_ENV_FILE"} & named
