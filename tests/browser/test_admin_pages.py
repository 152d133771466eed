"""Every page of every model in the admin opens, at both sizes, without an error; the list is read from the admin itself."""

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import SESSIONS, TIMETABLE, session_address
from tests.browser.pages import assert_accessible, assert_fits

# Django's own widgets: what axe-core says of them, and why it is let be.
DJANGOS_OWN = {
    # The chooser of groups and permissions: its sign of a magnifying glass is a <span> with a name, which some readers pass
    # over; the field beside it has a name of its own.
    "/admin/auth/user/": ".selector .help-tooltip",
}
MODELS_AT_LEAST = 24


def lists_of(page):
    page.goto("/admin/")
    return [link.get_attribute("href") for link in page.locator("#content-main th a").all()]


def left_out(path):
    return next((selector for start, selector in DJANGOS_OWN.items() if path.startswith(start)), None)


def test_every_list_its_first_row_and_its_form_open(open_page, screen):
    page = open_page(screen=screen)
    lists = lists_of(page)
    assert len(lists) >= MODELS_AT_LEAST
    for where in lists:
        page.goto(where)
        expect(page.locator("#content h1")).to_be_visible()
        forms = [link.get_attribute("href") for link in page.locator(".object-tools a.addlink").all()]
        rows = page.locator("#result_list tbody th a")
        if rows.count():
            forms.append(rows.first.get_attribute("href"))
        assert_fits(page)
        if screen == "desk":
            assert_accessible(page)
        for form in forms:
            page.goto(form)
            expect(page.locator("#content form").first).to_be_visible()
            if screen == "desk":
                assert_accessible(page, leave_out=left_out(form))


def test_every_row_tells_its_history(open_page):
    page = open_page()
    for where in lists_of(page):
        page.goto(where)
        row = page.locator("#result_list tbody th a")
        if row.count():
            page.goto((row.first.get_attribute("href") or "").partition("?")[0].replace("/change/", "/history/"))
            expect(page.locator("#content h1")).to_contain_text("history")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_our_own_pages_fit_their_screen_and_can_be_used_without_eyes(open_page, screenshot, screen, dark):
    page = open_page(screen=screen, dark=dark)
    session = session_address(page)
    for name, where in {
        "index": "/admin/",
        "sessions": SESSIONS,
        "session": f"{session}change/",
        "session-open": f"{SESSIONS}add/",
        "baseline": f"{session}baseline/",
        "buy-board": f"{session}buy/",
        "exit-board": f"{session}exit/",
        "timetable": TIMETABLE,
        "timetable-day": f"{TIMETABLE}day/",
        "timetable-import": f"{TIMETABLE}import/",
        "timetable-seed": f"{TIMETABLE}seed/",
        "second-factor": "/admin/second-factor/",
        "password": "/admin/password_change/",
        "installation": "/admin/sessions_app/installation/",
        "beat": "/admin/django_celery_beat/periodictask/",
    }.items():
        page.goto(where)
        screenshot(page, name)
        assert_fits(page)
        assert_accessible(page)


def test_a_stranger_is_asked_to_log_in_and_nothing_else(open_page, screenshot, screen):
    page = open_page("/admin/hedging/hedgedecision/", screen=screen, logged_in=False)
    expect(page.get_by_role("button", name="Log in")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "login")
    page.get_by_label("Username").fill("admin")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".errornote")).to_contain_text("Name, password or code is wrong")
