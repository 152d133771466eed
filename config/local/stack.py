"""The project's own processes: simulator, web, workers, beat, watchdog; how each is run and how it shows that it answers."""

from __future__ import annotations

import http.client
import signal
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from config.local.places import Places
from config.local.processes import Program

WEB_THREADS = 8
HOLD_SECONDS = 45  # at most so long the simulated market waits for web and workers
# (name, queues, pool, concurrency). Margin cycles get a process of their own, whose time limits can end a stuck solve;
# the others wait for the network and share one process each. An order's POST may hang for 35 s: purchases that do, of as many
# accounts as there are, fill the places of `orders` and nothing else. Sales have a process of their own, and cancels go out
# with the books. A place is made when it is first needed.
WORKERS = (
    ("worker-hedge", "hedge", "prefork", 1),
    ("worker-orders", "orders", "threads", 12),
    ("worker-exits", "exits", "threads", 12),
    ("worker-books", "books,io", "threads", 3),
)
# One thread for each solve and two memory arenas: small processes, and two cores that are shared by all of them.
_FRUGAL = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "PYTHONUNBUFFERED": "1"}


@dataclass(frozen=True, slots=True)
class Stack:
    """Describes the processes of one installation; `base` is the project's folder."""

    places: Places
    base: Path
    host: str
    port: int
    simulator_port: int

    def simulator(self) -> Program:
        """Run the simulated exchange and broker. Its clock stands still until `let_the_market_go`."""
        return self._python(
            "simulator",
            *("manage.py", "simulator", "--hold", str(HOLD_SECONDS)),
            ready=lambda: _answers("127.0.0.1", self.simulator_port, "/simulator/clock"),
        )

    def let_the_market_go(self) -> None:
        """Tell the simulator that everybody who trades there is up; unless told, it goes after `HOLD_SECONDS`."""
        _answers("127.0.0.1", self.simulator_port, "/simulator/go", method="POST")

    def web(self) -> Program:
        """Run the web server: one process, so that its memory is paid once."""
        bind = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        how = (
            "--worker-class",
            "gthread",
            "--workers",
            "1",
            "--threads",
            str(WEB_THREADS),
            "--graceful-timeout",
            "5",
            "--no-control-socket",
        )
        asked = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # nosec B104 # noqa: S104 - translated, not bound
        return self._python(
            "web",
            *("-m", "gunicorn", "config.wsgi", "--bind", bind, *how),
            ready=lambda: _answers(asked, self.port, "/healthz"),
        )

    def workers(self) -> list[Program]:
        """Run the Celery workers, by queue. Each leaves a mark when it takes work."""
        return [self._worker(name, queues=queues, pool=pool, places=places) for name, queues, pool, places in WORKERS]

    def _worker(self, name: str, *, queues: str, pool: str, places: int) -> Program:
        mark = self.places.var / "lock" / f"{name}.ready"
        return self._python(
            name,
            *("-m", "celery", "-A", "config.celery", "worker", "-n", f"{name}@%h", "-Q", queues),
            *("-P", pool, "-c", str(places), "--loglevel", "INFO"),
            *("--without-gossip", "--without-mingle", "--without-heartbeat"),
            environment={"AUTO_HEDGE_READY_FILE": str(mark)},
            prepare=lambda: mark.unlink(missing_ok=True),
            ready=mark.exists,
        )

    def beat(self) -> Program:
        """Run the scheduler of the database's entries.

        It has nothing to lose, and is killed outright: on SIGTERM Celery saves from within the signal's handler. One beat was
        seen waiting for a lock for ever after that; what the signal interrupts may well hold one, as a query does.
        """
        return self._python(
            "beat",
            *("-m", "celery", "-A", "config.celery", "beat", "--loglevel", "INFO", "--pidfile="),
            stop_signal=signal.SIGKILL,
        )

    def watchdog(self) -> Program:
        """Run the process that tells when the others have fallen silent; the supervisor sees only those that end."""
        return self._python("watchdog", "manage.py", "watchdog", stop_signal=signal.SIGKILL)

    def _python(
        self,
        name: str,
        *words: str,
        environment: Mapping[str, str] | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        prepare: Callable[[], None] = lambda: None,
        ready: Callable[[], bool] = lambda: True,
    ) -> Program:
        return Program(
            name=name,
            argv=[sys.executable, *words],
            log=self.places.logs / f"{name}.log",
            family=self.places.var / "lock" / "children",
            cwd=self.base,
            environment={**_FRUGAL, **(environment or {})},
            stop_signal=stop_signal,
            stop_seconds=15.0,
            prepare=prepare,
            ready=ready,
            ready_seconds=60.0,
        )


def _answers(host: str, port: int, path: str, *, method: str = "GET") -> bool:
    connection = http.client.HTTPConnection(host, port, timeout=2)
    try:
        connection.request(method, path)
        return connection.getresponse().status < http.client.INTERNAL_SERVER_ERROR
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
