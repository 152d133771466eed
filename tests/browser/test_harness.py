"""The ground of all browser tests: what goes wrong in a page is noticed, and the market obeys."""

from tests.browser.conftest import AFTER_THE_FIRST_HEDGE
from tests.browser.pages import violations


def test_the_day_stands_where_the_tests_expect_it(installation):
    assert f"{installation.now():%H:%M}" >= AFTER_THE_FIRST_HEDGE
    assert installation.read("/api/hedge/status")["active_hedges"]
    assert "OPEN" in installation.manage("session", "show").stdout.upper()


def test_what_goes_wrong_in_a_page_is_noticed(open_page, watch):
    page = open_page("/admin/")
    assert watch.verdict() == []
    for provoke, words in (
        ("console.error('alas')", "alas"),
        ("setTimeout(() => { throw new Error('thrown') })", "thrown"),
        ("fetch('/api/hedge/nowhere').then(() => {})", "404 /api/hedge/nowhere"),
        ("new Image().src = 'http://example.invalid/a.png'", "policy violated: img-src"),
    ):
        page.evaluate(provoke)
        watch.until(page, words)
        watch.forgive(words)
    watch.forgive("example.invalid")  # the browser's own words about its policy


def test_what_a_blind_person_cannot_use_is_noticed(open_page):
    page = open_page("/admin/")
    page.evaluate("document.body.append(document.createElement('input'))")
    assert any(line.startswith("label (critical)") for line in violations(page))
