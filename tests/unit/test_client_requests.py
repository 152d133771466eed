"""The OpenAlgo client over a transport that answers what we plan: secrets, repeats, redirects, and what was surely not sent."""

import ast
import logging
import socket
import ssl
import threading
import traceback
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
import requests
from urllib3 import HTTPConnectionPool
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
)
from urllib3.exceptions import SSLError as Urllib3SSLError

import hedging
from hedging.brokers.base import (
    BrokerUnavailable,
    NotSent,
    OrderRequest,
    OutcomeUnknown,
    RateLimited,
    ReplyClass,
    UnreadableAnswer,
)
from hedging.brokers.openalgo.broker import OpenAlgoBroker, OpenAlgoReader
from hedging.brokers.openalgo.client import READ_ENDPOINTS, OpenAlgoClient, OpenAlgoOrderClient
from hedging.brokers.openalgo.deadline import MAX_ANSWER_BYTES
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from tests.contract.recorded import RecordedAdapter, made, session_over

KEY = "5ecre7" * 10
NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
REQUEST = OrderRequest(
    Contract(Index.NIFTY, date(2026, 12, 1), Decimal(26500), Right.CE), Product.NRML, Side.BUY, 65, Decimal("2.35")
)
GOOD_FUNDS = "live/funds__flat"


def client_over(answers, cls=OpenAlgoOrderClient, *, waits=None, **options):
    adapter = RecordedAdapter(answers)
    sleep = (waits if waits is not None else []).append
    client = cls(
        "http://openalgo.test:5000/", KEY, session=session_over(adapter), clock=lambda: NOW, sleep=sleep, **options
    )
    return client, adapter


POOL = HTTPConnectionPool("openalgo.test")
CONNECTION = HTTPConnection("openalgo.test")


def reset():
    return requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer")))


def refused():
    return requests.ConnectionError(MaxRetryError(POOL, "/x", NewConnectionError(CONNECTION, "refused")))


# Requests


def test_the_key_goes_into_the_body_and_the_age_counts_from_the_request():
    client, adapter = client_over({"funds": GOOD_FUNDS})
    assert client.read("funds").asked_at == NOW
    assert adapter.sent == [("funds", {"apikey": KEY})]


def test_a_client_reads_read_endpoints_only():
    client, adapter = client_over({})
    for endpoint in ("placeorder", "cancelorder", "closeposition", "analyzer/toggle"):
        with pytest.raises(ValueError, match="no read endpoint"):
            client.read(endpoint)
    assert adapter.sent == []


@pytest.mark.parametrize(
    "url",
    [
        "",
        "localhost:5000",
        "ftp://x",
        "http://",
        "http://user:pw@x:5000",
        "http://x/?a=1",
        "http://x/#f",
        "http://x/a b",
        "http://x/ä",
        "http://bücher:5000",
        "file:///etc",
    ],
)
def test_a_base_url_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="OPENALGO_BASE_URL"):
        OpenAlgoClient(url, KEY)


@pytest.mark.parametrize(
    "url", ["http://openalgo.test:5000", "http://openalgo.test:5000/", "http://openalgo.test:5000/api/v1/"]
)
def test_a_base_url_may_end_in_a_slash_or_in_the_api_path(url):
    adapter = RecordedAdapter({"funds": GOOD_FUNDS})
    client = OpenAlgoClient(url, KEY, session=session_over(adapter))
    client.read("funds")
    assert adapter.endpoints() == ["funds"]


def test_nothing_is_taken_from_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:1")
    seen = {}

    class Watching(RecordedAdapter):
        def send(self, request, *args, **options):
            seen.update(options)
            return super().send(request, *args, **options)

    OpenAlgoClient("http://x.test", KEY, session=session_over(Watching({"funds": GOOD_FUNDS}))).read("funds")
    assert not seen["proxies"]


def test_a_redirect_is_not_followed():
    elsewhere = made(302, {"status": "success", "data": {}})
    client, adapter = client_over({"funds": elsewhere, "placeorder": elsewhere})
    with pytest.raises(BrokerUnavailable, match="redirect"):
        OpenAlgoReader(client).funds()
    assert OpenAlgoBroker(client).place(REQUEST).outcome is ReplyClass.UNKNOWN
    assert adapter.endpoints() == ["funds", "placeorder"]


def test_each_thread_has_a_connection_of_its_own():
    client = OpenAlgoClient("http://x.test", KEY)
    kept = [client._connection(), client._connection()]
    thread = threading.Thread(target=lambda: kept.append(client._connection()))
    thread.start()
    thread.join()
    assert kept[0] is kept[1]
    assert kept[2] is not kept[0]


# Secrets


@pytest.mark.parametrize(
    "failure", [reset, refused, lambda: requests.ReadTimeout(f"while sending {KEY}"), lambda: OSError(KEY)]
)
def test_the_key_is_in_no_error_no_cause_and_no_log(failure, caplog):
    caplog.set_level(logging.DEBUG)
    client, _ = client_over({"funds": failure(), "placeorder": failure()})
    with pytest.raises(BrokerUnavailable) as caught:
        client.read("funds")
    error = caught.value
    assert KEY not in "".join(traceback.format_exception(error))
    assert (error.__cause__, error.__context__) == (None, None)  # the original holds the request, and so the key
    assert KEY not in str(OpenAlgoBroker(client).place(REQUEST))
    assert KEY not in caplog.text


def test_the_key_is_in_no_representation():
    client, _ = client_over({})
    assert KEY not in repr(client)
    assert KEY not in str(client)
    assert KEY not in repr(OpenAlgoBroker(client))


def test_a_server_that_echoes_the_key_does_not_get_it_into_a_message():
    echo = made(400, {"status": "error", "message": f"bad key {KEY}"})
    client, _ = client_over({"funds": echo, "placeorder": echo})
    assert KEY.encode() not in client.read("funds").body
    assert "***" in OpenAlgoBroker(client).place(REQUEST).message


# Repeats


def test_a_read_is_repeated_after_a_lost_connection_and_after_a_gateway_error():
    waits: list[float] = []
    client, adapter = client_over(
        {"funds": [reset(), made(503, b"<html>"), GOOD_FUNDS]}, waits=waits, jitter=lambda: 0.5
    )
    assert client.read("funds").status == 200
    assert len(adapter.sent) == 3
    assert waits == [pytest.approx(0.1), pytest.approx(0.2)]


def test_a_read_is_repeated_at_most_twice():
    client, adapter = client_over({"funds": [reset() for _ in range(9)]})
    with pytest.raises(BrokerUnavailable, match="gave no answer"):
        client.read("funds")
    assert len(adapter.sent) == 3


@pytest.mark.parametrize(
    "name", ["errors/orderbook__broker_error_400", "errors/ping__rate_limit_exceeded", "errors/funds__wrong_apikey"]
)
def test_an_answer_of_openalgo_itself_is_not_asked_for_again(name):
    client, adapter = client_over({"orderbook": name})
    client.read("orderbook")
    assert len(adapter.sent) == 1


def test_repeats_end_with_their_budget():
    client, adapter = client_over({"funds": [reset() for _ in range(200)]})
    for _ in range(20):
        with pytest.raises(BrokerUnavailable):
            client.read("funds")
    assert len(adapter.sent) <= 20 + 3 + 2


def test_there_is_no_repeat_past_the_deadline():
    now = [0.0]

    def slow(_):
        now[0] = 7.9
        return reset()

    client, adapter = client_over({"funds": [slow, GOOD_FUNDS]}, OpenAlgoClient, monotonic=lambda: now[0])
    with pytest.raises(BrokerUnavailable):
        client.read("funds")
    assert len(adapter.sent) == 1


@pytest.mark.parametrize(
    "failure", [reset(), refused(), requests.ReadTimeout(), made(503, b""), "errors/placeorder__rate_limit_exceeded"]
)
def test_a_write_is_never_repeated(failure):
    client, adapter = client_over({"placeorder": failure, "cancelorder": failure})
    broker = OpenAlgoBroker(client)
    broker.place(REQUEST)
    broker.cancel("1")
    assert adapter.endpoints() == ["placeorder", "cancelorder"]


def test_calls_wait_for_the_rate_limit():
    waits: list[float] = []
    client, _ = client_over(
        {"funds": GOOD_FUNDS, "placeorder": "live/placeorder__limit_resting"}, waits=waits, monotonic=lambda: 5.0
    )
    for _ in range(10):
        client.read("funds")
    assert waits == []
    client.read("funds")
    assert waits == [pytest.approx(1 / 40)]
    waits.clear()
    for _ in range(3):
        client.place_order({})
    assert waits == [pytest.approx(1 / 8)]


# Sent or not


def wrapped(reason):
    return requests.ConnectionError(MaxRetryError(POOL, "/x", reason))


NEVER_SENT = [
    refused(),
    wrapped(ConnectTimeoutError("slow")),
    wrapped(NameResolutionError("x.test", CONNECTION, socket.gaierror("no such name"))),
    requests.ConnectTimeout(MaxRetryError(POOL, "/x", ConnectTimeoutError("slow"))),
    requests.exceptions.InvalidURL("bad"),
]
MAYBE_SENT = [
    reset(),
    requests.ReadTimeout(ReadTimeoutError(POOL, "/x", "read")),
    requests.exceptions.ChunkedEncodingError(ProtocolError("incomplete")),
    requests.exceptions.SSLError(MaxRetryError(POOL, "/x", Urllib3SSLError(ssl.SSLError(1, "bad record")))),
    requests.ConnectionError("nobody knows"),
    OSError("broken pipe"),
    ValueError("odd"),
]


@pytest.mark.parametrize("error", NEVER_SENT)
def test_a_connection_that_never_stood_proves_that_nothing_was_sent(error):
    client, _ = client_over({"placeorder": error, "cancelorder": error})
    with pytest.raises(NotSent, match="Nothing was sent"):
        client.place_order({})
    assert OpenAlgoBroker(client).place(REQUEST).outcome is ReplyClass.NOT_SENT
    assert OpenAlgoBroker(client).cancel("1").accepted is False


@pytest.mark.parametrize("error", MAYBE_SENT)
def test_any_other_loss_leaves_the_outcome_unknown(error):
    client, _ = client_over({"placeorder": error, "cancelorder": error})
    with pytest.raises(OutcomeUnknown, match="do not repeat"):
        client.place_order({})
    assert OpenAlgoBroker(client).place(REQUEST).outcome is ReplyClass.UNKNOWN
    assert OpenAlgoBroker(client).cancel("1").accepted is None


def test_even_a_bug_below_the_post_leaves_the_outcome_unknown():
    client, _ = client_over({"placeorder": ZeroDivisionError(KEY)})
    reply = OpenAlgoBroker(client).place(REQUEST)
    assert reply.outcome is ReplyClass.UNKNOWN
    assert KEY not in reply.message


@pytest.mark.parametrize(
    ("quantity", "price"),
    [(0, Decimal("2.35")), (-65, Decimal("2.35")), (65, Decimal(0)), (65, Decimal(-1)), (65, Decimal("NaN"))],
)
def test_what_is_no_order_is_not_sent(quantity, price):
    client, adapter = client_over({})
    request = OrderRequest(REQUEST.contract, Product.NRML, Side.BUY, quantity, price)
    assert OpenAlgoBroker(client).place(request).outcome is ReplyClass.NOT_SENT
    assert adapter.sent == []


def test_an_answer_that_is_too_large_is_cut_off():
    huge = made(200, b'{"status":"success","data":"' + b"x" * MAX_ANSWER_BYTES + b'"}')
    client, _ = client_over({"funds": [huge] * 3, "placeorder": huge})
    with pytest.raises(BrokerUnavailable, match="more than"):
        client.read("funds")
    assert OpenAlgoBroker(client).place(REQUEST).outcome is ReplyClass.UNKNOWN


def test_a_rate_limit_is_its_own_error():
    client, _ = client_over({"ping": "errors/ping__rate_limit_exceeded"})
    with pytest.raises(RateLimited):
        OpenAlgoReader(client).server_status()


# One way out


def python_files():
    root = Path(hedging.__file__).parent
    return [path for path in root.rglob("*.py") if "simulator" not in path.parts]


def test_one_line_of_the_code_base_sends_orders():
    calls, names = [], []
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                calls += [path.name] * (node.func.attr == "_post_order")
            if isinstance(node, ast.Constant) and node.value == "placeorder":
                names.append(path.name)
    assert calls == ["client.py"]
    assert names == ["client.py"]


def test_no_endpoint_that_acts_on_more_than_one_order_of_ours_is_named_anywhere():
    forbidden = {
        "placesmartorder", "basketorder", "splitorder", "optionsorder", "optionsmultiorder", "modifyorder",
        "cancelallorder", "closeposition", "analyzer/toggle",
    }  # fmt: skip
    for path in python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            assert not (isinstance(node, ast.Constant) and node.value in forbidden), path
    assert READ_ENDPOINTS.isdisjoint(forbidden | {"placeorder", "cancelorder"})


def test_a_reader_and_its_client_have_no_way_to_write():
    for cls in (OpenAlgoReader, OpenAlgoClient):
        assert not [
            name for name in dir(cls) if any(word in name for word in ("place", "cancel", "write", "post", "modify"))
        ]


# Empty books


@pytest.mark.parametrize(
    ("call", "endpoint", "empty"),
    [
        ("positions", "positionbook", []),
        ("trade_book", "tradebook", []),
        ("order_book", "orderbook", {"orders": [], "statistics": {}}),
    ],
)
def test_an_empty_book_is_believed_only_beside_funds_that_can_be_read(call, endpoint, empty):
    """Some adapters answer success and nothing where their broker failed, and `{}` for its funds."""
    nothing = made(200, {"status": "success", "data": empty})
    client, adapter = client_over({endpoint: nothing, "funds": GOOD_FUNDS}, OpenAlgoClient)
    getattr(OpenAlgoReader(client), call)()
    assert len(adapter.sent) == 2
    masked, _ = client_over({endpoint: nothing, "funds": made(200, {"status": "success", "data": {}})}, OpenAlgoClient)
    with pytest.raises(UnreadableAnswer, match="funds"):
        getattr(OpenAlgoReader(masked), call)()
