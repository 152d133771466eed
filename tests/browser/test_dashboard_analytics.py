"""The analytics tab in a real browser: period, charts, tables, calendar, how the bot is estimated."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import assert_accessible, assert_fits


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_page_fits_and_can_be_used_by_everybody(open_page, screenshot, screen, dark):
    page = open_page("/analytics", screen=screen, dark=dark)
    expect(page.locator(".chart canvas")).to_have_count(2)
    while page.locator("details.table:not([open]) > summary").count():
        page.locator("details.table:not([open]) > summary").first.click()
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "analytics")


def test_the_chart_is_drawn_by_day_index_or_days_to_expiry(open_page):
    page = open_page("/analytics")
    expect(page.locator(".chart canvas")).to_have_count(2)
    for label, asked in (("index", "by=index"), ("days to expiry", "by=dte")):
        with page.expect_response(lambda answer, asked=asked: asked in answer.url) as answer:
            page.get_by_label(label, exact=True).check()
        assert answer.value.status == 200
        expect(page.locator(".chart canvas")).to_have_count(2)
    page.get_by_label("day", exact=True).check()  # known already: nobody is asked
    expect(page.locator(".chart canvas")).to_have_count(2)


def test_a_period_of_ones_own_and_the_calendar_are_chosen(open_page):
    page = open_page("/analytics")
    page.get_by_label("Calendar shows").select_option("peak")
    page.get_by_role("textbox", name="From").fill("2026-12-01")
    expect(page.locator("#period [name=span]")).to_have_value("custom")
    page.get_by_role("textbox", name="To").fill("2026-12-01")
    page.locator("#period [name=index]").select_option("NIFTY")
    page.locator("#period [name=mode]").select_option("live")
    page.locator("#period [name=account]").select_option("default")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="1 session")).to_be_visible()
    expect(page.get_by_role("heading", name="Calendar: peak utilization")).to_be_visible()
    expect(page.get_by_role("cell", name="Tue 1 Dec 2026")).to_contain_text("%")
    page.locator("#period [name=span]").select_option("7")
    page.locator("#period [name=index]").select_option("SENSEX")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("heading", name="No session in this period")).to_be_visible()
    assert_accessible(page)


def test_a_period_the_wrong_way_round_is_said(open_page):
    page = open_page("/analytics")
    page.get_by_role("textbox", name="From").fill("2026-12-02")
    page.get_by_role("textbox", name="To").fill("2026-12-01")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("alert")).to_have_text("The first day is after the last.")


def test_a_day_leads_to_its_transactions_and_the_table_is_had_as_csv(open_page):
    page = open_page("/analytics?span=7")
    page.locator("summary", has_text="By day").first.click()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").first.click()
    with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
        assert [row["key"] for row in csv.DictReader(file)] == ["2026-12-01"]
    page.get_by_role("link", name="Tue 1 Dec 2026").click()
    page.wait_for_url("**/transactions?day=2026-12-01")
    expect(page.locator(".ledger > li").first).to_be_visible()


def test_how_the_bot_is_estimated_is_told(open_page):
    page = open_page("/analytics")
    page.get_by_text("How this is estimated").click()
    expect(page.get_by_text("No price is ever made up.")).to_be_visible()
    expect(page.get_by_text("An open session is added up when it is closed.")).to_be_visible()
