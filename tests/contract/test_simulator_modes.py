"""Modes of the whole server: analyzer, semi-auto, dead sessions, the master contract's gap; and the page for people."""

from __future__ import annotations

from dataclasses import replace
from datetime import time

import pytest

from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.orders import Origin
from hedging.simulator.wsgi import SimulatorApp
from tests.contract.recorded import recorded
from tests.contract.simulated import BASE, Server
from tests.contract.test_simulator_http import shape
from tests.unit.simulator_days import tuesday


@pytest.fixture
def server():
    return Server(with_entries=False)


def asked(symbol):
    return {"symbol": symbol, "exchange": "NFO"}


def order_of(server, steps=5):
    symbol, quote = server.wing(steps)
    return symbol, round(quote["ask"] + 1, 2)


# -- analyzer ------------------------------------------------------------------------------------------------------------


def test_a_flipped_analyzer_flag_takes_paper_orders_and_says_so(server):
    symbol, price = order_of(server)
    server.fault("*:analyze")
    assert server.ok("analyzer")["data"]["mode"] == "analyze"
    status, answer = server.buy(symbol, price)
    assert (status, shape(answer)) == (200, shape(recorded("analyze/placeorder__limit_marketable")["response"]))
    assert answer["mode"] == "analyze"
    assert not server.exchange.orders
    server.session.delete(f"{BASE}/simulator/faults", timeout=5)
    assert "mode" not in server.buy(symbol, price)[1]
    assert [row["orderid"] for row in server.ok("orderbook")["data"]["orders"]] != [answer["orderid"]]


ANALYZED = [
    ("orderbook", "orderbook__mixed"),
    ("tradebook", "tradebook__mixed"),
    ("positionbook", "positionbook__mixed"),
    ("funds", "funds__with_positions"),
    ("analyzer", "analyzer_status__on"),
]


@pytest.mark.parametrize(("endpoint", "name"), ANALYZED)
def test_the_sandbox_s_books_have_the_recorded_shapes(server, endpoint, name):
    symbol, price = order_of(server)
    server.fault("*:analyze")
    server.buy(symbol, price)
    assert shape(server.ok(endpoint)) == shape(recorded(f"analyze/{name}")["response"])


def test_the_sandbox_s_order_status_says_price_type_and_strategy(server):
    symbol, _ = order_of(server)
    server.fault("*:analyze")
    _, answer = server.buy(symbol, 0, pricetype="MARKET")
    told = server.ok("orderstatus", strategy="x", orderid=answer["orderid"])
    assert shape(told) == shape(recorded("analyze/orderstatus__complete")["response"])
    assert (told["data"]["strategy"], told["data"]["filled_quantity"]) == ("auto-hedge", 65)
    missing = server.post("orderstatus", strategy="x", orderid="999999999999999")
    assert missing == (404, recorded("analyze/orderstatus__unknown")["response"])


def test_a_resting_paper_order_fills_at_its_limit_is_changed_and_cancelled(server):
    symbol, quote = server.wing(steps=0)
    server.fault("*:analyze")
    order = {"strategy": "x", "orderid": server.buy(symbol, round(quote["bid"] * 0.5, 1))[1]["orderid"]}
    again = {"symbol": symbol, "exchange": "NFO", "action": "BUY", "product": "NRML", "pricetype": "LIMIT"}
    changed = server.post(
        "modifyorder", **order, **again, quantity=65, price=quote["ask"] + 5, trigger_price=0, disclosed_quantity=0
    )
    assert shape(changed[1]) == shape(recorded("analyze/modifyorder__ok")["response"])
    assert server.ok("orderstatus", **order)["data"]["average_price"] == quote["ask"] + 5
    late = server.post("cancelorder", **order)
    assert (late[0], late[1]["message"]) == (400, "Cannot cancel order in complete status")
    resting = {"strategy": "x", "orderid": server.buy(symbol, round(quote["bid"] * 0.5, 1))[1]["orderid"]}
    assert shape(server.ok("cancelorder", **resting)) == shape(recorded("analyze/cancelorder__ok")["response"])


def test_the_sandbox_refuses_in_its_own_words(server):
    symbol, _ = server.wing(steps=0)
    server.fault("*:analyze")
    assert server.buy(symbol, 5, quantity=70) == (400, recorded("analyze/placeorder__not_lot_multiple")["response"])
    assert server.buy(symbol, 0) == (400, recorded("analyze/placeorder__limit_price_zero")["response"])
    assert server.buy(symbol, 5, product="CNC") == (400, recorded("analyze/placeorder__nfo_cnc")["response"])
    status, answer = server.buy(symbol, 400, quantity=65 * 1000, action="SELL")
    assert (status, answer["message"].startswith("Insufficient funds. Required: ₹")) == (400, True)


def test_prices_and_margin_stay_with_the_live_broker_in_analyzer_mode(server):
    symbol, quote = server.wing()
    leg = {**asked(symbol), "action": "BUY", "quantity": "65", "product": "NRML", "pricetype": "MARKET"}
    before = server.ok("margin", positions=[leg])
    server.fault("*:analyze")
    assert server.ok("margin", positions=[leg]) == before
    assert server.ok("quotes", **asked(symbol)) == {"data": quote, "status": "success"}


# -- semi-auto -----------------------------------------------------------------------------------------------------------


def test_semi_auto_queues_orders_until_a_person_approves(server):
    symbol, price = order_of(server)
    server.fault("*:semi_auto")
    assert server.buy(symbol, price) == (200, recorded("semi_auto/placeorder__queued")["response"])
    assert not server.exchange.orders
    waiting = server.session.get(f"{BASE}/simulator/faults", timeout=5).json()["pending"]
    assert [(row["pending_order_id"], row["symbol"]) for row in waiting] == [(1, symbol)]
    approve = f"{BASE}/simulator/approve"
    answer = server.session.post(approve, json={"pending_order_id": 1}, timeout=5).json()
    assert server.order(answer["orderid"]).ticket.symbol == symbol
    assert server.session.post(approve, json={"pending_order_id": 1}, timeout=5).status_code == 400


def test_semi_auto_blocks_cancel_and_modify_in_the_recorded_words(server):
    symbol, price = order_of(server)
    server.fault("*:semi_auto")
    assert server.post("cancelorder", strategy="x", orderid="1") == (
        403,
        recorded("semi_auto/cancelorder__blocked")["response"],
    )
    body = {
        "symbol": symbol,
        "exchange": "NFO",
        "action": "BUY",
        "product": "NRML",
        "pricetype": "LIMIT",
        "orderid": "1",
    }
    changed = server.post(
        "modifyorder", strategy="x", **body, quantity=65, price=price, trigger_price=0, disclosed_quantity=0
    )
    assert changed == (403, recorded("semi_auto/modifyorder__blocked")["response"])


# -- session -------------------------------------------------------------------------------------------------------------

CANCEL = {"strategy": "x", "orderid": "1"}
EXPIRED = [
    ("funds", {}, "funds"),
    ("orderbook", {}, "orderbook"),
    ("tradebook", {}, "tradebook"),
    ("positionbook", {}, "positionbook"),
    ("cancelorder", CANCEL, "cancelorder"),
]


@pytest.mark.parametrize(("endpoint", "body", "name"), EXPIRED)
def test_a_dead_token_answers_as_recorded(server, endpoint, body, name):
    server.fault("*:session=600")
    record = recorded(f"errors/{name}__broker_token_expired")
    assert server.post(endpoint, **body) == (record["status_code"], record["response"])


def test_a_dead_token_also_kills_quotes_margin_and_orders_and_leaves_ping_alive(server):
    symbol, price = order_of(server)
    server.fault("*:session=600")
    leg = {**asked(symbol), "action": "BUY", "quantity": "65", "product": "NRML", "pricetype": "MARKET"}
    for got, name in (
        (server.post("quotes", **asked(symbol)), "quotes"),
        (server.post("depth", **asked(symbol)), "depth"),
        (server.post("margin", positions=[leg]), "margin"),
        (server.buy(symbol, price), "placeorder"),
    ):
        record = recorded(f"errors/{name}__broker_token_expired")
        assert got == (record["status_code"], record["response"])
    assert server.ok("ping")["data"]["message"] == "pong"
    assert not server.exchange.orders


def test_after_a_while_the_session_is_revoked_and_everything_is_403_but_expiry(server):
    server.fault("*:session=60")
    server.wait(61)
    for endpoint in ("funds", "ping", "orderbook", "analyzer"):
        record = recorded(f"errors/{'analyzer_status' if endpoint == 'analyzer' else endpoint}__broker_session_revoked")
        assert server.post(endpoint) == (record["status_code"], record["response"])
    chain = server.post("optionchain", underlying="NIFTY", exchange="NFO", expiry_date="01DEC26")
    assert chain == (403, recorded("errors/optionchain__broker_session_revoked")["response"])
    assert server.ok("expiry", symbol="NIFTY", exchange="NFO", instrumenttype="options")["data"]
    server.session.delete(f"{BASE}/simulator/faults", timeout=5)
    assert server.ok("funds")["data"]


def test_the_token_dies_at_three_in_the_morning_of_a_day_that_began_before():
    server = Server(with_entries=False)
    day = replace(tuesday(), starts=time(2, 50))
    server.exchange = Exchange(day=day, seed=7, cash=server.exchange.account.cash)
    server.clock = ManualClock(start=day.moment(time(2, 59)))
    server.app = SimulatorApp(exchange=server.exchange, clock=server.clock, api_keys=["APIKEY"], rate_limited=False)
    mount(server.session, BASE, server.app)
    assert server.ok("funds")["data"]
    server.wait(61)
    assert server.ok("funds")["data"] == {}
    server.wait(600)
    assert server.post("funds")[0] == 403


# -- master contract -----------------------------------------------------------------------------------------------------


def test_while_the_master_contract_loads_no_symbol_is_known_and_books_have_null_symbols():
    server = Server()
    symbol, price = order_of(server)
    server.fault("*:master_gap")
    assert server.post("quotes", **asked(symbol))[0] == 400
    assert server.post("symbol", **asked(symbol))[0] == 404
    assert server.post("quotes", symbol="NIFTY", exchange="NSE_INDEX")[0] == 400
    status, chain = server.post("optionchain", underlying="NIFTY", exchange="NFO", expiry_date="01DEC26")
    assert (status, chain["message"].startswith("No strikes found")) == (404, True)
    assert server.ok("expiry", symbol="NIFTY", exchange="NFO", instrumenttype="options")["data"] == []
    assert server.buy(symbol, price)[0] == 400
    for rows in (
        server.ok("positionbook")["data"],
        server.ok("tradebook")["data"],
        server.ok("orderbook")["data"]["orders"],
    ):
        assert {row["symbol"] for row in rows} == {None}
    server.session.delete(f"{BASE}/simulator/faults", timeout=5)
    assert server.buy(symbol, price)[0] == 200


# -- the page ------------------------------------------------------------------------------------------------------------


def form(server, path, **fields):
    return server.session.post(f"{BASE}{path}", data=fields, timeout=5, allow_redirects=False)


def test_the_front_page_has_forms_and_no_script_and_does_not_reload_under_the_typist(server):
    page = server.session.get(f"{BASE}/?symbol=NIFTY01DEC2626000CE&price=5.50", timeout=5).text
    assert page.count('<form method="post"') == 3
    assert 'value="NIFTY01DEC2626000CE"' in page
    assert 'value="65"' in page
    assert "<script" not in page
    assert "http-equiv" not in page
    assert '<iframe src="/simulator/book"' in page


def test_the_frame_shows_book_chain_and_faults(server):
    symbol, price = order_of(server)
    server.buy(symbol, price)
    server.wait(2)
    server.fault("place_order:late=90x3")
    frame = server.session.get(f"{BASE}/simulator/book", timeout=5).text
    assert frame.count(symbol) >= 2
    for text in (
        "late",
        "complete",
        "Kind of day</td><td>calm",
        "SENSEX 03-Dec",
        "CE bid / ask",
        'href="/?symbol=NIFTY01DEC26',
    ):
        assert text in frame


def test_a_person_places_an_order_by_a_form(server):
    symbol, price = order_of(server)
    fields = {"symbol": symbol, "exchange": "NFO", "action": "BUY", "quantity": "65", "pricetype": "LIMIT"}
    answer = form(server, "/simulator/order", **fields, price=str(price), product="NRML")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")
    (order,) = server.exchange.orders.values()
    assert (order.origin, order.ticket.symbol) == (Origin.HUMAN, symbol)


def test_a_form_that_makes_no_sense_is_refused_with_words_and_nothing_of_it_is_markup(server):
    answer = form(server, "/simulator/faults", fault="<b>late</b>")
    assert (answer.status_code, "&lt;b&gt;" in answer.text, "<b>" in answer.text) == (400, True, False)
    assert form(server, "/simulator/order", symbol="X").status_code == 400
    sneaky = server.session.get(f"{BASE}/", params={"symbol": '"><script>'}, timeout=5).text
    assert "<script" not in sneaky


def test_faults_are_switched_on_and_off_by_forms(server):
    assert form(server, "/simulator/faults", fault="place_order:late=90").status_code == 303
    assert len(server.app.faults.listed()) == 1
    assert form(server, "/simulator/faults/clear", sure="yes").status_code == 303
    assert server.app.faults.listed() == []
