"""One socket to one server, with a deadline that a server that drips cannot stretch.

A socket's time-out starts anew with every byte. Here what is left of the whole exchange is counted down over sending and
over every read of the answer, headers included. An order must know whether a byte of it may have left, and its path is
short of milliseconds: so nothing stands between this and the socket but llhttp (`httptools`), which reads the answer.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from dataclasses import dataclass
from functools import cache, lru_cache
from urllib.parse import SplitResult, urlsplit

import requests
from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3.util.wait import wait_for_read

MAX_ANSWER_BYTES = 8 * 1024 * 1024
"""A chain of 2 x 201 strikes with Greeks is about 150 kB, a day of trades far below this."""
_AT_ONCE = 65536
_LEAST_SECONDS = 0.001
_TELL_LENGTH = frozenset({b"content-length", b"transfer-encoding"})
_KEPT = frozenset({b"content-encoding", b"date"})


class NotConnected(requests.ConnectionError):
    """There was no connection, TLS included: not one byte of the request left."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer; of its `headers` those that a reader asks for, names in lower case, of several with one name the last."""

    status: int
    headers: dict[str, str]
    body: bytes


class DeadlineConnection:
    """One kept connection to one server: verified, without proxy, cookies, redirects or repeats; for one thread."""

    def __init__(self) -> None:
        self._kept: socket.socket | None = None

    def post(
        self, url: str, headers: tuple[tuple[str, str], ...], body: bytes, *, timeout: tuple[float, float]
    ) -> HttpAnswer:
        """Send once and return the whole answer; `timeout`: seconds to connect, seconds in all.

        `NotConnected` says that nothing was sent; any other error (`requests.RequestException`, `OSError`) leaves that open.
        Looking a name up cannot be cut short: where it takes too long nothing is sent afterwards.
        """
        connect_seconds, seconds = timeout
        ends = time.monotonic() + seconds
        head = b"%s%d\r\n\r\n" % (_head(url, headers), len(body))
        sock = self._connected(url, connect_seconds)
        if time.monotonic() >= ends:
            raise NotConnected("looking the name up and connecting took the whole deadline")
        answer = _Answer()
        try:
            sock.settimeout(_left(ends))
            sock.sendall(head + body)
            answer.read(sock, ends)
        except BaseException:
            self.close()
            raise
        if not answer.reusable:
            self.close()
        return HttpAnswer(answer.status, answer.headers, bytes(answer.body))

    def close(self) -> None:
        """Drop the connection."""
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def __del__(self) -> None:
        self.close()  # the connection of a thread goes when the thread does

    def _connected(self, url: str, seconds: float) -> socket.socket:
        # What can be read before anything is asked is the end of the connection, or an answer that nobody waits for.
        if self._kept is not None and not wait_for_read(self._kept, timeout=0):
            return self._kept
        self.close()
        try:
            self._kept = _connection_to(urlsplit(url), seconds)
        except (OSError, ValueError) as error:
            raise NotConnected(f"cannot connect: {error}") from error
        return self._kept


class _Answer:
    """One answer, as far as it has come; the parser calls the `on_` methods."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = bytearray()
        self.reusable = False
        self._parser = HttpResponseParser(self)
        self._ends_with_connection = True  # until a header says how long it is
        self._has_head = self._whole = False

    def read(self, sock: socket.socket, ends: float) -> None:
        """Read to the end of the answer. Raises `OSError` or `requests.RequestException` where it does not come in time."""
        try:
            received = 0
            while not self._whole:
                if time.monotonic() > ends:
                    raise requests.ReadTimeout("the answer took longer than its total deadline")
                sock.settimeout(_left(ends))
                data = sock.recv(_AT_ONCE)
                if not data:
                    if self._has_head and self._ends_with_connection:
                        return
                    raise requests.ConnectionError("the connection ended before the answer did")
                received += len(data)
                if received > MAX_ANSWER_BYTES:
                    raise requests.exceptions.ContentDecodingError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
                self._feed(data)
        finally:
            del self._parser  # it holds this answer, and with it the body

    def _feed(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (HttpParserError, HttpParserUpgrade) as error:
            if not self._whole:
                raise requests.ConnectionError(f"an answer that is no HTTP of ours: {error}") from error
            self.reusable = False  # what follows an answer is nothing that was asked for

    def on_message_begin(self) -> None:
        self.reusable = False  # after the whole answer: another one that nobody asked for

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._whole:
            known = name.lower()
            if known in _TELL_LENGTH:
                self._ends_with_connection = False
            elif known in _KEPT:
                self.headers[known.decode("ascii")] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if not self._whole:
            self.status = self._parser.get_status_code()
            self._has_head = self.status >= 200

    def on_body(self, data: bytes) -> None:
        if not self._whole:
            self.body += data

    def on_message_complete(self) -> None:
        if self._whole:
            return
        if not self._has_head:  # 100 Continue and its like announce the answer
            self.headers.clear()
            self._ends_with_connection = True
            return
        self._whole = True
        self.reusable = self._parser.should_keep_alive()


@lru_cache(maxsize=64)
def _head(url: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    """Return the head of a request up to its length: the same few all day."""
    where = urlsplit(url)
    lines = [f"POST {where.path} HTTP/1.1", f"Host: {where.netloc}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "Content-Length: "]).encode("ascii")


def _connection_to(url: SplitResult, seconds: float) -> socket.socket:
    secure = url.scheme == "https"
    sock = socket.create_connection((url.hostname or "", url.port or (443 if secure else 80)), timeout=seconds)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(sock.close)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connected = _tls().wrap_socket(sock, server_hostname=url.hostname) if secure else sock
        on_failure.pop_all()
    return connected


@cache
def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _left(ends: float) -> float:
    return max(_LEAST_SECONDS, ends - time.monotonic())
