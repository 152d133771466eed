"""Opening, repeating and correcting a session in the admin, where calendar and OpenAlgo may disagree."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.urls import reverse

from hedging import wiring
from hedging.brokers.base import BrokerUnavailable
from hedging.domain.instruments import Index
from hedging.domain.policy import HedgePolicy
from hedging.engine import clock
from hedging.engine.plan import plan_of
from hedging.engine.ports import Ports
from hedging.engine.sessions import SessionRefused, correct_baseline, open_session
from hedging.engine.ticks import Rules
from hedging.models import AuditEvent
from notifications.models import Alert
from sessions_app.models import TradingSession
from sessions_app.policy import contradictions
from tests import factories as make
from tests.integration.fake_exchange import FakeExchange
from tests.integration.manual_world import manual_world, rules
from tests.integration.page_day import NOW, StoppedClock, entries, known_calendar
from tests.people import person

pytestmark = pytest.mark.django_db
ADD = "/admin/sessions_app/tradingsession/add/"
WEDNESDAY = date(2026, 12, 2)
TODAY = "NIFTY:2026-12-01"


class Server(FakeExchange):
    """An OpenAlgo that lists expiries, or does not answer."""

    listed: tuple[date, ...] = (date(2026, 11, 24), make.TUESDAY, date(2026, 12, 8))
    away = False

    def expiries(self, index):
        if self.away:
            raise BrokerUnavailable("timed out")
        return self.listed


@pytest.fixture
def server(monkeypatch) -> Server:
    found = Server(wall=lambda: NOW)
    monkeypatch.setattr(clock, "market_clock", StoppedClock)
    monkeypatch.setattr(clock, "wall_now", lambda: NOW)

    def ports(_):
        return Ports(broker=found, clock=StoppedClock(), wall=lambda: NOW, nudge_send=lambda _: None)

    by = Rules(ports_for=ports, plan_for=plan_of, policy=HedgePolicy(), enabled=False)
    monkeypatch.setattr(wiring, "rules", lambda: by)
    known_calendar()
    entries()
    return found


@pytest.fixture
def account():
    return make.AccountFactory.create(name="main")


@pytest.fixture
def admin(client):
    client.force_login(person("admin", name="ada"))
    return client


@pytest.fixture
def trader(client):
    client.force_login(person("trader", name="tara"))
    return client


def opened(client, account, **said: Any):
    data = {"account": account.pk, "trades": TODAY, "baskets": 3, "budget_per_basket": "500000"} | said
    return client.post(ADD, data, follow=True)


def said_in(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_one_screen_has_index_expiry_and_account_filled_in(server, account, trader):
    page = trader.get(ADD)
    assert "NIFTY 01-Dec-2026, 0 DTE, by calendar and OpenAlgo; 2 entries of the timetable" in page.content.decode()
    form = page.context["adminform"].form
    assert (form["trades"].value(), form["account"].value()) == (TODAY, account.pk)
    assert not form.known.troubles


def test_todays_session_is_opened_in_one_screen(server, account, trader):
    opened(trader, account)
    session = TradingSession.objects.get()
    assert (session.trading_day, session.index, session.expiry, session.dte, session.budget) == (
        make.TUESDAY,
        "NIFTY",
        make.TUESDAY,
        0,
        Decimal(1_500_000),
    )
    assert list(AuditEvent.objects.order_by("id").values_list("event", "actor")) == [
        ("session_opened", "tara"),
        ("admin_added", "tara"),
    ]


def test_calendar_and_openalgo_that_disagree_want_a_choice(server, account, trader):
    server.listed = (WEDNESDAY,)
    page = trader.get(ADD)
    text = page.content.decode()
    assert "by the calendar" in text
    assert "NIFTY 02-Dec-2026, 1 DTE, by OpenAlgo alone" in text
    assert "Calendar and OpenAlgo disagree" in text
    assert page.context["adminform"].form["trades"].value() == ""
    assert opened(trader, account, trades="").context["adminform"].form.errors["trades"]
    opened(trader, account, trades="NIFTY:2026-12-02")
    session = TradingSession.objects.get()
    assert (session.expiry, session.dte) == (WEDNESDAY, 1)
    assert Alert.objects.filter(kind="entries_uncovered").exists()  # the timetable goes by the calendar


def test_an_expiry_that_is_over_is_refused(server, account):
    with pytest.raises(SessionRefused, match="still to come"):
        open_session(
            account=account,
            day=make.TUESDAY,
            now=NOW,
            wall_now=NOW,
            actor="x",
            index=Index.NIFTY,
            expiry=date(2026, 11, 30),
        )


def test_an_openalgo_that_does_not_answer_leaves_the_calendar(server, account, trader):
    server.away = True
    page = trader.get(ADD).content.decode()
    assert "the calendar stands alone: timed out" in page
    opened(trader, account)
    assert TradingSession.objects.get().expiry == make.TUESDAY


def test_an_expiry_beyond_the_known_days_is_no_choice(server, account, trader):
    server.listed = (date(2027, 6, 1),)
    assert "2027" not in trader.get(ADD).content.decode()


@pytest.mark.parametrize("what", ["closed", "unknown", "no clock"])
def test_a_day_on_which_nothing_can_be_opened_says_why(server, account, trader, monkeypatch, what):
    days = make.TradingDayFactory._meta.model.objects
    if what == "closed":
        days.filter(day=make.TUESDAY).update(is_open=False)
    elif what == "unknown":
        days.all().delete()
    else:
        monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))
    page = trader.get(ADD).content.decode()
    words = {"closed": "is not a trading day", "unknown": "are not known", "no clock": "nobody answers"}
    assert words[what] in page
    assert "Nothing can be opened now" in opened(trader, account).content.decode()
    assert not TradingSession.objects.exists()


def test_without_an_account_one_is_asked_for(server, trader):
    assert "add one first" in trader.get(ADD).content.decode()


def test_a_second_session_of_the_day_is_refused_in_words(server, account, trader):
    opened(trader, account)
    assert "has a session open" in said_in(opened(trader, account))
    assert TradingSession.objects.count() == 1


def test_an_administrator_gives_a_session_figures_of_its_own(server, account, admin):
    opened(admin, account, trigger_pct="90", max_cost_per_day="1000")
    session = TradingSession.objects.get()
    assert (session.trigger_pct, session.max_cost_per_day) == (Decimal(90), Decimal(1000))
    assert session.target_pct is None
    assert AuditEvent.objects.get(event="session_opened").facts["trigger_pct"] == "90"


def test_a_trader_is_not_asked_for_policy_and_cannot_slip_it_in(server, account, trader):
    assert 'name="trigger_pct"' not in trader.get(ADD).content.decode()
    opened(trader, account, trigger_pct="100")
    assert TradingSession.objects.get().trigger_pct is None


@pytest.mark.parametrize(
    ("figures", "column"),
    [
        ({"trigger_pct": "80"}, "target_pct"),
        ({"trigger_pct": "101"}, "trigger_pct"),
        ({"exit_trigger_pct": "86"}, "exit_trigger_pct"),
        ({"min_premium": "7"}, "max_premium"),
        ({"lookahead_minutes": "0"}, "lookahead_minutes"),
        ({"max_cost_per_day": "-1"}, "max_cost_per_day"),
    ],
)
def test_figures_that_contradict_each_other_are_refused_at_their_field(server, account, admin, figures, column):
    answer = opened(admin, account, **figures)
    assert column in answer.context["adminform"].form.errors
    assert not TradingSession.objects.exists()


def test_the_environments_own_figures_are_sound():
    assert not contradictions(HedgePolicy())


def test_yesterdays_session_is_repeated_with_its_budget_and_figures(server, account, trader):
    like = make.TradingSessionFactory.create(
        account=account,
        trading_day=date(2026, 11, 30),
        baskets=7,
        trigger_pct=Decimal(91),
        spent=Decimal(900),
        baseline=Decimal(5),
        closed=True,
    )
    assert f"?like={like.pk}" in trader.get(ADD).content.decode()
    assert (
        f"?like={like.pk}"
        in trader.get(reverse("admin:sessions_app_tradingsession_change", args=[like.pk])).content.decode()
    )
    page = trader.get(f"{ADD}?like={like.pk}")
    form = page.context["adminform"].form
    assert (form["baskets"].value(), form["trades"].value()) == (7, TODAY)
    assert "trigger_pct 91" in page.content.decode()
    opened(trader, account, baskets=7, like=like.pk)
    session = TradingSession.objects.get(trading_day=make.TUESDAY)
    assert (session.baskets, session.trigger_pct, session.spent) == (7, Decimal(91), Decimal(0))
    assert session.baseline is None


@pytest.mark.parametrize("like", ["0", "999999", "x", "-1"])
def test_an_address_that_repeats_nothing_opens_an_empty_form(server, account, trader, like):
    assert trader.get(f"{ADD}?like={like}").status_code == 200


def test_an_operator_opens_no_session(server, account, client):
    client.force_login(person("operator"))
    assert client.get(ADD).status_code == 403


# --- baseline -------------------------------------------------------------------------------------------------------------


def page_of(session) -> str:
    return reverse("admin:sessions_app_tradingsession_baseline", args=[session.pk])


@pytest.fixture
def late(monkeypatch):
    """A session that was opened after the first short: ₹5,00,000 are used, and nobody knows of what."""
    place = manual_world(baseline=None, baseline_at=None)
    monkeypatch.setattr(wiring, "rules", lambda: rules(place))
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    return place


def test_a_late_session_is_offered_what_was_used_before_its_book(late, trader):
    answer = trader.get(page_of(late.session))
    offer = answer.context["offer"]
    assert (offer.used, offer.offered) == (500_000, offer.used - offer.book)
    assert offer.book > 100_000
    assert f'value="{offer.offered}"' in answer.content.decode()


def test_an_account_without_positions_is_offered_all_that_is_used(late, trader):
    late.exchange.foreign.clear()
    assert trader.get(page_of(late.session)).context["offer"].offered == 500_000


def test_a_book_without_a_price_is_offered_nothing(late, trader):
    late.exchange.failing["chain"] = BrokerUnavailable("timed out")
    offer = trader.get(page_of(late.session)).context["offer"]
    assert (offer.used, offer.offered) == (500_000, None)


def test_unread_funds_offer_nothing(late, trader):
    late.exchange.failing["funds"] = BrokerUnavailable("timed out")
    assert "timed out" in trader.get(page_of(late.session)).content.decode()


def test_a_baseline_is_said_once_with_a_reason(late, trader):
    address = page_of(late.session)
    assert "This field is required" in trader.post(address, {"used": "592178.63", "reason": " "}).content.decode()
    answer = trader.post(address, {"used": "592178.63", "reason": "broker's screen"}, follow=True)
    assert "from now on" in said_in(answer)
    late.session.refresh_from_db()
    assert (late.session.baseline, late.session.baseline_source) == (Decimal("592178.63"), "by hand: broker's screen")
    again = trader.post(address, {"used": "1", "reason": "the form was open twice"}, follow=True)
    assert "Nothing was changed" in said_in(again)
    assert AuditEvent.objects.get(event="baseline_captured").actor == "tara"


def test_a_baseline_below_nothing_is_refused(late, trader):
    answer = trader.post(page_of(late.session), {"used": "-1", "reason": "broker's screen"})
    assert "greater than or equal to 0" in answer.content.decode()
    late.session.refresh_from_db()
    assert late.session.baseline is None


def test_a_baseline_is_corrected_with_a_trace_and_an_alert(late, trader):
    TradingSession.objects.update(baseline=Decimal("100.50"), baseline_at=NOW, baseline_source="read")
    address = page_of(late.session)
    was = re.search(r'name="was" value="([^"]*)"', trader.get(address).content.decode())
    assert was is not None
    trader.post(address, {"used": "200000", "reason": "a fund transfer", "was": was[1]})
    late.session.refresh_from_db()
    assert (late.session.baseline, late.session.baseline_source) == (200_000, "corrected by hand: a fund transfer")
    facts = AuditEvent.objects.get(event="baseline_corrected").facts
    assert (facts["before"], facts["baseline"], facts["reason"]) == ("100.50", "200000", "a fund transfer")
    assert Alert.objects.get(kind="baseline_corrected").severity == "warning"
    trader.post(address, {"used": "300000", "reason": "a second click", "was": was[1]})
    late.session.refresh_from_db()
    assert late.session.baseline == 200_000


def test_a_closed_session_keeps_its_baseline(late, trader):
    TradingSession.objects.update(baseline=Decimal(1), closed_at=NOW)
    assert "its baseline stays" in trader.get(page_of(late.session)).content.decode()
    trader.post(page_of(late.session), {"used": "2", "reason": "x", "was": "1"})
    assert not correct_baseline(
        session=late.session, was=Decimal(1), used=Decimal(2), reason="x", now=NOW, wall_now=NOW, actor="x"
    )
    late.session.refresh_from_db()
    assert late.session.baseline == 1


def test_without_a_clock_no_baseline_is_set(late, trader, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: StoppedClock(away=True))
    answer = trader.post(page_of(late.session), {"used": "2", "reason": "x"}, follow=True)
    assert "nobody answers" in said_in(answer)
    late.session.refresh_from_db()
    assert late.session.baseline is None


def test_an_operator_sets_no_baseline(late, client):
    client.force_login(person("operator"))
    assert client.get(page_of(late.session)).status_code == 403


def test_the_baseline_of_a_session_that_is_not_there_leads_home(trader):
    assert trader.get(reverse("admin:sessions_app_tradingsession_baseline", args=[0])).status_code == 302
