"""Serving: a small threaded HTTP/1.1 server for the WSGI app. One process, connections kept alive, loopback by default."""

from __future__ import annotations

import io
import os
import socket
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event
from typing import Any
from urllib.parse import unquote, urlsplit

from hedging.simulator.disturb import CUT

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_IDLE_SECONDS = 75
_LARGEST_BODY = 1_000_000
_DRIPS = 200
_PAUSE_AFTER = 0.05


class SimulatorServer(ThreadingHTTPServer):
    """The listening server. `server_close` does not wait for idle connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], app: WsgiApp) -> None:
        self.app = app
        self._connections: set[socket.socket] = set()
        self._pause: tuple[float, float] | None = None
        self._resume = Event()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)

    def stop_listening(self, seconds: float) -> None:
        """Refuse connections for some seconds of wall time, from a moment from now (the asker gets its answer)."""
        self._pause = (time.monotonic() + _PAUSE_AFTER, seconds)

    def service_actions(self) -> None:
        """Close the port and every connection when a pause is due; open the same port again after it."""
        if self._pause is None or time.monotonic() < self._pause[0]:
            return
        _, seconds = self._pause
        self._pause = None
        with socket.socket(self.address_family, self.socket_type) as silent:
            os.dup2(silent.fileno(), self.socket.fileno())  # the number stays: the serving loop watches it
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._resume.wait(seconds)
        with socket.socket(self.address_family, self.socket_type) as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(self.server_address)
            again.listen(self.request_queue_size)
            os.dup2(again.fileno(), self.socket.fileno())

    def shutdown(self) -> None:
        """End `serve_forever`, also in the middle of a pause."""
        self._resume.set()
        super().shutdown()

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serve one connection, known while it lasts."""
        self._connections.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._connections.discard(request)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: SimulatorServer

    def _answer(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            self.send_error(413)
            self.close_connection = True
            return
        url = urlsplit(self.path)
        environ: dict[str, Any] = {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote(url.path),
            "QUERY_STRING": url.query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(length),
            "REMOTE_ADDR": self.client_address[0],
            "HTTP_HOST": self.headers.get("Host", ""),
            "HTTP_ORIGIN": self.headers.get("Origin", ""),
            "wsgi.input": io.BytesIO(self.rfile.read(length)),
        }
        head: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            dated = any(name == "Date" for name, _ in headers)
            date = "" if dated else f"Date: {self.date_time_string()}\r\n"
            fixed = f"HTTP/1.1 {status}\r\n{date}Server: simulator\r\n"
            head.append((fixed + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode("latin-1"))

        body = b"".join(self.server.app(environ, start_response))
        cut = environ.get(CUT)
        if cut is None:
            self.wfile.write(head[0] + body)
        elif cut.kind == "drip":
            self._drip(head[0] + body, cut.seconds)
        else:
            self._reset()

    def _drip(self, content: bytes, seconds: float) -> None:
        """Send an answer in small pieces over some seconds of wall time."""
        self.close_connection = True
        size = max(1, len(content) // _DRIPS)
        pieces = [content[at : at + size] for at in range(0, len(content), size)]
        for piece in pieces:
            self.wfile.write(piece)
            time.sleep(seconds / len(pieces))

    def _reset(self) -> None:
        """Close the connection so that the client sees a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def handle_one_request(self) -> None:
        """Answer one request; a client that went away is no error."""
        try:
            super().handle_one_request()
        except (ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = _answer  # noqa: N815 - the standard library's names
    do_POST = _answer  # noqa: N815
    do_PUT = _answer  # noqa: N815
    do_DELETE = _answer  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Keep quiet: every call of a client would be a line."""


def serve(app: WsgiApp, *, host: str, port: int) -> SimulatorServer:
    """Return a server that listens; run it with `serve_forever`, end it with `shutdown` from another thread.

    Raises `OSError` when the port is taken.
    """
    server = SimulatorServer((host, port), app)
    control = getattr(app, "control", None)
    if control is not None:
        control.listener = server
    return server
