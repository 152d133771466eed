"""What `halt` and `resume` share: who acts, and which session is meant."""

from __future__ import annotations

import getpass
from dataclasses import dataclass

from django.core.management.base import CommandError

from hedging.engine import clock
from hedging.engine.states import Act
from sessions_app.models import TradingSession, TradingState

EVERY = ""  # `--session` without a name


@dataclass(frozen=True, slots=True)
class Switched:
    """What was meant to stand at `state`: an account's session, or (`None`) the installation. Not `changed`: nothing was done."""

    account: str | None
    state: TradingState
    changed: bool

    @property
    def figures(self) -> dict[str, str | bool | None]:
        """Return it as JSON has it."""
        return {"account": self.account, "trading_state": self.state.value, "changed": self.changed}


def act_of(reason: str) -> Act:
    """Return who acts, why and when. Raises `CommandError` without a reason."""
    if not reason.strip():
        raise CommandError("Say why: --reason '...'.")
    wall = clock.wall_now()
    return Act(actor=f"command by {user()}", reason=reason.strip(), now=clock.market_time_or(wall), wall_now=wall)


def sessions_of(account: str) -> list[TradingSession]:
    """Return the open session of an account, or all of them for `EVERY`. Raises `CommandError` when there is none."""
    rows = TradingSession.objects.open().select_related("account")
    found = list(rows if account == EVERY else rows.filter(account__name=account))
    if not found:
        raise CommandError("No session is open there. Without --session the whole installation is meant.")
    return found


def user() -> str:
    """Return the name of who runs the command."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return "nobody in particular"
