"""The transactions tab: filters that keep their values, pages, one row opened, whose money, and what to do when it is empty."""

from decimal import Decimal

import pytest

from hedging.domain.lifecycle import OrderStatus
from hedging.engine import clock
from hedging.models import HedgeTransaction, Origin
from hedging.pages import transactions as tab
from hedging.pages.transaction import ORIGIN_WORDS, STATUS_WORDS
from sessions_app.models import Mode
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
FRAME = 17  # what the banner asks of a session's day
QUERIES = 3  # which are on a page of the history, what they are, and their orders


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def text(client, address="/transactions"):
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def rows(client, query):
    seen = text(client, f"/transactions?{query}")
    return [int(part.split('"')[0]) for part in seen.split('data-key="transaction-')[1:]]


def two_transactions():
    session = hedged_morning()
    bought = HedgeTransaction.objects.get()
    sold = make.HedgeTransactionFactory.create(
        decision__session=session,
        side="SELL",
        strike=Decimal(25500),
        right="PE",
        reason="UNWIND_BY_HAND",
        origin=Origin.API.value,
    )
    return bought, sold


def test_the_newest_transaction_comes_first_with_its_figures(client):
    bought, sold = two_transactions()

    seen = text(client)

    assert rows(client, "") == [sold.pk, bought.pk]
    assert '<b>BUY</b> <b class="symbol">NIFTY01DEC2626500CE</b>' in seen
    assert "130 of 130" in seen
    assert "paid ₹527" in seen
    assert "₹21.40" in seen


@pytest.mark.parametrize(
    "query",
    [
        "side=SELL",
        "origin=api",
        "reason=UNWIND_BY_HAND",
        "live=true",
        "symbol=nifty01dec2625500pe",
        "side=SELL&mode=live",
    ],
)
def test_a_filter_leaves_what_fits(client, query):
    _, sold = two_transactions()

    assert rows(client, query) == [sold.pk]


def test_a_filter_by_day_and_session(client):
    bought, sold = two_transactions()

    assert rows(client, "day=2026-12-01") == rows(client, f"session={bought.session_id}") == [sold.pk, bought.pk]
    assert rows(client, "day=2026-12-02") == rows(client, "mode=dry_run") == []


def test_the_form_keeps_what_was_chosen_and_the_table_has_the_same_filters(client):
    two_transactions()

    seen = text(
        client, "/transactions?day=2026-12-01&side=SELL&origin=api&reason=UNWIND_BY_HAND&live=true&cursor=99999"
    )

    assert 'name="day" value="2026-12-01"' in seen
    assert "<option selected>SELL</option>" in seen
    assert '<option value="api" selected>' in seen
    assert '<option value="UNWIND_BY_HAND" selected>' in seen
    assert '<option value="true" selected>' in seen
    filters = "day=2026-12-01&amp;side=SELL&amp;origin=api&amp;reason=UNWIND_BY_HAND&amp;live=true"
    assert f'href="/api/hedge/transactions?{filters}&amp;format=csv"' in seen


@pytest.mark.parametrize("query", ["day=soon", "session=x", "side=up", "cursor=0", "symbol=" + "N" * 41])
def test_a_filter_that_is_none_is_said_and_nothing_is_shown(client, query):
    two_transactions()

    seen = text(client, f"/transactions?{query}")

    assert 'role="alert"' in seen
    assert "mend the filter" in seen
    assert rows(client, query) == []


def test_the_history_is_read_page_by_page(client, monkeypatch):
    monkeypatch.setattr(tab, "PAGE", 1)
    bought, sold = two_transactions()

    first = text(client, "/transactions?account=&live=")
    assert rows(client, "") == [sold.pk]
    assert f'href="?cursor={sold.pk}" rel="next">Older' in first
    assert "Newest" not in first
    second = text(client, f"/transactions?cursor={sold.pk}")
    assert rows(client, f"cursor={sold.pk}") == [bought.pk]
    assert "This is the oldest page." in second
    assert ">Newest</a>" in second


def test_pages_keep_the_filters_and_the_account(client, monkeypatch):
    monkeypatch.setattr(tab, "PAGE", 1)
    _, sold = two_transactions()

    seen = text(client, f"/transactions?mode=live&account={sold.session.account.name}")

    assert f"account={sold.session.account.name.replace(' ', '+')}&amp;mode=live&amp;cursor={sold.pk}" in seen


def test_one_transaction_is_shown_opened_by_its_id(client):
    bought, sold = two_transactions()

    seen = text(client, f"/transactions?id={bought.pk}")

    assert rows(client, f"id={bought.pk}") == [bought.pk]
    assert "Slice 1, attempt 1</b>: filled" in seen
    assert "10:11:34: 130 at ₹4.05" in seen
    assert f'data-card="/api/hedge/decisions/{bought.decision_id}?format=html"' in seen
    assert f'data-asks="/api/hedge/transactions/{bought.pk}"' in seen
    assert sold.symbol not in seen


@pytest.mark.parametrize("named", ["999999", "x", "1" * 30, "-1"])
def test_a_transaction_that_is_not_there_is_said(client, named):
    hedged_morning()

    assert f"There is no transaction {named}." in text(client, f"/transactions?id={named}")


def test_a_row_opens_to_the_fragment_of_the_api(client):
    bought, _ = two_transactions()

    answer = client.get(f"/api/hedge/transactions/{bought.pk}?format=html")

    seen = " ".join(answer.content.decode().split())
    assert answer.headers["Content-Type"].startswith("text/html")
    assert "130 of 130 filled, limit ₹4.15" in seen
    assert "Never above</dt><dd>₹4.50" in seen
    assert "<!doctype" not in seen
    again = client.get(
        f"/api/hedge/transactions/{bought.pk}?format=html", headers={"If-None-Match": answer.headers["ETag"]}
    )
    assert again.status_code == 304


def test_messages_of_the_broker_are_shown_as_text(client):
    bought, _ = two_transactions()
    make.HedgeOrderFactory.create(
        transaction=bought, slice=1, attempt=2, status=OrderStatus.REJECTED.value, message="<b>RMS</b> blocked"
    )

    seen = text(client, f"/transactions?id={bought.pk}")

    assert "&lt;b&gt;RMS&lt;/b&gt; blocked" in seen
    assert "Slice 1, attempt 2</b>: rejected by the broker" in seen


def test_an_order_whose_fate_is_not_known_is_unresolved(client):
    _, sold = two_transactions()
    make.HedgeOrderFactory.create(transaction=sold, acked=True, status=OrderStatus.UNKNOWN.value)

    seen = text(client)

    assert "<b>unresolved</b>" in seen
    assert "data-working" in seen


@pytest.mark.parametrize(
    ("world", "mode", "words"),
    [
        ("real", Mode.LIVE, '<span class="badge live">LIVE</span>'),
        ("real", Mode.DRY_RUN, '<span class="badge paper">PAPER</span>'),
        ("simulator", Mode.LIVE, '<span class="badge simulated">SIMULATED</span>'),
        ("simulator", Mode.DRY_RUN, '<span class="badge simulated">SIMULATED PAPER</span>'),
    ],
)
def test_whose_money_it_was_is_said_in_words(client, settings, world, mode, words):
    settings.WORLD = world
    client.force_login(person("viewer"))
    make.HedgeTransactionFactory.create(decision__session__account__mode=mode)

    assert words in text(client)


def test_an_empty_history_says_how_orders_come_about(client):
    known_calendar()

    seen = text(client)

    assert "Nothing has been ordered yet." in seen
    assert 'href="/manual"' in seen
    assert "clear them" in text(client, "/transactions?side=BUY")


def test_every_status_and_origin_has_its_words():
    assert set(STATUS_WORDS) == set(OrderStatus)
    assert set(ORIGIN_WORDS) == set(Origin)


def test_the_page_takes_a_fixed_number_of_queries(client, django_assert_num_queries):
    session = hedged_morning()
    with django_assert_num_queries(FRAME + QUERIES):
        client.get("/transactions")
    for number in range(30):
        order = make.HedgeOrderFactory.create(
            transaction__decision__session=session, transaction__strike=Decimal(27000 + 50 * number), acked=True
        )
        make.FillFactory.create(order=order)

    with django_assert_num_queries(FRAME - 3 + QUERIES + 1):  # the timetable is known; the sessions of its day
        client.get("/transactions?day=2026-12-01")


def test_the_history_of_an_account_has_no_row_of_another(client):
    mine = make.HedgeTransactionFactory.create(decision__session__account__name="mine", strike=Decimal(26500))
    theirs = make.HedgeTransactionFactory.create(decision__session__account__name="theirs", strike=Decimal(27500))

    seen = text(client, "/transactions?account=mine")

    assert f'class="symbol">{mine.symbol}<' in seen
    assert f'class="symbol">{theirs.symbol}<' not in seen
    assert "account=mine&amp;format=csv" in seen
