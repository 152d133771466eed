"""Server: one PostgreSQL for all mutants, and a fresh copy of the tests' database for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote

import psycopg
from django.conf import settings
from psycopg import sql
from psycopg.conninfo import make_conninfo

from config.local import postgres
from config.local.places import DATABASE_USER
from config.local.supervisor import Supervisor

_CARELESS = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
_WHOLE = "mutants_whole"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server of our own, by its socket."""

    sockets: str
    tested: str

    @property
    def url(self) -> str:
        """Return what the tests of a copy are told."""
        return f"postgresql://{DATABASE_USER}@/auto_hedge?host={quote(self.sockets, safe='')}&port=5432"

    def keep(self) -> None:
        """Keep the database that a first test run has made as the one that all others are copied from."""
        self._do([f'ALTER DATABASE "{self.tested}" RENAME TO {_WHOLE}'])

    def renew(self, *, without: str = "") -> None:
        """Give the next tests a database as it was, with the guard taken away that the SQL `without` drops."""
        drop = f'DROP DATABASE IF EXISTS "{self.tested}" WITH (FORCE)'
        self._do([drop, f'CREATE DATABASE "{self.tested}" TEMPLATE {_WHOLE}'])
        if without:
            self._do([f"SET search_path TO {settings.DATABASE_SCHEMA}", without], database=self.tested)

    def _do(self, statements: list[str], *, database: str = "postgres") -> None:
        where = make_conninfo(host=self.sockets, port=5432, user=DATABASE_USER, dbname=database)
        with psycopg.connect(where, autocommit=True) as connection:
            for statement in statements:
                connection.execute(sql.SQL(statement))


@contextmanager
def server(say: Callable[[str], None]) -> Iterator[Server]:
    """Start a server of our own, and stop it afterwards."""
    supervisor = Supervisor(say=say)
    try:
        supervisor.start(postgres.program(settings.PLACES, extra=_CARELESS))
        yield Server(str(settings.PLACES.postgres_sockets), f"test_{settings.DATABASES['default']['NAME']}")
    finally:
        supervisor.stop_all()
