"""A database at hand, for commands that may be run without anything else running and need one only for a moment."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.core.management import call_command
from django.db import connections

from config.local import postgres
from config.local.supervisor import Supervisor, claimed
from config.schema import create_database
from schedule.seed import seed_reference_data, seed_schedule_if_empty


@contextmanager
def database_at_hand() -> Iterator[bool]:
    """Use the running database, or start the embedded one for as long as the block takes; give whether it was started.

    Raises `LocalServerError` when it cannot be started.
    """
    if not settings.DATABASE_IS_EMBEDDED or postgres.answers(settings.PLACES):
        yield False
        return
    with claimed(settings.PLACES):
        supervisor = Supervisor(say=lambda _: None)
        try:
            supervisor.start(postgres.program(settings.PLACES))
            yield True
        finally:
            connections.close_all()
            supervisor.stop_all()


def prepare_database() -> None:
    """Make sure of the tables, the dated facts and, where there is none, the seed timetable."""
    create_database()
    call_command("migrate", interactive=False, verbosity=0)
    seed_reference_data()
    seed_schedule_if_empty()
