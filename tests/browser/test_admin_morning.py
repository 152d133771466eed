"""The morning: a session is opened in one screen, another is opened like it, and the pre-flight says what is wrong."""

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import SESSIONS, act, expect_said, session_address
from tests.browser.pages import assert_accessible, assert_fits

ACCOUNTS, BEAT = "/admin/sessions_app/account/", "/admin/django_celery_beat/periodictask/"
NOTICED = "Schedule changed"  # the beat's own word that it has seen a pause


@pytest.fixture(scope="module")
def installation(new_installation):
    """A world of its own at 09:11, before the market opens: one account more would change the day of the other tests."""
    world = new_installation()
    world.start()
    world.wait(lambda: world.read("/api/hedge/session")["id"], what="the first account's session")
    return world


@pytest.fixture
def nobody_opens(open_page, installation):
    """In the simulator sessions open by themselves, with the margin check: pause it, as an operator would."""
    log = installation.var / "log" / "beat.log"
    before = log.read_text(encoding="utf-8").count(NOTICED)
    page = open_page()
    act(page, BEAT, "Pause the chosen tasks", row="Margin check")
    expect_said(page, "no margin is watched")
    installation.wait(lambda: log.read_text(encoding="utf-8").count(NOTICED) > before, what="the beat to notice")
    yield
    act(page, BEAT, "Resume the chosen tasks", row="Margin check")


def add_account(page, name):
    page.goto(f"{ACCOUNTS}add/")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Mode:", exact=True).select_option(label="dry run")
    page.get_by_role("button", name="Save", exact=True).click()
    expect_said(page, "was added successfully")


@pytest.mark.usefixtures("nobody_opens")
def test_a_session_is_opened_in_one_screen_and_another_like_it(open_page, installation, screenshot, screen):
    page = open_page(screen=screen)
    name = f"second {screen}"
    add_account(page, name)
    first = session_address(page).rstrip("/").rpartition("/")[2]
    if screen == "desk":
        page.goto(f"{SESSIONS}add/")
    else:  # as on the day before: everything is filled in
        page.goto(f"{SESSIONS}{first}/change/")
        page.get_by_role("link", name="Open today's like this").click()
        expect(page.locator("#content")).to_contain_text("Filled in as on")
    expect(page.get_by_role("radio", checked=True)).to_have_value("NIFTY:2026-12-01")
    page.get_by_label("Account:", exact=True).select_option(label=name)
    page.get_by_label("Baskets:", exact=True).fill("2")
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "opening")
    page.get_by_role("button", name="Save", exact=True).click()
    expect_said(page, "was added successfully")
    row = page.locator("#result_list tbody tr").filter(has_text=name)
    expect(row).to_contain_text("NIFTY")
    # A second one on the same day is refused in words.
    page.goto(f"{SESSIONS}add/")
    page.get_by_label("Account:", exact=True).select_option(label=name)
    page.get_by_role("button", name="Save", exact=True).click()
    expect_said(page, "has a session open, or had one on 2026-12-01")
    installation.manage("session", "close", "--account", name, "--reason", "the test is over")
