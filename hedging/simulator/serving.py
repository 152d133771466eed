"""Serving: a small threaded HTTP/1.1 server for the WSGI app. One process, connections kept alive, loopback by default."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
_IDLE_SECONDS = 75
_LARGEST_BODY = 1_000_000


class SimulatorServer(ThreadingHTTPServer):
    """The listening server. `server_close` does not wait for idle connections."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], app: WsgiApp) -> None:
        self.app = app
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking a name server who we are."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        host, port = self.server_address[:2]
        self.server_name, self.server_port = str(host), int(port)


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
            "wsgi.input": io.BytesIO(self.rfile.read(length)),
        }
        head: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]]) -> None:
            fixed = f"HTTP/1.1 {status}\r\nDate: {self.date_time_string()}\r\nServer: simulator\r\n"
            head.append((fixed + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode("latin-1"))

        body = b"".join(self.server.app(environ, start_response))
        self.wfile.write(head[0] + body)

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
    return SimulatorServer((host, port), app)
