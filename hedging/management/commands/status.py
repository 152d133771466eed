"""Say where the session stands: margin, hedges, cost, the next entry, what was decided last, and whether we are well."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from hedging import selectors
from hedging.api.outputs.status import StatusOutput
from hedging.engine import clock
from hedging.management.terminal import Answer, TerminalCommand, blocks, pairs, session_to_read, table, with_json
from hedging.selectors.facts import Status
from hedging.templatetags.hedging_format import units
from notifications.figures import clock as time_of
from notifications.figures import figure, rupees


class Command(TerminalCommand):
    help = "Print where the open session stands, else today's last one: the same facts as the status page and the API."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--account", help="the session of this account")
        with_json(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        session = session_to_read(options["account"])
        found = selectors.status(session=session, now=clock.market_clock().now(), wall_now=clock.wall_now())
        return Answer(StatusOutput(found).data, lambda: told(found))


def told(found: Status) -> str:
    """Write a status for a person."""
    return blocks(_head(found), _margin(found), _hedges(found), _coming(found), _cost(found), _health(found))


def _head(found: Status) -> str:
    session = found.session
    state = session.trading_state.upper() + (f": {session.state_reason}" if session.state_reason else "")
    switch = "on" if session.enabled else "off"
    lid = "" if session.lid_open else " (AUTO_HEDGE_ENABLED=false)"
    acting = "acting" if session.automatic else "not acting" + (f": {session.held_by}" if session.held_by else "")
    decision = found.decision
    return pairs(
        (
            ("Session", f"{session.account}, {session.index} {session.expiry:%d-%b-%Y}, {session.dte}DTE"),
            ("Mode", session.mode_words),
            ("Now", time_of(found.now)),
            ("Trading state", state),
            ("Automation", f"{switch}{lid}, {acting}"),
            ("Closed", "" if session.closed_at is None else time_of(session.closed_at)),
            ("Last decision", "none yet" if decision is None else f"{decision.reason}, {time_of(decision.at)}"),
            ("", "" if decision is None else decision.text),
        )
    )


def _margin(found: Status) -> str:
    margin = found.margin
    if margin is None:
        return "Margin: not read yet"
    return pairs(
        (
            ("Utilization", f"{figure('utilization', margin.utilization_pct)} {margin.unknown_reason}".strip()),
            ("Used", figure("used", margin.used)),
            ("Budget", rupees(margin.budget)),
            ("Headroom", figure("headroom_rupees", margin.headroom)),
            ("Free margin", figure("free_margin", margin.free_margin)),
            ("Trigger, target", f"{found.session.trigger_pct} %, {found.session.target_pct} %"),
            ("Read", f"{margin.age_seconds} s ago"),
        )
    )


def _hedges(found: Status) -> str:
    if not found.active_hedges:
        return "Hedges: none"
    return table(
        ("Hedge", "Product", "Units", "Average", "Cost"),
        (
            (hedge.symbol, hedge.product, units(hedge.quantity), rupees(hedge.average_price), rupees(hedge.cost))
            for hedge in found.active_hedges
        ),
    )


def _coming(found: Status) -> str:
    coming = found.next_entry
    following = "" if coming is None else f"{coming.portfolio}, {time_of(coming.entry_at)}"
    projected = table(
        ("Entry", "Used after", "Utilization", "What follows"),
        (
            (
                each.entry.portfolio,
                figure("used", each.entry.used_after),
                figure("utilization", each.entry.used_after_pct),
                each.verdict,
            )
            for each in found.projections
        ),
    )
    unknown = found.calendar_unknown and f"unknown: {found.calendar_unknown}"
    return blocks(
        pairs((("Next entry", unknown or following or "none today"),)), projected if found.projections else ""
    )


def _cost(found: Status) -> str:
    cost = found.cost
    return pairs(
        (
            ("Cost cap", rupees(cost.cap)),
            ("Left of it", f"{rupees(cost.left)} (spent {rupees(cost.spent)}, set aside {rupees(cost.reserved)})"),
            ("Net of the day", f"{rupees(cost.net)} (recovered less paid and charges)"),
        )
    )


def _health(found: Status) -> str:
    dead = [f"{beat.name} ({beat.age_seconds} s)" for beat in found.heartbeats if not beat.alive]
    books = found.books
    compared = books.error or (f"{len(books.discrepancies)} discrepancies" if books.discrepancies else "agree")
    breaker = found.breaker
    return pairs(
        (
            ("Books", "not compared yet" if books.read_at is None and not books.error else compared),
            ("Breakers", "" if not breaker.is_open and not breaker.exits_open else _breakers(found)),
            ("Live orders", ", ".join(f"{o.id} {o.side} {o.symbol} {o.status}" for o in found.live_orders)),
            ("Workers", _workers(found, dead)),
            ("Margin model", found.margin_model.words),
        )
    )


def _breakers(found: Status) -> str:
    open_ones = {"purchases": found.breaker.is_open, "exits": found.breaker.exits_open}
    return "OPEN for " + " and ".join(name for name, is_open in open_ones.items() if is_open)


def _workers(found: Status, dead: list[str]) -> str:
    if not found.heartbeats:
        return "NONE gave a sign of life: start the service (`make run`)"
    return f"SILENT: {', '.join(dead)}" if dead else "all alive"
