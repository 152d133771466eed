"""Processes: children forked from a warmed parent, started at one moment, killed for real, and asked what they found.

The parent must have one thread and no connection open; it forks hundreds of times faster than Python starts.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import struct
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, connections

KILLED = 77
"""The exit code of a process that ended at its crash point, by `os._exit`: nothing of it was tidied up."""


class Hung(Exception):
    """A child did not end in time and was killed."""


@dataclass(slots=True)
class Child:
    """A forked process, and the pipe over which its result comes."""

    pid: int
    pipe: int
    data: bytes = b""
    code: int | None = None

    def is_alive(self) -> bool:
        """Return whether the process runs still; collects it when it does not."""
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is None

    def kill(self) -> None:
        """End the process the hard way and collect it."""
        if self.code is None:
            os.kill(self.pid, signal.SIGKILL)
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        self._close()

    def result(self, *, seconds: float = 60.0) -> Any:
        """Wait for the end and return what the child returned, `None` if it was killed. Raises `Hung`."""
        ends = time.monotonic() + seconds
        while True:
            ready, _, _ = select.select([self.pipe], [], [], max(0.0, ends - time.monotonic()))
            if not ready:
                self.kill()
                raise Hung(f"process {self.pid} did not end within {seconds:g} s")
            piece = os.read(self.pipe, 65536)
            if not piece:
                break
            self.data += piece
        if self.code is None:
            _, status = os.waitpid(self.pid, 0)
            self.code = os.waitstatus_to_exitcode(status)
        self._close()
        return pickle.loads(self.data) if self.data else None  # noqa: S301 - our own child wrote it

    def _close(self) -> None:
        with suppress(OSError):
            os.close(self.pipe)


def fork(work: Callable[[], object]) -> Child:
    """Run `work` in a process of its own; what it returns comes back pickled, and an exception as its text."""
    connections.close_all()  # a connection shared by two processes would mix up two conversations
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        return Child(pid, reading)
    code = 1
    try:
        os.close(reading)
        result = work()
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(result, pipe)
        code = 0
    except BaseException:  # noqa: BLE001 - a child may not fall back into the parent's code
        traceback.print_exc()
    finally:
        os._exit(code)


def race(work: Callable[[int], object], *, racers: int) -> list[Any]:
    """Run `work(number)` in as many processes, which are connected and all start at one moment; return their results.

    None ends before the last is done: the lease of a process that is gone is rightly taken from it.
    """
    waiting, starting = os.pipe()
    counting, ready = os.pipe()
    resting, working = os.pipe()

    def run(number: int) -> object:
        os.close(starting)
        connection.ensure_connection()
        os.write(ready, b".")
        os.read(waiting, 1)  # ends for all of them when the last writer closes
        done = work(number)
        os.close(working)
        os.read(resting, 1)  # ends when the last of them has done its work
        return done

    children = [fork(lambda number=number: run(number)) for number in range(racers)]  # type: ignore[misc]
    os.close(ready)
    there = 0
    while there < racers and (arrived := os.read(counting, racers)):  # it ends early where one of them has died
        there += len(arrived)
    for pipe in (waiting, counting, starting, resting, working):
        os.close(pipe)
    results = [child.result(seconds=120) for child in children]
    if any(child.code for child in children):
        raise RuntimeError(f"racers failed: {[child.code for child in children]}")
    return results


class Shared:
    """Numbers that all forked processes see."""

    def __init__(self, count: int) -> None:
        self._memory = mmap.mmap(-1, 8 * count)

    def __getitem__(self, place: int) -> float:
        return float(struct.unpack_from("d", self._memory, 8 * place)[0])

    def __setitem__(self, place: int, value: float) -> None:
        struct.pack_into("d", self._memory, 8 * place, value)


class SharedClock:
    """One clock of all processes: it runs, and whoever runs the trial lets it jump. Market time and wall time differ."""

    speed = 1.0

    def __init__(self, *, market: datetime, wall: datetime) -> None:
        self._market, self._wall = market, wall
        self._shared = Shared(1)
        self._began = time.monotonic()

    def _passed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._began + self._shared[0])

    def now(self) -> datetime:
        """Return market time."""
        return self._market + self._passed()

    def wall(self) -> datetime:
        """Return wall time, as our processes believe it to be."""
        return self._wall + self._passed()

    def jump(self, seconds: float) -> None:
        """Let time pass at once."""
        self._shared[0] = self._shared[0] + seconds

    def restart(self) -> None:
        """Begin anew, at the first moment."""
        self._began, self._shared[0] = time.monotonic(), 0.0

    def go(self) -> None:
        """Do nothing: there is no hold to end."""
