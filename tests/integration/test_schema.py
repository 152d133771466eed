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


@pytest.mark.django_db
def test_a_table_that_refuses_to_lose_a_row_refuses_to_be_emptied_as_well():
    with connection.cursor() as cursor:
        # Bits of a trigger's type: 2 is BEFORE, 8 DELETE, 32 TRUNCATE.
        cursor.execute(
            "SELECT relname, bit_or(tgtype) & (8 | 32) FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid"
            " WHERE NOT tgisinternal AND tgenabled = 'O' AND tgtype & 2 > 0 GROUP BY relname ORDER BY relname"
        )
        assert cursor.fetchall() == [
            (table, 8 | 32) for table in ("hedging_adjustment", "hedging_auditevent", "hedging_auditlink")
        ]
