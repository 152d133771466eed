"""Become a server process: tie its life to its parent's, step down from root, then exec. Standard library only.

Run as a script, `python -I -S launch.py --parent PID --death-signal N [--as UID:GID | --namespace UID:GID] -- program …`,
because doing this between fork and exec of a process with threads is not safe. Prints one line and exits 126 on failure.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1
CLONE_NEWUSER = 0x10000000
COULD_NOT_LAUNCH = 126


def main() -> None:
    """Apply the options in the order in which the kernel keeps them, and exec."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    parser.add_argument("--death-signal", type=int, default=signal.SIGTERM)
    parser.add_argument("--as", dest="become")
    parser.add_argument("--namespace")
    parser.add_argument("program", nargs="+")
    options = parser.parse_args()
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        if options.become:
            _become(*_ids(options.become))
        if options.namespace:
            _enter_namespace(libc, *_ids(options.namespace))
        # After the change of identity, which clears it.
        _call(libc.prctl(PR_SET_PDEATHSIG, options.death_signal, 0, 0, 0))
        if os.getppid() != options.parent:
            sys.exit(f"{options.program[0]}: its parent is gone already")
        os.execv(options.program[0], options.program)  # nosec B606 # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot start {options.program[0]}: {error}\n")
        sys.exit(COULD_NOT_LAUNCH)


def _ids(text: str) -> tuple[int, int]:
    uid, _, gid = text.partition(":")
    return int(uid), int(gid)


def _become(uid: int, gid: int) -> None:
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def _enter_namespace(libc: ctypes.CDLL, uid: int, gid: int) -> None:
    """Appear as `uid` inside while still owning, outside, what the caller owns: no file has to change hands."""
    outer_uid, outer_gid = os.geteuid(), os.getegid()
    _call(libc.unshare(CLONE_NEWUSER))
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{gid} {outer_gid} 1", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{uid} {outer_uid} 1", encoding="ascii")


def _call(result: int) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


if __name__ == "__main__":
    main()
