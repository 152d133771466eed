"""Every dependency has its case in docs/dependencies.md, and its pin with a hash in the locks."""

import re
import tomllib

from django.conf import settings

LOCKS = settings.BASE_DIR / "requirements"


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;, ]", line)[0].lower() for line in requirements}


def project() -> dict[str, set[str]]:
    text = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return {"main": names(text["dependencies"]), "dev": names(text["optional-dependencies"]["dev"])}


def pinned(lock: str) -> set[str]:
    text = (LOCKS / lock).read_text(encoding="utf-8")
    return {match.lower() for match in re.findall(r"^([A-Za-z0-9._-]+)==", text, flags=re.MULTILINE)}


def test_every_dependency_has_its_case_and_every_case_its_dependency():
    page = (settings.BASE_DIR / "docs" / "dependencies.md").read_text(encoding="utf-8")
    cases = {name.lower() for name in re.findall(r"^\| `([^`]+)` \|", page, flags=re.MULTILINE)}
    assert cases == project()["main"] | project()["dev"]


def test_the_locks_pin_what_the_project_asks_for():
    assert project()["main"] <= pinned("main.lock")
    assert pinned("main.lock") | project()["dev"] <= pinned("dev.lock")


def test_the_locks_name_no_host_and_no_path():
    for lock in LOCKS.glob("*.lock"):
        assert re.findall(r"https?://|file:|^-|\s/\w+/", lock.read_text(encoding="utf-8"), flags=re.MULTILINE) == [], (
            lock.name
        )


def test_every_pin_has_a_hash():
    for lock in LOCKS.glob("*.lock"):
        pins = re.findall(r"^\S+==.*?(?=^\S|\Z)", lock.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
        assert pins
        assert [pin.split()[0] for pin in pins if "--hash=sha256:" not in pin] == []
