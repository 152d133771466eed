"""Audit lines that were written before the chain existed become part of it."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from hedging.models import AuditLink
from tests import factories as make

BEFORE = [("hedging", "0003_margin_jumps")]


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_lines_of_an_older_installation_are_linked_in_their_order():
    session = make.TradingSessionFactory.create()
    newest = MigrationExecutor(connection).loader.graph.leaf_nodes("hedging")
    MigrationExecutor(connection).migrate(BEFORE)
    try:
        with connection.cursor() as cursor:
            for number in range(3):
                cursor.execute(
                    "INSERT INTO hedging_auditevent (account_id, session_id, at, wall_at, actor, event, subject_kind,"
                    " subject_id, facts) VALUES (%s, %s, %s, %s, 'engine', %s, 'tradingsession', 1, '{\"share\": 0.10}')",
                    [session.account_id, session.pk, make.OPEN, make.OPEN, f"event_{number}"],
                )
    finally:
        MigrationExecutor(connection).migrate(newest)
    assert list(AuditLink.objects.order_by("sequence").values_list("sequence", "event__event")) == [
        (1, "event_0"),
        (2, "event_1"),
        (3, "event_2"),
    ]
    out = StringIO()
    call_command("audit", "verify", "--json", stdout=out)
    assert json.loads(out.getvalue())["breaks"] == 0
