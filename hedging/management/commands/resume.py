"""Resume trading after a halt, deliberately: with a reason, and one level at a time."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.engine.sessions import SessionRefused
from hedging.engine.states import Act, resume_installation, resume_session
from hedging.management.halting import EVERY, Switched, act_of, sessions_of
from sessions_app.models import TradingState


class Command(BaseCommand):
    help = "Make the whole installation, or with --session a session, ACTIVE again. Each keeps its own state."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why it is safe now")
        parser.add_argument(
            "--session", nargs="?", const=EVERY, metavar="ACCOUNT", help="only the open session of ACCOUNT, or all open"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON list, an object for each that was meant"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        try:
            changed = _resume(options["session"], act_of(options["reason"]))
        except SessionRefused as refused:
            raise CommandError(refused.message) from None
        if options["json"]:
            self.stdout.write(json.dumps([one.figures for one in changed]))
            return
        for one in changed:
            words = "ACTIVE" if one.changed else "ACTIVE already"
            more = "" if one.account else " A session that was halted by itself stays so."
            self.stdout.write(f"{one.account or 'The whole installation'} is {words}.{more}")


def _resume(account: str | None, act: Act) -> list[Switched]:
    to = TradingState.ACTIVE
    if account is None:
        return [Switched(None, to, resume_installation(act=act))]
    return [Switched(s.account.name, to, resume_session(session=s, act=act)) for s in sessions_of(account)]
