"""A `requests` transport over a WSGI app: the product's real client in process, without sockets."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.structures import CaseInsensitiveDict
from urllib3.exceptions import MaxRetryError, NewConnectionError, ProtocolError, ReadTimeoutError

from hedging.simulator.disturb import CUT, Cut

WsgiApp = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class WsgiAdapter(BaseAdapter):
    """Answer every request from a WSGI app, in the caller's thread."""

    def __init__(self, app: WsgiApp) -> None:
        super().__init__()
        self.app = app

    def send(  # type: ignore[override]
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: FBT001, FBT002 - requests' own signature
        timeout: Any = None,
        **_: Any,
    ) -> requests.Response:
        """Run the app on a prepared request. Timeouts mean nothing here: the app answers at once."""
        url = urlsplit(request.url or "")
        body = request.body or b""
        if isinstance(body, str):
            body = body.encode()
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method or "GET",
            "SCRIPT_NAME": "",
            "PATH_INFO": unquote(str(url.path)),
            "QUERY_STRING": str(url.query),
            "SERVER_NAME": str(url.hostname or "simulator"),
            "SERVER_PORT": str(url.port or 80),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": str(url.scheme or "http"),
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "simulator.in_process": True,
        }
        for name, value in (request.headers or {}).items():
            key = name.upper().replace("-", "_")
            environ[key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"] = str(value)
        started: dict[str, Any] = {}

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            started["status"], started["headers"] = status, headers

        content = b"".join(self.app(environ, start_response))
        cut = environ.get(CUT)
        if cut is not None:
            raise _as_seen(cut, request)
        code, _, reason = started["status"].partition(" ")
        response = requests.Response()
        response.status_code = int(code)
        response.reason = reason
        response.headers = CaseInsensitiveDict(started["headers"])
        response.encoding = "utf-8"
        response.url = request.url or ""
        response.request = request
        response.raw = io.BytesIO(content)
        response._content = content
        return response

    def close(self) -> None:
        """Nothing is held open."""


def _as_seen(cut: Cut, request: requests.PreparedRequest) -> requests.RequestException:
    """Return the exception that requests raises over a socket for a cut connection, with the same causes beneath."""
    url = str(request.url)
    if cut.kind == "refused":
        refused = NewConnectionError(None, "Failed to establish a new connection: [Errno 111] Connection refused")  # type: ignore[arg-type]
        return requests.ConnectionError(MaxRetryError(None, url, refused), request=request)  # type: ignore[arg-type]
    if cut.kind == "reset":
        reset = ConnectionResetError(104, "Connection reset by peer")
        return requests.ConnectionError(ProtocolError("Connection aborted.", reset), request=request)
    return requests.ReadTimeout(ReadTimeoutError(None, url, "Read timed out."), request=request)  # type: ignore[arg-type]


def mount(session: requests.Session, base_url: str, app: WsgiApp) -> None:
    """Send every request of `session` below `base_url` to the app."""
    session.mount(base_url, WsgiAdapter(app))
