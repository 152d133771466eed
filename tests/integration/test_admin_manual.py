"""Buying and selling by hand in the admin: the board, the preview, one confirmation, and everything that a browser repeats."""

from __future__ import annotations

import re
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from django.urls import reverse

from hedging import manual_board, manual_orders
from hedging.brokers.base import BrokerUnavailable
from hedging.engine import clock, watchdog
from hedging.engine.plan import ReferenceMissing
from hedging.manual_requests import ManualRequest
from hedging.models import Fill, Heartbeat, HedgeTransaction, Origin
from sessions_app.models import TradingSession, TradingState
from tests.integration.engine_world import World
from tests.integration.manual_world import manual_world, rules
from tests.people import person

pytestmark = pytest.mark.django_db
CALL, PUT = "NIFTY01DEC2626500CE", "NIFTY01DEC2625500PE"


class Desk:
    """A person at the pages of one session."""

    def __init__(self, place: World, client: Client) -> None:
        self.place, self.client = place, client

    def address(self, page: str) -> str:
        return reverse(f"admin:sessions_app_tradingsession_{page}", args=[self.place.session.pk])

    def text(self, page: str, query: str = "") -> str:
        answer = self.client.get(f"{self.address(page)}{query}")
        assert answer.status_code == 200
        return answer.content.decode()

    def form(self, page: str, query: str) -> dict[str, str]:
        """Return what the confirm button of a preview would send."""
        found = dict(re.findall(r'name="(token|choice)" value="([^"]*)"', self.text(page, query)))
        return {name: value.replace("&amp;", "&") for name, value in found.items()}

    def post(self, page: str, data: dict[str, object]):
        return self.client.post(self.address(page), data)


@pytest.fixture
def desk(client, monkeypatch) -> Desk:
    place = manual_world(held=3)
    for module in (manual_orders, manual_board):
        monkeypatch.setattr(module, "rules", lambda: rules(place))
    client.force_login(person("trader", name="tara"))
    return Desk(place, client)


def said(answer) -> str:
    return " ".join(str(message) for message in answer.context["messages"])


def test_the_board_shows_prices_the_band_what_is_ours_and_the_shorts(desk):
    page = desk.text("buy")
    row = page[page.index("26,500") if "26,500" in page else page.index("26500") :].split("</tr>")[0]
    assert "3.90" in row
    assert "4.00" in row
    assert "in the band" in row
    assert ">195<" in row  # ours, three lots
    assert f'name="lots {CALL}"' in row
    assert "−650" in page  # the short call of the book


def test_lots_lead_to_a_preview_of_its_own_address_and_nothing_is_stored(desk):
    answer = desk.post("buy", {f"lots {CALL}": "2", f"lots {PUT}": " 1 "})
    assert answer.status_code == 302
    assert parse_qs(urlsplit(answer["Location"]).query) == {"leg": [f"{CALL}:2", f"{PUT}:1"]}
    page = desk.client.get(answer["Location"]).content.decode()
    assert "Confirm: buy" in page
    assert "₹780.00" in page  # the premium of three lots at 4.00
    assert "50.0 % →" in page
    assert "Counted by" in page
    assert not ManualRequest.objects.exists()


@pytest.mark.parametrize("lots", ["0", "-1", "1.5", "two", "９", "10000000"])
def test_lots_that_are_no_number_are_named_and_kept_in_their_field(desk, lots):
    answer = desk.post("buy", {f"lots {CALL}": lots, f"lots {PUT}": "1"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert f"{CALL}: " in page
    assert "write a whole number" in page
    assert f'name="lots {PUT}" value="1"' in page


@pytest.mark.parametrize(
    ("page", "data", "words"),
    [
        ("buy", {}, "Write lots beside"),
        ("buy", {"lots NIFTY01DEC26FUT": "1"}, "no option that we know"),
        ("exit", {}, "Tick at least one"),
        ("exit", {"sell": "GOLD"}, "no option that we know"),
        ("buy", {f"lots NIFTY01DEC26{26500 + 50 * n}CE": "1" for n in range(21)}, "At most 20"),
    ],
)
def test_a_choice_that_is_no_order_is_answered_by_the_board(desk, page, data, words):
    answer = desk.post(page, data)
    assert answer.status_code == 200
    assert words in answer.content.decode()


def test_an_address_that_is_no_order_is_answered_by_the_board(desk):
    assert "no option that we know" in desk.text("buy", "?leg=GOLD:1")
    assert "contract is named twice" in desk.text("buy", f"?leg={CALL}:1&leg={CALL}:2").replace("A ", "a ").lower()


def test_change_leads_back_to_the_board_with_what_was_written(desk):
    assert f'name="lots {CALL}" value="2"' in desk.text("buy", f"?leg={CALL}:2&change=1")


def test_a_confirmed_purchase_leads_to_its_transactions(desk):
    answer = desk.post("buy", desk.form("buy", f"?leg={CALL}:2"))
    bought = HedgeTransaction.objects.get(origin=Origin.ADMIN)
    assert (bought.symbol, bought.quantity, bought.is_live) == (CALL, 130, True)
    ledger = desk.client.get(answer["Location"])
    assert list(ledger.context["cl"].result_list) == [bought]
    assert "Taken: 1 leg" in said(ledger)
    assert ManualRequest.objects.get().actor == "tara"


def test_a_double_click_buys_once_and_shows_the_same_transactions(desk):
    form = desk.form("buy", f"?leg={CALL}:2")
    first, second = desk.post("buy", form), desk.post("buy", form)
    assert HedgeTransaction.objects.filter(origin=Origin.ADMIN).count() == 1
    assert first["Location"] == second["Location"]
    assert "nothing was sent twice" in said(desk.client.get(second["Location"]))


def test_a_preview_that_has_run_out_sends_nothing_and_shows_a_new_one(desk, monkeypatch):
    form = desk.form("buy", f"?leg={CALL}:2")
    later = clock.wall_now() + timedelta(seconds=31)
    monkeypatch.setattr(manual_orders, "wall_now", lambda: later)
    answer = desk.client.post(desk.address("buy"), form, follow=True)
    assert "older than 30 s" in said(answer)
    assert 'name="token"' in answer.content.decode()
    assert not HedgeTransaction.objects.filter(origin=Origin.ADMIN).exists()


@pytest.mark.parametrize("form", [{"token": "made up"}, {"token": "made up", "choice": "leg=GOLD"}])
def test_a_token_that_is_not_ours_sends_nothing(desk, form):
    answer = desk.client.post(desk.address("buy"), form, follow=True)
    assert "no preview token of ours" in said(answer)
    assert not ManualRequest.objects.exists()


def test_somebody_elses_preview_sends_nothing(desk):
    form = desk.form("buy", f"?leg={CALL}:2")
    desk.client.force_login(person("trader", name="tom"))
    assert "somebody else" in said(desk.client.post(desk.address("buy"), form, follow=True))
    assert not HedgeTransaction.objects.filter(origin=Origin.ADMIN).exists()


def test_a_halt_between_preview_and_confirmation_is_told(desk):
    form = desk.form("buy", f"?leg={CALL}:2")
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    answer = desk.client.post(desk.address("buy"), form, follow=True)
    assert "DENY_TRADING_STATE" in said(answer)
    assert "Refused as it stands" in answer.content.decode()
    assert 'name="token"' not in answer.content.decode()


def test_without_a_worker_nothing_is_taken_and_the_same_may_be_tried_again(desk):
    form = desk.form("buy", f"?leg={CALL}:2")
    Heartbeat.objects.all().delete()
    answer = desk.client.post(desk.address("buy"), form, follow=True)
    assert "tried again" in said(answer)
    for queue in (watchdog.ORDERS, watchdog.EXITS):
        watchdog.beat(name=queue, wall_now=desk.place.wall.now())
    desk.post("buy", form)
    assert HedgeTransaction.objects.filter(origin=Origin.ADMIN).count() == 1


def test_a_reference_row_that_goes_meanwhile_sends_nothing(desk, monkeypatch):
    form = desk.form("buy", f"?leg={CALL}:2")

    def gone(**_):
        raise ReferenceMissing("no ContractSpec: add one in admin")

    monkeypatch.setattr(manual_orders, "confirm", gone)
    assert "No ContractSpec" in said(desk.client.post(desk.address("buy"), form, follow=True))


def test_a_refusal_names_its_fix_and_even_so_is_offered_where_it_helps(desk):
    page = desk.text("buy", f"?leg={CALL}:20")
    assert "Refused as it stands" in page
    assert "order at most 7 lots of CE" in page
    assert 'name="token"' not in page
    assert "even_so=1" in page
    assert 'name="token"' in desk.text("buy", f"?leg={CALL}:20&even_so=1")


def test_even_so_is_not_offered_where_it_does_not_help(desk):
    TradingSession.objects.update(trading_state=TradingState.HALTED)
    assert "even_so=1" not in desk.text("buy", f"?leg={CALL}:20")


def test_hedges_are_sold_whole_and_in_part(desk):
    answer = desk.post("exit", {"sell": [CALL, PUT], f"lots {CALL}": "1", f"lots {PUT}": ""})
    query = urlsplit(answer["Location"]).query
    assert parse_qs(query) == {"leg": [f"{CALL}:1", PUT]}
    page = desk.client.get(answer["Location"]).content.decode()
    assert "without a long" in page  # what it uncovers
    assert 'name="token"' not in page
    desk.post("exit", desk.form("exit", f"?{query}&even_so=1"))
    sold = HedgeTransaction.objects.filter(origin=Origin.ADMIN).order_by("symbol")
    assert [(row.symbol, row.side, row.quantity) for row in sold] == [(PUT, "SELL", 195), (CALL, "SELL", 65)]


def test_all_hedges_are_sold_by_one_button(desk):
    answer = desk.post("exit", {"all": "sell all"})
    assert urlsplit(answer["Location"]).query == "all=1"
    assert "Refused" in desk.client.get(answer["Location"]).content.decode()
    desk.post("exit", desk.form("exit", "?all=1&even_so=1"))
    assert HedgeTransaction.objects.filter(origin=Origin.ADMIN, side="SELL", quantity=195).count() == 2


def test_lots_without_a_tick_are_not_sold(desk):
    assert desk.post("exit", {f"lots {CALL}": "1"}).status_code == 200


def test_an_operator_may_exit_and_not_buy_and_a_viewer_neither(desk):
    desk.client.force_login(person("operator"))
    assert desk.client.get(desk.address("exit")).status_code == 200
    assert desk.client.get(desk.address("buy")).status_code == 403
    desk.client.force_login(person("viewer"))
    assert desk.client.get(desk.address("exit")).status_code == 403
    assert desk.post("exit", {"all": "1"}).status_code == 403


@pytest.mark.parametrize(("role", "ways"), [("trader", ["buy", "exit"]), ("operator", ["exit"]), ("viewer", [])])
def test_a_sessions_page_leads_to_what_a_person_may_do(desk, role, ways):
    desk.client.force_login(person(role))
    page = desk.client.get(reverse("admin:sessions_app_tradingsession_change", args=[desk.place.session.pk]))
    assert [way for way in ("buy", "exit") if desk.address(way) in page.content.decode()] == ways


def test_a_session_that_is_not_there_leads_home(desk):
    answer = desk.client.get(reverse("admin:sessions_app_tradingsession_buy", args=[0]))
    assert answer.status_code == 302


def test_what_the_broker_does_not_answer_is_named_on_the_board(desk):
    desk.place.exchange.failing["chain"] = BrokerUnavailable("timed out")
    page = desk.text("buy")
    assert "option chain: timed out" in page
    assert "No strike is quoted" in page
    assert "26500" in desk.text("exit")  # what is ours is still there to be sold


def test_without_a_clock_the_board_says_so(desk, monkeypatch):
    def stopped(**_):
        raise clock.ClockUnavailable("nobody tells the time")

    monkeypatch.setattr(manual_board, "read_board", stopped)
    monkeypatch.setattr(manual_orders, "preview_buy", stopped)
    assert "Nobody tells the time" in desk.text("buy")
    assert "Nobody tells the time" in desk.text("buy", f"?leg={CALL}:1")


def test_an_account_without_hedges_has_nothing_to_exit(desk):
    place = desk.place
    Fill.objects.all().delete()
    place.exchange.foreign.clear()
    assert "No hedge of ours is held" in desk.text("exit")


def test_orders_in_the_simulator_are_told_from_real_ones(desk, settings):
    assert "SIMULATED: orders reach the simulator only" in desk.text("buy")
    settings.WORLD = "real"
    assert "LIVE: orders are real" in desk.text("buy")


def test_a_dry_run_is_told_from_live_orders(desk, settings):
    settings.WORLD = "real"
    assert "LIVE: orders are real" in desk.text("buy")
