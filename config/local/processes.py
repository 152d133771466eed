"""Start and stop child processes so that none is orphaned, and find survivors without trusting a pid file.

Every child inherits a locked file descriptor. The kernel keeps the lock while any process of that family lives, and
`/proc` tells who holds it: that is how the next start tells a survivor from a stranger who got a recycled pid.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LAUNCHER = Path(__file__).with_name("launch.py")
_TICK_SECONDS = 0.02


class LocalServerError(Exception):
    """A local server cannot be used. The message is one line and names the fix."""


@dataclass(frozen=True, slots=True)
class Program:
    """One child: what to run, how to see that it answers, how to stop it.

    `family` is the lock file that the child and all its descendants hold; `end_earlier` ends what a killed run left
    of it (by default: asks all of it politely). `prepare` runs before every start, restarts included. `ready` is asked
    until it says yes, for at most `ready_seconds`.
    """

    name: str
    argv: Sequence[str]
    log: Path
    family: Path
    cwd: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    identity: Sequence[str] = ()
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    prepare: Callable[[], None] = lambda: None
    end_earlier: Callable[[], object] | None = None
    ready: Callable[[], bool] = lambda: True
    ready_seconds: float = 30.0


class Lock:
    """An exclusive lock on a file, shared with whoever inherits its descriptor."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Try to take the lock now; False if any living process holds it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def fileno(self) -> int:
        """Return the descriptor to pass on."""
        if self._descriptor is None:
            raise RuntimeError(f"{self.path} is not locked")
        return self._descriptor

    def release(self) -> None:
        """Let go of it here. Children that inherited the descriptor keep the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def spawn(program: Program, lock: Lock) -> subprocess.Popen[bytes]:
    """Start a program through the launcher, in a session of its own, with output appended to its log.

    Call it from the main thread: the kernel ties the child's life to the thread that forked it.
    """
    program.prepare()
    program.log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        *(sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid())),
        *("--death-signal", str(int(program.stop_signal)), *program.identity, "--", *program.argv),
    ]
    with program.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603 - no shell; the words are our own
            command,
            cwd=program.cwd,
            env={**os.environ, **program.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(lock.fileno(),),
        )


def wait_ready(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Wait until the program answers.

    Raises:
        LocalServerError: it ended instead, or did not answer in time. The last line of its log is quoted.
    """
    deadline = time.monotonic() + program.ready_seconds
    while not program.ready():
        if process.poll() is not None:
            raise LocalServerError(f"{program.name} ended at once: {last_line(program.log)} (more in {program.log})")
        if time.monotonic() > deadline:
            raise LocalServerError(
                f"{program.name} did not answer in {program.ready_seconds:.0f} s: read {program.log}"
            )
        time.sleep(_TICK_SECONDS)


def ask_to_stop(program: Program, process: subprocess.Popen[bytes]) -> None:
    """Send the polite signal, if the process still runs."""
    if process.poll() is None:
        process.send_signal(program.stop_signal)


def stop(program: Program, process: subprocess.Popen[bytes], *, asked: bool = False) -> None:
    """Ask the process to end, unless it was `asked` already, and after its grace kill what is left of its session."""
    if not asked:
        ask_to_stop(program, process)
    try:
        process.wait(program.stop_seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    end_session(process)


def end_session(process: subprocess.Popen[bytes]) -> None:
    """Kill what a process that just ended left behind: it led a session of its own."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def members(family: Path) -> list[int]:
    """Find the living processes, this one excepted, that hold the family's lock file open."""
    try:
        mark = family.stat()
    except FileNotFoundError:
        return []
    others = (
        int(entry.name)
        for entry in Path("/proc").iterdir()
        if entry.name.isdecimal() and int(entry.name) != os.getpid()
    )
    return [pid for pid in others if _holds(Path(f"/proc/{pid}/fd"), mark)]


def _holds(descriptors: Path, mark: os.stat_result) -> bool:
    try:
        for descriptor in descriptors.iterdir():
            try:
                seen = descriptor.stat()
            except OSError:
                continue  # closed meanwhile
            if (seen.st_dev, seen.st_ino) == (mark.st_dev, mark.st_ino):
                return True
    except OSError:
        return False  # ended, or belongs to another user
    return False


def end_survivors(
    family: Path, *, ask: Iterable[int] = (), polite: signal.Signals = signal.SIGTERM, seconds: float
) -> list[int]:
    """End what an earlier run left alive in this family; return the pids that were found.

    The pids of `ask` get the polite signal, if they are of the family; all get `seconds` to go, and then SIGKILL.
    Without `ask` the polite signal goes to all.
    """
    found = members(family)
    if found:
        asked = set(ask) or set(found)
        _signal(asked.intersection(found), polite)
        if not _gone(family, seconds):
            _signal(members(family), signal.SIGKILL)
            _gone(family, seconds)
    return found


def _signal(pids: Iterable[int], number: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _gone(family: Path, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while members(family):
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_SECONDS)
    return True


def listener_pid(path: Path) -> int | None:
    """Return the pid of the process that listens on a Unix socket; None if none does. The kernel says so, no file."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
        except OSError:
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid: int = struct.unpack("3i", credentials)[0]
    return pid


def last_line(log: Path) -> str:
    """Return the last line of a log that says something, for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 4096))
            lines = [line.strip() for line in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return "no output"
    return next((line for line in reversed(lines) if line), "no output")


def own_folder(folder: Path, *, uid: int, mode: int | None = None) -> None:
    """Make a folder of ours outside `var`, or take it over from an earlier run. Without `mode` it keeps its own.

    Raises:
        LocalServerError: another user planted something under this name.
    """
    with suppress(FileExistsError):  # ours or not: the next lines look
        folder.mkdir(mode=0o700)
    seen = folder.lstat()
    parent = folder.parent.stat()
    private = parent.st_uid == os.geteuid() and not parent.st_mode & 0o022  # where nobody else can plant anything
    if not stat.S_ISDIR(seen.st_mode) or not (private or seen.st_uid == os.geteuid()):
        raise LocalServerError(f"{folder} belongs to another user: remove it, or set VAR_DIR to another folder")
    if mode is not None and stat.S_IMODE(seen.st_mode) != mode:
        folder.chmod(mode)
    if seen.st_uid != uid:
        os.chown(folder, uid, -1)
