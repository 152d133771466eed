"""Points: where a worker process ends by `os._exit`, wrapped around production from outside; production knows none of it."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from django.db import OperationalError, connection

from hedging.brokers.base import OrderRequest, PlaceReply, TradeBook
from hedging.brokers.openalgo.broker import OpenAlgoBroker
from hedging.engine import execution, intents, orders, reconcile
from hedging.models import Fill
from tests.reliability.processes import KILLED

# What a wrapped place of the code is called; a cell names one of them, or a disaster before one of them.
CLAIM, SENDING, REPLY, BOOKS, CANCEL = "claim", "PreflightPassed", "Replied", "BooksRead", "CancelRequested"


@dataclass(slots=True)
class Crash:
    """What happens to this process, and where: `act` at the `count`-th time that it comes to `place`."""

    place: str
    act: Callable[[], None]
    count: int = 1
    phase: str = ""

    def reach(self, place: str) -> None:
        """Come to a place."""
        if place == self.place:
            self.count -= 1
            if self.count == 0:
                self.act()


def end() -> None:
    """End this process here and now, as the kernel would."""
    os._exit(KILLED)


def end_by_signal() -> None:
    """Be killed from outside."""
    os.kill(os.getpid(), signal.SIGKILL)


def full_disk() -> None:
    """Fail as a commit does whose page cannot be written."""
    raise OperationalError("could not extend file: No space left on device")


def lose_database() -> None:
    """Have this process's connection ended by the server, as when the database is restarted."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        (backend,) = cursor.fetchone()
    words = connection.get_connection_params()
    with psycopg.connect(**{key: value for key, value in words.items() if key != "cursor_factory"}) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [backend])


def install(crash: Crash) -> None:
    """Wrap the engine's commits, its steps and the sockets of this process, so that `crash` is told of each."""
    _wrap_commits(crash)
    _wrap_steps(crash)
    _wrap_sockets(crash)


def _wrap_commits(crash: Crash) -> None:
    plain = connection.commit

    def commit() -> None:
        crash.reach(f"before the commit of {crash.phase}")
        plain()
        crash.reach(f"after the commit of {crash.phase}")

    connection.commit = commit  # type: ignore[method-assign]
    plain_insert = vars(orders)["insert_alone"]

    def insert_alone(*words: Any, **named: Any) -> Any:
        # One statement, which commits as it ends.
        crash.reach(f"before the commit of {crash.phase}")
        made = plain_insert(*words, **named)
        crash.reach(f"after the commit of {crash.phase}")
        return made

    vars(orders)["insert_alone"] = insert_alone


def _wrap_steps(crash: Crash) -> None:
    plain_apply, plain_snapshot = vars(execution)["apply_event"], vars(intents)["_snapshot"]
    manager: Any = Fill.objects
    plain_fills = manager.bulk_create

    def apply_event(**words: Any) -> Any:
        before, crash.phase = crash.phase, type(words["event"]).__name__
        try:
            return plain_apply(**words)
        finally:
            crash.phase = before

    def snapshot(*words: Any) -> Any:
        crash.phase = CLAIM  # at the beginning of the claim's transaction
        return plain_snapshot(*words)

    def fills(rows: Any) -> Any:
        written = plain_fills(rows)
        crash.reach("fills written")
        return written

    for room in (execution, reconcile):
        vars(room)["apply_event"] = apply_event
    vars(intents)["_snapshot"] = snapshot
    manager.bulk_create = fills


def _wrap_sockets(crash: Crash) -> None:
    """Tell of a write's request half written and wholly written. Reads go through untouched."""
    plain_send = socket.socket.sendall

    def sendall(self: socket.socket, data: Any, *words: Any) -> None:
        if bytes(data[:5]) != b"POST ":
            plain_send(self, data, *words)
            return
        endpoint = bytes(data).split(b" ", 2)[1].rpartition(b"/")[2].decode()
        if crash.place == f"{endpoint}: half written":
            head, _, body = bytes(data).partition(b"\r\n\r\n")
            plain_send(self, head + b"\r\n\r\n" + body[: len(body) // 2])
            crash.reach(f"{endpoint}: half written")
        plain_send(self, data)
        crash.reach(f"{endpoint}: written")

    setattr(socket.socket, "sendall", sendall)  # noqa: B010 - its own type does not know that it can be replaced


class Watched(OpenAlgoBroker):
    """Production's broker, which tells where it is."""

    def __init__(self, broker: OpenAlgoBroker, crash: Crash) -> None:
        super().__init__(broker._orders)
        self._crash = crash

    def trade_book(self) -> TradeBook:
        """Read the trade book; the pre-flight is in its middle then."""
        book = super().trade_book()
        self._crash.reach("in the reads")
        return book

    def place(self, request: OrderRequest) -> PlaceReply:
        """Send the order: the fence lies behind, the socket before."""
        self._crash.reach("before the socket")
        reply = super().place(request)
        self._crash.reach("reply read")
        return reply


def let_the_server_work() -> None:
    """End this process a moment after the request has left, so that the server has taken it."""
    with suppress(OSError):
        time.sleep(0.05)
    end()
