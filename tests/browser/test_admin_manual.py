"""A hedge is bought and sold by hand: prices, lots, preview, confirmation, and the fill in the ledger."""

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import expect_said, figure_of_the_session, session_address
from tests.browser.pages import assert_accessible, assert_fits


def fills_of(page, count):
    """Reload the ledger until its rows are filled: a worker sends the order, and the books tell of its trade."""
    for _ in range(60):
        filled = page.locator("#result_list .field-outcome").all_inner_texts()
        if len(filled) == count and all("filled" in words.lower() for words in filled):
            return
        page.wait_for_timeout(500)
        page.reload()
    raise AssertionError(page.locator("#result_list").inner_text())


def cheap(page, right):
    """Return the box of lots beside a cheap strike that is quoted on both sides and is not ours yet."""
    rows = page.get_by_role("table").filter(has_text=f"{right}:").locator("tbody tr")
    for row in rows.all():
        cells = row.locator("td").all_inner_texts()
        ask, ours = cells[2].split()[0], cells[3]
        if not ours and cells[1] != "–" and ask != "–" and 0.3 <= float(ask.replace(",", "")) <= 2.5:
            return row.get_by_role("textbox")
    raise AssertionError(f"no cheap {right} that is quoted")


@pytest.fixture(autouse=True)
def a_second_between_actions(open_page):
    """The session's own cooldown: two minutes of the market are two minutes here."""
    page = open_page()
    figure_of_the_session(page, "cooldown", "1")
    yield
    figure_of_the_session(page, "cooldown", "")


def look(page, title):
    """Ask for the preview; wait for the cooldown of what came before, and where only a person's word is missing, give it."""
    page.get_by_role("button", name="Preview", exact=True).first.click()
    expect(page.locator("h1")).to_contain_text(title)
    for _ in range(40):
        if not page.get_by_text("DENY_COOLDOWN").count():
            break
        page.wait_for_timeout(250)
        page.reload()
    even_so = page.get_by_role("link", name="I know this, and want it even so")
    if even_so.count():
        even_so.click()
    expect(page.get_by_role("button", name="Confirm")).to_be_visible()


def test_a_hedge_is_bought_from_the_chain_and_sold_again(open_page, screenshot, screen):
    page = open_page(screen=screen)
    session = session_address(page)
    page.goto(f"{session}buy/")
    box = cheap(page, "PE")
    symbol = (box.get_attribute("aria-label") or "").removeprefix("Lots of ")
    box.fill("1")
    screenshot(page, "buy-chosen", full_page=False)
    look(page, "Buy a hedge: preview")
    assert symbol in page.url
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "buy-preview")
    page.get_by_role("button", name="Confirm: buy").click()
    expect_said(page, "Taken: 1 leg, sent by a worker now.")
    fills_of(page, 1)
    expect(page.locator("#result_list")).to_contain_text(symbol)
    screenshot(page, "buy-filled")

    # From the transaction to what led to it, and to what came of it.
    row = page.locator("#result_list tbody tr").first
    row.get_by_role("link", name="orders").click()
    expect(page.locator("#result_list")).to_contain_text("filled")
    page.locator("#result_list tbody tr").first.get_by_role("link", name="fills").click()
    expect(page.locator("#result_list tbody tr").first).to_be_visible()

    page.goto(f"{session}exit/")
    page.get_by_role("checkbox", name=symbol).check()
    look(page, "Exit hedges: preview")
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "exit-preview")
    page.get_by_role("button", name="Confirm: sell").click()
    expect_said(page, "Taken: 1 leg, sent by a worker now.")
    fills_of(page, 1)
    page.goto(f"{session}exit/")
    expect(page.get_by_role("checkbox", name=symbol)).to_have_count(0)


def test_lots_that_are_no_number_are_named_and_kept(open_page, screen):
    page = open_page(screen=screen)
    page.goto(f"{session_address(page)}buy/")
    box = cheap(page, "PE")
    label = box.get_attribute("aria-label") or ""
    box.fill("two")
    page.get_by_role("button", name="Preview").first.click()
    expect(page.locator(".errornote")).to_contain_text("is no number of lots")
    expect(page.get_by_label(label)).to_have_value("two")
    assert_accessible(page)
