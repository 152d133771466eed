"""Who may come in, and what beats: logging in and out, an API key shown once and revoked, a task paused and resumed."""

import requests
from playwright.sync_api import expect

from tests.browser.admin_desk import act, expect_said
from tests.browser.pages import assert_accessible, assert_fits, log_in

KEYS, BEAT = "/admin/access/apikey/", "/admin/django_celery_beat/periodictask/"


def opens(installation, key):
    """Return the status of a question to the API with a key: a wrong one is refused even where reads are open."""
    address = f"{installation.base_url}/api/hedge/status"
    return requests.get(address, headers={"X-API-Key": key}, timeout=20).status_code


def test_one_logs_in_and_out(open_page, installation, screen):
    page = open_page(screen=screen, logged_in=False)
    log_in(page, installation)
    expect(page.get_by_role("heading", name="Operate")).to_be_visible()
    page.get_by_role("button", name="Log out").click()
    expect(page.locator("#content")).to_contain_text("Thanks")
    page.goto("/admin/")
    expect(page.get_by_role("button", name="Log in")).to_be_visible()


def test_a_key_is_shown_once_and_opens_nothing_after_its_revocation(open_page, installation, screen):
    page = open_page(KEYS + "add/", screen=screen)
    name = f"browser {screen}"
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Save", exact=True).click()
    key = page.locator("#new-key").inner_text()
    assert_fits(page)
    assert_accessible(page)
    assert opens(installation, key) == 200
    page.get_by_role("link", name="Done").click()
    assert key not in page.content()
    page.get_by_role("link", name=name).first.click()
    assert key not in page.content()
    act(page, KEYS, "Revoke: the key opens nothing from now on", row=name)
    expect_said(page, "1 revoked.")
    assert opens(installation, key) == 401


def test_a_task_of_the_beat_is_paused_and_says_what_stops_then(open_page, screenshot, screen):
    page = open_page(screen=screen)
    act(page, BEAT, "Pause the chosen tasks", row="Deliver alerts")
    expect_said(page, "nobody is told of anything")
    assert_accessible(page)
    screenshot(page, "beat-paused")
    act(page, BEAT, "Resume the chosen tasks", row="Deliver alerts")
    expect_said(page, "enabled")
