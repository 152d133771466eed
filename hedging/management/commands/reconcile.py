"""Compare our ledger with the broker's books now, and print what differs; exit code 1 when anything of ours does.

`--order 12 --is 261201000000001 --reason "…"` (or `--never-came`) settles an order whose fate nobody knows, as a person saw it;
one of an earlier day, whose books are gone, with `--filled 130 --price 4.05` too, as the broker's statement has them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.brokers.base import BrokerError
from hedging.domain.lifecycle import PAISA, Trade
from hedging.engine import clock
from hedging.engine.discrepancies import examine
from hedging.engine.reconcile import ResolutionRefused, resolve, resolve_by_statement
from hedging.engine.ticks import open_sessions
from hedging.management.arguments import money
from hedging.management.halting import user
from hedging.models import HedgeOrder
from hedging.selectors.books import BookComparison, Finding, books
from hedging.wiring import ports_for
from sessions_app.models import TradingSession


class Command(BaseCommand):
    help = (
        "Compare the ledger of every open session with the broker's positions, orders and trades, by a fresh reading. "
        "Foreign positions and orders are listed and are no discrepancy. Exit code 1: a discrepancy, or books unread."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only the session of this account")
        parser.add_argument(
            "--order", type=int, help="settle this order of ours (its number) by what the broker's screen shows"
        )
        seen = parser.add_mutually_exclusive_group()
        seen.add_argument("--is", dest="broker_order_id", help="it is this order of the broker's")
        seen.add_argument("--never-came", action="store_true", help="it never came to the broker")
        parser.add_argument("--filled", type=int, help="units that an order of an earlier day filled, by the statement")
        parser.add_argument("--price", type=partial(money, least=PAISA), help="their average price in rupees")
        parser.add_argument("--reason", default="", help="how you know; kept in the audit trail")
        parser.add_argument("--json", action="store_true", help="print one JSON list, an object for each session")

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["order"] is not None or options["broker_order_id"] or options["never_came"]:
            self._settle(options)
            return
        sessions = [s for s in open_sessions() if options["account"] in {None, s.account.name}]
        if not sessions:
            raise CommandError("No session is open there: open one first, its fills are what is compared.")
        done = [_compared(session) for session in sessions]
        if options["json"]:
            self.stdout.write(json.dumps([_figures(*one) for one in done], default=str))
        else:
            self.stdout.write("\n\n".join(_told(*one) for one in done))
        if any(not read or now.discrepancies for _, read, now in done):
            # Not a CommandError: what is wrong was printed already.
            raise SystemExit(1)

    def _settle(self, options: dict[str, Any]) -> None:
        number, reason = options["order"], options["reason"].strip()
        if number is None or not (options["broker_order_id"] or options["never_came"]) or not reason:
            raise CommandError(
                "Say which and how you know: --order 12 --is 261201000000001 (or --never-came) --reason …"
            )
        row = HedgeOrder.objects.select_related("transaction__session__account").filter(pk=number).first()
        if row is None:
            raise CommandError(f"There is no order {number}.")
        said: dict[str, Any] = {"order_id": number, "actor": f"command by {user()}", "reason": reason}
        said["broker_order_id"] = options["broker_order_id"]
        filled, price = options["filled"], options["price"]
        if (filled is None) != (price is None) or (filled is not None and options["never_came"]):
            raise CommandError("What an order filled is both, with --is: --filled 130 --price 4.05")
        try:
            said["ports"] = ports_for(row.transaction.session)
            status = resolve(**said) if filled is None else resolve_by_statement(**said, filled=Trade(filled, price))
        except (ResolutionRefused, BrokerError, clock.ClockUnavailable) as error:
            raise CommandError(str(error)) from None
        self.stdout.write(f"Order {number} is {status} now. The next reconcile follows it up.")


def _compared(session: TradingSession) -> tuple[TradingSession, bool, BookComparison]:
    try:
        done = examine(session=session, now=clock.market_clock().now(), ports=ports_for(session))
    except clock.ClockUnavailable as error:
        raise CommandError(str(error)) from None
    return session, done.read, books(session)


def _figures(session: TradingSession, read: bool, now: BookComparison) -> dict[str, Any]:  # noqa: FBT001 - of a tuple
    return {"account": session.account.name, "trading_day": session.trading_day, "read": read} | asdict(now)


def _told(session: TradingSession, read: bool, now: BookComparison) -> str:  # noqa: FBT001 - of a tuple
    head = f"{session.account}, {session}"
    if not read:
        return f"{head}: the books could not be read: {now.error}"
    verdict = f"{len(now.discrepancies)} discrepancies" if now.discrepancies else "our ledger and the books agree"
    lines = [f"{head}: {verdict}"]
    lines += [line for finding in now.discrepancies for line in (_line(finding), f"    {finding.words}")]
    lines += [f"  taken off: {row.quantity} {row.symbol}, {row.kind}: {row.detail}" for row in now.corrections]
    lines += [f"  not ours: {_line(finding).strip()}" for finding in now.foreign]
    return "\n".join(lines)


def _line(finding: Finding) -> str:
    words = finding.kind.replace("_", " ")
    return f"  {words}: {finding.quantity} {finding.symbol} {finding.product} (ours {finding.ours}, broker {finding.broker}) {finding.detail}".rstrip()
