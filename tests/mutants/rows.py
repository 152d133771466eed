"""Mutants of the database: what it refuses by itself, whatever the code does. Each is dropped on a copy of the database."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_REFUSES = "integration/test_constraints.py::test_the_database_refuses"
_MODELS, _SESSIONS = "hedging/models.py", "sessions_app/models.py"
_LINKS = "hedging/migrations/0005_audit_chain.py"
_NEVER_EMPTIED = "hedging/migrations/0009_audit_is_never_emptied.py"


def _dropped(invariant: int, guard: str, name: str, *, table: str = "", file: str = _MODELS, more: str = "") -> Mutant:
    """Return the mutant of a constraint; without a `table` it is a partial unique constraint, which is an index."""
    sql = f"ALTER TABLE {table} DROP CONSTRAINT {name}" if table else f"DROP INDEX {name}"
    test = f"{_REFUSES}[{name}]"
    return Mutant(invariant, guard, file, f'name="{name}"', (test,), sql=sql + (f"; {more}" if more else ""))


MUTANTS = (
    _dropped(1, "one live order for each slice", "one_live_order_per_slice"),
    _dropped(1, "one row for each attempt at a slice", "one_row_per_attempt", table="hedging_hedgeorder"),
    _dropped(1, "a broker's order belongs to one slice", "a_broker_order_belongs_to_one_slice"),
    _dropped(1, "a slot is decided once", "one_decision_per_slot", table="hedging_hedgedecision"),
    _dropped(
        2,
        "counters are never negative",
        "session_counters_not_negative",
        table="sessions_app_tradingsession",
        file=_SESSIONS,
    ),
    _dropped(4, "a fill is one row", "one_row_per_fill", table="hedging_fill"),
    _dropped(5, "no sale of a leg while its buy is live", "no_buy_and_sell_of_a_leg_at_once"),
    _dropped(
        11, "one live intent on a leg", "one_live_intent_per_leg", more="DROP INDEX no_buy_and_sell_of_a_leg_at_once"
    ),
    _dropped(15, "whole lots", "intent_whole_lots", table="hedging_hedgetransaction"),
    _dropped(15, "an order of nothing is no order", "order_quantity_positive", table="hedging_hedgeorder"),
    _dropped(
        16,
        "counters of an account, day and mode are one row",
        "one_session_per_day_and_mode",
        table="sessions_app_tradingsession",
        file=_SESSIONS,
    ),
    _dropped(16, "one open session for each account", "one_open_session_per_account", file=_SESSIONS),
    Mutant(
        14,
        "the audit trail refuses changes",
        "hedging/migrations/0002_audit_is_append_only.py",
        "CREATE TRIGGER audit_is_append_only",
        ("integration/test_engine_claims.py::test_the_database_refuses_to_change_or_remove_an_audit_line",),
        sql="DROP TRIGGER audit_is_append_only ON hedging_auditevent",
    ),
    Mutant(
        14,
        "every audit line gets its place in the chain",
        _LINKS,
        "CREATE CONSTRAINT TRIGGER audit_link ",
        (
            "integration/test_audit_trail.py::test_every_line_is_linked_when_its_transaction_commits_and_the_chain_verifies",
        ),
        sql="DROP TRIGGER audit_link ON hedging_auditevent",
    ),
    Mutant(
        14,
        "the chain refuses changes",
        _LINKS,
        "CREATE TRIGGER audit_link_is_append_only",
        ("integration/test_audit_trail.py::test_the_database_refuses_to_change_a_link",),
        sql="DROP TRIGGER audit_link_is_append_only ON hedging_auditlink",
    ),
    Mutant(
        5,
        "what was taken off our holdings stays written",
        _LINKS,
        "CREATE TRIGGER adjustment_is_append_only",
        ("integration/test_discrepancies.py::test_the_database_refuses_to_change_an_adjustment",),
        sql="DROP TRIGGER adjustment_is_append_only ON hedging_adjustment",
    ),
    Mutant(
        14,
        "the audit trail is never emptied",
        _NEVER_EMPTIED,
        "CREATE TRIGGER audit_is_never_emptied",
        ("integration/test_schema.py::test_a_table_that_refuses_to_lose_a_row_refuses_to_be_emptied_as_well",),
        sql="DROP TRIGGER audit_is_never_emptied ON hedging_auditevent",
    ),
    Mutant(
        14,
        "the chain is never emptied",
        _NEVER_EMPTIED,
        "CREATE TRIGGER audit_link_is_never_emptied",
        ("integration/test_audit_trail.py::test_the_database_refuses_to_empty_what_is_append_only",),
        sql="DROP TRIGGER audit_link_is_never_emptied ON hedging_auditlink",
    ),
    Mutant(
        5,
        "what was taken off our holdings is never emptied",
        _NEVER_EMPTIED,
        "CREATE TRIGGER adjustment_is_never_emptied",
        ("integration/test_audit_trail.py::test_the_database_refuses_to_empty_what_is_append_only",),
        sql="DROP TRIGGER adjustment_is_never_emptied ON hedging_adjustment",
    ),
)
