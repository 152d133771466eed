"""What a person does again and again in the admin: choose an action of a list, read what it answered."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

SESSIONS = "/admin/sessions_app/tradingsession/"
TIMETABLE = "/admin/schedule/strategyentry/"
TRANSACTIONS = "/admin/hedging/hedgetransaction/"


def act(page: Page, where: str, action: str, *, row: str, reason: str | None = None) -> None:
    """Tick the row of a list that holds some words, choose an action by its words, and go."""
    page.goto(where)
    page.locator("#result_list tbody tr").filter(has_text=row).first.locator("input.action-select").check()
    page.get_by_label("Action:").select_option(label=action)
    if reason is not None:
        page.get_by_label("Reason:").fill(reason)
    page.get_by_role("button", name="Go", exact=True).click()


def expect_said(page: Page, words: str | re.Pattern[str]) -> None:
    """Wait for a message above the page."""
    expect(page.locator(".messagelist").first).to_contain_text(words)


def session_address(page: Page) -> str:
    """Return the address of the newest session's page, without what comes after the id."""
    page.goto(SESSIONS)
    href = page.locator("#result_list tbody th a").first.get_attribute("href") or ""
    return href.partition("change/")[0]


def figure_of_the_session(page: Page, name: str, figure: str) -> None:
    """Write one of the session's own figures of policy; "" is as everywhere."""
    page.goto(f"{session_address(page)}change/")
    page.get_by_label(re.compile(name, re.IGNORECASE)).fill(figure)
    page.get_by_role("button", name="Save", exact=True).click()
    expect_said(page, "was changed successfully")
