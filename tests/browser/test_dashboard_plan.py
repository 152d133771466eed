"""The plan tab as a person uses it: the day ahead, every control of the what-if, the scenarios, the chain."""

from __future__ import annotations

import json
import re
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.pages import assert_accessible, assert_fits

EXAMPLES = Path(__file__).parents[2] / "hedging" / "api" / "examples.json"
SOLVED = re.compile(r"As of \d\d:\d\d:\d\d IST")


def solved(page: Page) -> Page:
    """Wait for an answer of the what-if."""
    expect(page.locator("#asked")).to_have_text(SOLVED, timeout=60_000)
    return page


@pytest.fixture(autouse=True)
def _share(watch):
    """Tests ask more often than a person may: the page is told to wait, and asks again by itself."""
    watch.forgive("429 /api/hedge/preview")


@pytest.fixture
def plan(open_page) -> Page:
    return solved(open_page("/plan/"))


def change(page: Page, name: str, value: str) -> None:
    """Type a figure, and wait for the answer that it was decided by."""
    with page.expect_response(lambda answer: f"{name}={value}" in answer.url and answer.status == 200):
        page.locator(f"#{name}").fill(value)
    solved(page)


def test_the_page_is_whole_on_both_screens_and_in_the_dark(open_page, screen, screenshot):
    for dark in (False, True):
        page = solved(open_page("/plan/", screen=screen, dark=dark))
        for part in ("#ahead", "#what-if", "#would h3", "#scenarios canvas", "#chain tr.spot"):
            expect(page.locator(part)).to_be_visible()
        assert_fits(page)
        assert_accessible(page)
        screenshot(page, "plan")


def test_the_day_ahead_is_a_chart_and_a_table_of_the_same_moments(plan):
    rows = plan.locator("#ahead tbody tr")
    expect(plan.locator("#ahead-chart canvas")).to_be_visible()
    assert rows.count() == len(plan.evaluate("fetch('/api/hedge/plan').then(a => a.json()).then(a => a.moments)"))
    expect(rows.first.locator("th")).to_have_text("As drawn")
    for row in rows.filter(has=plan.locator("th", has_text="▼")).all():
        assert re.search("stays under|crosses the trigger|asks for more|beyond saving", row.inner_text())


@pytest.mark.parametrize(
    ("name", "value"),
    [("baskets", "2"), ("trigger_pct", "97"), ("target_pct", "75"), ("min_premium", "1"), ("max_premium", "9"), ("scan_range_pct", "12")],
)  # fmt: skip
def test_each_figure_is_solved_anew_and_survives_a_reload(plan, name, value):
    change(plan, name, value)

    expect(plan.locator("#difference")).to_contain_text("By the present policy")
    expect(plan.locator(f".control[data-name={name}] .present")).to_contain_text("changed; present:")
    assert parse_qs(urlsplit(plan.url).query) == {name: [value]}
    plan.reload()
    solved(plan)
    expect(plan.locator(f"#{name}")).to_have_value(value)
    expect(plan.locator("#difference")).to_contain_text("By the present policy")


def test_a_slider_moves_its_field_by_keys_alone(plan):
    slider = plan.get_by_label("Trigger, slider")
    slider.focus()
    with plan.expect_response(lambda answer: "trigger_pct=94" in answer.url):
        for _ in range(2):
            slider.press("ArrowLeft")
    expect(plan.locator("#trigger_pct")).to_have_value("94")


def test_reset_goes_back_to_the_present_policy(plan):
    change(plan, "baskets", "3")
    plan.get_by_role("button", name="Reset to the present policy").click()

    expect(plan.locator("#difference")).to_contain_text("This is the present policy")
    expect(plan.locator("#baskets")).to_have_value("1")
    assert urlsplit(plan.url).query == ""


def test_ask_again_asks(plan):
    with plan.expect_response(lambda answer: "/api/hedge/preview" in answer.url):
        plan.get_by_role("button", name="Ask again").click()


def test_how_far_ahead_is_a_choice_and_is_kept(plan):
    with plan.expect_response(lambda answer: "/api/hedge/preview" in answer.url and "reach_minutes" not in answer.url):
        plan.get_by_label("Look ahead to").select_option(index=0)
    solved(plan)
    plan.reload()
    solved(plan)
    expect(plan.get_by_label("Look ahead to")).to_have_value("")


def test_what_would_be_bought_stands_in_the_table_in_the_chain_and_in_the_scenarios(open_page, screenshot):
    """The example of the API is drawn: at 10:18 no control can make the hedged book need anything."""
    page = open_page()
    entry = ""

    def example(route: Route) -> None:
        body = json.loads(EXAMPLES.read_text(encoding="utf-8"))["what_if"]
        entries = [{**body["projection"][0], "portfolio": entry or body["projection"][0]["portfolio"]}]
        route.fulfill(json=body | {"at_present": None, "projection": entries})

    page.route("**/api/hedge/preview**", example)
    page.goto("/plan/")
    solved(page)
    entry = page.locator("#ahead tr.crosses").first.get_attribute("data-portfolio") or ""
    page.get_by_role("button", name="Ask again").click()

    expect(page.locator("#ahead tr.crosses .would").first).to_contain_text(
        re.compile("NIFTY01DEC26.* at ₹4.00, .* for ₹")
    )
    expect(page.locator("#ahead .would").filter(has_text="at ₹4.00")).to_have_count(1)
    expect(page.locator("#would tbody th")).to_have_text(["BUY NIFTY01DEC2625500PE", "BUY NIFTY01DEC2626500CE"])
    expect(page.locator("#would .figures")).to_contain_text("proven")
    expect(page.locator("#chain .key.buy")).to_have_count(2)
    expect(page.locator("#risks")).not_to_contain_text("nothing to buy")
    page.get_by_text("The 16 scenarios as a table").click()
    expect(page.locator("#losses tr")).to_have_count(3)
    assert_accessible(page)
    screenshot(page, "plan-buys")


def test_the_sixteen_scenarios_are_a_table_too_and_hedges_stand_in_the_chain(plan):
    plan.get_by_text("The 16 scenarios as a table").click()

    expect(plan.locator("#losses tr")).to_have_count(16)
    assert plan.locator("#chain .key.held").count() == 2
    assert plan.locator("#chain .key.short").count() >= 2


def test_the_loop_tells_its_first_gate_and_all_of_them(plan):
    expect(plan.locator("#loop")).to_contain_text(re.compile("First gate that stops it|No gate stops it|ADD|UNWIND"))
    plan.locator("#loop summary").click()
    expect(plan.locator("#loop .gates li").first).to_be_visible()


def test_figures_that_contradict_say_so_and_the_last_answer_stays(plan, watch):
    watch.forgive("409 /api/hedge/preview")
    plan.locator("#target_pct").fill("60")

    expect(plan.locator("#asked")).to_contain_text("exit trigger, target and trigger must rise in this order")
    expect(plan.locator("#would h3")).to_be_visible()


def test_a_figure_out_of_its_bounds_is_not_asked(plan):
    plan.locator("#scan_range_pct").fill("99")

    expect(plan.locator("#asked")).to_contain_text("Scan range")
    expect(plan.locator("#asked")).to_have_class(re.compile("wrong"))


def test_too_fast_says_when_it_asks_again_and_does(plan, watch):
    watch.forgive("429 /api/hedge/preview")
    answers = iter([429])

    def once(route: Route) -> None:
        if next(answers, 200) == 429:
            body = '{"code": "TOO_MANY_REQUESTS", "message": "Request was throttled.", "facts": {}}'
            route.fulfill(status=429, headers={"Retry-After": "2"}, content_type="application/json", body=body)
        else:
            route.continue_()

    plan.route("**/api/hedge/preview**", once)
    plan.get_by_role("button", name="Ask again").click()

    expect(plan.locator("#asked")).to_contain_text(re.compile(r"Too fast: asks again in [12] s"))
    solved(plan)


def test_only_the_last_of_many_changes_is_answered(plan):
    asked: list[str] = []
    plan.on("request", lambda request: asked.append(request.url) if "/api/hedge/preview" in request.url else None)
    for value in ("94", "93", "92", "91"):
        plan.locator("#trigger_pct").fill(value)
    solved(plan)
    expect(plan.locator("#difference")).to_contain_text("By the present policy")

    assert [re.findall(r"trigger_pct=(\d+)", address) for address in asked] == [["91"]]


def test_whoever_is_not_logged_in_may_imagine_here_too(open_page):
    solved(open_page("/plan/", logged_in=False))
