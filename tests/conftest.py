"""Servers and fences for all tests: a database made on first need, and sockets closed where a test needs none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import pytest_socket
from django.conf import settings
from django.db.backends.postgresql.operations import DatabaseOperations

from config.local import postgres, redis
from config.local.places import Places
from config.local.supervisor import Supervisor
from tests import settings as test_settings

UNIT = Path(__file__).parent / "unit"
BROWSER = Path(__file__).parent / "browser"
APPEND_ONLY = ("hedging_auditevent", "hedging_auditlink", "hedging_adjustment")
LOOPBACK = ["127.0.0.1", "::1"]
# A busy machine is not a failing property.
hypothesis.settings.register_profile(
    "unhurried", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("unhurried")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave the browser tests to `make test-browser`: they want Chromium, and one installation shared by one process.

    Whoever names their folder gets them; all other runs do not, whatever else they name. A list of folders in `testpaths`
    would do the same, and forget every folder that is made later.
    """
    named = (Path(arg.partition("::")[0]).absolute() for arg in config.args)
    if collection_path == BROWSER and not any(BROWSER in (path, *path.parents) for path in named):
        return True
    return None


@pytest.hookimpl(trylast=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    if UNIT in item.path.parents:
        pytest_socket.disable_socket()
    else:
        pytest_socket.socket_allow_hosts(LOOPBACK, allow_unix_socket=True)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    pytest_socket.enable_socket()
    pytest_socket._remove_restrictions()


@pytest.fixture(scope="session")
def places() -> Places:
    """Where the embedded servers of this test run live; `tests.settings` removes it afterwards."""
    return settings.PLACES


@pytest.fixture(scope="session")
def servers() -> Iterator[Supervisor]:
    """A supervisor whose children end with the test run."""
    supervisor = Supervisor(say=print)
    yield supervisor
    supervisor.stop_all()


@pytest.fixture(scope="session")
def django_db_modify_db_settings(places: Places, servers: Supervisor) -> None:
    """Bring up PostgreSQL for the first test that needs a database, unless DATABASE_URL names one."""
    if settings.DATABASE_IS_EMBEDDED and not postgres.answers(places):
        # The data of a test run need not survive a power cut.
        careless = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
        servers.start(postgres.program(places, extra=careless))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> Iterator[None]:
    """Let the flush after a test that commits empty what is append-only, too; a TRUNCATE of a test itself is refused.

    The triggers are off within the flush's own transaction, whatever it becomes, and the tests always find them on.
    """
    flush = DatabaseOperations.sql_flush

    def unguarded(self: DatabaseOperations, style: Any, tables: Sequence[str], **how: bool) -> list[str]:
        switch = [f"ALTER TABLE {table} {{}} TRIGGER USER" for table in APPEND_ONLY if table in tables]
        whole = flush(self, style, tables, **how)
        return [*(each.format("DISABLE") for each in switch), *whole, *(each.format("ENABLE") for each in switch)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", unguarded)
        yield


@pytest.fixture(scope="session")
def redis_server(places: Places, servers: Supervisor) -> str:
    """The address, for Celery, of a running Redis."""
    if settings.REDIS_IS_EMBEDDED:
        servers.start(redis.program(places))
    return test_settings.REDIS_FOR_CELERY
