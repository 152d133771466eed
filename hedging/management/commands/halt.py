"""Halt all trading now, or only reduce: no new order is sent, working orders are cancelled, positions are kept."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from hedging.engine.states import restrict_installation, restrict_session
from hedging.management.halting import EVERY, Switched, act_of, sessions_of
from sessions_app.models import TradingState


class Command(BaseCommand):
    requires_system_checks = []  # a kill switch works whatever else is wrong with the installation
    help = "Halt the whole installation, or with --session a session; --reduce allows sells. Only `resume` undoes it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", required=True, help="why, for the trail and the alert")
        parser.add_argument("--reduce", action="store_true", help="allow sells: REDUCING instead of HALTED")
        parser.add_argument(
            "--session", nargs="?", const=EVERY, metavar="ACCOUNT", help="only the open session of ACCOUNT, or all open"
        )
        parser.add_argument(
            "--json", action="store_true", help="print one JSON list, an object for each that was meant"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        state = TradingState.REDUCING if options["reduce"] else TradingState.HALTED
        try:
            changed = self._restrict(state, options["session"], options["reason"])
        except DatabaseError as error:
            if state is TradingState.REDUCING or options["session"] is not None:
                raise CommandError(f"The database does not answer: {error}") from None
            settings.PLACES.halt.touch()
            raise CommandError(
                f"The database does not answer, so the file {settings.PLACES.halt} was made: nothing is sent while it is "
                f"there, and the next tick writes the halt down. ({error})"
            ) from None
        if options["json"]:
            self.stdout.write(json.dumps([one.figures for one in changed]))
            return
        for one in changed:
            words = state.label if one.changed else f"{state.label} already, or tighter"
            self.stdout.write(f"{one.account or 'The whole installation'} is {words}.")

    def _restrict(self, state: TradingState, account: str | None, reason: str) -> list[Switched]:
        act = act_of(reason)
        if account is None:
            return [Switched(None, state, restrict_installation(state=state, act=act))]
        return [
            Switched(session.account.name, state, restrict_session(session=session, state=state, act=act))
            for session in sessions_of(account)
        ]
