"""Pictures of every tab, both colours, both sizes, of one simulated morning: `make screenshots` writes docs/screenshots/.

`python -m tests.browser.screenshots DIR [--at 10:23]`. Look at each: what you would not show a friend who trades for a living
is a bug.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.chromium import launch
from tests.browser.installation import Installation
from tests.browser.pages import SIZES, Album, Visitor, Watch

FRESH_SECONDS = 60


def _is_settled(world: Installation) -> bool:
    ages, moments = world.read("/api/hedge/status")["ages"], world.read("/api/hedge/plan")["moments"]
    return bool(moments) and all((ages[name] or 0) < FRESH_SECONDS for name in ("margin_seconds", "decision_seconds"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--at", default="10:23", help="the market's minute; on seed 7 hedges were just bought")
    asked = options.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    album, world = Album(asked.folder), Installation()
    try:
        world.go_to(asked.at)
        # After a day in a hurry the readings are old; the rest of the day is drawn every five minutes.
        world.wait(lambda: _is_settled(world), what="fresh readings, and the rest of the day drawn", seconds=420)
        with sync_playwright() as playwright:
            browser = launch(playwright)
            visitor = Visitor(browser, world, Watch(world.base_url), {})
            tabs = visitor("/").locator(".tabs a").evaluate_all("links => links.map(link => link.pathname)")
            for path in tabs:
                name = path.strip("/") or "status"
                for screen in SIZES:
                    for dark in (False, True):
                        page = visitor(path, screen=screen, dark=dark)
                        page.wait_for_timeout(
                            2500
                        )  # charts are drawn when their data came, and a page never stops asking
                        taken = album(page, name, full_page=name != "status")
                        sys.stdout.write(f"{taken}\n")
                        page.context.close()
            browser.close()
    finally:
        world.remove()


if __name__ == "__main__":
    main()
