"""Resume trading after a halt, deliberately: with a reason, and one level at a time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.engine.sessions import SessionRefused
from hedging.engine.states import resume_installation, resume_session
from hedging.management.halting import EVERY, act_of, sessions_of


class Command(BaseCommand):
    help = "Make the whole installation, or with --session a session, ACTIVE again. Each keeps its own state."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why it is safe now")
        parser.add_argument(
            "--session", nargs="?", const=EVERY, metavar="ACCOUNT", help="only the open session of ACCOUNT, or all open"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        act, account = act_of(options["reason"]), options["session"]
        try:
            if account is None:
                words = "ACTIVE" if resume_installation(act=act) else "ACTIVE already"
                self.stdout.write(f"The whole installation is {words}. A session that was halted by itself stays so.")
                return
            for session in sessions_of(account):
                words = "ACTIVE" if resume_session(session=session, act=act) else "ACTIVE already"
                self.stdout.write(f"{session.account} is {words}.")
        except SessionRefused as refused:
            raise CommandError(refused.message) from None
