"""The page at /: true figures, plain words, and no more queries however long the day."""

import re
from datetime import time, timedelta
from decimal import Decimal

import pytest

from hedging.domain.reasons import Reason
from hedging.engine import clock
from hedging.models import Action, CycleKind
from sessions_app.models import TradingState
from tests import factories as make
from tests.integration.page_day import NOW, StoppedClock, hedged_morning, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
QUERIES = 25


@pytest.fixture(autouse=True)
def _stopped(monkeypatch):
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)


def text(client, address="/"):
    answer = client.get(address)
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_the_page_says_where_the_day_stands(client):
    hedged_morning()

    seen = text(client)

    assert "SIMULATED" in seen
    assert "<b data-clock>10:12:00</b> IST" in seen
    assert "74.0 %" in seen
    assert "₹2,60,000" in seen
    assert "NIFTY01DEC2626500CE" in seen
    assert "<b>₹548</b> of at most ₹50,000" in seen


def test_the_page_says_what_the_next_entry_would_do(client):
    hedged_morning()

    seen = text(client)

    assert '<b>ITJ_NF_EXP 4</b> at 10:16:30 would take utilization to <b class="figure">107.6 %</b>' in seen
    assert "<b>hedge planned</b>." in seen
    assert (
        "<b>Hedge:</b> buy 130 NIFTY01DEC2626500CE at ₹4.05 for ₹527, to 84.2 %, proven cheapest, relaxed: otm bound."
        in seen
    )


@pytest.mark.parametrize(
    ("lookahead", "words"),
    [(4, "It is projected from 4 minutes before it."), (5, "The latest decision does not project it: see why below.")],
)
def test_an_entry_that_is_not_projected_says_why(client, lookahead, words):
    session = hedged_morning()
    session.lookahead_minutes = lookahead
    session.save()
    make.HedgeDecisionFactory.create(session=session, action=Action.HOLD.value, reason=Reason.HOLD_DATA_UNKNOWN.value)

    assert words in text(client)


def test_equal_holds_in_a_row_are_one_line(client):
    hedged_morning(holds=5)

    seen = text(client)

    assert "09:20:00–09:22:00" in seen
    assert "5 times" in seen
    assert seen.count(Reason.HOLD_WITHIN_BUDGET.value) == 1


def test_the_timetable_says_what_happened_at_each_entry(client):
    hedged_morning()

    seen = text(client)

    assert "0.0 % → 25.0 %" in seen
    assert "10:11:30: buy 130 NIFTY01DEC2626500CE at ₹4.05 for ₹527, to 84.2 %, proven cheapest" in seen


def test_what_an_entry_took_is_the_last_reading_before_the_next_one(client):
    session = hedged_morning()
    make.StrategyEntryFactory.create(portfolio="SOON AFTER", entry_time=time(9, 17))
    for second, used in ((20, 240000), (50, 260000), (70, 500000)):
        make.MarginSnapshotFactory.create(
            session=session, at=make.ist(9, 16) + timedelta(seconds=second), utilization_pct=Decimal(used) / 10000
        )

    seen = text(client)

    assert "0.0 % → 26.0 %" in seen
    assert "26.0 % → 50.0 %" in seen


def seen_at(session, **seen):
    """Store what the latest decision saw of the books."""
    make.HedgeDecisionFactory.create(session=session, at=NOW, action=Action.HOLD.value, facts=seen)


def test_a_hedge_is_shown_with_what_it_covers_and_would_bring(client):
    session = hedged_morning()
    seen_at(
        session,
        shorts={"CE": 65, "PE": 195},
        held=[{"symbol": "NIFTY 01DEC26 26500 CE", "quantity": 130, "bid": "3.20", "last": "3.35"}],
    )

    seen = text(client)

    assert "65 of 65 CE" in seen
    assert '<td data-label="Bid" class="n">₹3.20</td><td data-label="P&amp;L" class="n loss">−₹111</td>' in seen


def test_without_a_bid_the_last_trade_is_shown_as_such(client):
    session = hedged_morning()
    seen_at(
        session, shorts=None, held=[{"symbol": "NIFTY 01DEC26 26500 CE", "quantity": 130, "bid": None, "last": "6"}]
    )

    seen = text(client)

    assert (
        'class="n">₹6.00 <span class="quiet">last</span></td><td data-label="P&amp;L" class="n gain">₹254</td>' in seen
    )
    assert '<td data-label="Covers" class="n">unknown</td>' in seen  # the shorts: no book was read


def test_a_far_entry_is_shown_as_the_day_was_last_drawn(client):
    session = hedged_morning()
    session.lookahead_minutes = 4
    session.save()
    drawn = {"used_after_pct": "96.00", "used_after": "960000.00", "at_order": None}
    moment = {
        "kind": "entry",
        "portfolio": "ITJ_NF_EXP 4",
        "at": "2026-12-01T10:16:30+05:30",
        "held": drawn,
        "bare": drawn,
        "floor": {"used_after_pct": "76.00"},
        "beyond_saving": False,
    }
    make.HedgeDecisionFactory.create(
        session=session,
        kind=CycleKind.MARGIN_CHECK.value,
        facts={"day": {"at": NOW.isoformat(), "trigger_pct": "95", "moments": [moment]}},
    )

    seen = text(client)

    assert '<b class="figure">96.0 %</b> with the hedges held: <b>a hedge will be needed</b>' in seen
    assert "Hedging cannot go below 76.0 %." in seen


def test_unknown_margin_is_said_and_never_shown_as_zero(client):
    session = hedged_morning()
    make.MarginSnapshotFactory.create(session=session, at=NOW, unknown=True)

    seen = text(client)

    assert "Utilization unknown" in seen
    assert "Margin unknown: the funds could not be read" in seen


def test_a_halted_session_says_so_in_the_banner_and_the_title(client):
    session = hedged_morning()
    session.trading_state, session.state_reason = TradingState.HALTED, "by hand"
    session.save()

    seen = text(client)

    assert "<title>HALTED · " in seen
    assert "SIMULATED · HALTED" in seen
    assert "HALTED: by hand" in seen


def test_a_closed_session_shows_the_days_summary(client):
    session = hedged_morning()
    session.closed_at, session.summary = (
        NOW,
        {"spend": "547.90", "peak_utilization": "91.25", "decisions": {"add": 2, "hold": 740}},
    )
    session.save()

    seen = text(client)

    assert "The day is over" in seen
    assert "<dt>spend</dt><dd>₹548</dd>" in seen
    assert "<dt>peak utilization</dt><dd>91.3 %</dd>" in seen
    assert "<dt>decisions</dt><dd>2 add, 740 hold</dd>" in seen


def test_a_day_without_a_session_says_what_to_do(client):
    known_calendar()

    assert "No session found: create one" in text(client)


def test_a_day_without_a_session_still_shows_how_the_last_one_ended(client):
    make.TradingSessionFactory.create(
        trading_day=make.TUESDAY - timedelta(days=1),
        closed_at=NOW - timedelta(days=1),
        summary={"net": "-1250.40"},
    )

    seen = text(client)

    assert "No session found" in seen
    assert "<dt>net</dt><dd>−₹1,250</dd>" in seen


def test_an_unknown_calendar_is_said_on_the_page(client):
    make.TradingSessionFactory.create()

    assert "The trading days of 2026 are not known" in text(client)


def test_a_clock_that_cannot_be_read_shows_no_figure(client, monkeypatch):
    hedged_morning()
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))

    answer = client.get("/")

    assert answer.status_code == 503
    assert b"Market time cannot be read" in answer.content
    assert b"74.0" not in answer.content


def test_the_page_is_drawn_with_a_fixed_number_of_queries(client, django_assert_num_queries):
    session = hedged_morning()
    for number in range(30):
        order = make.HedgeOrderFactory.create(
            transaction__decision__session=session,
            transaction__decision__kind=CycleKind.MARGIN_CHECK.value,
            transaction__decision__action=Action.ADD.value,
            transaction__strike=Decimal(27000 + 50 * number),
            acked=True,
        )
        make.FillFactory.create(order=order)
        make.HeartbeatFactory.create()

    with django_assert_num_queries(QUERIES):
        client.get("/")


def test_an_empty_day_is_drawn_with_four_queries_less(client, django_assert_num_queries):
    make.TradingSessionFactory.create()
    known_calendar()

    with django_assert_num_queries(
        QUERIES - 4
    ):  # no cards to read, no transactions and no orders of theirs, no entry to foresee
        client.get("/")


def test_what_was_drawn_is_drawn_again_for_nobody_until_something_changes(client, django_assert_num_queries):
    session = hedged_morning()
    first = client.get("/").content

    with django_assert_num_queries(2):  # the session, and the version of what there is to see
        again = client.get("/").content
    session.refresh_from_db()
    session.budget_per_basket += 1
    session.save()
    changed = client.get("/").content

    assert again == first
    assert changed != first


def test_the_page_runs_no_inline_script_and_loads_nothing_foreign(client):
    hedged_morning()

    answer = client.get("/")
    body = answer.content.decode()

    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert "<script>" not in body
    assert not re.search(r"<script[^>]*>[^<]", body)
    assert "style=" not in body
    assert "http://" not in body.replace("http://testserver", "")


@pytest.mark.parametrize(("world", "loopback"), [("real", True), ("simulator", False)])
def test_elsewhere_the_page_wants_a_login(client, settings, world, loopback):
    settings.WORLD, settings.LOOPBACK_BIND = world, loopback

    answer = client.get("/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/")


def test_elsewhere_a_person_with_a_login_sees_the_page(client, settings):
    settings.WORLD = "real"
    hedged_morning()
    client.force_login(person("viewer"))

    assert "LIVE" in text(client)


def test_a_portfolio_named_like_markup_stays_text(client):
    hedged_morning()
    make.StrategyEntryFactory.create(portfolio="<script>alert(1)</script>")

    assert "<script>" not in text(client)
