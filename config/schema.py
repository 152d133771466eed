"""The PostgreSQL schema `auto_hedge`: all our tables are in it, and nothing of any other schema is touched."""

from __future__ import annotations

import psycopg
from django.conf import settings
from django.core.management.base import CommandError
from django.db import OperationalError, ProgrammingError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from psycopg import sql

from config.servers import SIMULATOR

INSTALLATION_LOCK = (5010, 2)  # (5010, 1) is the audit chain's


def create_schema(*, using: str) -> None:
    """Create the schema unless it exists already.

    Raises:
        CommandError: the role may not create it. The message names the statement that an administrator runs once.
    """
    connection = connections[using]
    name = connection.ops.quote_name(settings.DATABASE_SCHEMA)
    with connection.cursor() as cursor:
        # Asked first: even CREATE SCHEMA IF NOT EXISTS wants the right to create.
        cursor.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", [settings.DATABASE_SCHEMA])
        if cursor.fetchone():
            return
        try:
            cursor.execute(f"CREATE SCHEMA IF NOT EXISTS {name}")
        except ProgrammingError:
            role, database = connection.settings_dict["USER"], connection.settings_dict["NAME"]
            raise CommandError(
                f'The role "{role}" may not create the schema {name} in the database "{database}": '
                f'let an administrator run CREATE SCHEMA {settings.DATABASE_SCHEMA} AUTHORIZATION "{role}"'
            ) from None


def create_database() -> None:
    """Make the database where it is ours to name: on the embedded server, and in the simulator's world.

    Raises:
        CommandError: the role may not, or a database named in DATABASE_URL does not exist.
        OperationalError: the server cannot be reached.
    """
    connection = connections["default"]
    name = connection.settings_dict["NAME"]
    try:
        connection.ensure_connection()
        return
    except OperationalError as error:
        refused = error
    parameters = connection.get_connection_params() | {"dbname": "postgres"}
    try:
        with psycopg.connect(**parameters, autocommit=True) as maintenance:
            if maintenance.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                raise refused  # it exists, so something else is wrong
            if settings.WORLD != SIMULATOR and not settings.DATABASE_IS_EMBEDDED:
                raise CommandError(
                    f'DATABASE_URL: there is no database "{name}" on that server: create it, or correct the name'
                )
            maintenance.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg.errors.InsufficientPrivilege:
        role = connection.settings_dict["USER"]
        raise CommandError(
            f'The role "{role}" may not create the database "{name}": let an administrator run CREATE DATABASE {name} OWNER "{role}"'
        ) from None
    except psycopg.OperationalError:
        raise refused from None


def why_unreachable(error: Exception) -> str:
    """Say in one line why the database cannot be used, and what to do. Holds no password."""
    reason = str(error).strip().splitlines()[-1].strip() if str(error).strip() else type(error).__name__
    reason = reason.split("failed: ")[-1].removeprefix("FATAL:").strip()
    if settings.DATABASE_IS_EMBEDDED:
        return f"The embedded database does not answer ({reason}): start it with `make run`, or set DATABASE_URL."
    where = settings.DATABASES["default"]
    return (
        f'DATABASE_URL: the server at {where["HOST"] or "the default socket"} refuses database "{where["NAME"]}" ({reason}): '
        "correct the address, or remove the line to use the embedded server."
    )


def claim_database() -> BaseDatabaseWrapper:
    """Hold the database for this installation as long as the returned connection lives, and return it.

    Another one with its own VAR_DIR would decide the same ticks by its own environment: where its automation is off, a tick
    that it came to first is spent without a hedge.

    Raises:
        CommandError: another installation holds it.
    """
    connection = connections.create_connection("default")
    with connection.cursor() as cursor:
        # After a power cut a server elsewhere must not hold it for the two hours that TCP takes by itself to notice.
        cursor.execute("SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3")
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", INSTALLATION_LOCK)
        if cursor.fetchone()[0]:
            return connection
    connection.close()
    raise CommandError(
        f'Another installation works on the database "{connection.settings_dict["NAME"]}": stop it first, or set '
        "DATABASE_URL to another database"
    )
