"""Kernel: one virtual clock, an agenda, and strands of production code that take turns at their points of input or output.

A strand is a thread that runs only while it holds the baton, so production code runs unchanged, several workers are under
way at once, and one seed gives one order of everything. A strand hands the baton on where it waits (`pause`), and it is
there that a kill of its process can hit it.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from random import Random

from django.db import DEFAULT_DB_ALIAS, connections


class Killed(BaseException):
    """The process of a strand was killed: nothing after this point runs, and its open transaction is rolled back."""


class Disaster(Exception):
    """Mark of what the chaos itself does to a strand: its process may end on it."""


@dataclass(slots=True)
class Strand:
    """One piece of work of one process. `order_id` is the slice that it sends, where it sends one."""

    name: str
    order_id: int | None = None
    dying: bool = False
    thread: _Thread | None = None


class _Thread(threading.Thread):
    """A thread that runs one strand after another, each step only when it is given the baton."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.turn = threading.Lock()
        self.turn.acquire()
        self.job: Callable[[], None] = lambda: None
        self.connection = connections[DEFAULT_DB_ALIAS]
        self.connection.inc_thread_sharing()

    def run(self) -> None:
        connections[DEFAULT_DB_ALIAS] = self.connection
        while True:
            self.turn.acquire()
            self.job()


_idle: list[_Thread] = []


@dataclass(order=True, slots=True)
class _Due:
    at: datetime
    number: int
    act: Callable[[], object] = field(compare=False)
    plain: bool = field(compare=False)


class Kernel:
    """The clock and the agenda of one schedule.

    `random` is the only source of chance. `kill_rate` is the chance that a strand is killed at a point; `tally` counts
    what happened; `story` holds it in words where it is asked for.
    """

    def __init__(self, *, start: datetime, random: Random, told: bool) -> None:
        self.now = start
        self.random = random
        self.kill_rate = 0.0
        self.tally: Counter[str] = Counter()
        self.story: list[tuple[datetime, str]] | None = [] if told else None
        self.escaped: list[tuple[str, Exception]] = []
        self.current: Strand | None = None
        self._agenda: list[_Due] = []
        self._number = 0
        self._baton = threading.Lock()
        self._baton.acquire()

    def tell(self, words: str) -> None:
        """Add a line to the story, where one is kept."""
        if self.story is not None:
            who = f"[{self.current.name}] " if self.current else ""
            self.story.append((self.now, who + words))

    def after(self, seconds: float, act: Callable[[], object]) -> None:
        """Let `act` happen later: an event of the world outside, which uses no database."""
        self._put(self.now + timedelta(seconds=seconds), act, plain=True)

    def start(self, seconds: float, name: str, work: Callable[[], object], *, order_id: int | None = None) -> None:
        """Let a process of ours begin `work` later."""
        strand = Strand(name, order_id)
        self._put(self.now + timedelta(seconds=seconds), lambda: self._begin(strand, work), plain=False)

    def pause(self, seconds: float, where: str, *, peril: int = 1) -> None:
        """Let the running strand wait at a point of input or output; others run meanwhile. It may be killed there.

        `peril` multiplies the chance of that.
        """
        strand = self.current
        if strand is None:
            return
        until = self.now + timedelta(seconds=seconds)
        while self._agenda and self._agenda[0].at <= until and self._agenda[0].plain:
            self._take().act()
        if self._agenda and self._agenda[0].at <= until:
            self._put(until, lambda: self._resume(strand), plain=False)
            self._hand_over(strand)
        self.now = until
        if strand.dying or (self.kill_rate and self.random.random() < self.kill_rate * peril):
            self.kill(where)

    def kill(self, where: str) -> None:
        """Kill the process of the running strand here and now."""
        self.tally[f"killed: {where}"] += 1
        self.tell(f"KILLED: {where}")
        raise Killed(where)

    def run(self, *, until: datetime | None = None) -> None:
        """Let everything happen that is due by `until` (or at all), and leave the clock there."""
        while self._agenda and (until is None or self._agenda[0].at <= until):
            self._take().act()
        if until is not None and until > self.now:
            self.now = until

    def _put(self, at: datetime, act: Callable[[], object], *, plain: bool) -> None:
        self._number += 1
        heappush(self._agenda, _Due(at, self._number, act, plain))

    def _take(self) -> _Due:
        due = heappop(self._agenda)
        self.now = max(self.now, due.at)
        return due

    def _begin(self, strand: Strand, work: Callable[[], object]) -> None:
        thread = _idle.pop() if _idle else _Thread()
        strand.thread = thread
        thread.job = lambda: self._live(strand, work)
        if not thread.is_alive():
            thread.start()
        self._resume(strand)

    def _resume(self, strand: Strand) -> None:
        """Give the baton to a strand and wait until it comes back."""
        if strand.thread is None:
            raise RuntimeError(f"{strand.name} was never begun")
        before, self.current = self.current, strand
        strand.thread.turn.release()
        self._baton.acquire()
        self.current = before

    def _hand_over(self, strand: Strand) -> None:
        if strand.thread is None:
            raise RuntimeError(f"{strand.name} was never begun")
        self._baton.release()
        strand.thread.turn.acquire()

    def _live(self, strand: Strand, work: Callable[[], object]) -> None:
        try:
            work()
        except Killed:
            pass
        except Exception as error:  # noqa: BLE001 - whatever production code lets out is what we look for
            self.tell(f"failed: {type(error).__name__}: {error}")
            if isinstance(error, Disaster):
                self.tally[f"a process ended: {error}"] += 1
            else:
                self.escaped.append((strand.name, error))
        finally:
            if strand.thread is not None:
                _idle.append(strand.thread)
            self._baton.release()
