"""A newcomer types `make run`: everything comes up, a page answers, Ctrl-C ends it all, and a second run goes on."""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from config.local.places import Places, places_of
from config.local.processes import members
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.serving import serve
from hedging.simulator.wsgi import SimulatorApp
from tests.ports import free_ports
from tests.unit.simulator_days import tuesday

BASE = Path(__file__).parents[2]
PATIENCE_SECONDS = 90  # that everything ends is the rule; a busy machine takes its time over it
LAST_LINE = "Ctrl-C stops everything"
KEY = "0123456789abcdef0123456789abcdef"


def environment_of(places: Places, port: int) -> dict[str, str]:
    """A clean shell, and an installation of its own."""
    clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    ours = {
        "AUTO_HEDGE_ENV_FILE": "",
        "VAR_DIR": str(places.var),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "PORT": str(port),
    }
    return clean | ours


@contextmanager
def running(places: Places, port: int, **settings: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """Start `manage.py up` and read what it says until it is up."""
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=BASE,
        env=environment_of(places, port) | settings,
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
            assert process.wait(PATIENCE_SECONDS) == 0
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
            deadline = time.monotonic() + PATIENCE_SECONDS
            while living(places):
                assert time.monotonic() < deadline, "children outlived their supervisor"
                time.sleep(0.1)
    finally:
        shutil.rmtree(places.runtime, ignore_errors=True)


class Posts:
    """A simulator that pretends to be somebody's real server, and writes down what is asked of it."""

    def __init__(self) -> None:
        day = tuesday()
        exchange = Exchange(day=day, seed=7, cash=Decimal(1_000_000))
        self.app = SimulatorApp(exchange=exchange, clock=ManualClock(start=day.start_at), api_keys=[KEY])
        self.asked: list[str] = []

    def __call__(self, environ, start_response):
        self.asked.append(str(environ["PATH_INFO"]).rpartition("/api/v1/")[2])
        return self.app(environ, start_response)


@pytest.mark.slow
def test_live_orders_on_a_real_server_wait_for_the_pre_flight(tmp_path):
    # Somebody sets AUTO_HEDGE_DRY_RUN=false against a server that is not our simulator, as far as anyone can tell.
    posts = Posts()
    server = serve(posts, host="127.0.0.1", port=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    places, port = places_of(tmp_path / "var"), free_ports()
    real = {
        "OPENALGO_API_KEY": KEY,
        "OPENALGO_BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "AUTO_HEDGE_DRY_RUN": "false",
        "AUTO_HEDGE_ENABLED": "true",
    }
    try:
        with running(places, port, **real) as (process, said):
            assert "Auto-Hedge Orchestrator started (dry_run=False)" in said
            assert any(line.endswith("Orders are real, once the pre-flight is green.") for line in said), said
            # Without a session of today the pre-flight is red, says so check by check, and ends with 1.
            done = subprocess.run(
                [sys.executable, "manage.py", "preflight", "--json"],
                cwd=BASE,
                env=environment_of(places, port) | real,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            assert done.returncode == 1, done.stderr
            (run,) = json.loads(done.stdout)
            states = {row["name"]: row["state"] for row in run["checks"]}
            assert run["verdict"] == "red"
            assert states["session"] == "red"
            green = ("database", "redis", "settings", "clock", "openalgo", "openalgo_clock", "key", "broker_session")
            assert {states[name] for name in green} == {"green"}
            assert KEY not in done.stdout + done.stderr
            # The page wants a login here, as everything does beside a real account.
            assert get(port, "/preflight/")[0] == 302
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE_SECONDS) == 0
        assert living(places) == []
        assert not {"placeorder", "modifyorder"} & set(posts.asked)
    finally:
        server.shutdown()
        server.server_close()
        shutil.rmtree(places.runtime, ignore_errors=True)
