"""The simulator answers like the recorded server: the same shapes, the same refusals word for word, the same oddities."""

from __future__ import annotations

import json
from threading import Thread

import pytest
import requests

from hedging.domain.instruments import Index, Right
from hedging.simulator.serving import serve
from tests.contract.recorded import recorded
from tests.contract.simulated import BASE, Server


@pytest.fixture
def server():
    return Server()


def replayed(server, record):
    """Send a recorded request as it was."""
    request = record["request"]
    url = BASE + request["path"]
    if "raw_body" in request:
        headers = request.get("headers") or {}
        return server.session.request(request["method"], url, data=request["raw_body"], headers=headers, timeout=5)
    return server.session.request(request["method"], url, json=request.get("json"), timeout=5)


REFUSALS = [
    *(
        f"live/placeorder__{case}"
        for case in ("bad_action", "bad_exchange", "bad_pricetype", "bad_product", "extra_field")
    ),
    *(f"live/placeorder__{case}" for case in ("fractional_quantity", "negative_quantity", "zero_quantity")),
    *(f"live/placeorder__{case}" for case in ("missing_strategy", "missing_symbol", "not_lot_multiple")),
    *(f"live/placeorder__{case}" for case in ("unknown_symbol", "limit_price_zero")),
    "live/modifyorder__missing_fields",
    "live/cancelorder__unknown",
    *(f"live/orderstatus__{case}" for case in ("missing_strategy", "orderid_as_int", "unknown")),
    *(
        f"live/margin__{case}"
        for case in ("zero_legs", "fiftyone_legs", "quantity_as_int", "quantity_zero", "extra_field")
    ),
    "live/margin__bad_symbol_only",
    *(f"live/quotes__{case}" for case in ("bad_exchange", "bad_symbol", "lowercase_symbol")),
    *(f"live/multiquotes__{case}" for case in ("all_bad", "empty", "one_bad_exchange")),
    "live/depth__bad_symbol",
    *(f"live/optionchain__{case}" for case in ("bad_expiry", "bad_expiry_format", "dashed_expiry", "lowercase_expiry")),
    *(
        f"live/optionchain__{case}"
        for case in ("strike_count_0", "strike_count_101", "missing_expiry", "unknown_underlying")
    ),
    *(f"live/optionsymbol__{case}" for case in ("bad_expiry", "offset_otm99")),
    "live/symbol__not_found",
    *(f"live/expiry__{case}" for case in ("index_exchange", "unknown_symbol")),
    "live/market_timings__bad_date",
    "live/openposition__unknown_symbol",
    *(
        f"errors/funds__{case}"
        for case in ("empty_apikey", "missing_apikey", "wrong_apikey", "get_method", "json_array")
    ),
    *(f"errors/funds__{case}" for case in ("malformed_json", "no_body", "no_body_json_type", "wrong_content_type")),
    *(f"errors/placeorder__{case}" for case in ("wrong_apikey", "malformed_json", "wrong_content_type", "no_body")),
    *(
        f"errors/{call}__wrong_apikey"
        for call in ("depth", "optionchain", "expiry", "margin", "orderbook", "orderstatus")
    ),
    *(f"errors/{call}__wrong_apikey" for call in ("quotes", "multiquotes", "symbol", "cancelorder", "ping")),
    "errors/nosuchendpoint__post",
]


@pytest.mark.parametrize("name", REFUSALS)
def test_what_the_recorded_server_refuses_is_refused_in_the_same_words(server, name):
    record = recorded(name)
    answer = replayed(server, record)
    assert (answer.status_code, answer.json()) == (record["status_code"], record["response"])


def shape(value):
    """The keys and JSON types of an answer; a list by its first row."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


SUCCESSES = [
    "ping__ok",
    "funds__with_positions",
    "analyzer_status__off",
    "quotes__index_nifty",
    "quotes__option",
    "multiquotes__ok",
    "multiquotes__one_bad_symbol",
    "depth__option",
    "depth__index",
    "optionchain__strike_count_2",
    "optionchain__exchange_NFO",
    "optionsymbol__atm_ce",
    "symbol__option",
    "symbol__index",
    "expiry__nifty_options",
    "margin__one_short",
    "margin__iron_condor_4",
    "margin__one_bad_symbol_among_4",
    "openposition__long",
    "market_timings__weekday",
    "market_holidays__2027",
]


@pytest.mark.parametrize("name", SUCCESSES)
def test_answers_have_the_recorded_keys_and_types(server, name):
    record = recorded(f"live/{name}")
    answer = replayed(server, record)
    assert answer.status_code == 200, answer.text
    assert shape(answer.json()) == shape(record["response"])
    assert answer.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("endpoint", "name"),
    [
        ("orderbook", "live/orderbook__mixed"),
        ("tradebook", "live/tradebook__mixed"),
        ("positionbook", "live/positionbook__mixed"),
    ],
)
def test_books_have_the_recorded_rows(server, endpoint, name):
    assert shape(server.ok(endpoint)) == shape(recorded(name)["response"])


@pytest.mark.parametrize("endpoint", ["orderbook", "tradebook", "positionbook"])
def test_empty_books_are_as_recorded(endpoint):
    assert Server(with_entries=False).ok(endpoint) == recorded(f"errors/{endpoint}__empty")["response"]


def test_a_trailing_slash_is_no_difference(server):
    answer = server.session.post(f"{BASE}/api/v1/funds/", json={"apikey": "APIKEY"}, timeout=5)
    assert answer.json() == server.ok("funds")


def test_an_order_is_acknowledged_then_complete_then_in_the_books(server):
    symbol, quote = server.wing()
    status, answer = server.buy(symbol, round(quote["ask"] + 1, 2))
    assert (status, set(answer)) == (200, {"orderid", "status"})
    order = {"strategy": "auto-hedge", "orderid": answer["orderid"]}
    assert server.ok("orderstatus", **order)["data"]["order_status"] == "open"
    server.wait(1)
    row = server.ok("orderstatus", **order)
    assert shape(row) == shape(recorded("live/orderstatus__complete")["response"])
    assert row["data"]["order_status"] == "complete"
    trade = server.ok("tradebook")["data"][-1]
    assert (trade["orderid"], trade["symbol"], trade["quantity"]) == (answer["orderid"], symbol, 65)
    assert row["data"]["average_price"] == trade["average_price"]
    held = server.ok("openposition", strategy="x", symbol=symbol, exchange="NFO", product="NRML")
    assert held["quantity"] == 65
    assert "strategy" not in server.ok("orderbook")["data"]["orders"][-1]


def test_quantities_and_prices_may_be_strings_in_orders(server):
    symbol, quote = server.wing()
    status, _ = server.buy(symbol, f"{quote['ask'] + 1:.2f}", quantity="65", action="buy")
    assert status == 200


def test_a_price_off_the_tick_is_refused_by_the_broker(server):
    symbol, _ = server.wing()
    status, answer = server.buy(symbol, 3.07)
    assert status == 400
    assert "Tick size" in answer["message"]


def test_a_short_beyond_the_funds_is_refused_with_the_broker_s_text(server):
    symbol, quote = server.wing(steps=0)
    status, answer = server.buy(symbol, quote["bid"], quantity=65 * 20, action="SELL")
    assert status == 400
    assert answer["message"].startswith("Insufficient funds. Required margin is ")


def test_a_partial_fill_shows_in_the_trade_book_alone(server):
    symbol, quote = server.wing(steps=0)
    _, answer = server.buy(symbol, quote["ask"], quantity=65 * 27, pricetype="LIMIT")
    if "orderid" not in answer:
        pytest.fail(str(answer))
    server.wait(0.95)
    filled = sum(t["quantity"] for t in server.ok("tradebook")["data"] if t["orderid"] == answer["orderid"])
    row = server.ok("orderstatus", strategy="x", orderid=answer["orderid"])["data"]
    assert 0 < filled < 65 * 27
    assert (row["order_status"], row["average_price"], row["quantity"]) == ("open", 0.0, 65 * 27)
    server.ok("cancelorder", strategy="x", orderid=answer["orderid"])
    status, again = server.post("cancelorder", strategy="x", orderid=answer["orderid"])
    assert (status, again) == (500, recorded("live/cancelorder__already_cancelled")["response"])


def test_a_basket_of_two_is_the_increment_over_the_book_net_of_premium(server):
    legs = []
    for right in Right:
        symbol, quote = server.wing(right=right)
        legs.append(
            {
                "symbol": symbol,
                "exchange": "NFO",
                "action": "BUY",
                "product": "NRML",
                "pricetype": "LIMIT",
                "quantity": "195",
                "price": str(quote["ask"]),
            }
        )
    data = server.ok("margin", positions=legs)["data"]
    assert data["span_margin"] < -250_000
    assert data["exposure_margin"] == 0
    premium = sum(float(leg["price"]) * 195 for leg in legs)
    assert data["total_margin_required"] == pytest.approx(data["span_margin"] + premium, abs=0.02)
    used = float(server.ok("funds")["data"]["utiliseddebits"])
    for leg in legs:
        server.buy(leg["symbol"], float(leg["price"]) + 1, quantity=195)
    server.wait(2)
    after = float(server.ok("funds")["data"]["utiliseddebits"])
    assert after - used == pytest.approx(data["total_margin_required"], rel=0.03)


def test_one_leg_alone_does_not_count_the_book(server):
    symbol, _ = server.wing(steps=0)
    leg = {"symbol": symbol, "exchange": "NFO", "action": "SELL", "product": "NRML", "pricetype": "MARKET"}
    alone = server.ok("margin", positions=[{**leg, "quantity": "65"}])
    flat = Server(with_entries=False).ok("margin", positions=[{**leg, "quantity": "65"}])
    assert alone == flat
    data = alone["data"]
    assert data["total_margin_required"] == pytest.approx(data["span_margin"] + data["exposure_margin"])


def test_availablecash_does_not_fall_when_margin_is_used(server):
    data = server.ok("funds")["data"]
    assert data["availablecash"] == "1000000.00"
    assert data["collateral"] == "0.00"
    assert 750_000 < float(data["utiliseddebits"]) < 850_000


def test_the_chain_agrees_with_quotes_and_depth(server):
    chain = server.ok("optionchain", underlying="SENSEX", exchange="BSE_INDEX", expiry_date="03DEC26", strike_count=3)
    assert [row["ce"]["label"] for row in chain["chain"]] == ["ITM3", "ITM2", "ITM1", "ATM", "OTM1", "OTM2", "OTM3"]
    assert [row["pe"]["label"] for row in chain["chain"]] == ["OTM3", "OTM2", "OTM1", "ATM", "ITM1", "ITM2", "ITM3"]
    leg = chain["chain"][5]["pe"]
    quote = server.ok("quotes", symbol=leg["symbol"], exchange="BFO")["data"]
    assert {key: leg[key] for key in quote} == quote
    depth = server.ok("depth", symbol=leg["symbol"], exchange="BFO")["data"]
    assert (depth["bids"][0]["price"], depth["asks"][0]["price"]) == (leg["bid"], leg["ask"])
    assert depth["totalsellqty"] == sum(level["quantity"] for level in depth["asks"])
    assert leg["bid_qty"] == leg["ask_qty"] == 0


def test_the_whole_chain_is_given_when_no_count_is_asked(server):
    chain = server.ok("optionchain", underlying="NIFTY", exchange="NFO", expiry_date="01DEC26")["chain"]
    assert len(chain) == len(server.exchange.market.strikes(Index.NIFTY))


def test_nobody_bids_or_asks_out_of_hours():
    server = Server(at="09:14:00")
    chain = server.ok("optionchain", underlying="NIFTY", exchange="NFO", expiry_date="01DEC26", strike_count=2)["chain"]
    assert {leg[key] for row in chain for leg in (row["ce"], row["pe"]) for key in ("bid", "ask")} == {0}
    assert all(row["ce"]["ltp"] > 0 for row in chain)
    assert server.ok("quotes", symbol="NIFTY", exchange="NSE_INDEX")["data"]["ltp"] > 0


def test_the_freeze_quantity_of_bfo_is_not_configured(server):
    symbol = server.ok(
        "optionsymbol",
        underlying="SENSEX",
        exchange="BSE_INDEX",
        expiry_date="03DEC26",
        offset="OTM2",
        option_type="PE",
    )
    assert symbol["freeze_qty"] == 1
    assert server.ok("symbol", symbol=symbol["symbol"], exchange="BFO")["data"]["freeze_qty"] == 1


@pytest.mark.parametrize(("endpoint", "limit"), [("ping", 50), ("cancelorder", 10)])
def test_calls_above_the_rate_limit_get_the_odd_429(endpoint, limit):
    server = Server(rate_limited=True)
    answers = [server.post(endpoint) for _ in range(limit + 5)]
    assert (429, {"message": f"{limit} per 1 second"}) in answers[limit:]
    assert all(status != 429 for status, _ in answers[:limit])


def test_the_control_pages_need_no_key(server):
    clock = server.session.get(f"{BASE}/simulator/clock", timeout=5).json()
    assert clock == {
        "now": "2026-12-01T04:30:00+00:00",
        "date": "2026-12-01",
        "family": "calm",
        "speed": 0.0,
        "market_open": True,
        "day_over": False,
    }
    report = server.session.get(f"{BASE}/simulator/report", timeout=5).json()
    assert (report["entries_made"], report["entries_refused"]) == (3, 0)
    page = server.session.get(f"{BASE}/", timeout=5)
    assert page.headers["Content-Type"].startswith("text/html")
    assert "No real money" in page.text


def test_the_same_contract_holds_over_a_socket():
    """Connections stay open, and a body that is no JSON leaves the connection usable."""
    world = Server()
    server = serve(world.app, host="127.0.0.1", port=0)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    base = f"http://127.0.0.1:{server.server_port}"
    try:
        with requests.Session() as session:
            session.trust_env = False
            first = session.post(f"{base}/api/v1/funds", json={"apikey": "APIKEY"}, timeout=5)
            broken = session.post(
                f"{base}/api/v1/funds", data="{", headers={"Content-Type": "application/json"}, timeout=5
            )
            third = session.post(f"{base}/api/v1/funds", json={"apikey": "APIKEY"}, timeout=5)
            missing = session.put(f"{base}/api/v1/funds", timeout=5)
        assert first.json() == third.json() == world.ok("funds")
        assert (broken.status_code, "status" in broken.json()) == (400, False)
        assert json.loads(missing.text)["message"] == "Not found"
        assert "Date" in first.headers
    finally:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)
