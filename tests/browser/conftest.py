"""Browser tests: the product as `manage.py up` runs it, a real Chromium, and people's ways through the pages.

`make test-browser` runs them, in one process; `make test` never does (see `tests/conftest.py`). No test here may use Django's
models: Playwright's loop runs in this thread, and the database is another's. Ask the pages, `installation.read`,
`installation.manage` or `installation.simulator`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.chromium import launch
from tests.browser.installation import Installation, remove_all
from tests.browser.pages import SIZES, Album, Screen, Visitor, Watch

AFTER_THE_FIRST_HEDGE = "10:18"  # seed 7 on the Tuesday: bought at 10:16:30, before the fourth entry


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", type=Path, metavar="DIR", help="keep the pictures of the pages in this folder")


@pytest.fixture(scope="session")
def new_installation() -> Iterator[Callable[..., Installation]]:
    """Make one more installation: `new_installation(SIM_SEED="4")`, then `.start()`; it is removed after the run."""
    made: list[Installation] = []

    def make(**settings: str) -> Installation:
        made.append(Installation(**settings))
        return made[-1]

    yield make
    remove_all(made)


@pytest.fixture(scope="session")
def installation(new_installation: Callable[..., Installation]) -> Installation:
    """The default day at 10:18, shared by the run: straddles sold, a call and a put bought, the clock at real speed."""
    world = new_installation()
    world.go_to(AFTER_THE_FIRST_HEDGE)
    return world


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        chromium = launch(playwright)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def _states() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="session")
def screenshot(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Album:
    """Take a picture: `screenshot(page, "halted")`."""
    folder: Path = request.config.getoption("--screenshots") or tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return Album(folder)


@pytest.fixture
def watch(installation: Installation) -> Watch:
    """What went wrong in this test's pages; forgive what the test provokes."""
    return Watch(installation.base_url)


@pytest.fixture
def open_page(browser: Browser, installation: Installation, watch: Watch, _states: dict[str, Any]) -> Iterator[Visitor]:
    """Open pages of `installation`; console errors, policy violations, failed and foreign requests fail the test."""
    visitor = Visitor(browser, installation, watch, _states)
    yield visitor
    visitor.close()
    assert watch.verdict() == []


@pytest.fixture(params=sorted(SIZES))
def screen(request: pytest.FixtureRequest) -> Screen:
    """Both sizes in turn: `open_page("/plan/", screen=screen)`."""
    return cast("Screen", request.param)
