"""Say why the latest decision, or the one of a number, is what it is: its gates in order, and what it projected."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from hedging import selectors
from hedging.api.outputs.ledgers import DecisionDetailOutput
from hedging.engine import clock
from hedging.management.terminal import (
    Answer,
    Refused,
    TerminalCommand,
    blocks,
    pairs,
    session_to_read,
    table,
    with_json,
)
from hedging.selectors.decisions import DecisionRow
from hedging.templatetags.hedging_format import units
from notifications.figures import clock as time_of
from notifications.figures import figure, rupees


class Command(TerminalCommand):
    help = "Print the ordered gates of the latest decision, or of the decision of this number: which one stopped it, by what."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("decision", nargs="?", type=int, help="its number; without it, the latest of the session")
        parser.add_argument("--account", help="the latest of this account's session")
        with_json(parser)

    def answer(self, options: dict[str, Any]) -> Answer:
        number = options["decision"]
        row = selectors.decision(_latest(options["account"]) if number is None else number)
        if row is None:
            raise Refused("NO_DECISION", f"There is no decision {number}: without a number it is the latest.")
        return Answer(DecisionDetailOutput(row).data, lambda: _told(row))


def _latest(account: str | None) -> int:
    session = session_to_read(account)
    found = selectors.status(session=session, now=clock.market_clock().now(), wall_now=clock.wall_now())
    if found.decision is None:
        raise Refused(
            "NO_DECISION",
            "Nothing was decided yet in this session: the first cycle comes within 30 seconds where a worker lives.",
        )
    return found.decision.id


def _told(row: DecisionRow) -> str:
    card = row.card
    return blocks(
        pairs(
            (
                ("Decision", f"{card.id}, {time_of(card.at)}"),
                ("Reason", card.reason),
                ("", card.text),
                ("Projected", "" if card.projected_pct is None else figure("utilization", card.projected_pct)),
                ("Floor", "" if card.floor_pct is None else figure("utilization", card.floor_pct)),
                ("Unknown", card.unknown),
                ("Transactions", ", ".join(str(pk) for pk in row.transactions)),
            )
        ),
        _gates(row),
        _projection(row),
        _chosen(row),
    )


def _gates(row: DecisionRow) -> str:
    if not row.card.gates:
        return "The decision names no gates."
    return table(
        ("", "Gate", "", "Figures"),
        (
            (str(number), gate.name, "ok" if gate.passed else "NO", gate.detail)
            for number, gate in enumerate(row.card.gates, start=1)
        ),
    )


def _projection(row: DecisionRow) -> str:
    if not row.card.projection:
        return ""
    return table(
        ("Entry", "At", "Used after", "Utilization", "By"),
        (
            (
                entry.portfolio,
                "unknown" if entry.at is None else time_of(entry.at),
                figure("used", entry.used_after),
                figure("utilization", entry.used_after_pct),
                entry.source,
            )
            for entry in row.card.projection
        ),
    )


def _chosen(row: DecisionRow) -> str:
    chosen = row.card.chosen
    if chosen is None:
        return ""
    legs = [("BUY", leg) for leg in chosen.buys] + [("SELL", leg) for leg in chosen.sells]
    rows = (
        (side, leg.symbol, units(leg.quantity), "unknown" if leg.price is None else rupees(leg.price))
        for side, leg in legs
    )
    return blocks(
        table(("Chosen", "Contract", "Units", "Price"), rows),
        pairs(
            (
                ("Cost", figure("cost", chosen.cost)),
                ("Charges", figure("charges", chosen.charges)),
                ("Utilization after", figure("utilization", chosen.utilization_after_pct)),
            )
        ),
    )
