"""What the commands for people share: plain tables, JSON as the API gives it, and refusals that name the fix."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import OperationalError
from rest_framework.utils.encoders import JSONEncoder

from hedging import selectors
from hedging.engine import clock
from hedging.engine.plan import ReferenceMissing
from hedging.engine.sessions import SessionRefused
from hedging.manual_orders import ManualRefused, TokenRefused
from sessions_app.models import Account, TradingSession

_GAP = "  "


class Refused(Exception):
    """A command was understood and cannot be done. `code` is stable; the message names the fix."""

    def __init__(self, code: str, message: str, facts: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.facts = facts or {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command found or did: as data, and as a text that is drawn only when it is wanted. `good` false: exit code 1."""

    data: Any
    text: Callable[[], str]
    good: bool = True


class TerminalCommand(BaseCommand, ABC):
    """A command that answers a person in text, or a script with `--json`; a refusal is one line, or one JSON object."""

    @abstractmethod
    def answer(self, options: dict[str, Any]) -> Answer:
        """Do what is asked. Raises `Refused`, and what the engine refuses with."""

    def handle(self, *_args: Any, **options: Any) -> None:
        """Print the answer; exit code 1 for a refusal and for an answer that is not good."""
        try:
            answer = self.answer(options)
        except Exception as error:
            refused = refusal_of(error)
            if refused is None:
                raise
            if not options["json"]:
                raise CommandError(refused.message) from None
            self.stdout.write(as_json({"code": refused.code, "message": refused.message, "facts": refused.facts}))
            raise SystemExit(1) from None
        self.stdout.write(as_json(answer.data) if options["json"] else answer.text())
        if not answer.good:
            # Not a CommandError: what is wrong was printed already.
            raise SystemExit(1)


def with_json(parser: CommandParser) -> None:
    """Give a command, or one of its actions, the option `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON, as the API gives it")


def with_account(parser: CommandParser) -> None:
    """Give a command, or one of its actions, the option `--account`."""
    parser.add_argument("--account", help="its name; not needed where there is one")


def refusal_of(error: Exception) -> Refused | None:
    """Return what the engine or we refuse as one kind of refusal; `None` for what nobody foresaw."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, SessionRefused | TokenRefused | ManualRefused):
        return Refused(error.code, error.message, dict(error.facts))
    if isinstance(error, ReferenceMissing):
        return Refused("REFERENCE_MISSING", str(error))
    if isinstance(error, clock.ClockUnavailable):
        words = f"Market time cannot be read ({error}): start the service (`make run`) first."
        return Refused("CLOCK_UNAVAILABLE", words, {"reason": str(error)})
    if isinstance(error, OperationalError):
        words = f"The database does not answer: start the service (`make run`), or correct DATABASE_URL. ({error})"
        return Refused("DATABASE_AWAY", words)
    return None


def account_of(name: str | None) -> Account:
    """Return the account that is meant. Raises `Refused` for none of that name, and for several without a name."""
    accounts = Account.objects.order_by("id")
    found = list(accounts if name is None else accounts.filter(name=name))
    if not found:
        raise Refused(
            "NO_ACCOUNT", "There is no such account: `manage.py bootstrap` creates the first, admin any other."
        )
    if len(found) > 1:
        names = ", ".join(account.name for account in found)
        raise Refused("ACCOUNT_NEEDED", f"There are several accounts, name one with --account: {names}")
    return found[0]


def session_to_read(name: str | None) -> TradingSession:
    """Return the open session, else today's last one, of an account or of any. Raises `Refused` when there is none."""
    session = selectors.current_session(now=clock.market_clock().now(), account=name)
    if session is None:
        raise Refused("NO_SESSION", "There is no session today: open one with `manage.py session open`.")
    return session


def session_to_change(name: str | None) -> TradingSession:
    """Return the one open session that is meant. Raises `Refused` for none, and for several without a name."""
    rows = TradingSession.objects.open().select_related("account", "calibration").order_by("id")
    found = list(rows if name is None else rows.filter(account__name=name))
    if not found:
        raise Refused("NO_SESSION", "No session is open there: open one with `manage.py session open`.")
    if len(found) > 1:
        names = ", ".join(session.account.name for session in found)
        raise Refused("ACCOUNT_NEEDED", f"Several sessions are open, name an account with --account: {names}")
    return found[0]


def as_json(data: Any) -> str:
    """Write data as one line of JSON, times and decimals as the API writes them."""
    return json.dumps(data, cls=JSONEncoder)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Write rows under their heads in plain columns; what looks like a figure is set to the right."""
    body = [list(row) for row in rows]
    widths = [max(len(row[place]) for row in (head, *body)) for place in range(len(head))]
    right = [bool(body) and all(_is_figure(row[place]) for row in body) for place in range(len(head))]
    lines = [_line(head, widths, right), _line(["-" * width for width in widths], widths, right)]
    return "\n".join(lines + [_line(row, widths, right) for row in body])


def pairs(rows: Iterable[tuple[str, str]]) -> str:
    """Write names and what they stand at, one a line; rows without a value are left out."""
    kept = [(name, value) for name, value in rows if value]
    width = max((len(name) for name, _ in kept), default=0)
    return "\n".join(f"{name:<{width}}{_GAP}{value}" for name, value in kept)


def blocks(*parts: str) -> str:
    """Set parts of a text apart by empty lines; empty parts are left out."""
    return "\n\n".join(part for part in parts if part)


def _is_figure(cell: str) -> bool:
    return not cell or cell == "unknown" or cell.lstrip("₹−-+")[:1].isdigit()


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    set_out = (
        cell.rjust(width) if to_right else cell.ljust(width)
        for cell, width, to_right in zip(cells, widths, right, strict=True)
    )
    return _GAP.join(set_out).rstrip()
