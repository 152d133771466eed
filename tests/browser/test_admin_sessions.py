"""A session's day in the admin: baseline, automation, halt, reduce and resume with reasons."""

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import SESSIONS, act, expect_said, figure_of_the_session, session_address

INSTALLATION = "/admin/sessions_app/installation/"
HALT, REDUCE = "Halt: no new order, cancels go on", "Reduce: sells only"
RESUME = "Resume: ACTIVE again (wants a reason)"


@pytest.fixture
def active_again(installation):
    """Whatever a test restricts, the next one finds the day as it was."""
    yield
    installation.manage("resume", "--reason", "the test is over", check=False)
    installation.manage("resume", "--session", "--reason", "the test is over", check=False)


def state_of(installation):
    return installation.read("/api/hedge/session")["trading_state"]


@pytest.mark.usefixtures("active_again")
def test_a_session_is_halted_reduced_and_resumed_with_reasons(open_page, installation, screenshot, screen):
    page = open_page(screen=screen)
    act(page, SESSIONS, HALT, row="NIFTY", reason="the feed looks wrong")
    expect_said(page, "HALTED: 1 session")
    assert state_of(installation) == "halted"
    screenshot(page, "session-halted")
    # Resuming without saying why is refused.
    act(page, SESSIONS, RESUME, row="NIFTY")
    expect_said(page, "Resuming wants a reason")
    assert state_of(installation) == "halted"
    # Reducing what is halted would loosen it.
    act(page, SESSIONS, REDUCE, row="NIFTY", reason="careful")
    assert state_of(installation) == "halted"
    act(page, SESSIONS, RESUME, row="NIFTY", reason="the feed is back")
    expect_said(page, "ACTIVE: 1 session")
    act(page, SESSIONS, REDUCE, row="NIFTY", reason="only sell from here")
    expect_said(page, "REDUCING: 1 session")
    assert state_of(installation) == "reducing"
    act(page, SESSIONS, RESUME, row="NIFTY", reason="enough")
    assert state_of(installation) == "active"
    # All of it is in the trail, with the reasons.
    page.goto("/admin/hedging/auditevent/")
    expect(page.locator("#result_list")).to_contain_text("admin")


@pytest.mark.usefixtures("active_again")
def test_everything_is_halted_and_resumed(open_page, screenshot, screen):
    page = open_page(screen=screen)
    act(page, INSTALLATION, "HALT everything: no new order, cancels go on", row="ACTIVE", reason="fire in the house")
    expect_said(page, "Whole installation: HALTED.")
    expect(page.locator("#result_list")).to_contain_text("fire in the house")
    screenshot(page, "halted")
    act(page, INSTALLATION, "Resume (wants a reason)", row="HALTED")
    expect_said(page, "Resuming wants a reason")
    act(page, INSTALLATION, "Resume (wants a reason)", row="HALTED", reason="the fire is out")
    expect_said(page, "Whole installation: ACTIVE.")


def test_automation_is_switched_off_and_on(open_page, installation):
    page = open_page()
    act(page, SESSIONS, "Switch automation off", row="NIFTY")
    expect_said(page, "Automation off: 1 session")
    assert installation.read("/api/hedge/session")["enabled"] is False
    act(page, SESSIONS, "Switch automation on", row="NIFTY")
    expect_said(page, "Automation on: 1 session")
    assert installation.read("/api/hedge/session")["enabled"] is True


def test_the_baseline_is_corrected_with_a_reason(open_page, screenshot, screen):
    page = open_page(screen=screen)
    page.goto(f"{session_address(page)}baseline/")
    figure = page.get_by_label("Baseline, ₹")
    figure.fill("0")
    page.get_by_role("button", name="Correct the baseline").click()
    assert "baseline" in page.url, "the browser itself asks for a reason"
    page.get_by_label("Reason").fill("the broker's statement of this morning")
    screenshot(page, "baseline-corrected")
    page.get_by_role("button", name="Correct the baseline").click()
    expect_said(page, "The baseline is ₹0")
    expect(page.locator("#content")).to_contain_text("statement of this morning")


def test_a_policy_figure_of_one_session_is_edited(open_page, installation):
    page = open_page()
    for figure in ("7", ""):
        figure_of_the_session(page, "lookahead", figure)
    assert installation.read("/api/hedge/session")["lookahead_minutes"] == 5
