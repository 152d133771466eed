"""The embedded Redis: a `redis-server` program as a foreground child, on a private socket, keeping nothing on disk."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

import redis

from config.local.places import Places
from config.local.processes import LocalServerError, Program, end_survivors, listener_pid, own_folder


def family(places: Places) -> Path:
    """Name the lock file that this server holds."""
    return places.var / "lock" / "redis"


def find_program() -> str:
    """Find `redis-server`: beside this Python, where `make setup` puts it, or on PATH.

    Raises:
        LocalServerError: there is none.
    """
    beside = Path(sys.executable).parent / "redis-server"
    found = str(beside) if os.access(beside, os.X_OK) else shutil.which("redis-server")
    if found is None:
        raise LocalServerError(
            "There is no redis-server: run `make setup`, install Redis, or set REDIS_URL=redis://host:6379/0"
        )
    return found


def program(places: Places) -> Program:
    """Describe how to run the server.

    Raises:
        LocalServerError: no program was found.
    """
    settings = {
        "port": "0",
        "unixsocket": str(places.redis_socket),
        "unixsocketperm": "700",
        "save": "",
        "appendonly": "no",
        "daemonize": "no",
        "dir": str(places.runtime),
        "maxmemory": "128mb",
        "maxmemory-policy": "noeviction",
        "hz": "5",
    }
    return Program(
        name="redis",
        argv=[find_program(), *(word for name, value in settings.items() for word in (f"--{name}", value))],
        log=places.logs / "redis.log",
        family=family(places),
        cwd=places.runtime,
        stop_signal=signal.SIGTERM,
        prepare=lambda: _clear_traces(places),
        ready=lambda: answers(places),
    )


def answers(places: Places) -> bool:
    """Ask the server whether it is there."""
    client = redis.Redis(unix_socket_path=str(places.redis_socket), socket_timeout=2)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _clear_traces(places: Places) -> None:
    own_folder(places.runtime, uid=os.geteuid())
    end_survivors(family(places), polite=signal.SIGTERM, seconds=10)
    stranger = listener_pid(places.redis_socket)
    if stranger is not None:
        raise LocalServerError(f"process {stranger} listens on {places.redis_socket}: stop it first (kill {stranger})")
    places.redis_socket.unlink(missing_ok=True)
