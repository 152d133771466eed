"""Keep a set of programs running: start in order, restart what dies, stop in reverse order."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from config.local.places import Places
from config.local.processes import (
    LocalServerError,
    Lock,
    Program,
    ask_to_stop,
    end_session,
    end_survivors,
    last_line,
    spawn,
    stop,
    wait_ready,
)

LAYOUT = "1"  # of the files in var; another number means that they were written by code that this one does not know
_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 60.0
_CALM_SECONDS = 60.0  # after so long without a death the next one counts as the first again


@dataclass(slots=True)
class _Child:
    program: Program
    lock: Lock
    process: subprocess.Popen[bytes]
    born: float
    batch: int
    pause: float = _FIRST_PAUSE_SECONDS
    restart_at: float | None = None


@dataclass(slots=True)
class Supervisor:
    """Owns child processes. `say` prints one line to the person who watches; what it raises is let go.

    Use it from the main thread: children are tied to the life of the thread that started them.
    """

    say: Callable[[str], None]
    _children: list[_Child] = field(default_factory=list)
    _locks: dict[Path, Lock] = field(default_factory=dict)
    _stopping: bool = False

    @property
    def has_children(self) -> bool:
        """Say whether anything was started and not stopped since."""
        return bool(self._children)

    def start(self, *programs: Program) -> None:
        """Start programs at the same time, and wait until all of them answer.

        Raises:
            LocalServerError: one does not come up.
        """
        batch = self._children[-1].batch + 1 if self._children else 0
        for program in programs:
            lock = self._lock(program)
            self._children.append(
                _Child(program, lock, process=spawn(program, lock), born=time.monotonic(), batch=batch)
            )
        for child in self._children[-len(programs) :]:
            wait_ready(child.program, child.process)

    def watch(self) -> None:
        """Restart what dies, until somebody asks to stop (Ctrl-C, SIGTERM, SIGHUP).

        A SIGHUP that came in ignored stays so: `nohup` asks that the end of the terminal ends nothing.
        """
        stay = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else set()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        previous = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        handlers = {
            number: signal.signal(number, self._ask_to_stop)
            for number in {signal.SIGINT, signal.SIGTERM, signal.SIGHUP} - stay
        }
        handlers[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        try:
            self._tend()  # nobody was woken for what died before
            while not self._stopping:
                ready, _, _ = select.select([reader], [], [], self._seconds_to_next_restart())
                if ready:
                    os.read(reader, 4096)
                self._tend()
        finally:
            signal.set_wakeup_fd(previous)
            for number, handler in handlers.items():
                signal.signal(number, signal.SIG_IGN if number in {signal.SIGINT, signal.SIGHUP} else handler)
            os.close(reader)
            os.close(writer)

    def stop_all(self) -> None:
        """Stop every child, the last started first. What was started at the same time is asked at the same time."""
        while self._children:
            batch = [child for child in self._children if child.batch == self._children[-1].batch]
            for child in reversed(batch):
                ask_to_stop(child.program, child.process)
            while batch:
                child = batch.pop()
                stop(child.program, child.process, asked=True)
                self._children.remove(child)
        for lock in self._locks.values():
            lock.release()
        self._locks.clear()

    def _lock(self, program: Program) -> Lock:
        if program.family not in self._locks:
            lock = Lock(program.family)
            if not lock.take():
                if program.end_earlier is None:
                    end_survivors(program.family, seconds=program.stop_seconds)
                else:
                    program.end_earlier()
                if not lock.take():
                    raise LocalServerError(
                        f"{program.name} runs elsewhere on {program.family.parent.parent}: stop it there first"
                    )
            self._locks[program.family] = lock
        return self._locks[program.family]

    def _ask_to_stop(self, _number: int, _frame: FrameType | None) -> None:
        self._stopping = True

    def _seconds_to_next_restart(self) -> float | None:
        moments = [child.restart_at for child in self._children if child.restart_at is not None]
        return max(0.0, min(moments) - time.monotonic()) if moments else None

    def _tend(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if self._stopping:
                return
            if child.restart_at is None and child.process.poll() is not None:
                self._note_death(child, now)
            elif child.restart_at is not None and now >= child.restart_at:
                self._restart(child)

    def _note_death(self, child: _Child, now: float) -> None:
        end_session(child.process)
        child.pause = (
            _FIRST_PAUSE_SECONDS if now - child.born > _CALM_SECONDS else min(child.pause * 2, _LONGEST_PAUSE_SECONDS)
        )
        child.restart_at = now + child.pause
        name, code = child.program.name, child.process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        self._tell(f"{name} {how} ({last_line(child.program.log)}). Starting it again in {child.pause:.0f} s.")

    def _restart(self, child: _Child) -> None:
        child.restart_at = None
        try:
            child.process, child.born = spawn(child.program, child.lock), time.monotonic()
        except (LocalServerError, OSError) as error:
            child.pause = min(child.pause * 2, _LONGEST_PAUSE_SECONDS)
            child.restart_at = time.monotonic() + child.pause
            self._tell(f"{child.program.name} cannot start: {error}. Trying again in {child.pause:.0f} s.")

    def _tell(self, line: str) -> None:
        with suppress(OSError, ValueError):  # a full disk, a closed terminal: no reason to leave the children alone
            self.say(line)


@contextmanager
def claimed(places: Places) -> Iterator[None]:
    """Hold `var` for one supervisor.

    Raises:
        LocalServerError: another one holds it, its files are of another layout, or it cannot be written.
    """
    try:
        places.var.mkdir(parents=True, exist_ok=True)
        lock = Lock(places.var / "lock" / "up")
        if not lock.take():
            raise LocalServerError(
                f"Auto-Hedge is running already with {places.var}: stop it first, or set another VAR_DIR and PORT"
            )
    except OSError as error:
        raise LocalServerError(
            f"{places.var} cannot be written ({error.strerror}): correct its rights, or set VAR_DIR"
        ) from None
    try:
        _check_layout(places)
        yield
    finally:
        lock.release()


def _check_layout(places: Places) -> None:
    mark = places.var / "layout"
    if mark.exists():
        found = mark.read_text(encoding="utf-8").strip()
    elif places.postgres_data.exists():
        found = "unknown"
    else:
        mark.write_text(LAYOUT, encoding="utf-8")
        return
    if found != LAYOUT:
        raise LocalServerError(
            f"{places.var} was written by another version (layout {found}, this one reads {LAYOUT}): move it away, or set VAR_DIR to a new folder"
        )
