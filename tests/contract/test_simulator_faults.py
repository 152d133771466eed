"""Each fault does what its name says, only where and as often as it was asked for, and is off by default."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from threading import Thread

import pytest
import requests
import urllib3.exceptions

from hedging.brokers.base import NotSent, OutcomeUnknown
from hedging.brokers.openalgo.client import OpenAlgoOrderClient
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import KINDS, BadFault, FaultSpec
from hedging.simulator.orders import Origin, Status
from hedging.simulator.serving import serve
from hedging.simulator.views_account import AccountViews
from hedging.simulator.views_orders import OrderViews
from tests.contract.recorded import recorded
from tests.contract.simulated import BASE, Server

CHAIN = {"underlying": "NIFTY", "exchange": "NFO", "expiry_date": "01DEC26", "strike_count": 8}


@pytest.fixture
def server():
    return Server(with_entries=False)


def through(server, **changes):
    """Buy one lot well through the touch; return status and answer."""
    symbol, quote = server.wing()
    return server.buy(symbol, round(quote["ask"] + 1, 2), **changes)


def only_order(server):
    server.exchange.advance_to(server.clock.now())
    (order,) = server.exchange.orders.values()
    return order


# -- how faults are written ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("place_order:late=90", FaultSpec("placeorder", "late", 90.0, None)),
        ("placeorder:late=90x2", FaultSpec("placeorder", "late", 90.0, 2)),
        ("place_order:reset_afterx1", FaultSpec("placeorder", "reset_after", 0.0, 1)),
        ("all:skew=-7.5", FaultSpec("*", "skew", -7.5, None)),
        ("*:broker_429x3", FaultSpec("*", "broker_429", 0.0, 3)),
        ("market/timings:storm", FaultSpec("market/timings", "storm", 0.0, None)),
    ],
)
def test_a_fault_is_written_as_endpoint_kind_value_and_count(text, spec):
    assert FaultSpec.parse(text) == spec


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("late", "write ENDPOINT:KIND"),
        ("place_order:slow", "no fault 'slow': choose one of refuse"),
        ("nowhere:storm", "no endpoint 'nowhere'"),
        ("quotes:late", "makes sense for cancelorder, modifyorder, placeorder"),
        ("place_order:late=116", "from 0 to 115"),
        ("place_order:null_id=3", "takes no value"),
        ("place_order:null_idx0", "at least 1"),
        ("funds:analyze", "a mode of the whole server"),
    ],
)
def test_a_wrong_fault_is_refused_with_what_would_be_right(text, words):
    with pytest.raises(BadFault, match=words.replace("*", r"\*")):
        FaultSpec.parse(text)


def test_faults_are_listed_counted_and_cleared_over_the_control_routes(server):
    url = f"{BASE}/simulator/faults"
    assert server.session.get(url, timeout=5).json()["faults"] == []
    server.fault("funds:stormx2")
    second = server.session.post(
        url, json={"endpoint": "place_order", "kind": "late", "value": 90, "count": 1}, timeout=5
    ).json()["fault"]
    assert server.post("funds")[0] == 429
    listed = server.session.get(url, timeout=5).json()
    assert [(f["endpoint"], f["kind"], f["value"], f["left"], f["hits"]) for f in listed["faults"]] == [
        ("funds", "storm", None, 1, 1),
        ("placeorder", "late", 90.0, 1, 0),
    ]
    assert set(listed["kinds"]) == set(KINDS)
    assert server.session.delete(f"{url}/{second['id']}", timeout=5).json()["cleared"] == 1
    assert server.session.delete(f"{url}/{second['id']}", timeout=5).status_code == 400
    assert server.session.delete(url, timeout=5).json()["cleared"] == 1
    assert server.post("funds")[0] == 200


def test_a_wrong_fault_over_the_control_route_is_a_400_with_words(server):
    for body in (
        {"fault": "quotes:late"},
        {"endpoint": "quotes"},
        {"endpoint": "funds", "kind": "storm", "count": "x"},
    ):
        answer = server.session.post(f"{BASE}/simulator/faults", json=body, timeout=5)
        assert (answer.status_code, answer.json()["status"]) == (400, "error")


def test_a_fault_with_a_count_is_gone_after_it_and_hits_no_other_endpoint(server):
    server.fault("funds:error_beforex2")
    assert [server.post("ping")[0], *(server.post("funds")[0] for _ in range(3))] == [200, 500, 500, 200]


def test_control_routes_refuse_other_machines_and_other_sites(server):
    def ask(**environ):
        started = []
        base = {
            "REQUEST_METHOD": "POST",
            "PATH_INFO": "/simulator/faults/clear",
            "REMOTE_ADDR": "127.0.0.1",
            "HTTP_HOST": "127.0.0.1:8001",
        }
        server.app({**base, **environ}, lambda status, _: started.append(status))
        return int(started[0][:3])

    assert ask() == 200
    assert ask(HTTP_ORIGIN="http://127.0.0.1:8001") == 200
    assert ask(HTTP_ORIGIN="http://elsewhere.example") == 403
    assert ask(REMOTE_ADDR="192.0.2.7") == 403


# -- the connection, in process ------------------------------------------------------------------------------------------


def test_refused_in_process_is_requests_own_exception_and_nothing_is_done(server):
    symbol, _ = server.wing()
    server.fault("place_order:refusex1")
    with pytest.raises(requests.ConnectionError) as caught:
        server.buy(symbol, 5)
    assert isinstance(caught.value.args[0].reason, urllib3.exceptions.NewConnectionError)
    assert not server.exchange.orders


def test_a_reset_before_acceptance_leaves_no_order(server):
    symbol, _ = server.wing()
    server.fault("place_order:reset_beforex1")
    with pytest.raises(requests.ConnectionError) as caught:
        server.buy(symbol, 5)
    assert isinstance(caught.value.args[0], urllib3.exceptions.ProtocolError)
    assert not server.exchange.orders


def test_a_reset_after_acceptance_leaves_the_order(server):
    server.fault("place_order:reset_afterx1")
    with pytest.raises(requests.ConnectionError):
        through(server)
    assert only_order(server).status is Status.OPEN


def test_a_dripping_answer_is_a_read_timeout_in_process(server):
    server.fault("place_order:dripx1")
    with pytest.raises(requests.ReadTimeout):
        through(server)
    assert only_order(server)


# -- orders --------------------------------------------------------------------------------------------------------------


def test_a_late_order_is_accepted_so_many_market_seconds_after_the_timeout(server):
    server.fault("place_order:late=90x1")
    with pytest.raises(requests.ReadTimeout):
        through(server)
    server.wait(89)
    assert server.ok("orderbook")["data"]["orders"] == []
    server.wait(2)
    (row,) = server.ok("orderbook")["data"]["orders"]
    assert row["timestamp"] == "2026-12-01 10:01:30"


def test_a_late_order_that_the_broker_refuses_never_shows(server):
    server.fault("place_order:late=10x1")
    with pytest.raises(requests.ReadTimeout):
        through(server, quantity=70)
    server.wait(60)
    assert server.ok("orderbook")["data"]["orders"] == []


def test_a_late_cancel_happens_later(server):
    symbol, quote = server.wing(steps=0)
    _, answer = server.buy(symbol, round(quote["bid"] - 10, 2))
    server.fault("cancel_order:late=20x1")
    with pytest.raises(requests.ReadTimeout):
        server.post("cancelorder", strategy="x", orderid=answer["orderid"])
    server.wait(19)
    assert server.ok("orderbook")["data"]["orders"][0]["order_status"] == "open"
    server.wait(2)
    assert server.ok("orderbook")["data"]["orders"][0]["order_status"] == "cancelled"


def test_500_after_acceptance_leaves_the_order(server):
    server.fault("place_order:error_afterx1")
    assert through(server) == (500, recorded("errors/placeorder__lost_answer_order_is_live")["response"])
    assert only_order(server)


def test_500_before_acceptance_leaves_no_order_and_the_same_words(server):
    server.fault("place_order:error_beforex1")
    assert through(server) == (500, recorded("errors/placeorder__lost_answer_order_is_live")["response"])
    assert not server.exchange.orders


def test_400_with_words_of_a_timeout_leaves_the_order(server):
    server.fault("place_order:timeout_afterx1")
    status, answer = through(server)
    assert (status, answer["message"]) == (400, "Order request timed out. Please check the order book")
    assert only_order(server)


def test_what_is_refused_stays_refused_in_the_broker_s_words_under_a_fault_after_acceptance(server):
    server.fault("place_order:error_after")
    status, answer = through(server, quantity=70)
    assert (status, "multiple of lot size" in answer["message"]) == (400, True)


def test_a_null_id_is_a_success_and_the_order_exists(server):
    server.fault("place_order:null_idx1")
    assert through(server) == (200, {"orderid": None, "status": "success"})
    assert only_order(server)


def test_an_empty_body_leaves_the_order(server):
    server.fault("place_order:emptyx1")
    symbol, quote = server.wing()
    body = {
        "apikey": "APIKEY",
        "strategy": "x",
        "symbol": symbol,
        "exchange": "NFO",
        "action": "BUY",
        "quantity": 65,
        "pricetype": "LIMIT",
        "product": "NRML",
        "price": quote["ask"],
    }
    answer = server.session.post(f"{BASE}/api/v1/placeorder", json=body, timeout=5)
    assert (answer.status_code, answer.content) == (200, b"")
    assert only_order(server)


def test_a_person_s_order_looks_the_same_in_every_field_that_is_told(server):
    server.fault("place_order:human=3x1")
    _, answer = through(server)
    server.wait(5)
    ours, theirs = server.ok("orderbook")["data"]["orders"]
    assert ours["orderid"] == answer["orderid"] != theirs["orderid"]
    same = ("action", "symbol", "quantity", "price", "pricetype", "product", "exchange")
    assert [ours[key] for key in same] == [theirs[key] for key in same]
    assert server.order(theirs["orderid"]).origin is Origin.HUMAN


def test_a_partial_fill_stops_at_its_share_in_whole_lots_until_it_is_cancelled(server):
    server.fault("place_order:partial=0.5x1")
    _, answer = through(server, quantity=65 * 5)
    server.wait(600)
    filled = [t["quantity"] for t in server.ok("tradebook")["data"] if t["orderid"] == answer["orderid"]]
    assert sum(filled) == 65 * 2
    assert server.ok("orderbook")["data"]["orders"][0]["order_status"] == "open"
    server.ok("cancelorder", strategy="x", orderid=answer["orderid"])


def test_a_cancelled_order_fills_late(server):
    symbol, quote = server.wing(steps=0)
    price = round(quote["bid"] - 10, 2)
    _, answer = server.buy(symbol, price)
    server.wait(1)
    server.fault("cancel_order:late_fill=5x1")
    server.ok("cancelorder", strategy="x", orderid=answer["orderid"])
    assert server.ok("orderbook")["data"]["orders"][0]["order_status"] == "cancelled"
    assert server.ok("tradebook")["data"] == []
    server.wait(6)
    (trade,) = server.ok("tradebook")["data"]
    assert (trade["quantity"], trade["average_price"]) == (65, price)
    assert server.ok("openposition", strategy="x", symbol=symbol, exchange="NFO", product="NRML")["quantity"] == 65


# -- books ---------------------------------------------------------------------------------------------------------------


def test_the_first_order_in_transit_makes_the_order_book_a_500(server):
    server.fault("orderbook:leak")
    _, answer = through(server)
    assert server.post("orderbook") == (500, recorded("errors/orderbook__first_order_in_flight")["response"])
    server.fault("orderstatus:leak")
    assert server.post("orderstatus", strategy="x", orderid=answer["orderid"])[0] == 500
    server.wait(1)
    assert server.ok("orderbook")["data"]["orders"][0]["order_status"] == "complete"


def test_a_later_order_in_transit_shows_the_status_of_the_row_before(server):
    through(server)
    server.wait(2)
    server.fault("*:leak")
    symbol, quote = server.wing(steps=0)
    _, answer = server.buy(symbol, round(quote["bid"] - 10, 2))
    rows = server.ok("orderbook")["data"]["orders"]
    assert [row["order_status"] for row in rows] == ["complete", "complete"]
    told = server.ok("orderstatus", strategy="x", orderid=answer["orderid"])["data"]
    assert (told["order_status"], told["average_price"]) == ("complete", 0.0)
    assert server.order(answer["orderid"]).status is Status.OPEN


def test_the_trade_book_lags_behind_the_order_book(server):
    server.fault("*:lag=10")
    _, answer = through(server)
    server.wait(2)
    asked = {"strategy": "x", "orderid": answer["orderid"]}
    told = server.ok("orderstatus", **asked)["data"]
    assert (told["order_status"], told["average_price"], server.ok("tradebook")["data"]) == ("complete", 0.0, [])
    server.wait(10)
    assert server.ok("tradebook")["data"][0]["orderid"] == answer["orderid"]
    assert server.ok("orderstatus", **asked)["data"]["average_price"] > 0


# -- prices --------------------------------------------------------------------------------------------------------------


def test_stale_quotes_are_those_of_so_many_seconds_ago(server):
    symbol, before = server.wing(steps=0)
    server.wait(120)
    server.fault("quotes:stale=120")
    asked = {"symbol": symbol, "exchange": "NFO"}
    assert server.ok("quotes", **asked)["data"]["ltp"] == before["ltp"]
    assert server.ok("depth", **asked)["data"]["ltp"] != before["ltp"]


def test_frozen_quotes_stand_where_they_were_when_it_was_switched_on(server):
    before = server.ok("optionchain", **CHAIN)
    server.fault("optionchain:frozen")
    server.wait(300)
    after = server.ok("optionchain", **CHAIN)
    assert after["chain"] == before["chain"]
    assert after["underlying_ltp"] == before["underlying_ltp"]
    assert after["server_ts"] == before["server_ts"] + 300
    server.session.delete(f"{BASE}/simulator/faults", timeout=5)
    assert server.ok("optionchain", **CHAIN)["chain"] != before["chain"]


def test_a_chain_of_zeros_is_a_success_with_the_usual_keys(server):
    whole = server.ok("optionchain", **CHAIN)
    server.fault("optionchain:zeros")
    chain = server.ok("optionchain", **CHAIN)
    assert {
        leg[key] for row in chain["chain"] for leg in (row["ce"], row["pe"]) for key in ("ltp", "bid", "ask", "oi")
    } == {0}
    assert (chain["quotes_included"], chain["underlying_ltp"]) == (True, whole["underlying_ltp"])
    assert chain["chain"][0].keys() == whole["chain"][0].keys()
    assert chain["chain"][0]["ce"]["lotsize"] == 65


def test_zeros_also_reach_quotes_and_depth(server):
    symbol, _ = server.wing()
    server.fault("*:zeros")
    asked = {"symbol": symbol, "exchange": "NFO"}
    assert server.ok("quotes", **asked)["data"]["ltp"] == 0
    assert server.ok("depth", **asked)["data"]["asks"][0] == {"price": 0, "quantity": 0}


def test_a_wrong_instrument_s_prices_come_under_the_name_that_was_asked_for(server):
    what = server.wing(steps=0)[0]
    other = server.wing(steps=4)[1]
    server.fault("*:wrong=4")
    assert server.ok("quotes", symbol=what, exchange="NFO")["data"] == other
    (row,) = server.ok("multiquotes", symbols=[{"symbol": what, "exchange": "NFO"}])["results"]
    assert (row["symbol"], row["data"]) == (what, other)
    chain = server.ok("optionchain", **CHAIN)["chain"]
    (leg,) = [row["ce"] for row in chain if row["ce"]["symbol"] == what]
    assert leg["ltp"] == other["ltp"]


def test_a_wrong_index_is_another_index(server):
    sensex = server.ok("quotes", symbol="SENSEX", exchange="BSE_INDEX")
    server.fault("quotes:wrong")
    assert server.ok("quotes", symbol="NIFTY", exchange="NSE_INDEX") == sensex


def test_clock_skew_is_in_the_date_header_and_in_server_ts(server):
    straight = server.ok("optionchain", **CHAIN)["server_ts"]
    server.fault("*:skew=40")
    answer = server.session.post(f"{BASE}/api/v1/optionchain", json={"apikey": "APIKEY", **CHAIN}, timeout=5)
    assert answer.json()["server_ts"] == straight + 40
    ahead = parsedate_to_datetime(answer.headers["Date"]) - datetime.now(UTC)
    assert timedelta(seconds=36) < ahead < timedelta(seconds=44)


# -- refusals ------------------------------------------------------------------------------------------------------------


def test_a_storm_is_the_429_without_status_and_nothing_is_done(server):
    server.fault("place_order:stormx3")
    assert [through(server) for _ in range(3)] == [(429, {"message": "10 per 1 second"})] * 3
    assert not server.exchange.orders
    assert through(server)[0] == 200


def test_the_broker_s_429_has_a_status(server):
    server.fault("*:broker_429x1")
    status, answer = server.post("cancelorder", strategy="x", orderid="1")
    assert (status, answer) == (429, {"message": "Too many requests", "status": "error"})


def test_margin_may_be_a_200_with_an_error_and_funds_a_success_without_data(server):
    server.fault("margin:error_200")
    server.fault("funds:no_data")
    leg = {
        "symbol": server.wing()[0],
        "exchange": "NFO",
        "action": "BUY",
        "quantity": "65",
        "product": "NRML",
        "pricetype": "MARKET",
    }
    status, answer = server.post("margin", positions=[leg])
    assert (status, answer["status"]) == (200, "error")
    assert server.ok("funds") == recorded("errors/funds__broker_token_expired")["response"]


# -- replay --------------------------------------------------------------------------------------------------------------


def test_commands_with_faults_play_again_to_the_same_books():
    commands = []
    server = Server(with_entries=False)
    server.app.orders._record = lambda kind, body, order_id: commands.append(
        (server.exchange.now, kind, json.loads(json.dumps(body)), order_id)
    )
    for text in ("place_order:late=33x1", "place_order:human=2", "place_order:partial=0.3"):
        server.fault(text)
    with pytest.raises(requests.ReadTimeout):
        through(server, quantity=65 * 5)
    server.wait(7)
    _, second = through(server, quantity=65 * 4)
    server.wait(20)
    server.fault("cancel_order:late_fill=4")
    server.ok("cancelorder", strategy="x", orderid=second["orderid"])
    server.wait(100)
    books = server.ok("orderbook"), server.ok("tradebook"), server.ok("positionbook")

    again = Exchange(day=server.day, seed=server.exchange.seed, cash=Decimal(1_000_000))
    views, account = OrderViews(exchange=again, record=lambda *_: None), AccountViews(exchange=again, broker="")
    for at, kind, body, order_id in commands:
        again.advance_to(at)
        assert views.replay(kind, body) == order_id
    again.advance_to(server.clock.now())
    assert (views.orderbook({})[1], views.tradebook({})[1], account.positionbook({})[1]) == books
    assert len(again.orders) == 4


# -- over sockets --------------------------------------------------------------------------------------------------------


class Socket:
    """The server behind a real port."""

    def __init__(self):
        self.world = Server(with_entries=False)
        self.symbol, quote = self.world.wing()
        self.price = round(quote["ask"] + 1, 2)
        self.server = serve(self.world.app, host="127.0.0.1", port=0)
        self.thread = Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()
        self.base = f"http://127.0.0.1:{self.server.server_port}"
        self.session = requests.Session()
        self.session.trust_env = False

    def fault(self, text):
        return self.session.post(f"{self.base}/simulator/faults", json={"fault": text}, timeout=5)

    def place(self, timeout=5):
        body = {
            "apikey": "APIKEY",
            "strategy": "x",
            "symbol": self.symbol,
            "exchange": "NFO",
            "action": "BUY",
            "quantity": 65,
            "pricetype": "LIMIT",
            "product": "NRML",
            "price": self.price,
        }
        return self.session.post(f"{self.base}/api/v1/placeorder", json=body, timeout=timeout)

    def close(self):
        self.session.close()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(timeout=5)


@pytest.fixture
def wired():
    made = Socket()
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "orders"), [("reset_before", 0), ("reset_after", 1)])
def test_a_reset_over_a_socket_is_a_reset(wired, kind, orders):
    wired.fault(f"place_order:{kind}x1")
    with pytest.raises(requests.ConnectionError) as caught:
        wired.place()
    assert isinstance(caught.value.args[0].args[1], ConnectionResetError)
    assert len(wired.world.exchange.orders) == orders
    assert wired.place().status_code == 200


def test_a_drip_over_a_socket_keeps_each_read_alive_and_takes_its_time(wired):
    wired.fault("place_order:drip=0.5x1")
    started = datetime.now(UTC)
    answer = wired.place(timeout=0.25)
    assert datetime.now(UTC) - started > timedelta(seconds=0.4)
    assert answer.json()["status"] == "success"


def test_a_refused_connection_over_a_socket_lasts_its_seconds_and_the_port_comes_back(wired):
    assert wired.fault("place_order:refuse").status_code == 400
    assert wired.fault("*:refuse=0.4").status_code == 200
    wired.thread.join(timeout=0.2)
    with pytest.raises(requests.ConnectionError) as caught:
        wired.place()
    assert isinstance(caught.value.args[0].reason, urllib3.exceptions.NewConnectionError)
    wired.thread.join(timeout=0.6)
    assert wired.place().status_code == 200
    assert len(wired.world.exchange.orders) == 1


def test_a_late_order_over_a_socket_answers_once_it_has_landed(wired):
    wired.fault("place_order:late=30x1")
    with pytest.raises(requests.ReadTimeout):
        wired.place(timeout=0.1)
    assert not wired.world.exchange.orders
    wired.world.wait(31)
    answer = wired.session.post(f"{wired.base}/api/v1/orderbook", json={"apikey": "APIKEY"}, timeout=5).json()
    assert len(answer["data"]["orders"]) == 1
    wired.fault("place_order:late=30x1")
    answers = []
    caller = Thread(target=lambda: answers.append(wired.place()))
    caller.start()
    caller.join(timeout=0.1)
    assert caller.is_alive()
    wired.world.wait(31)
    caller.join(timeout=5)
    assert answers[0].json()["orderid"] in wired.world.exchange.orders


def test_skew_over_a_socket_replaces_the_server_s_date(wired):
    wired.fault("*:skew=-3600")
    dates = wired.place().headers["Date"]
    behind = datetime.now(UTC) - parsedate_to_datetime(dates)
    assert timedelta(seconds=3590) < behind < timedelta(seconds=3610)


def test_without_faults_nothing_is_looked_for(server):
    assert server.app.faults.take("placeorder") is server.app.faults.take("funds")


# -- seen by the product's own client ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "error", "orders"),
    [
        ("refuse", NotSent, 0),
        ("reset_before", OutcomeUnknown, 0),
        ("reset_after", OutcomeUnknown, 1),
        ("drip", OutcomeUnknown, 1),
        ("late=90", OutcomeUnknown, 1),
    ],
)
def test_the_product_s_client_tells_not_sent_from_unknown(server, fault, error, orders):
    client = OpenAlgoOrderClient(BASE, "APIKEY", session=server.session)
    symbol, quote = server.wing()
    server.fault(f"place_order:{fault}x1")
    body = {"strategy": "x", "symbol": symbol, "exchange": "NFO", "action": "BUY", "quantity": 65}
    with pytest.raises(error):
        client.place_order({**body, "pricetype": "LIMIT", "product": "NRML", "price": quote["ask"]})
    server.wait(120)
    assert len(server.ok("orderbook")["data"]["orders"]) == orders
