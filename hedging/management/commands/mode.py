"""Say in which mode each account trades, or take one from dry run to live and back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.engine import clock
from hedging.engine.modes import switch_mode
from hedging.engine.sessions import SessionRefused, effective_mode
from sessions_app.models import Account, Mode


class Command(BaseCommand):
    help = "Print the mode of every account; with live or dry_run, switch one: today's session follows at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("to", nargs="?", choices=Mode.values, help="the mode to switch to")
        parser.add_argument("--account", help="its name; not needed where there is one account")
        parser.add_argument("--reason", default="", help="why, for the trail and the alert; needed to switch")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = Account.objects.order_by("id")
        chosen = list(accounts if options["account"] is None else accounts.filter(name=options["account"]))
        if options["to"] is None:
            for account in chosen:
                self.stdout.write(f"{account}: {Mode(effective_mode(account)).label}")
            return
        if len(chosen) != 1:
            raise CommandError("Name one account with --account: " + ", ".join(str(account) for account in accounts))
        if not options["reason"].strip():
            raise CommandError("Say why with --reason: it goes into the audit trail.")
        self._switch(chosen[0], Mode(options["to"]), options["reason"].strip())

    def _switch(self, account: Account, to: Mode, reason: str) -> None:
        try:
            session = switch_mode(
                account=account,
                to=to,
                now=clock.market_clock().now(),
                wall_now=clock.wall_now(),
                actor="command mode",
                reason=reason,
            )
        except (SessionRefused, clock.ClockUnavailable) as refused:
            raise CommandError(str(refused)) from None
        today = "no session is open" if session is None else f"open: {session}"
        self.stdout.write(f"{account} trades in {to.label}; {today}.")
