"""A newcomer types `make run`: everything comes up, a page answers, Ctrl-C ends it all, and a second run goes on."""

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from config.local.places import Places, places_of
from config.local.processes import members

BASE = Path(__file__).parents[2]
LAST_LINE = "Ctrl-C stops everything"


@contextmanager
def running(places: Places, port: int) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start `manage.py up` and read what it says until it is up."""
    clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment = {
        "AUTO_HEDGE_ENV_FILE": "",
        "VAR_DIR": str(places.var),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=BASE,
        env={**clean, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said: list[str] = []
    try:
        for line in process.stdout:
            said.append(line.rstrip())
            if line.startswith(LAST_LINE):
                break
        yield process, said
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
        process.wait()


def get(port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def living(places: Places) -> list[int]:
    return [pid for family in ("postgres", "redis", "children") for pid in members(places.var / "lock" / family)]


def free_ports() -> int:
    """Find a port whose neighbour is free too: the simulator takes it."""
    for port in range(20_000, 30_000, 2):
        with socket.socket() as one, socket.socket() as two:
            try:
                one.bind(("127.0.0.1", port))
                two.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
    raise AssertionError("no free ports")


@pytest.mark.slow
def test_one_command_runs_everything_and_stops_everything(tmp_path):
    places = places_of(tmp_path / "a folder" / "var")
    port = free_ports()
    try:
        # The first start says the four lines of the seed system, in order, and the password, once.
        with running(places, port) as (process, said):
            four = [
                "Database initialized",
                "Scheduler started",
                "Auto-Hedge Orchestrator started (dry_run=False)",
                f"running on http://127.0.0.1:{port}",
            ]
            assert [line for line in said if line in four] == four
            assert any("password: " in line for line in said)
            assert get(port, "/")[0] == 200
            before = json.loads(get(port + 1, "/simulator/clock")[1])["now"]
            # Ctrl-C in a terminal: exit code 0, and nothing is left.
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        assert living(places) == []

        # The second start goes on from the same simulated moment, with the same user.
        with running(places, port) as (process, said):
            assert not any("password: " in line for line in said)
            after = json.loads(get(port + 1, "/simulator/clock")[1])["now"]
            assert before < after
            assert before[:10] == after[:10], "the simulated day went on"
            # Killed outright, it takes its children along.
            process.kill()
            process.wait()
            deadline = time.monotonic() + 20
            while living(places):
                assert time.monotonic() < deadline, "children outlived their supervisor"
                time.sleep(0.1)
    finally:
        shutil.rmtree(places.runtime, ignore_errors=True)
