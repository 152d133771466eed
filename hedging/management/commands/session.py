"""Open today's session, show it, or close it before its time."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable
from datetime import date
from typing import Any

from django.core.management.base import CommandParser

from hedging import selectors
from hedging.api.outputs.sessions import SessionOutput
from hedging.domain.instruments import Index
from hedging.engine import clock
from hedging.engine.day_end import close_early
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import open_session
from hedging.management.arguments import money
from hedging.management.halting import act_of, user
from hedging.management.terminal import (
    Answer,
    Refused,
    TerminalCommand,
    account_of,
    pairs,
    session_to_change,
    session_to_read,
    with_account,
    with_json,
)
from hedging.selectors.facts import SessionFacts
from hedging.wiring import ports_for
from notifications.figures import clock as time_of
from notifications.figures import rupees
from sessions_app.models import TradingSession

MOST_BASKETS = 1000


class Command(TerminalCommand):
    help = "Open today's session from the timetable, show the session, or close it before the day ends."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        opened = actions.add_parser("open", help="open today's: index, expiry and DTE follow from the timetable")
        opened.add_argument("--index", choices=[index.value for index in Index], help="another than the timetable's")
        opened.add_argument("--expiry", type=_date, help="another than the calendar's, with --index")
        opened.add_argument("--baskets", type=_baskets, default=1, help="baskets of the budget (1)")
        opened.add_argument("--budget-per-basket", type=money, help="rupees; without it, what the app starts with")
        shown = actions.add_parser("show", help="show the open session, else today's last one")
        closed = actions.add_parser("close", help="close it before its time: today's cannot be opened again")
        closed.add_argument("--reason", required=True, help="why, for the trail and the day's summary")
        closed.add_argument(
            "--keep-hedges", action="store_true", help="close although hedges are held, which nobody will sell then"
        )
        for each in (opened, shown, closed):
            with_account(each)
            with_json(each)

    def answer(self, options: dict[str, Any]) -> Answer:
        action: Callable[[dict[str, Any]], TradingSession] = {"open": _open, "show": _shown, "close": _close}[
            options["action"]
        ]
        facts = selectors.session_facts(action(options))
        return Answer(SessionOutput(facts).data, lambda: _told(facts))


def _open(options: dict[str, Any]) -> TradingSession:
    if options["expiry"] is not None and options["index"] is None:
        raise Refused("INDEX_NEEDED", "An expiry is of an index: name it with --index.")
    now = clock.market_clock().now()
    return open_session(
        account=account_of(options["account"]),
        day=trading_day_of(now),
        now=now,
        wall_now=clock.wall_now(),
        actor=f"command by {user()}",
        index=None if options["index"] is None else Index(options["index"]),
        expiry=options["expiry"],
        baskets=options["baskets"],
        budget_per_basket=options["budget_per_basket"],
    )


def _shown(options: dict[str, Any]) -> TradingSession:
    return session_to_read(options["account"])


def _close(options: dict[str, Any]) -> TradingSession:
    act = act_of(options["reason"])
    session = session_to_change(options["account"])
    close_early(session=session, act=act, ports=ports_for(session), keep_hedges=options["keep_hedges"])
    session.refresh_from_db()
    return session


def _told(facts: SessionFacts) -> str:
    state = facts.trading_state.upper() + (f": {facts.state_reason}" if facts.state_reason else "")
    baseline = "not captured yet"
    if facts.baseline is not None:
        source = f" ({facts.baseline_source})" if facts.baseline_source else ""
        baseline = f"{rupees(facts.baseline)}{source}"
    return pairs(
        (
            ("Session", f"{facts.id}, {facts.account}, {facts.trading_day:%A %d-%b-%Y}"),
            ("Trades", f"{facts.index} {facts.expiry:%d-%b-%Y}, {facts.dte}DTE"),
            ("Mode", facts.mode_words),
            ("Budget", f"{rupees(facts.budget)} ({facts.baskets} basket{'s' if facts.baskets > 1 else ''})"),
            ("Baseline", baseline),
            ("Trading state", state),
            ("Automation", f"{'on' if facts.enabled else 'off'}, {'acting' if facts.automatic else 'not acting'}"),
            ("Trigger, target", f"{facts.trigger_pct} %, {facts.target_pct} %; exits under {facts.exit_trigger_pct} %"),
            ("Opened", time_of(facts.opened_at)),
            ("Closed", "" if facts.closed_at is None else time_of(facts.closed_at)),
        )
    )


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is not a date: write it like 2026-12-01") from None


def _baskets(text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MOST_BASKETS)) or not 1 <= int(text) <= MOST_BASKETS:
        raise ArgumentTypeError(f"{text!r} is no number of baskets: write 1 to {MOST_BASKETS}")
    return int(text)
