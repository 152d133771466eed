"""Pages as a person opens them, on a desk or a phone; whatever goes wrong in one fails the test that opened it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, Request, Response, ViewportSize

from tests.browser.installation import Installation

Screen = Literal["desk", "phone"]
SIZES: dict[Screen, ViewportSize] = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}
NOTICE_SECONDS = 10
IMPACTS = frozenset({"serious", "critical"})
# A violation of the policy tells itself in the console too, but not of every kind in every version.
_WATCH_POLICY = (
    "document.addEventListener('securitypolicyviolation', e => "
    "console.error(`policy violated: ${e.violatedDirective} ${e.blockedURI}`))"
)
_LEFT_BEHIND = "net::ERR_ABORTED"  # a download, or a request of a page that was left


@dataclass(eq=False)  # no slots: Playwright leaves a mark on whose method it is given
class Watch:
    """What went wrong in the pages of one test. A test that provokes an error forgives it by its words."""

    base_url: str
    wrong: list[str] = field(default_factory=list)
    _forgiven: list[str] = field(default_factory=list)

    def forgive(self, words: str) -> None:
        """Expect what contains these words, such as "404 /admin/nowhere/"."""
        self._forgiven.append(words)

    def follow(self, context: BrowserContext) -> None:
        """Listen to every page of a context."""
        context.on("console", self._console)
        context.on(
            "weberror", lambda error: self.wrong.append(f"exception in {error.page and error.page.url}: {error.error}")
        )
        context.on("request", self._request)
        context.on("requestfailed", self._failed)
        context.on("response", self._response)

    def verdict(self) -> list[str]:
        """Return what nobody forgave."""
        return [line for line in self.wrong if not any(words in line for words in self._forgiven)]

    def until(self, page: Page, words: str) -> None:
        """Wait until something with these words has gone wrong; events arrive only while Playwright is asked something."""
        ends = time.monotonic() + NOTICE_SECONDS
        while not any(words in line for line in self.wrong):
            assert time.monotonic() < ends, f"nothing says {words!r}: {self.wrong}"
            page.wait_for_timeout(20)

    def _console(self, said: ConsoleMessage) -> None:
        # The status of an answer is noted where it arrives, with its address.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            self.wrong.append(f"console of {said.page and said.page.url}: {said.text}")

    def _request(self, request: Request) -> None:
        if urlsplit(request.url).scheme not in {"data", "blob"} and not request.url.startswith(self.base_url):
            self.wrong.append(f"asked somebody else: {request.url}")

    def _failed(self, request: Request) -> None:
        if request.failure != _LEFT_BEHIND:
            self.wrong.append(f"no answer: {request.method} {request.url}: {request.failure}")

    def _response(self, response: Response) -> None:
        if response.status >= 400:
            self.wrong.append(f"{response.status} {urlsplit(response.url).path}: {response.request.method}")


@dataclass(eq=False)
class Visitor:
    """Opens pages of one installation. `open_page("/plan/", screen="phone", dark=True, logged_in=False)`."""

    browser: Browser
    installation: Installation
    watch: Watch
    states: dict[str, Any]
    _contexts: list[BrowserContext] = field(default_factory=list)

    def __call__(
        self, path: str | None = None, *, screen: Screen = "desk", dark: bool = False, logged_in: bool = True
    ) -> Page:
        """Return a page in a context of its own, at `path` if one is given; logged in as `admin` unless told otherwise."""
        context = self.browser.new_context(
            base_url=self.installation.base_url,
            viewport=SIZES[screen],
            is_mobile=screen == "phone",
            has_touch=screen == "phone",
            color_scheme="dark" if dark else "light",
            locale="en-IN",
            timezone_id="UTC",  # not India: pages must not rely on the visitor's zone
            reduced_motion="reduce",
            storage_state=self._state() if logged_in else None,
        )
        context.set_default_timeout(30_000)
        context.add_init_script(_WATCH_POLICY)
        self._contexts.append(context)
        self.watch.follow(context)
        page = context.new_page()
        if path is not None:
            page.goto(path)
        return page

    def close(self) -> None:
        """Close every page that was opened."""
        for context in self._contexts:
            context.close()

    def _state(self) -> Any:
        """Return the cookies of a login, made once for each installation, through the form."""
        where = self.installation.base_url
        if where not in self.states:
            page = self(logged_in=False)
            log_in(page, self.installation)
            self.states[where] = page.context.storage_state()
            page.context.close()
        return self.states[where]


def log_in(page: Page, installation: Installation) -> None:
    """Fill the login form as `admin`."""
    page.goto("/admin/login/?next=/admin/")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill(installation.password)
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


@dataclass(frozen=True, slots=True)
class Album:
    """A folder of pictures. `album(page, "halted")` writes `halted-desk.png` or `halted-phone.png`."""

    folder: Path

    def __call__(self, page: Page, name: str, *, full_page: bool = True) -> Path:
        """Take a picture of a page, all of it unless told otherwise."""
        size = page.viewport_size
        screen = "phone" if size is not None and size["width"] == SIZES["phone"]["width"] else "desk"
        dark = "-dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else ""
        path = self.folder / f"{name}-{screen}{dark}.png"
        # Hiding the caret or stopping animations would need an inline style, which the pages' policy forbids.
        page.screenshot(path=path, full_page=full_page, caret="initial", animations="allow")
        return path


def violations(page: Page, *, leave_out: str | None = None) -> list[str]:
    """Return what axe-core finds serious or critical, with the elements; `leave_out` is a CSS selector."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate(
        "context => axe.run(context, {resultTypes: ['violations'], preload: false})",  # the policy forbids what it would load
        {"exclude": [[leave_out]]} if leave_out else {"include": [["html"]]},
    )
    return [
        f"{rule['id']} ({rule['impact']}) at {' '.join(map(str, node['target']))}: {' '.join(node['html'].split())[:160]}"
        for rule in found["violations"]
        if rule["impact"] in IMPACTS
        for node in rule["nodes"]
    ]


def assert_accessible(page: Page, *, leave_out: str | None = None) -> None:
    """Hold a page to axe-core: nothing serious, nothing critical."""
    found = violations(page, leave_out=leave_out)
    assert found == [], f"{page.url}:\n" + "\n".join(found)


def assert_fits(page: Page) -> None:
    """Hold a page to the width of its screen: nobody scrolls sideways but inside a table."""
    wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert wide <= 1, f"{page.url} is {wide} px wider than its screen"
