"""Run everything that a trading day needs, in order, until Ctrl-C: servers, simulator, web, workers, scheduler."""

from __future__ import annotations

import shutil
import signal
import socket
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, ProgrammingError, connections

from config.local import postgres, redis
from config.local.processes import LocalServerError
from config.local.stack import Stack
from config.local.supervisor import Supervisor, claimed
from config.preflight import check_openalgo, check_redis
from config.schema import claim_database, create_database, why_unreachable
from config.servers import SIMULATOR
from hedging.engine.sessions import live_closed
from sessions_app.models import TradingSession


class Command(BaseCommand):
    help = "Run the whole of Auto-Hedge here until Ctrl-C: servers, simulator, web, workers, scheduler."

    def handle(self, *_args: Any, **_options: Any) -> None:
        signal.signal(signal.SIGTERM, _interrupt)
        supervisor = Supervisor(say=self._say)
        stack = Stack(
            places=settings.PLACES,
            base=settings.BASE_DIR,
            host=settings.HOST,
            port=settings.PORT,
            simulator_port=settings.SIM_PORT,
        )
        try:
            with claimed(settings.PLACES):
                try:
                    self._start(supervisor, stack)
                    supervisor.watch()
                except KeyboardInterrupt:
                    pass  # before everything ran; what runs is stopped below
                finally:
                    if supervisor.has_children:
                        try:
                            self._say("Stopping …")
                        finally:
                            supervisor.stop_all()
                        shutil.rmtree(settings.PLACES.runtime, ignore_errors=True)
                        self._say("Stopped. Nothing is lost: `make run` goes on from here.")
        except LocalServerError as error:
            raise CommandError(str(error)) from None
        except OperationalError as error:
            raise CommandError(why_unreachable(error)) from None

    def _start(self, supervisor: Supervisor, stack: Stack) -> None:
        """Tell the story of a start."""
        _check_port("PORT", settings.HOST, settings.PORT)
        for notice in settings.NOTICES:
            self._say(notice)
        openalgo_fails: CommandError | None = None
        if settings.WORLD == SIMULATOR:
            _check_port("SIM_PORT", "127.0.0.1", settings.SIM_PORT)
        else:
            openalgo_fails = _openalgo_fails()
        if settings.DATABASE_IS_EMBEDDED:
            supervisor.start(postgres.program(settings.PLACES))
        if settings.REDIS_IS_EMBEDDED:
            supervisor.start(redis.program(settings.PLACES))
        else:
            check_redis()
        create_database()
        self._claim = claim_database()  # kept open, and so held, until this process ends
        if openalgo_fails is not None:
            self._go_on_without(openalgo_fails)
        self._prepare_database()
        if settings.WORLD == SIMULATOR:
            supervisor.start(stack.simulator())
        supervisor.start(stack.web(), *stack.workers(), stack.beat(), stack.watchdog())
        if settings.WORLD == SIMULATOR:
            stack.let_the_market_go()
        self._announce()

    def _go_on_without(self, openalgo_fails: CommandError) -> None:
        """Refuse a first start; start where there are sessions, which nobody else watches until somebody logs in to OpenAlgo.

        Each morning a broker's login ends, and after a power cut OpenAlgo may be up after us.
        """
        try:
            sessions = TradingSession.objects.exists()
        except ProgrammingError:
            sessions = False  # not even their table
        if not sessions:
            raise openalgo_fails
        self._say(f"{openalgo_fails}. Everything starts, and nothing is decided until OpenAlgo answers.")

    def _prepare_database(self) -> None:
        call_command("migrate", interactive=False, verbosity=0)
        call_command("bootstrap", stdout=self.stdout)
        connections.close_all()  # the children open their own
        self._say("Database initialized")

    def _announce(self) -> None:
        self._say("Scheduler started")
        self._say(f"Auto-Hedge Orchestrator started (dry_run={settings.AUTO_HEDGE_DRY_RUN})")
        host = f"[{settings.HOST}]" if ":" in settings.HOST else settings.HOST
        self._say(f"running on http://{host}:{settings.PORT}")
        self._say(
            "Log in as admin; its password was printed at the first start (`manage.py changepassword admin` sets another)."
        )
        for line in self._what_happens_now():
            self._say(line)

    def _what_happens_now(self) -> list[str]:
        lines = []
        if not settings.LOOPBACK_BIND:
            names = [name for name in settings.ALLOWED_HOSTS if name not in {"localhost", "127.0.0.1", "[::1]"}]
            lines.append(
                f"From a phone in this network: http://{names[-1] if names else settings.HOST}:{settings.PORT} (log in)"
            )
        if settings.WORLD == SIMULATOR:
            lines += [
                f"A simulated trading day runs at {settings.SPEED:g} times real speed: straddles are sold on the timetable, margin rises.",
                "Before the entry that would cross the budget, hedges are bought; after the exits they are sold.",
            ]
        else:
            paper = "No order is sent: fills are on paper"
            orders = paper if settings.AUTO_HEDGE_DRY_RUN else "Orders are real, once the pre-flight is green"
            lines.append(f"The account behind {settings.OPENALGO_BASE_URL} is watched at the real clock. {orders}.")
            lines += _kept_from_going_live()
        if not settings.AUTO_HEDGE_ENABLED:
            lines.append("Automation is off: set AUTO_HEDGE_ENABLED=true and start again to let it hedge.")
        lines.append(f"Ctrl-C stops everything in order. Logs: {settings.PLACES.logs}")
        return lines

    def _say(self, line: str) -> None:
        """Print a line where it can be printed: nothing stops because nobody can read."""
        with suppress(OSError, ValueError):
            self.stdout.write(line)
            self.stdout.flush()


def _openalgo_fails() -> CommandError | None:
    try:
        check_openalgo()
    except CommandError as error:
        return error
    return None


def _kept_from_going_live() -> list[str]:
    """Return a line for each open session that is live while no live order may leave."""
    sessions = list(TradingSession.objects.open().select_related("account"))
    connections.close_all()  # this process only waits from here on
    return [
        f"{session} is live, and no live order may leave ({live_closed(session)}): nothing is decided in it. To go on on "
        "paper: Go to dry run on the Session tab, or `manage.py mode dry_run --reason '…'`."
        for session in sessions
        if live_closed(session)
    ]


def _interrupt(_number: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _check_port(name: str, host: str, port: int) -> None:
    """Find out now, in one line, rather than from a child's log."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[
            0
        ]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except socket.gaierror:
        raise CommandError(f"HOST={host} is no address of this machine: set HOST to one, or remove the line") from None
    except OSError as error:
        raise CommandError(
            f"Port {port} on {host} cannot be used ({error.strerror}): stop what uses it, or set {name} to a free one"
        ) from None
