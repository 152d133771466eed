"""The timetable in the admin: its day, a skip, the seed, a file with two bad rows, a good one, and the export."""

import csv
import io

import pytest
from playwright.sync_api import expect

from tests.browser.admin_desk import TIMETABLE, act, expect_said
from tests.browser.pages import assert_accessible, assert_fits

HEADER = "day_of_week,index,expiry_type,portfolio,entry_time,exit_time"
GOOD = "Wednesday,SENSEX,1DTE,{name},11:11:00,14:15:00"
BAD_TIME = "Wednesday,SENSEX,1DTE,BROWSER BAD TIME,25:61:00,14:15:00"
BAD_INDEX = "Wednesday,SENSEKS,1DTE,BROWSER BAD INDEX,11:21:00,14:15:00"


def file_of(*rows):
    return {"name": "plan.csv", "mimeType": "text/csv", "buffer": "\n".join([HEADER, *rows, ""]).encode()}


def bring(page, file):
    page.goto(f"{TIMETABLE}import/")
    page.get_by_label("File").set_input_files(file)
    page.get_by_role("button", name="Show what it would change").click()


def exported(page):
    with page.expect_download() as download:
        page.goto(TIMETABLE)
        page.get_by_role("link", name="Export as CSV").click()
    return list(csv.DictReader(io.StringIO(download.value.path().read_text(encoding="utf-8"))))


def test_a_file_with_two_bad_rows_changes_nothing_and_both_are_named(open_page, screenshot, screen):
    page = open_page(screen=screen)
    before = exported(page)
    bring(page, file_of(GOOD.format(name="BROWSER GOOD"), BAD_TIME, BAD_INDEX))
    expect(page.locator(".errornote")).to_contain_text("Nothing was imported: 2 problems")
    problems = page.get_by_role("table").filter(has_text="What is wrong").locator("tbody tr")
    expect(problems).to_have_count(2)
    expect(problems.nth(0)).to_contain_text("3")
    expect(problems.nth(0)).to_contain_text("25:61:00")
    expect(problems.nth(1)).to_contain_text("4")
    expect(problems.nth(1)).to_contain_text("SENSEKS")
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, "import-refused")
    assert exported(page) == before


def test_a_good_file_is_shown_first_then_imported_and_can_be_undone(open_page, screenshot, screen):
    page = open_page(screen=screen)
    name = f"BROWSER {screen.upper()}"
    before = exported(page)
    bring(page, file_of(GOOD.format(name=name)))
    expect(page.locator("#content")).to_contain_text("1 new, 0 changed, 0 as they are")
    assert_accessible(page)
    screenshot(page, "import-difference")
    assert exported(page) == before, "looking changes nothing"
    bring(page, file_of(GOOD.format(name=name)))
    page.get_by_role("button", name="Change the timetable like this").click()
    expect_said(page, "1 added, 0 changed")
    assert [row["portfolio"] for row in exported(page) if row not in before] == [name]
    # The version before is kept; what was added is switched off, or deleted.
    page.goto(f"{TIMETABLE}import/")
    expect(page.locator("#content")).to_contain_text("the import of plan.csv")
    page.goto(f"{TIMETABLE}?q={name}")
    page.locator("#result_list tbody th a").first.click()
    page.get_by_role("link", name="Delete").click()
    page.get_by_role("button", name="Yes, I’m sure").click()
    expect_said(page, "was deleted successfully")
    assert exported(page) == before


def test_the_seed_shows_its_difference_first(open_page, screenshot):
    page = open_page(TIMETABLE)
    page.get_by_role("link", name="Seed", exact=True).click()
    expect(page.locator("#content")).to_contain_text("The timetable says this already.")
    page.goto(f"{TIMETABLE}?index__exact=SENSEX")
    page.get_by_label("Entry time of").first.fill("11:12:13")
    page.get_by_role("button", name="Save").click()
    page.goto(f"{TIMETABLE}seed/")
    expect(page.locator("#content")).to_contain_text("0 new, 1 changed")
    screenshot(page, "seed-difference")
    page.get_by_role("button", name="Change the timetable like this").click()
    expect_said(page, "0 added, 1 changed")
    page.goto(f"{TIMETABLE}seed/")
    expect(page.locator("#content")).to_contain_text("The timetable says this already.")


def test_an_entry_is_switched_off_and_on(open_page):
    page = open_page()
    for action, words in (("Switch off", "1 switched off."), ("Switch on", "1 switched on.")):
        act(page, f"{TIMETABLE}?index__exact=SENSEX", action, row="SENSEX")
        expect_said(page, words)


def test_an_entry_is_skipped_today_and_due_again(open_page, screenshot, screen):
    page = open_page(f"{TIMETABLE}day/", screen=screen)
    last = page.locator("tbody tr").last
    name = last.locator("th").inner_text()
    expect(last).to_contain_text("due")
    act(page, f"{TIMETABLE}?q={name}", "Skip today: left out until tomorrow", row=name)
    expect_said(page, "1 skipped on 2026-12-01")
    page.goto(f"{TIMETABLE}day/")
    expect(page.locator("tbody tr").filter(has_text=name).last).to_contain_text("skipped")
    screenshot(page, "day-skipped")
    act(page, f"{TIMETABLE}?q={name}", "Due today again: take back a skip", row=name)
    expect_said(page, "1 due again on 2026-12-01")


def test_the_days_before_and_after_are_one_click_away(open_page):
    page = open_page(f"{TIMETABLE}day/")
    expect(page.locator("h1")).to_contain_text("Tuesday 01-Dec-2026")
    page.get_by_role("link", name="→").click()
    expect(page.locator("h1")).to_contain_text("Wednesday 02-Dec-2026")
    page.get_by_role("link", name="Today", exact=True).click()
    page.get_by_role("link", name="←").click()
    expect(page.locator("h1")).to_contain_text("Monday 30-Nov-2026")


def test_times_are_edited_in_the_list(open_page):
    page = open_page(f"{TIMETABLE}?index__exact=SENSEX")
    time = page.get_by_label("Entry time of").first
    before = time.input_value()
    for wanted in ("11:12:13", before):
        page.get_by_label("Entry time of").first.fill(wanted)
        page.get_by_role("button", name="Save").click()
        expect_said(page, "1 strategy entry was changed successfully")
        page.goto(f"{TIMETABLE}?index__exact=SENSEX")


@pytest.mark.parametrize("text", ["", "no timetable at all"])
def test_what_is_no_timetable_is_refused_in_words(open_page, text):
    page = open_page(f"{TIMETABLE}import/")
    page.get_by_label("Text").fill(text)
    page.get_by_role("button", name="Show what it would change").click()
    expect(page.locator(".errorlist, .errornote").first).to_be_visible()
