"""A real Chromium: the system's, never a downloaded one, started so that it asks nobody but us for anything.

`python -m tests.browser.chromium` says what to install where there is none.
"""

from __future__ import annotations

import shutil
import sys

from playwright.sync_api import Browser, Playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL = "Chromium is missing. Install it: apt-get install chromium fonts-dejavu"
ARGUMENTS = (
    "--no-sandbox",  # CI is root in a container; the pages are our own
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-dev-shm-usage",  # containers have 64 MB there
    "--force-color-profile=srgb",
    "--font-render-hinting=none",  # pictures of two machines look alike
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def program() -> str:
    """Return the path of the system's Chromium. Raises `RuntimeError` that says what to install."""
    for name in PROGRAMS:
        if found := shutil.which(name):
            return found
    raise RuntimeError(INSTALL)


def launch(playwright: Playwright) -> Browser:
    """Start it without a window."""
    return playwright.chromium.launch(executable_path=program(), args=list(ARGUMENTS), headless=True)


if __name__ == "__main__":
    try:
        program()
    except RuntimeError as missing:
        sys.exit(str(missing))
