"""Rules of the database's shape that no model can state."""

import pytest
from django.db import connection


@pytest.mark.django_db
def test_all_our_tables_are_in_our_schema():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        assert cursor.fetchall() == [("auto_hedge",)]
