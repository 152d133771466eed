"""Find out now what the broker of each open session means by its numbers, and by which rates it charges."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from hedging.engine import clock
from hedging.engine.calibrate import CalibrationFailed, find_out, state_by_hand
from hedging.engine.plan import ReferenceMissing
from hedging.engine.ticks import open_sessions
from hedging.wiring import rules
from sessions_app.models import BasketScope, Calibration, TradingSession

_PERCENT = re.compile(r"[0-9]{1,2}(\.[0-9]+)?")
RATES = ("scan_pct", "elm_pct", "elm_deep_pct", "elm_expiry_extra_pct")


class Command(BaseCommand):
    help = (
        "Calibrate the margin model of every open session by probe baskets; reads only. With --set, state it by hand."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="only the session of this account")
        parser.add_argument("--json", action="store_true", help="print one JSON list, a row for each session")
        parser.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help=f"state by hand instead of asking: {', '.join(RATES)} in percent, or basket=increment|total|legs_only|none",
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        sessions = [s for s in open_sessions() if options["account"] in {None, s.account.name}]
        if not sessions:
            raise CommandError("No session is open there: open one first, the probes need its index and expiry.")
        rates, scope = _stated(options["set"])
        rows = [_calibrated(session, rates, scope, by_hand=bool(options["set"])) for session in sessions]
        if options["json"]:
            self.stdout.write(json.dumps([_figures(row) for row in rows]))
            return
        for row in rows:
            self.stdout.write(_told(row))


def _calibrated(session: TradingSession, rates: dict[str, float], scope: BasketScope, *, by_hand: bool) -> Calibration:
    running, now = rules(), clock.market_clock().now()
    try:
        plan, ports = running.plan_for(session), running.ports_for(session)
        if by_hand:
            return state_by_hand(
                session=session, plan=plan, rates=rates, scope=scope, now=now, ports=ports, actor="command"
            )
        return find_out(session=session, plan=plan, now=now, ports=ports)
    except (CalibrationFailed, ReferenceMissing) as failed:
        raise CommandError(f"{session.account}: {failed}. What was known before stays in force.") from None


def _stated(pairs: list[str]) -> tuple[dict[str, float], BasketScope]:
    rates: dict[str, float] = {}
    scope = BasketScope.UNKNOWN
    for pair in pairs:
        name, _, value = pair.partition("=")
        if name == "basket" and value in BasketScope.values:
            scope = BasketScope(value)
        elif name in RATES and _PERCENT.fullmatch(value) and (float(value) > 0 or name != "scan_pct"):
            rates[name] = float(value)
        else:
            raise CommandError(f"--set {pair}: not one of {', '.join(RATES)} in percent, or basket=SCOPE.")
    return rates, scope


def _figures(row: Calibration) -> dict[str, Any]:
    names = ("index", "found_by", "nets", "basket_scope", "counts_book_from", "paid_in_answer", "credit_from_legs")
    learned = ("premium_in_used", "cash_is_net", "note")
    return {
        "account": row.account.name,
        "trading_day": row.trading_day.isoformat(),
        "at": row.at.isoformat(),
        **{name: getattr(row, name) for name in (*names, *RATES, *learned)},
        "scale": str(row.scale),
        "error_pct": None if row.error_pct is None else str(row.error_pct),
        "probes": row.probes,
    }


def _told(row: Calibration) -> str:
    error = "error unknown" if row.error_pct is None else f"error {row.error_pct} %"
    nets = {True: "nets wings", False: "does not net wings", None: "is not there"}[row.nets]
    rates = f"scan range {row.scan_pct:.2f} %, ELM {row.elm_pct:.2f} %, deep {row.elm_deep_pct:.2f} %"
    return "\n".join(
        (
            f"{row.account}, {row.index} on {row.trading_day}: {error}, by {row.found_by}{f' ({row.note})' if row.note else ''}",
            f"basket call {nets}; counts: {row.get_basket_scope_display()}",
            f"{rates}, expiry day +{row.elm_expiry_extra_pct:.2f} %, scale {row.scale}",
            "The session is decided by it from now on.",
        )
    )
