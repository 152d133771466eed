"""The PostgreSQL schema `auto_hedge`: all our tables are in it, and nothing of any other schema is touched."""

from __future__ import annotations

from django.conf import settings
from django.core.management.base import CommandError
from django.db import ProgrammingError, connections


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
