"""The tabs Manual, Session and Schedule, used as a person uses them: every control, both sizes and colours, and a lost answer."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.pages import assert_accessible, assert_fits

TABS = ("manual", "session", "schedule")
THREE_SOLD = "09:31"  # three straddles in the book, no hedge yet, and the next entry an hour away: there is room to buy
SLOW = 30_000  # ms: a busy machine fills an order when it comes to it


@pytest.fixture(scope="module")
def installation(new_installation):
    """A day of this file's own: what is bought, halted and skipped here is nobody else's. No cooldown: tests are quick."""
    world = new_installation(HEDGE_COOLDOWN_SECONDS="0")
    world.go_to(THREE_SOLD)
    world.wait(lambda: {"orders", "exits"} <= alive(world), what="workers that send")  # until then an order is refused
    yield world
    world.stop()


def alive(world):
    return {beat["name"] for beat in world.read("/api/hedge/status")["heartbeats"] if beat["alive"]}


@pytest.fixture
def orders(installation):
    """Count the transactions by hand."""
    return lambda: len(installation.read("/api/hedge/transactions?origin=api&limit=200")["results"])


@pytest.fixture
def quiet(open_page, installation):
    """Let nothing be bought or sold but by the test, and what others ordered be over."""
    page = open_page("/session")
    page.get_by_role("button", name="Switch off").click()
    expect(page.locator("#session-facts")).to_have_attribute("data-enabled", "false")
    settle(installation)
    yield
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("#session-facts")).to_have_attribute("data-enabled", "true")


@pytest.fixture
def room(installation, quiet):
    """Sell whatever is held, so that a call and a put may be bought: longs never exceed shorts."""
    if held_on(installation):
        installation.manage("hedge", "exit", "all", "--yes", "--even-so")
        installation.wait(lambda: not held_on(installation), what="room")
        settle(installation)


@pytest.fixture
def held(installation, quiet):
    """Hold at least a call and a put."""
    if len(held_on(installation)) < 2:
        board = installation.read("/api/hedge/manual/board")
        legs = [next(each["symbol"] for each in board[side] if each["in_band"]) for side in ("calls", "puts")]
        installation.manage("hedge", "buy", legs[0], "1", legs[1], "1", "--yes", "--even-so")
        installation.wait(lambda: len(held_on(installation)) >= 2, what="hedges")


def settle(installation):
    """Wait until no order is on its way: beside one, another in its contract is refused."""
    installation.wait(lambda: not installation.read("/api/hedge/status")["live_orders"], what="the end of all orders")


def held_on(installation):
    return installation.read("/api/hedge/status")["active_hedges"]


def choose_a_set(page: Page) -> None:
    """Put a call and a put of the band on the ticket, one lot each."""
    for wing in ("CE", "PE"):
        page.locator(f"#wing-{wing} tr.band [data-act=add]").last.click(timeout=SLOW)
    for field in page.locator("#legs input").all():
        field.fill("1")


def previewed(page: Page) -> None:
    """Preview what is on the ticket, even so where that is asked for."""
    page.locator("#preview-buy").click()
    overridden(page)


def overridden(page: Page) -> None:
    expect(page.locator("#preview-title")).to_be_visible(timeout=SLOW)
    if page.locator("#even-so").count():
        page.locator("#even-so").check()
    expect(page.locator("#confirm")).to_be_visible(timeout=SLOW)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("tab", TABS)
def test_everybody_can_read_it_in_both_colours_and_sizes(open_page, screenshot, screen, dark, tab):
    page = open_page(f"/{tab}", screen=screen, dark=dark)
    if tab == "manual":
        expect(page.locator("#wing-PE tbody tr").first).to_be_visible(timeout=SLOW)
        choose_a_set(page)
        page.locator("#preview-buy").click()
        expect(page.locator("#preview-title")).to_be_visible(timeout=SLOW)
    if tab == "schedule":
        page.locator(".entry summary").first.click()

    assert_accessible(page)
    assert_fits(page)
    screenshot(page, tab)


# --- manual -----------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("room")
def test_a_set_is_bought_once_however_often_confirm_is_clicked(open_page, orders, screenshot):
    page = open_page("/manual")
    choose_a_set(page)
    expect(page.locator("#estimate")).to_contain_text("About ₹")
    before = orders()
    previewed(page)

    expect(page.locator("#countdown")).to_contain_text(re.compile(r"Good for \d+ s"))
    expect(page.locator("#preview")).to_contain_text(re.compile(r"\d+\.\d % → \d+\.\d %"))
    assert orders() == before  # nothing is ordered by looking
    screenshot(page, "manual-preview", full_page=False)
    page.locator("#confirm").dblclick()

    expect(page.locator("#followed li")).to_have_count(2, timeout=SLOW)
    for line in page.locator("#followed li").all():
        expect(line).to_contain_text(re.compile(r"BUY .*: filled.* at ₹"), timeout=SLOW)
    assert orders() == before + 2
    expect(page.locator("#legs li")).to_have_count(0)
    expect(page.locator("#preview")).to_be_hidden()
    expect(page.locator("#held tbody tr").first).to_contain_text("₹")
    screenshot(page, "manual-filled")


@pytest.mark.usefixtures("quiet")
def test_a_preview_names_the_mode_it_would_be_ordered_in_although_the_page_was_drawn_in_another(
    open_page, installation
):
    """Somebody takes the account live while this page is open in dry run: the button must not say DRY RUN."""
    installation.manage("mode", "dry_run", "--reason", "a test")
    page = open_page("/manual")
    choose_a_set(page)
    installation.manage("mode", "live", "--reason", "a test")
    assert installation.read("/api/hedge/session")["mode"] == "live"

    page.locator("#preview-buy").click()

    expect(page.locator("#preview-title")).to_be_visible(timeout=SLOW)
    expect(page.locator("#preview")).to_contain_text("SIMULATED, as one action")
    expect(page.locator("#preview")).not_to_contain_text("DRY RUN")


@pytest.mark.usefixtures("room")
def test_a_lost_answer_is_unknown_and_asking_again_orders_nothing_twice(open_page, orders, watch, screenshot):
    watch.forgive("manual/buy")
    page = open_page("/manual")
    choose_a_set(page)
    before = orders()
    previewed(page)

    def lose(route):
        if "Idempotency-Key".lower() in route.request.headers:
            route.fetch()  # the server takes it, and its answer is lost
            route.abort()
        else:
            route.continue_()

    page.route("**/manual/buy", lose)
    page.locator("#confirm").click()
    expect(page.locator("#preview")).to_contain_text("The outcome is unknown", timeout=SLOW)
    screenshot(page, "manual-unknown", full_page=False)
    page.unroute("**/manual/buy")
    page.reload()  # what has no answer outlives the page

    page.get_by_role("button", name="Ask again").click(timeout=SLOW)

    expect(page.locator("#said")).to_contain_text("taken before", timeout=SLOW)
    expect(page.locator("#followed li")).to_have_count(2, timeout=SLOW)
    assert orders() == before + 2
    page.reload()
    expect(page.locator("#preview")).to_be_hidden()


@pytest.mark.usefixtures("room")
def test_a_preview_that_has_run_out_cannot_be_confirmed(open_page, orders):
    page = open_page(None)
    page.clock.install()
    page.goto("/manual")
    choose_a_set(page)
    before = orders()
    previewed(page)

    page.clock.fast_forward(31_000)

    expect(page.locator("#countdown")).to_contain_text("has run out")
    expect(page.locator("#confirm")).to_be_disabled()
    page.locator("#look-again").click()
    expect(page.locator("#countdown")).to_contain_text("Good for", timeout=SLOW)
    page.locator("#leave-it").click()
    expect(page.locator("#preview")).to_be_hidden()
    assert orders() == before


@pytest.mark.usefixtures("held")
def test_a_part_of_a_hedge_is_sold(open_page, installation, orders):
    page = open_page("/manual")
    first = page.locator("#held tbody tr").first
    expect(first).to_contain_text("lot", timeout=SLOW)
    before = orders()

    first.locator("input.lots").fill("1")
    first.get_by_role("button").click()
    overridden(page)
    expect(page.locator("#preview-title")).to_have_text("Preview: sell")
    page.locator("#confirm").click()

    expect(page.locator("#followed li")).to_contain_text(re.compile(r"SELL .*: filled"), timeout=SLOW)
    assert orders() == before + 1


@pytest.mark.usefixtures("held")
def test_the_exit_of_all_is_previewed_and_left(open_page, orders):
    page = open_page("/manual")
    before = orders()

    page.locator("#exit-all").click(timeout=SLOW)

    expect(page.locator("#preview-title")).to_have_text("Preview: sell", timeout=SLOW)
    assert page.locator("#preview tbody tr").count() >= 2
    page.locator("#leave-it").click()
    assert orders() == before


def test_a_refused_order_says_why_with_its_fix(open_page, installation, screenshot):
    installation.manage("halt", "--reason", "a test")
    try:
        page = open_page("/manual")
        choose_a_set(page)
        page.locator("#preview-buy").click()

        expect(page.locator("#preview [role=alert]")).to_contain_text("DENY_TRADING_STATE", timeout=SLOW)
        expect(page.locator("#preview [role=alert]")).to_contain_text("→")
        expect(page.locator("#confirm")).to_have_count(0)
        screenshot(page, "manual-refused")
    finally:
        installation.manage("resume", "--reason", "the test is over")


def test_legs_are_taken_off_the_ticket(open_page):
    page = open_page("/manual")
    choose_a_set(page)

    page.locator("#legs li").first.get_by_role("button", name=re.compile("off the ticket")).click()
    expect(page.locator("#legs li")).to_have_count(1)
    page.locator("#ticket-clear").click()

    expect(page.locator("#legs li")).to_have_count(0)
    expect(page.locator("#preview-buy")).to_be_disabled()


@pytest.mark.usefixtures("held")
def test_what_is_typed_stays_while_the_board_is_read_again(open_page):
    page = open_page("/manual")
    field = page.locator("#held input.lots").first
    field.fill("1", timeout=SLOW)
    expect(page.locator("#board")).to_have_attribute("data-at", re.compile(r"\d+"), timeout=SLOW)
    at = page.locator("#board").get_attribute("data-at")

    page.locator("#read-again").click()

    expect(page.locator("#board")).not_to_have_attribute("data-at", at or "", timeout=SLOW)
    expect(page.locator("#held input.lots").first).to_have_value("1")
    expect(page.locator("#read-again")).to_be_focused()


@pytest.mark.parametrize("tab", TABS)
def test_a_visitor_without_a_login_looks_and_has_no_control(open_page, tab):
    page = open_page(f"/{tab}", logged_in=False)

    expect(page.locator("main")).to_contain_text("NIFTY", timeout=SLOW)
    expect(page.locator("[data-act]:not([data-act=read]), main form:not(.days)")).to_have_count(0)


# --- session ----------------------------------------------------------------------------------------------------------------


def test_automation_is_switched_off_and_on(open_page, installation):
    page = open_page("/session")

    page.get_by_role("button", name="Switch off").click()
    expect(page.locator("#said")).to_contain_text("Automation is off")
    expect(page.get_by_role("button", name="Switch off")).to_be_disabled()
    assert installation.read("/api/hedge/session")["enabled"] is False
    page.get_by_role("button", name="Switch on").click()

    expect(page.locator("#session-facts")).to_have_attribute("data-enabled", "true")


@pytest.mark.parametrize("scope", ["installation", "session"])
def test_trading_is_halted_reduced_and_resumed_with_a_reason(open_page, installation, scope):
    page = open_page("/session")
    page.locator(f"#scope-{scope}").check()

    page.get_by_role("button", name="Reduce: sells only").click()  # without a reason nothing is sent
    assert installation.read("/api/hedge/session")["trading_state"] == "active"
    for words, state in (("Reduce: sells only", "REDUCING"), ("Halt: no new order", "HALTED"), ("Resume", "ACTIVE")):
        page.locator("#state-reason").fill("a test")
        page.get_by_role("button", name=words).click()
        expect(page.locator("#session-facts")).to_contain_text(f"Trading state{state}")


def test_enter_in_a_reason_halts_nothing(open_page, installation):
    page = open_page("/session")
    page.locator("#state-reason").fill("thinking")

    page.locator("#state-reason").press("Enter")

    page.wait_for_timeout(300)
    assert installation.read("/api/hedge/session")["trading_state"] == "active"


def test_the_books_are_compared_when_asked_for(open_page):
    page = open_page("/session")

    page.get_by_role("button", name="Compare with the broker now").click()

    expect(page.locator("#said")).to_contain_text("Asked for")


def test_own_figures_are_saved_shown_and_given_back(open_page, watch):
    page = open_page("/session")
    row = page.locator("#policy-table tr", has_text="Cooldown")
    save = page.get_by_role("button", name="Save the figures")
    watch.forgive("409 /api/hedge/session/figures")

    page.locator("#own-cooldown_seconds").fill("150")
    save.click()
    expect(row).to_contain_text("150 s")
    expect(row).to_contain_text("its own")
    page.locator("#own-trigger_pct").fill("60")
    expect(save).not_to_have_attribute("aria-busy", "true")  # a press that is under way takes no second one
    save.click()
    expect(page.locator("#said")).to_contain_text("must rise in this order")
    page.locator("#own-trigger_pct").fill("")
    page.locator("#own-cooldown_seconds").fill("")
    expect(save).not_to_have_attribute("aria-busy", "true")
    save.click()

    expect(row).to_contain_text("environment")


def test_the_baseline_is_offered_and_corrected(open_page):
    page = open_page("/session")

    page.get_by_role("button", name="What would it be now?").click()
    expect(page.locator("#baseline-said")).to_contain_text("So the baseline would be", timeout=SLOW)
    page.locator("#baseline-used").fill("0.50")
    page.locator("#baseline-reason").fill("a test")
    page.get_by_role("button", name="Set the baseline").click()

    expect(page.locator("#session-facts")).to_contain_text("₹0.50")
    expect(page.locator("#session-facts")).to_contain_text("corrected by hand: a test")


def test_dry_run_is_one_click_and_live_wants_its_phrase(open_page, installation, screenshot):
    page = open_page("/session")

    page.get_by_role("button", name="Go to dry run").click()
    expect(page.locator(".banner")).to_contain_text("DRY RUN", timeout=SLOW)
    assert installation.read("/api/hedge/session")["mode"] == "dry_run"
    page.locator("#live-reason").fill("a test")
    page.locator("#live-phrase").fill("go live")
    page.get_by_role("button", name="Go live").click()  # the wrong phrase is not sent
    assert installation.read("/api/hedge/session")["mode"] == "dry_run"
    screenshot(page, "session-dry-run")
    page.locator("#live-phrase").fill("GO LIVE")
    page.get_by_role("button", name="Go live").click()

    expect(page.locator("#said")).to_contain_text("LIVE from now on", timeout=SLOW)
    assert installation.read("/api/hedge/session")["mode"] == "live"


@pytest.mark.usefixtures("held")
def test_a_session_with_hedges_is_not_closed_by_the_way(open_page, installation, watch):
    watch.forgive("409 /api/hedge/session/close")
    page = open_page("/session")
    page.locator("#close-reason").fill("a test")
    page.locator("#close-sure").check()

    page.get_by_role("button", name="Close the session").click()

    expect(page.locator("#said")).to_contain_text("hedges are held", timeout=SLOW)
    assert installation.read("/api/hedge/session")["closed_at"] is None


# --- schedule ---------------------------------------------------------------------------------------------------------------


def test_an_entry_is_skipped_for_the_day_and_due_again(open_page, installation):
    page = open_page("/schedule")
    entry = page.locator(".entry.later").last
    name = entry.locator(".what b").inner_text()

    entry.get_by_role("button", name="Skip").click()
    skipped = page.locator(".entry.skipped", has_text=name)
    expect(skipped).to_contain_text("skipped on this day")
    skipped.get_by_role("button", name=re.compile("due again")).click()

    expect(page.locator(".entry.skipped")).to_have_count(0)
    assert name in [entry["portfolio"] for entry in installation.read("/api/hedge/schedule")["entries"]]


def test_an_entry_is_sold_at_other_times_on_one_day_alone(open_page, installation):
    page = open_page("/schedule")
    entry = page.locator(".entry.later").last
    key = (entry.locator("details").get_attribute("data-key") or "").removeprefix("entry-")
    form, stands = (
        page.locator(f"form.change:has(#entry-{key})"),
        page.locator(".entry", has=page.locator(f"#change-{key}")),
    )
    page.locator(f"#change-{key}").click()
    before = page.locator(f"#entry-{key}").input_value()

    page.locator(f"#entry-{key}").fill("15:07:07")
    form.get_by_role("button", name="Save for this day").click()

    expect(stands).to_contain_text("15:07:07")
    expect(stands).to_contain_text(f"usually {before}")
    due = installation.read("/api/hedge/schedule")["entries"]
    assert due[-1]["entry_at"].endswith("15:07:07+05:30")
    page.locator(f"#change-{key}").click()
    form.get_by_role("button", name="Usual times again").click()
    expect(stands).not_to_contain_text("15:07:07")
    expect(stands).to_contain_text(before)


def test_an_entrys_times_are_changed_and_changed_back(open_page, watch):
    page = open_page("/schedule")
    entry = page.locator(".entry.later").last
    key = (entry.locator("details").get_attribute("data-key") or "").removeprefix("entry-")
    time = page.locator(f"#entry-{key}")
    watch.forgive("409 /api/hedge/schedule/entry")
    page.locator(f"#change-{key}").click()
    before = time.input_value()

    time.fill("08:00:00")
    page.locator(f"form.change:has(#entry-{key})").get_by_role("button", name="Save for every day").click()
    expect(page.locator("#said")).to_contain_text("outside trading hours")
    for moment in ("15:05:05", before):
        if not time.is_visible():
            page.locator(f"#change-{key}").click()
        time.fill(moment)
        page.locator(f"form.change:has(#entry-{key})").get_by_role("button", name="Save for every day").click()
        expect(page.locator(".entry", has=page.locator(f"#change-{key}"))).to_contain_text(moment)


def test_other_days_are_reached_by_button_and_by_date(open_page):
    page = open_page("/schedule")

    page.locator("a[rel=next]").click()
    expect(page.locator("#day-title")).to_contain_text("Wednesday 2 Dec 2026")
    page.get_by_role("link", name="Today").click()
    expect(page.locator("#day-title")).to_contain_text("today")
    page.locator("#date").fill("2026-12-03")
    page.get_by_role("button", name="Show").click()

    expect(page.locator("#day-title")).to_contain_text("Thursday 3 Dec 2026")
    expect(page.locator(".entry").first).to_contain_text("SENSEX 0DTE")
