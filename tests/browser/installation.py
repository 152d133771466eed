"""The real product, started by the operator's own command in a folder and on ports of its own, and ended whatever happens."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, Request, build_opener
from zoneinfo import ZoneInfo

from config.local.places import places_of

BASE = Path(__file__).parents[2]
LAUNCH = BASE / "config" / "local" / "launch.py"
IST = ZoneInfo("Asia/Kolkata")
PATIENCE_SECONDS = 180  # a busy machine takes its time over a start
STOP_SECONDS = 90
CALM = 1.0  # market seconds in a second, while pages are looked at
LAST_LINE = "Ctrl-C stops everything"
_OURS = ("AUTO_HEDGE_", "HEDGE_", "OPENALGO_", "SIM_", "TELEGRAM_", "DATABASE_", "REDIS_", "DJANGO_")
_NAMED = {"HOST", "PORT", "ALLOWED_HOSTS", "CSRF_TRUSTED_ORIGINS", "SECRET_KEY", "VAR_DIR"}
_direct = build_opener(ProxyHandler({}))


class Installation:
    """One running installation in the simulator's world: `start`, then `base_url`; `go_to` a market time; `stop`.

    `settings` are environment variables, such as `SIM_SEED="4"`. The clock's speed can be changed by a restart only, which
    loses nothing: the simulated day goes on at its minute.
    """

    def __init__(self, **settings: str) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="auto-hedge-browser-"))
        self._log = self._folder / "up.log"
        self._up: subprocess.Popen[bytes] | None = None
        self.var = self._folder / "var"
        self.port, self.simulator_port = _two_free_ports()
        self.base_url = f"http://127.0.0.1:{self.port}"
        self.simulator_url = f"http://127.0.0.1:{self.simulator_port}"
        self.speed = CALM
        self.password = ""
        clean = {k: v for k, v in os.environ.items() if not k.startswith(_OURS) and k not in _NAMED}
        self._environment = clean | {
            "AUTO_HEDGE_ENV_FILE": "",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "VAR_DIR": str(self.var),
            "PORT": str(self.port),
            "SIM_PORT": str(self.simulator_port),
            **settings,
        }

    # -- life ---------------------------------------------------------------------------------------------------------

    def start(self, *, speed: float = CALM) -> None:
        """Run `manage.py up` until its last line of the start is said. It dies with this process, whatever ends that."""
        self.speed = speed
        said_before = len(self._said())
        with self._log.open("ab") as log:
            self._up = subprocess.Popen(
                [
                    *(sys.executable, "-I", "-S", str(LAUNCH), "--parent", str(os.getpid())),
                    *("--death-signal", str(int(signal.SIGTERM)), "--", sys.executable, "manage.py", "up"),
                ],
                cwd=BASE,
                env=self._environment | {"SIM_SPEED": f"{speed:g}"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on, once
            )
        self.wait(lambda: LAST_LINE in self._said()[said_before:], what="the start of everything")
        for line in self._said().splitlines():
            if line.startswith("Admin user: "):
                self.password = line.rpartition("password: ")[2].strip()

    def stop(self) -> None:
        """End every process of it, in order; what is stored stays."""
        if self._up is None:
            return
        self._up.send_signal(signal.SIGINT)
        with suppress(subprocess.TimeoutExpired):
            self._up.wait(STOP_SECONDS)
        if self._up.poll() is None:
            self._up.kill()  # its children go with it
        self._up.wait()
        self._up = None

    def remove(self) -> None:
        """Stop it, and leave nothing behind."""
        self.stop()
        shutil.rmtree(places_of(self.var).runtime, ignore_errors=True)
        shutil.rmtree(self._folder, ignore_errors=True)

    # -- the market ---------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the market's time, in IST."""
        return datetime.fromisoformat(self.simulator("clock")["now"]).astimezone(IST)

    def go_to(self, minute: str, *, speed: float = 100.0) -> None:
        """Let the market run to a minute of its day, such as "10:18", at some speed; calm again from there."""
        if self.speed != speed or self._up is None:
            self.restart(speed=speed)
        self.wait(lambda: f"{self.now():%H:%M}" >= minute, what=f"the market's {minute}")
        self.restart(speed=CALM)

    def restart(self, *, speed: float) -> None:
        """Stop everything and start it again at another speed; the day goes on."""
        self.stop()
        self.start(speed=speed)

    def simulator(self, page: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Read a page of the simulator (`clock`, `report`, `faults`), or post to one: `simulator("faults", {"fault": …})`."""
        return _json(f"{self.simulator_url}/simulator/{page}", body)

    # -- the product --------------------------------------------------------------------------------------------------

    def manage(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a `manage.py` command in this installation."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words],
            cwd=BASE,
            env=self._environment | {"SIM_SPEED": f"{self.speed:g}"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(
                f"manage.py {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
            )
        return done

    def read(self, path: str) -> dict[str, Any]:
        """Read a JSON answer of the product's API, which is open for reads here: `read("/api/hedge/status")`."""
        return _json(self.base_url + path)

    # -- waiting ------------------------------------------------------------------------------------------------------

    def wait(self, until: Callable[[], object], *, what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Ask again and again until it is so. Raises with the end of the log when it takes too long, or all has ended."""
        ends = time.monotonic() + seconds
        while not _holds(until):
            if time.monotonic() > ends or (self._up is not None and self._up.poll() is not None):
                raise AssertionError(f"waited for {what}; the log ends with:\n{self._said()[-3000:]}")
            time.sleep(0.1)

    def _said(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace") if self._log.exists() else ""


def _holds(until: Callable[[], object]) -> bool:
    try:
        return bool(until())
    except OSError:
        return False  # it does not answer yet


def _json(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = Request(url, data=data, headers={"Content-Type": "application/json", "Accept": "application/json"})  # noqa: S310 - loopback, http
    with _direct.open(request, timeout=20) as answer:
        said: dict[str, Any] = json.loads(answer.read())
        return said


def _two_free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        return one.getsockname()[1], two.getsockname()[1]


def remove_all(installations: Iterable[Installation]) -> None:
    """Remove each, also when another one fails to go."""
    for installation in installations:
        with suppress(OSError):
            installation.remove()
