"""One kept connection to a server of plain HTTP: one request in, one answer out, within a deadline, and nothing beside it.

No redirects, cookies, proxies, authentication or retries: there is no code for them here. It says `NewConnectionError` or
`ConnectTimeoutError` only while no byte of a request is out. TLS goes by way of requests, which knows whom to trust.
"""

from __future__ import annotations

import http.client
import time
import weakref
from contextlib import suppress
from typing import Any

import urllib3.exceptions
from urllib3.util.wait import wait_for_read

from hedging.brokers.openalgo.deadline import DeadlineConnection, DeadlineResponse

_CHUNK = 65536
_LARGEST_LINE = 65536
_MOST_HEADERS = 100


class TooMuch(ValueError):
    """An answer is larger than it may be."""


class _Headers(dict[str, str]):
    """Headers by their names in small letters; the first of several counts."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name.lower(), default)


class _Response(DeadlineResponse):
    """An answer whose headers are read without the e-mail parser, which took longer than everything else of a read."""

    headers: Any
    msg: Any

    def begin(self) -> None:
        version, status, reason = self._status()
        while status == http.client.CONTINUE:
            self._fields()
            version, status, reason = self._status()
        self.code = self.status = status
        self.reason = reason.strip()
        self.version = 10 if version in {"HTTP/1.0", "HTTP/0.9"} else 11
        self.headers = self.msg = self._fields()
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.chunk_left = None
        length = self.headers.get("content-length", "")
        self.length = int(length) if length.isdecimal() and not self.chunked else None
        if status in {http.client.NO_CONTENT, http.client.NOT_MODIFIED}:
            self.length = 0
        kept = self.version == 11 and "close" not in self.headers.get("connection", "").lower()
        self.will_close = not kept or (not self.chunked and self.length is None)

    def _status(self) -> tuple[str, int, str]:
        read: Any = vars(http.client.HTTPResponse)["_read_status"]
        version, status, reason = read(self)
        if not version.startswith("HTTP/1"):
            raise http.client.UnknownProtocol(version)
        return version, status, reason

    def _fields(self) -> _Headers:
        fields = _Headers()
        for _ in range(_MOST_HEADERS + 1):
            line = self.fp.readline(_LARGEST_LINE + 1)
            if len(line) > _LARGEST_LINE:
                raise http.client.LineTooLong("header line")
            if line in {b"\r\n", b"\n", b""}:
                return fields
            name, _, value = line.decode("iso-8859-1").partition(":")
            fields.setdefault(name.strip().lower(), value.strip())
        raise http.client.HTTPException(f"got more than {_MOST_HEADERS} headers")


class DirectConnection:
    """One connection, opened when it is wanted and kept while the server keeps it. For one thread of one process."""

    def __init__(self, *, host: str, port: int | None, host_header: str, headers: dict[str, str]) -> None:
        self._connection = DeadlineConnection(host, port)
        lines = [f"Host: {host_header}", *(f"{name}: {value}" for name, value in headers.items())]
        self._head = "\r\n".join(lines)
        weakref.finalize(self, self._connection.close).atexit = False  # with the thread or client that it belonged to

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def post(
        self, path: str, body: bytes, *, seconds: float, connect_seconds: float, most: int
    ) -> tuple[int, bytes, str | None]:
        """Send one request once; return status, body and `Date`. Whatever it raises, the connection is closed.

        `seconds` are for everything, from connecting to the last byte. Raises `TooMuch` for a body of more than `most` bytes.
        """
        ends = time.monotonic() + seconds
        head = f"POST {path} HTTP/1.1\r\n{self._head}\r\nContent-Length: {len(body)}\r\n\r\n"
        try:
            self._open(min(connect_seconds, seconds))
            with suppress(BrokenPipeError):  # refused before it was read to its end: the answer may be there
                self._connection.send(head.encode("ascii") + body)
            response = self._answer(ends)
            content = _body(response, most)
        except BaseException:
            self.close()
            raise
        if response.will_close:
            self.close()
        response.close()
        return response.status, content, response.headers.get("date")

    def _open(self, seconds: float) -> None:
        sock = self._connection.sock
        # What can be read before anything was asked is the end of the connection, or nobody's answer.
        if sock is not None and wait_for_read(sock, timeout=0.0):
            self.close()
            sock = None
        if sock is None:
            self._connection.timeout = seconds
            self._connection.connect()
        else:
            sock.settimeout(seconds)

    def _answer(self, ends: float) -> _Response:
        sock: Any = self._connection.sock
        remaining = ends - time.monotonic()
        if remaining <= 0:
            raise urllib3.exceptions.ReadTimeoutError(None, "", "sending took longer than the deadline")  # type: ignore[arg-type]
        sock.settimeout(remaining)
        response = _Response(sock, method="POST")
        response.begin()
        return response


def _body(response: _Response, most: int) -> bytes:
    if response.headers.get("content-encoding", "identity").lower() not in {"identity", ""}:
        raise ValueError("an answer in an encoding that was not asked for")
    content = bytearray()
    while chunk := response.read(_CHUNK):
        content += chunk
        if len(content) > most:
            raise TooMuch(f"an answer of more than {most} bytes")
    if response.length:
        raise http.client.IncompleteRead(bytes(content), response.length)
    return bytes(content)
