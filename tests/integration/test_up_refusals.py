"""Bad input to `manage.py up` is one line that names the fix, an exit code other than 0, and nothing lost."""

import http.server
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.core.management.base import CommandError

from config.local import postgres, redis
from config.local.places import Places, places_of
from config.local.processes import LocalServerError, Lock
from config.local.supervisor import Supervisor
from config.schema import claim_database
from hedging.management.commands.up import Command as Up
from tests import factories as make
from tests.ports import free_ports

BASE = Path(__file__).parents[2]


@pytest.fixture
def up(tmp_path):
    """Run `manage.py up` under an environment of its own; it must refuse, and is asked for the one line."""

    def run(*command: str, **environment: str) -> str:
        clean = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
        settings = {
            "AUTO_HEDGE_ENV_FILE": "",
            "VAR_DIR": str(tmp_path / "var"),
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        done = subprocess.run(
            [sys.executable, "manage.py", *(command or ("up",))],
            cwd=BASE,
            env={**clean, **settings, "SECRET_KEY": "x" * 50, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode not in {0, None}, done.stdout
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, done.stderr
        return lines[0]

    return run


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_taken_port_is_named(up, taken_port):
    assert f"Port {taken_port} on 127.0.0.1 cannot be used" in up(PORT=str(taken_port), SIM_PORT=str(free_ports()))


def test_a_taken_port_of_the_simulator_is_named(up, taken_port):
    assert "set SIM_PORT to a free one" in up(PORT=str(free_ports()), SIM_PORT=str(taken_port))


def test_an_address_of_another_machine_is_named(up):
    assert "HOST=no-such-host.invalid is no address of this machine" in up(
        HOST="no-such-host.invalid", PORT=str(free_ports())
    )


def test_a_setting_that_makes_no_sense_is_named(up):
    assert up(AUTO_HEDGE_DRY_RUN="flase").startswith("Setting refused: AUTO_HEDGE_DRY_RUN=")


def test_a_second_run_is_refused(up, tmp_path):
    lock = Lock(tmp_path / "var" / "lock" / "up")
    assert lock.take()
    try:
        assert "is running already" in up(PORT=str(free_ports()))
    finally:
        lock.release()


def test_a_var_that_is_a_file_is_named(up, tmp_path):
    (tmp_path / "var").write_text("not a folder")
    assert "VAR_DIR" in up(PORT=str(free_ports()))


def test_a_database_that_does_not_answer_is_named(up):
    port = free_ports()
    line = up(DATABASE_URL=f"postgresql://me:c4n4ry@127.0.0.1:{port}/hedges", PORT=str(free_ports()))
    assert "DATABASE_URL: the server at 127.0.0.1" in line
    assert "remove the line to use the embedded server" in line
    assert "c4n4ry" not in line


def test_every_command_names_a_database_that_does_not_answer(up):
    assert "DATABASE_URL" in up("migrate", DATABASE_URL=f"postgresql://me@127.0.0.1:{free_ports()}/hedges")


def test_a_redis_that_does_not_answer_is_named(up):
    # Port 1 of loopback is nobody's. The database is the embedded one and is stopped again.
    assert "REDIS_URL: no Redis answers" in up(REDIS_URL="redis://127.0.0.1:1/0", PORT=str(free_ports()))


def test_an_openalgo_that_does_not_answer_is_named(up):
    line = up(
        OPENALGO_API_KEY="0123456789abcdef",
        OPENALGO_BASE_URL=f"http://127.0.0.1:{free_ports()}",
        PORT=str(free_ports()),
    )
    assert "OPENALGO_BASE_URL: no OpenAlgo answers" in line
    assert "0123456789abcdef" not in line


def test_a_key_that_openalgo_refuses_is_named(up):
    class Refusing(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = b'{"status": "error", "message": "Invalid openalgo apikey"}'
            self.send_response(403)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_args):
            """Keep the tests' output clean."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        line = up(
            OPENALGO_API_KEY="0123456789abcdef",
            OPENALGO_BASE_URL=f"http://127.0.0.1:{server.server_port}",
            PORT=str(free_ports()),
        )
        server.shutdown()
    assert "OPENALGO_API_KEY is refused" in line


@pytest.mark.django_db
def test_what_has_sessions_starts_without_openalgo_and_says_so():
    """After a power cut OpenAlgo may be up later than we, and each morning it waits for a login: nobody else watches then."""
    said = StringIO()
    command, away = Up(stdout=said), CommandError("OPENALGO_BASE_URL: no OpenAlgo answers")
    with pytest.raises(CommandError, match="no OpenAlgo answers"):  # a first start: an address typed wrong
        command._go_on_without(away)
    make.TradingSessionFactory.create()
    command._go_on_without(away)
    assert "no OpenAlgo answers. Everything starts, and nothing is decided until OpenAlgo answers." in said.getvalue()


@pytest.fixture
def small_role(servers: Supervisor, places: Places) -> Iterator[str]:
    """A role that may log in and nothing else, with databases that are not its own; its address up to the name."""
    if not postgres.answers(places):
        servers.start(postgres.program(places))
    with psycopg.connect(postgres.address(places), autocommit=True) as connection:
        connection.execute("CREATE ROLE small LOGIN NOCREATEDB")
        connection.execute("CREATE DATABASE auto_hedge_sim")
        yield f"postgresql://small@/hedges?host={places.postgres_sockets}"
        connection.execute("DROP DATABASE auto_hedge_sim")
        connection.execute("DROP ROLE small")


def test_a_role_that_may_not_create_the_schema_learns_which_statement_an_administrator_runs(up, small_role):
    line = up(DATABASE_URL=small_role, PORT=str(free_ports()))
    assert 'CREATE SCHEMA auto_hedge AUTHORIZATION "small"' in line


def test_a_role_that_may_not_create_the_simulators_database_learns_so(up, small_role, places):
    with psycopg.connect(postgres.address(places), autocommit=True) as connection:
        connection.execute("DROP DATABASE auto_hedge_sim")
        line = up(DATABASE_URL=small_role, PORT=str(free_ports()))
        connection.execute("CREATE DATABASE auto_hedge_sim")
    assert 'CREATE DATABASE auto_hedge_sim OWNER "small"' in line


def test_a_real_accounts_database_is_never_made_by_a_typing_error(up, small_role, places):
    with psycopg.connect(postgres.address(places), autocommit=True) as connection:
        line = up("migrate", DATABASE_URL=small_role.replace("/hedges", "/hegdes"), OPENALGO_API_KEY="0123456789abcdef")
        assert connection.execute("SELECT 1 FROM pg_database WHERE datname = 'hegdes'").fetchone() is None
    assert '"hegdes"' in line


def test_without_any_redis_server_the_line_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LocalServerError, match=r"make setup`, install Redis, or set REDIS_URL=redis://host:6379/0$"):
        redis.program(places_of(tmp_path / "var"))


@pytest.mark.django_db(transaction=True)
def test_a_second_installation_on_one_database_is_refused_until_the_first_has_ended():
    first = claim_database()
    with pytest.raises(CommandError, match="Another installation works on the database"):
        claim_database()
    first.close()
    claim_database().close()
