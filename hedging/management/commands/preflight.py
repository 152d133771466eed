"""Run the pre-flight of every account now, and print each check with what to do about it; exit code 1 when one is red."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging import preflights
from hedging.domain.preflight import State
from hedging.engine import clock
from sessions_app.models import Account, PreflightRun

MARKS = {State.GREEN: "ok", State.AMBER: "AMBER", State.RED: "RED", State.NOT_ASKED: "-"}


class Command(BaseCommand):
    help = "Check whether everything is in order before trading. The result is kept; red blocks automation and live."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only this account")
        parser.add_argument("--json", action="store_true", help="print one JSON list, an object for each account")

    def handle(self, *_args: Any, **options: Any) -> None:
        accounts = list(Account.objects.order_by("pk"))
        chosen = [account for account in accounts if options["account"] in {None, account.name}]
        if not chosen:
            raise CommandError("There is no such account: `manage.py bootstrap` creates the first, admin any other.")
        try:
            now = clock.market_clock().now()
        except clock.ClockUnavailable as error:
            raise CommandError(f"{error}: start the service (`make run`) first") from None
        runs = [preflights.run_for(account, now=now, asked_by="command") for account in chosen]
        if options["json"]:
            self.stdout.write(json.dumps([_figures(run) for run in runs]))
        else:
            self.stdout.write("\n\n".join(_told(run) for run in runs))
        if any(run.verdict == State.RED for run in runs):
            # Not a CommandError: what is wrong was printed already.
            raise SystemExit(1)


def _figures(run: PreflightRun) -> dict[str, Any]:
    return {
        "account": run.account.name,
        "trading_day": run.trading_day.isoformat(),
        "mode": run.mode,
        "at": run.at.isoformat(),
        "verdict": run.verdict,
        "session": run.session_id,
        "checks": run.results,
    }


def _told(run: PreflightRun) -> str:
    lines = [f"{run.account}, {run.trading_day} ({run.get_mode_display()}): {run.verdict.upper()}"]
    for row in run.results:
        lines.append(f"{MARKS[State(row['state'])]:>6}  {row['name']:<16} {row['detail']}")
        if row["fix"]:
            lines.append(f"{'':>24} {row['fix']}")
    return "\n".join(lines)
