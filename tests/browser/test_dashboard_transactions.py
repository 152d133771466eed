"""The transactions tab in a real browser: every filter, rows that open, links, pages, and rows that stay true by themselves."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.pages import assert_accessible, assert_fits

ROWS = ".ledger > li"


def fitting(page, **choices):
    """Choose in the filters' selects by their names, press Show, and return the rows."""
    for name, value in choices.items():
        page.locator(f"#filters [name={name}]").select_option(value)
    page.get_by_role("button", name="Show").click()
    return page.locator(ROWS)


def held(installation):
    """Return the symbols of the hedges that are held."""
    return [hedge["symbol"] for hedge in installation.read("/api/hedge/status")["active_hedges"]]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_history_fits_and_can_be_used_by_everybody(open_page, screenshot, screen, dark):
    page = open_page("/transactions", screen=screen, dark=dark)
    expect(page.locator(ROWS).first).to_be_visible()
    page.locator(f"{ROWS} summary").first.click()
    expect(page.get_by_text("Orders at the broker")).to_be_visible()
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "transactions")


def test_every_filter_leaves_what_fits_and_keeps_its_value(open_page):
    page = open_page("/transactions")
    total = page.locator(ROWS).count()
    assert total >= 2
    expect(fitting(page, side="SELL")).to_have_count(page.locator(f"{ROWS} .order", has_text="SELL").count())
    expect(page.locator("#filters [name=side]")).to_have_value("SELL")
    page.get_by_role("link", name="Clear", exact=True).click()
    bought = fitting(page, mode="live", origin="auto", live="false", reason="ADD_PROJECTION_OVER_TRIGGER")
    expect(bought.first.locator(".order")).to_contain_text("BUY")
    expect(page.locator("#filters [name=origin]")).to_have_value("auto")
    symbol = bought.first.locator(".symbol").inner_text()
    page.get_by_label("Contract").fill(symbol.lower())
    page.get_by_role("button", name="Show").click()
    expect(page.locator(f"{ROWS} .symbol").first).to_have_text(symbol)
    expect(page.get_by_label("Contract")).to_have_value(symbol)
    page.get_by_label("Trading day").fill("2026-11-30")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_text("No transaction fits these filters")).to_be_visible()
    page.get_by_role("link", name="clear them").click()
    expect(page.locator(ROWS)).to_have_count(total)
    page.get_by_label("Session number").fill("1")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(ROWS)).to_have_count(total)


def test_a_row_opens_to_its_orders_and_to_the_decision_by_the_keyboard_alone(open_page):
    page = open_page("/transactions")
    first = page.locator(f"{ROWS} > details > summary").first
    first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("Orders at the broker")).to_be_visible()
    expect(page.get_by_text(re.compile("filled, limit"))).to_be_visible()
    page.locator(".decided > summary").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".decided .decision-card")).to_be_visible()
    expect(page.locator(".decided").get_by_role("heading", name="Gates")).to_be_visible()
    page.get_by_role("link", name=re.compile("^Transaction [0-9]+$")).click()
    page.wait_for_url("**/transactions?id=*")
    expect(page.locator(ROWS)).to_have_count(1)
    expect(page.get_by_text("Orders at the broker")).to_be_visible()
    page.get_by_role("link", name="All transactions").click()
    expect(page.locator(ROWS).nth(1)).to_be_visible()


def test_the_table_has_the_rows_of_the_page(open_page):
    page = open_page("/transactions?side=BUY")
    shown = page.locator(ROWS).count()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    with Path(download.value.path()).open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == shown
    assert {row["side"] for row in rows} == {"BUY"}


def test_whose_money_it_was_is_in_words(open_page):
    page = open_page("/transactions")
    expect(page.locator(f"{ROWS} .badge").first).to_have_text("SIMULATED")


def test_a_new_order_appears_by_itself_and_what_is_open_stays_open(open_page, installation):
    page = open_page("/transactions")
    before = page.locator(ROWS).count()
    page.locator(f"{ROWS} > details > summary").last.click()
    expect(page.get_by_text("Orders at the broker")).to_be_visible()
    installation.wait(lambda: held(installation), what="a hedge that is held")
    installation.manage("hedge", "exit", held(installation)[0], "1", "--even-so", "--yes")
    expect(page.locator(ROWS)).to_have_count(before + 1, timeout=30_000)
    expect(page.locator(ROWS).first).to_contain_text("SELL")
    expect(page.locator(ROWS).last.get_by_text("Orders at the broker")).to_be_visible()
    expect(page.locator(f"{ROWS} .outcome").first).to_have_text("filled", timeout=60_000)


def test_a_filter_that_is_none_is_said(open_page):
    page = open_page("/transactions?day=soon")
    expect(page.get_by_role("alert")).to_contain_text("Day")
    expect(page.get_by_text("mend the filter that is marked")).to_be_visible()
    assert_accessible(page)
