"""A requests transport with a deadline for the whole answer, which a server that drips bytes cannot stretch.

A socket's time-out starts anew with every byte. Here the time-out that is set when the answer begins (urllib3 has
already taken off what connecting and sending took) is counted down over all reads of that answer, headers included.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import requests.adapters
import urllib3
import urllib3.connection
import urllib3.connectionpool
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict


class _DeadlineRaw(io.RawIOBase):
    def __init__(self, raw: io.RawIOBase, sock: socket.socket, seconds: float) -> None:
        super().__init__()
        self._raw = raw
        self._sock = sock
        self._ends = time.monotonic() + seconds

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        remaining = self._ends - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("the answer took longer than its total deadline")
        self._sock.settimeout(remaining)
        count: int | None = self._raw.readinto(buffer)
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _DeadlineResponse(http.client.HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        seconds = sock.gettimeout()
        if seconds is not None:
            self.fp = io.BufferedReader(_DeadlineRaw(self.fp.detach(), sock, seconds))


def _connect(connection: urllib3.connection.HTTPConnection, connect: Callable[[], None]) -> None:
    # Not one byte of the request is out while connecting, TLS included; say so in a type that cannot be mistaken.
    try:
        connect()
    except (OSError, ssl.CertificateError, urllib3.exceptions.SSLError) as error:
        raise urllib3.exceptions.NewConnectionError(connection, f"cannot connect: {error}") from error


class _Connection(urllib3.connection.HTTPConnection):
    response_class = _DeadlineResponse

    def connect(self) -> None:
        _connect(self, super().connect)


class _TlsConnection(urllib3.connection.HTTPSConnection):
    response_class = _DeadlineResponse

    def connect(self) -> None:
        _connect(self, super().connect)


class _Pool(urllib3.connectionpool.HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(urllib3.connectionpool.HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class DeadlineAdapter(requests.adapters.HTTPAdapter):
    """An HTTPAdapter whose `urllib3.Timeout(total=…)` is kept to the last byte, and which never retries.

    It serves one server, verified, without a proxy and without cookies; so none of these is asked for at each request.
    """

    def __init__(self) -> None:
        super().__init__(max_retries=0, pool_maxsize=4)
        self._pool: urllib3.connectionpool.ConnectionPool | None = None

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the server's pool, looked up once."""
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Return the path: a whole address is for proxies."""
        del proxies
        return request.path_url

    def build_response(self, req: requests.PreparedRequest, resp: urllib3.BaseHTTPResponse) -> requests.Response:
        """Return the answer to be read; its cookies are not looked at."""
        response = requests.Response()
        response.request, response.raw, response.connection = req, resp, self
        response.status_code, response.headers = resp.status, CaseInsensitiveDict(resp.headers)
        return response

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Use pools whose connections keep the deadline."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
