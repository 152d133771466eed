"""A raw socket server with faults: every call ends inside its deadline, in a typed error, and orders in the right class."""

import gzip
import queue
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import date
from decimal import Decimal

import pytest

from hedging.brokers.base import BrokerUnavailable, OrderRequest, ReplyClass
from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.brokers.openalgo.client import OpenAlgoOrderClient
from hedging.domain.instruments import Contract, Index, Product, Right, Side

DEADLINE = 0.3
SLACK = 0.6
REQUEST = OrderRequest(
    Contract(Index.NIFTY, date(2026, 12, 1), Decimal(26500), Right.CE), Product.NRML, Side.BUY, 65, Decimal("2.35")
)
GOOD = b'{"status":"success","orderid":"11","data":{}}'
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def head(length, extra=b""):
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%bContent-Length: %d\r\n\r\n" % (extra, length)


def read_request(peer):
    data = received(peer)
    while b"\r\n\r\n" not in data:
        data += received(peer)
    headers, _, body = data.partition(b"\r\n\r\n")
    length = int(headers.lower().split(b"content-length:")[1].split(b"\r\n")[0])
    while len(body) < length:
        body += received(peer)
    return headers


def received(peer):
    data = peer.recv(65536)
    if not data:
        raise ConnectionError("the caller is gone")
    return data


def drip(peer, data, stop):
    for n in range(len(data)):
        if stop.wait(0.05):
            return
        peer.sendall(data[n : n + 1])


def reset_at_once(peer, _stop):
    read_request(peer)
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


FAULTS = {
    "closes without an answer": lambda peer, _: read_request(peer),
    "resets after the request": reset_at_once,
    "never answers": lambda peer, stop: (read_request(peer), stop.wait(5)),
    "drips its headers": lambda peer, stop: (read_request(peer), drip(peer, head(len(GOOD)) + GOOD, stop)),
    "drips its body": lambda peer, stop: (read_request(peer), peer.sendall(head(len(GOOD))), drip(peer, GOOD, stop)),
    "drips endless headers": lambda peer, stop: (
        read_request(peer), peer.sendall(b"HTTP/1.1 200 OK\r\n"), drip(peer, b"A: b\r\n" * 99, stop),
    ),
    "drips chunks": lambda peer, stop: (
        read_request(peer),
        peer.sendall(CHUNKED),
        drip(peer, b"1\r\n{\r\n" * 99, stop),
    ),
    "says 100 Continue for ever": lambda peer, stop: (read_request(peer), drip(peer, b"HTTP/1.1 100 Continue\r\n\r\n" * 99, stop)),
    "closes in the middle of the body": lambda peer, _: (read_request(peer), peer.sendall(head(500) + GOOD)),
    "answers no HTTP": lambda peer, _: (read_request(peer), peer.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")),
    "answers an empty body": lambda peer, _: (read_request(peer), peer.sendall(head(0))),
    "answers gzip that is none": lambda peer, _: (
        read_request(peer), peer.sendall(head(len(GOOD), b"Content-Encoding: gzip\r\n") + GOOD),
    ),
    "answers gzip that is some": lambda peer, _: (
        read_request(peer), peer.sendall(head(len(gzip.compress(GOOD)), b"Content-Encoding: gzip\r\n") + gzip.compress(GOOD)),
    ),
    "answers without end": lambda peer, stop: (
        read_request(peer), peer.sendall(CHUNKED), [peer.sendall(b"10000\r\n%b\r\n" % (b" " * 65536)) for _ in range(200)],
    ),
    "answers with headers without end": lambda peer, stop: (
        read_request(peer), peer.sendall(b"HTTP/1.1 200 OK\r\n"), [peer.sendall(b"A: %b\r\n" % (b"b" * 65536)) for _ in range(200)],
    ),
    "changes the protocol": lambda peer, _: (
        read_request(peer), peer.sendall(SWITCH + b"HTTP/1.1 200 OK\r\n\r\n" + GOOD),
    ),
    "tells two lengths": lambda peer, _: (
        read_request(peer), peer.sendall(head(len(GOOD), b"Transfer-Encoding: chunked\r\n") + GOOD),
    ),
    "answers HTML": lambda peer, _: (read_request(peer), peer.sendall(head(13) + b"<html></html>")),
}  # fmt: skip


class Server:
    def __init__(self, behave):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.behave = behave
        self.accepted = 0
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.peers = []
        self.left: queue.SimpleQueue[socket.socket] = queue.SimpleQueue()

    def run(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.accepted += 1
            thread = threading.Thread(target=self.serve, args=(peer,))
            thread.start()
            self.peers.append(thread)

    def serve(self, peer):
        with peer, suppress(OSError, IndexError):
            self.behave(peer, self.stop)
        self.left.put(peer)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.stop.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()
        for thread in self.peers:
            thread.join()


def broker_at(url):
    return OpenAlgoBroker(OpenAlgoOrderClient(url, "k" * 64, read_seconds=DEADLINE, order_seconds=DEADLINE))


@pytest.mark.parametrize("fault", FAULTS)
def test_an_order_into_a_fault_is_unknown_sent_once_and_inside_the_deadline(fault):
    with Server(FAULTS[fault]) as server:
        started = time.monotonic()
        reply = broker_at(server.url).place(REQUEST)
        taken = time.monotonic() - started
    assert reply.outcome is ReplyClass.UNKNOWN
    assert server.accepted == 1
    assert taken < DEADLINE + SLACK


@pytest.mark.parametrize("fault", FAULTS)
def test_a_cancel_into_a_fault_is_not_known_and_sent_once(fault):
    with Server(FAULTS[fault]) as server:
        reply = broker_at(server.url).cancel("11")
    assert reply.accepted is None
    assert server.accepted == 1


READS = {
    "funds": lambda broker: broker.funds(),
    "order book": lambda broker: broker.order_book(),
    "trade book": lambda broker: broker.trade_book(),
    "depth": lambda broker: broker.depth(REQUEST.contract),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_read_of_any_kind_into_a_fault_is_unavailable_inside_the_deadline(fault):
    def error_of(read):
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            read(broker)
        return time.monotonic() - started

    with Server(FAULTS[fault]) as server, ThreadPoolExecutor(len(READS)) as threads:
        broker = broker_at(server.url)
        taken = dict(zip(READS, threads.map(error_of, READS.values()), strict=True))
    assert max(taken.values()) < DEADLINE + SLACK, taken


def test_there_are_at_least_ten_faults_for_six_calls():
    assert len(FAULTS) >= 10
    assert len({"place", "cancel", *READS}) == 6


def test_a_refused_connection_and_a_failed_tls_handshake_are_surely_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    assert broker_at(f"http://127.0.0.1:{port}").place(REQUEST).outcome is ReplyClass.NOT_SENT
    with Server(lambda peer, _: peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as plain:
        assert broker_at(plain.url.replace("http", "https")).place(REQUEST).outcome is ReplyClass.NOT_SENT
    with Server(lambda peer, stop: stop.wait(3)) as silent:
        assert broker_at(silent.url.replace("http", "https")).place(REQUEST).outcome is ReplyClass.NOT_SENT


def test_a_good_answer_comes_through_and_its_connection_is_used_again():
    def serve_two(peer, _):
        for _ in range(2):
            read_request(peer)
            peer.sendall(head(len(GOOD)) + GOOD)

    with Server(serve_two) as server:
        broker = broker_at(server.url)
        assert [broker.place(REQUEST).order_id for _ in range(2)] == ["11", "11"]
    assert server.accepted == 1


@pytest.mark.parametrize(
    ("answer", "connections"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n" + GOOD, 2),
        (head(len(GOOD), b"Connection: close\r\n") + GOOD, 2),
        (b"HTTP/1.1 100 Continue\r\n\r\n" + head(len(GOOD)) + GOOD, 1),
        (CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (len(GOOD), GOOD), 1),
        (head(len(GOOD)) + GOOD + head(2) + b"{}", 2),
        (head(len(GOOD)) + GOOD + b"more than was asked for", 2),
        (head(len(GOOD)) + GOOD + SWITCH, 2),
    ],
    ids=[
        "ends with its connection", "says close", "is announced", "in chunks", "and another answer", "and noise",
        "and another protocol",
    ],
)  # fmt: skip
def test_an_answer_of_any_lawful_form_is_read_and_what_follows_it_is_not_the_next_one(answer, connections):
    def serve(peer, stop):
        read_request(peer)
        peer.sendall(answer)
        if answer.startswith(b"HTTP/1.1 200 OK\r\n\r\n"):
            return
        read_request(peer)  # on the same connection: it stays open as long as the caller wants
        peer.sendall(answer)
        stop.wait(3)

    with Server(serve) as server:
        broker = broker_at(server.url)
        assert [broker.place(REQUEST).order_id for _ in range(2)] == ["11", "11"]
        server.stop.set()
    assert server.accepted == connections


def test_an_answer_that_comes_unasked_is_not_the_next_one():
    came = threading.Event()

    def serve(peer, stop):
        read_request(peer)
        peer.sendall(head(len(GOOD)) + GOOD)
        if server.accepted == 1:
            time.sleep(0.05)
            peer.sendall(head(len(GOOD)) + GOOD.replace(b"11", b"66"))
            came.set()
        stop.wait(3)

    with Server(serve) as server:
        broker = broker_at(server.url)
        assert broker.place(REQUEST).order_id == "11"
        assert came.wait(3)
        assert broker.place(REQUEST).order_id == "11"
        server.stop.set()
    assert server.accepted == 2


def test_where_looking_the_name_up_takes_the_whole_deadline_nothing_is_sent(monkeypatch):
    found, asked = socket.getaddrinfo, []

    def slow(*words, **named):
        time.sleep(DEADLINE)
        return found(*words, **named)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with Server(lambda peer, _: asked.append(peer.recv(100))) as server:
        reply = broker_at(server.url).place(REQUEST)
    assert reply.outcome is ReplyClass.NOT_SENT
    assert asked in ([], [b""])


def test_no_proxy_is_taken_from_the_environment(monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there

    def serve(peer, _):
        read_request(peer)
        peer.sendall(head(len(GOOD)) + GOOD)

    with Server(serve) as server:
        assert broker_at(server.url).place(REQUEST).order_id == "11"


def test_a_connection_that_ended_since_is_not_used_again():
    def serve_one(peer, _):
        read_request(peer)
        peer.sendall(head(len(GOOD)) + GOOD)

    with Server(serve_one) as server:
        broker = broker_at(server.url)
        assert broker.place(REQUEST).order_id == "11"
        server.left.get(timeout=10)
        assert broker.place(REQUEST).order_id == "11"
    assert server.accepted == 2


def test_a_second_answer_on_a_kept_connection_has_a_deadline_of_its_own():
    def slow_then_slow(peer, stop):
        for _ in range(2):
            read_request(peer)
            stop.wait(0.6 * DEADLINE)
            peer.sendall(head(len(GOOD)) + GOOD)

    with Server(slow_then_slow) as server:
        broker = broker_at(server.url)
        assert [broker.place(REQUEST).outcome for _ in range(2)] == [ReplyClass.ACKED, ReplyClass.ACKED]
