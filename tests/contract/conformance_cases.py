"""What each recorded case needs before its request, and which ones the simulator does not model, with the reason."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hedging.simulator.schemas import SCHEMAS
from tests.contract.recorded_day import POOR, Server, Times


def endpoint_of(name: str) -> str:
    """The endpoint of a recording, as the path of its request spells it (`market_timings` is /market/timings)."""
    stem = name.split("/")[1].split("__", maxsplit=1)[0]
    return {"analyzer_status": "analyzer", "analyzer_toggle": "analyzer/toggle"}.get(
        stem, stem.replace("market_", "market/").replace("telegram_", "telegram/").replace("whatsapp_", "whatsapp/")
    )


Prepare = Callable[[Server, dict[str, Any]], "Server | None"]
"""Bring a server into the state of the recording; may change the request's body, or return another server."""
RESTING = "live/placeorder__limit_resting"
FAR = {"price": 1.3}  # a sale above the market, within the price band
STOP = {"price": 1.3, "trigger_price": 1.25}
TAKEN = {"price": 1.1}
BOOK = ("market_buy", "market_sell", "above_freeze", "three_fills")


def _as_it_is(_: Server, __: dict[str, Any]) -> None:
    return None


def _with_book(server: Server, _: dict[str, Any]) -> None:
    """Positions both ways, a resting order, a pending stop, a rejected and a cancelled order."""
    for name in BOOK:
        server.place(f"live/placeorder__{name}")
    server.place("live/placeorder__sl_limit", STOP)
    server.place(RESTING, FAR)
    gone = server.place(RESTING, FAR)
    server.wait(5)
    server.post("cancelorder", strategy="x", orderid=gone)


PAPER_BOOK = (
    "funds__with_positions",
    "funds__after_one_short",
    "orderbook__mixed",
    "orderbook__after_cancelallorder",
    "tradebook__mixed",
    "positionbook__mixed",
    "positionbook__after_closeposition",
    "openposition__short",
)


def _with_paper_book(server: Server, _: dict[str, Any]) -> None:
    for name in ("market_buy", "market_sell", "limit_resting", "mis_product"):
        server.place(f"analyze/placeorder__{name}")
    server.place(RESTING, FAR)
    server.wait(5)


def _after(
    name: str,
    times: Times | None = None,
    *,
    wait: float = 5.0,
    cancel: int = 0,
    fault: str = "",
    quantity: str | None = None,
) -> Prepare:
    """The request concerns the order of this recording, placed some seconds ago and cancelled so many times."""

    def prepare(server: Server, request: dict[str, Any]) -> None:
        if fault:
            server.fault(fault)
        order_id = server.place(name, times, quantity=quantity)
        server.wait(wait)
        for _ in range(cancel):
            server.post("cancelorder", strategy="x", orderid=order_id)
        if isinstance(request.get("json"), dict) and "orderid" in request["json"]:
            request["json"]["orderid"] = order_id

    return prepare


def _resting(*, cancel: int = 0) -> Prepare:
    return _after(RESTING, FAR, cancel=cancel)


def _modifying(server: Server, request: dict[str, Any]) -> None:
    """The recorded price is another day's: the order keeps the one that it rests at."""
    _resting()(server, request)
    rows = server.post("orderbook")["data"]["orders"]
    request["json"]["price"] = str(rows[-1]["price"])


def _faulty(*faults: str, then: Prepare = _as_it_is) -> Prepare:
    def prepare(server: Server, request: dict[str, Any]) -> None:
        then(server, request)
        for text in faults:
            server.fault(text)

    return prepare


def _poor(_: Server, __: dict[str, Any]) -> Server:
    return Server(cash=POOR)


def _hammered(_: Server, request: dict[str, Any]) -> Server:
    """The recorded limit was hit by the same request sent many times."""
    server = Server(rate_limited=True)
    for _attempt in range(60):
        if server.send(request)[0] == 429:
            break
    return server


def _paper(then: Prepare) -> Prepare:
    """The same with the analyzer on from the start."""

    def prepare(server: Server, request: dict[str, Any]) -> None:
        server.fault("*:analyze")
        then(server, request)

    return prepare


def _in_transit(*, first: bool) -> Prepare:
    def prepare(server: Server, request: dict[str, Any]) -> None:
        if not first:
            server.place("live/placeorder__market_buy")
            server.wait(5)
        server.fault("orderbook:leak")
        server.fault("orderstatus:leak")
        order_id = server.place("errors/placeorder__validation_pending")
        if isinstance(request.get("json"), dict) and "orderid" in request["json"]:
            request["json"]["orderid"] = order_id

    return prepare


PREPARED: dict[str, Prepare] = {
    **{f"live/{name}": _with_book for name in ("orderbook__mixed", "tradebook__mixed", "positionbook__mixed")},
    **{f"live/{name}": _with_book for name in ("funds__with_positions", "positionbook__after_closeposition")},
    **{f"live/{name}": _with_book for name in ("funds__after_close", "openposition__long", "openposition__short")},
    **{f"errors/orderbook__{name}_lost_answer": _with_book for name in ("before", "after")},
    "errors/funds__trailing_slash": _with_book,
    "errors/ping__after_rate_limit": _as_it_is,
    **{f"errors/{name}__rate_limit_exceeded": _hammered for name in ("ping", "placeorder")},
    "live/placeorder__refused_by_broker": _poor,
    "live/cancelorder__ok": _resting(),
    "live/cancelorder__already_cancelled": _resting(cancel=1),
    "live/cancelorder__completed": _after("live/placeorder__market_sell"),
    "live/cancelorder__partial_rest": _after("live/placeorder__partial_fill", TAKEN, fault="placeorder:partial"),
    "errors/cancelorder__in_flight": _after("errors/placeorder__validation_pending", wait=0),
    "errors/cancelorder__in_flight_2": _after("errors/placeorder__validation_pending", wait=0),
    "live/modifyorder__ok": _modifying,
    "analyze/modifyorder__ok": _paper(_modifying),
    "live/modifyorder__completed_order": _after("live/placeorder__market_sell"),
    "live/orderstatus__open": _resting(),
    "live/orderstatus__cancelled": _resting(cancel=1),
    "live/orderstatus__complete": _after("live/placeorder__market_sell"),
    "live/orderstatus__three_fills": _after("live/placeorder__three_fills", quantity="1755"),
    "live/orderstatus__trigger_pending": _after("live/placeorder__sl_limit", STOP),
    "live/orderstatus__rejected": _after("live/placeorder__above_freeze"),
    "live/orderstatus__rejected_freeze": _after("live/placeorder__above_freeze"),
    "live/orderstatus__partial": _after("live/placeorder__partial_fill", TAKEN, fault="placeorder:partial"),
    "live/orderstatus__partial_then_cancelled": _after(
        "live/placeorder__partial_fill", TAKEN, fault="placeorder:partial", cancel=1
    ),
    "errors/orderstatus__tradebook_fails": _after("live/placeorder__market_sell", fault="orderstatus:lag=600"),
    **{f"errors/{name}__first_order_in_flight": _in_transit(first=True) for name in ("orderbook", "orderstatus")},
    **{f"errors/{name}__later_order_in_flight": _in_transit(first=False) for name in ("orderbook", "orderstatus")},
    "errors/placeorder__lost_answer_order_is_live": _faulty("placeorder:error_after"),
    "errors/optionchain__underlying_quote_fails": _faulty("optionchain:broker_raises"),
    "errors/optionchain__leg_quotes_fail": _faulty("optionchain:zeros"),
    "live/optionchain__broker_has_no_quote_for_one_leg": _as_it_is,
    "analyze/analyzer_status__off": _as_it_is,
    "analyze/orderbook__after_toggle_off": _as_it_is,
    **{f"analyze/{name}": _paper(_with_paper_book) for name in PAPER_BOOK},
    "analyze/cancelorder__ok": _paper(_resting()),
    "analyze/cancelorder__already_cancelled": _paper(_resting(cancel=1)),
    "analyze/modifyorder__completed_order": _paper(_after("analyze/placeorder__market_sell")),
    "analyze/orderstatus__complete": _paper(_after("analyze/placeorder__market_sell")),
    "analyze/orderstatus__open": _paper(_resting()),
    "analyze/orderstatus__trigger_pending": _paper(_after("analyze/placeorder__sl_limit", STOP)),
}
BROKER_FAILS = {
    "broker_error_400": "{}:broker_error=400",
    "broker_error_429": "{}:broker_error=429",
    "broker_error_502": "{}:broker_error=502",
    "broker_plugin_raises": "{}:broker_raises",
    "broker_timeout_10s": "{}:broker_timeout",
    "broker_data_null": "{}:broker_null",
    "broker_null": "{}:broker_null",
    "broker_answers_html": "{}:broker_html",
    "broker_token_expired": "*:session=600",
    "broker_session_revoked": "*:session=0",
}
MODES = {"analyze": "*:analyze", "semi_auto": "*:semi_auto"}
OTHER_WORDS = {
    "live/placeorder__refused_by_broker": "the recorded broker was a stub with a text of its own",
    "analyze/placeorder__insufficient_margin": "the sums are the account's",
}
"""Errors whose words cannot be the same; their shape is."""

NO_GREEKS = "the product never asks for Greeks"
NO_FUTURES = "no futures are traded in the simulator"
NO_COMMODITIES = "commodity and crypto exchanges, which show here, are not simulated"
NO_STREAM = "the product polls the books and uses no WebSocket"
NO_ENDPOINT = "the product never calls this endpoint, and the simulator has none"
NOT_MODELLED = {
    **{f"live/optionchain__{case}": NO_GREEKS for case in ("all_strikes_greeks", "greeks_interest_rate")},
    "live/optionchain__strike_count_2_greeks": NO_GREEKS,
    "errors/optionchain__leg_quotes_fail_greeks": NO_GREEKS,
    "live/quotes__future": NO_FUTURES,
    "live/expiry__nifty_futures": NO_FUTURES,
    **{f"live/market_holidays__{case}": NO_COMMODITIES for case in ("2026", "wrong_apikey")},
    **{f"live/market_timings__{case}": NO_COMMODITIES for case in ("holiday", "sunday")},
    "live/multiquotes__broker_has_no_quote_for_one": "a listed option always has a quote",
    "live/multiquotes__mixed_exchanges": "no shares are traded in the simulator",
    "analyze/placeorder__quote_source_down_market": "paper orders take their price from the market itself, which never fails",
    "errors/placeorder__client_timeout_1s_broker_slow_4s": "the recording is of a client that hung up: there is no answer",
}
"""Cases of endpoints that the simulator has, and why it does not answer like them."""


def preparation(name: str) -> Prepare:
    """What the case needs; by its name, else by the failure that it is called after, else by the mode of its folder."""
    if name in PREPARED:
        return PREPARED[name]
    folder, case = name.split("/", maxsplit=1)[0], name.split("__")[1]
    if case in BROKER_FAILS:
        return _faulty(BROKER_FAILS[case].format(endpoint_of(name)))
    return _faulty(MODES[folder]) if folder in MODES else _as_it_is


def reason_not_modelled(name: str) -> str:
    """Why the simulator does not answer like this recording; empty if it has to."""
    if name.startswith("ws/"):
        return NO_STREAM
    if name in NOT_MODELLED:
        return NOT_MODELLED[name]
    endpoint = endpoint_of(name)
    return NO_ENDPOINT if endpoint not in SCHEMAS and endpoint != "nosuchendpoint" else ""
