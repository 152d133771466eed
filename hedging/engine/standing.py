"""Standing: what may be done now, by rows that all processes share. One round trip, asked at the claim and at the fence.

Trading states come from three places: the session's row, the installation's row, and a file whose mere existence halts.
The tightest of them counts.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection

from hedging.domain.instruments import Side
from sessions_app.models import AccountLease, Breaker, BreakerKind, Installation, TradingSession, TradingState

_ORDER = (TradingState.ACTIVE, TradingState.REDUCING, TradingState.HALTED)

STANDING = f"""
    SELECT s.trading_state, s.state_reason, s.automation, s.closed_at IS NULL,
           coalesce(i.trading_state, '{TradingState.ACTIVE.value}'), coalesce(i.state_reason, ''),
           coalesce(i.state_by, ''), i.state_at,
           b.open_until, coalesce(b.failures, 0), coalesce(b.failed_cycles, 0), x.open_until, coalesce(x.failures, 0),
           coalesce(l.number, 0)
    FROM {TradingSession._meta.db_table} s
    LEFT JOIN {Installation._meta.db_table} i ON i.id = {Installation.ONLY}
    LEFT JOIN {Breaker._meta.db_table} b ON b.account_id = s.account_id AND b.kind = '{BreakerKind.ORDERS.value}'
    LEFT JOIN {Breaker._meta.db_table} x ON x.account_id = s.account_id AND x.kind = '{BreakerKind.EXITS.value}'
    LEFT JOIN {AccountLease._meta.db_table} l ON l.account_id = s.account_id
    WHERE s.id = %s
"""  # noqa: S608 - names of our own tables and words; the only value is a parameter


@dataclass(frozen=True, slots=True)
class Standing:
    """What the shared rows say of one session. Times are wall time; a breaker without `…_until` is closed."""

    session_state: TradingState
    session_reason: str
    automation: bool
    is_open: bool
    installation_state: TradingState
    installation_reason: str
    installation_by: str
    installation_at: datetime | None
    orders_until: datetime | None
    order_failures: int
    failed_cycles: int
    exits_until: datetime | None
    exit_failures: int
    lease_number: int
    halt_file: bool

    @property
    def state(self) -> TradingState:
        """Return the trading state in force: the tightest of file, installation and session."""
        if self.halt_file:
            return TradingState.HALTED
        return max(self.session_state, self.installation_state, key=_ORDER.index)

    @property
    def scope(self) -> str:
        """Return whose word `state` is: `session`, `installation` or `file`."""
        if self.halt_file and self.installation_state != TradingState.HALTED:
            return "file"
        tighter = _ORDER.index(self.installation_state) > _ORDER.index(self.session_state)
        return "installation" if tighter or self.state != self.session_state else "session"

    @property
    def reason(self) -> str:
        """Return why, in words for people; "" while nothing is restricted."""
        if self.scope == "file":
            return f"the file {settings.PLACES.halt} exists"
        if self.scope == "installation":
            return f"whole installation: {self.installation_reason}"
        return self.session_reason

    def allows(self, side: Side) -> bool:
        """Return whether a new order of this side may be sent: buys when ACTIVE, sells when REDUCING too."""
        return self.is_open and allows(self.state, side)

    def open_until(self, kind: BreakerKind) -> datetime | None:
        """Return until when this breaker is open, `None` when it is closed. One that is past waits for its probe."""
        return self.orders_until if kind == BreakerKind.ORDERS else self.exits_until


def allows(state: str, side: Side) -> bool:
    """Return whether a trading state lets a new order of this side be sent."""
    return state == TradingState.ACTIVE or (state == TradingState.REDUCING and side is Side.SELL)


def standing_of(session_id: int) -> Standing:
    """Return the standing of a session. Raises `TradingSession.DoesNotExist` when there is none."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING, [session_id])
        row = cursor.fetchone()
    if row is None:
        raise TradingSession.DoesNotExist(f"session {session_id}")
    return standing_from(row)


def standing_from(row: tuple[Any, ...]) -> Standing:
    """Return the value of one row of `STANDING`, with a look for the halt file."""
    state, reason, automation, is_open, everywhere, why, by, at, *rest = row
    orders_until, order_failures, failed_cycles, exits_until, exit_failures, lease_number = rest
    return Standing(
        session_state=TradingState(state),
        session_reason=reason,
        automation=automation,
        is_open=is_open,
        installation_state=TradingState(everywhere),
        installation_reason=why,
        installation_by=by,
        installation_at=at,
        orders_until=orders_until,
        order_failures=order_failures,
        failed_cycles=failed_cycles,
        exits_until=exits_until,
        exit_failures=exit_failures,
        lease_number=lease_number,
        halt_file=halt_file_exists(),
    )


def halted_everywhere() -> bool:
    """Return whether the installation is halted, by its row or by the file. At most one query."""
    row = Installation.objects.filter(pk=Installation.ONLY, trading_state=TradingState.HALTED)
    return halt_file_exists() or row.exists()


def halt_file_exists() -> bool:
    """Return whether the halt file is there. What cannot be looked at counts as there: unknown is not safe."""
    try:
        os.lstat(settings.PLACES.halt)  # a link that leads nowhere halts as well
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True
