"""A database of their own for processes that commit: a copy of the tests' one, made in a moment and dropped afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from django.db import connections
from psycopg import sql

BASE = Path(__file__).parents[2]
Run = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def own_database(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, str]]:
    with django_db_blocker.unblock():
        settings = dict(connections["default"].settings_dict)
        words = connections["default"].get_connection_params()
        connections.close_all()
    name = f"reliability_{uuid4().hex[:12]}"
    server = {key: words[key] for key in ("host", "port", "user", "password") if words.get(key)} | {
        "dbname": "postgres"
    }
    with psycopg.connect(**server, autocommit=True) as maintenance:
        copy = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        maintenance.execute(copy.format(sql.Identifier(name), sql.Identifier(settings["NAME"])))
    yield {key: settings[key] for key in ("HOST", "PORT", "USER", "PASSWORD")} | {"NAME": name}
    with psycopg.connect(**server, autocommit=True) as maintenance:
        maintenance.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def trials(own_database: dict[str, str]) -> Run:
    """Run `python -m tests.reliability …` on the copy and return what it printed, one object a line."""

    def run(*words: str, seconds: float = 240) -> list[dict[str, Any]]:
        done = subprocess.run(
            [sys.executable, "-m", "tests.reliability", *words, "--database", json.dumps(own_database)],
            cwd=BASE,
            env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run
