"""Ledgers in the admin: filters, and the way from a decision to its transactions, orders and fills; nothing can be edited."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import TRANSACTIONS
from tests.browser.pages import assert_accessible, assert_fits

DECISIONS, ORDERS = "/admin/hedging/hedgedecision/", "/admin/hedging/hedgeorder/"


def test_a_decision_leads_to_its_fills(open_page, screenshot, screen):
    page = open_page(DECISIONS, screen=screen)
    page.get_by_role("link", name="bought or sold").click()
    page.locator("#result_list tbody tr").last.locator("th a").click()
    for gate in ("lid", "baseline"):
        expect(page.locator(".field-why")).to_contain_text(gate)
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "decision")
    page.locator(".inlinechangelink, .inlineviewlink").first.click()
    expect(page.locator("h1")).to_contain_text("transaction")
    page.locator(".inlinechangelink, .inlineviewlink").first.click()
    expect(page.locator("h1")).to_contain_text("order")
    page.locator(".inlinechangelink, .inlineviewlink").first.click()
    expect(page.locator("h1")).to_contain_text("fill")
    assert page.locator("#content input[type=submit]").count() == 0, "a record is not edited"


@pytest.mark.parametrize(
    ("where", "question"),
    [
        (TRANSACTIONS, "unresolved"),
        (TRANSACTIONS, "denied or rejected today"),
        (TRANSACTIONS, "by hand"),
        (ORDERS, "may still fill"),
        (ORDERS, "ended"),
        (DECISIONS, "denied today"),
        ("/admin/hedging/auditevent/", "edits in the admin"),
    ],
)
def test_the_ready_questions_are_answered(open_page, where, question):
    page = open_page(where)
    page.get_by_role("link", name=question, exact=True).click()
    expect(page).to_have_url(re.compile("asked="))
    expect(page.locator("#content")).to_be_visible()


def test_days_sides_and_reasons_narrow_a_ledger(open_page, screenshot):
    page = open_page(TRANSACTIONS)
    page.get_by_role("link", name="Tue 01-Dec-2026").click()
    expect(page).to_have_url(re.compile("day=2026-12-01"))
    expect(page.locator("#result_list tbody tr").first).to_be_visible()
    screenshot(page, "transactions")
    page.locator("#searchbar").fill("NIFTY01DEC26")
    page.get_by_role("button", name="Search").click()
    expect(page.locator("#result_list tbody tr").first).to_contain_text("NIFTY01DEC26")
