"""Replay: rebuild sessions, intents and orders from the `changes` of audit lines alone, and compare with today's rows.

A line's changes map a row's name ("hedgeorder:7") to its columns as they were when the line's transaction held the row's
lock. Lines are applied in the order of the chain, which is that of the commits: the last word on a row is its state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Any

SESSION = (
    "account",
    "trading_day",
    "mode",
    "index",
    "expiry",
    "dte",
    "baskets",
    "budget_per_basket",
    "lots_per_basket",
    "automation",
    "trading_state",
    "state_reason",
    "baseline",
    "baseline_at",
    "baseline_source",
    "spent",
    "reserved",
    "last_action_at",
    "quarantine",
    "trigger_pct",
    "target_pct",
    "exit_trigger_pct",
    "lookahead_minutes",
    "exit_buffer_minutes",
    "min_premium",
    "max_premium",
    "max_cost_per_day",
    "cooldown_seconds",
    "opened_at",
    "closed_at",
)
INTENT = (
    "decision",
    "session",
    "mode",
    "index",
    "expiry",
    "strike",
    "right",
    "product",
    "symbol",
    "side",
    "quantity",
    "lot",
    "reference_price",
    "worst_price",
    "reserve",
    "reason",
    "origin",
    "due_by_clock",
    "created_at",
    "valid_until",
    "is_live",
    "ended_at",
    "filled_quantity",
    "average_price",
    "charges",
)
ORDER = (
    "transaction",
    "account",
    "trading_day",
    "mode",
    "slice",
    "attempt",
    "quantity",
    "created_at",
    "status",
    "limit_price",
    "broker_order_id",
    "sent_at",
)
ADJUSTMENT = (
    "session",
    "account",
    "mode",
    "index",
    "expiry",
    "strike",
    "right",
    "product",
    "symbol",
    "side",
    "quantity",
    "kind",
    "detail",
    "at",
)
FILLS = "fills"
"""An order's fills as [units, rupees] in order of arrival; kept beside its columns."""

Rows = dict[str, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """A column in which the replayed row and today's row differ; `None` as a whole row means that it is not there."""

    row: str
    column: str
    replayed: Any
    stored: Any


class Replay:
    """The state of every row that audit lines tell of, built line by line in the order of the chain."""

    def __init__(self) -> None:
        self.rows: Rows = {}
        self.lines = 0

    def apply(self, facts: Mapping[str, Any]) -> None:
        """Apply the changes of one line."""
        self.lines += 1
        for name, columns in facts.get("changes", {}).items():
            self.rows.setdefault(name, {}).update(columns)

    def keep_sessions(self, ids: Iterable[int]) -> None:
        """Forget the rows of other sessions: those whose beginning is not in the trail cannot be judged."""
        kept = set(ids)
        intents = {name for name, row in self.rows.items() if row.get("session") in kept}

        def is_kept(name: str, row: Mapping[str, Any]) -> bool:
            kind, _, pk = name.partition(":")
            if kind == "tradingsession":
                return int(pk) in kept
            return name in intents or f"hedgetransaction:{row.get('transaction')}" in intents

        self.rows = {name: row for name, row in self.rows.items() if is_kept(name, row)}

    def differences(self, stored: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterable[Difference]:
        """Yield every difference from the rows of today, and what is on one side only."""
        unseen = set(self.rows)
        for name, columns in stored:
            row = self.rows.get(name)
            if row is None:
                yield Difference(name, "", None, "a row")
                continue
            unseen.discard(name)
            for column, value in columns.items():
                if row.get(column) != value:
                    yield Difference(name, column, row.get(column), value)
        for name in sorted(unseen):
            yield Difference(name, "", "a row", None)


def plain(value: Any, *, places: int | None = None) -> Any:
    """Return a column's value as JSON. Decimals keep `places` digits, rounded half away from zero as PostgreSQL does."""
    if value is None or type(value) is str:
        return value
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, Decimal | int) and places is not None and not isinstance(value, bool):
        return str(Decimal(value).quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value
