"""Cards: what a decision knew and chose, as JSON that the database keeps and people read."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.facts import HUNDRED, CycleFacts, OwnWing
from hedging.domain.history import PastJump
from hedging.domain.instruments import Contract, Right
from hedging.domain.optimizer_band import eligible_contracts
from hedging.domain.optimizer_types import HedgeProblem, HedgeSolution, WingTrade
from hedging.domain.projection import Projection

FORECASTS_ON_CARD = 3
"""How many of the day's last forecasts a card holds against what really happened."""


def card_of(
    facts: CycleFacts, projection: Projection | None = None, solution: HedgeSolution | None = None
) -> dict[str, Any]:
    """Return what was known and, where there is a solution, what was chosen; rupees and percent as text, `None` is unknown."""
    card: dict[str, Any] = {
        "budget": two_places(facts.session.budget),
        "used": two_places(facts.used),
        "utilization_pct": two_places(facts.utilization_pct),
        "free_margin": two_places(facts.free_margin),
        "spot": None if facts.chain is None else two_places(facts.chain.spot),
        "cost_left": two_places(facts.cost_left),
        "held": [_held(facts, wing) for wing in facts.held],
        "shorts": _shorts(facts),
    }
    card["margin_model"] = {"error_pct": two_places(facts.profile.error_pct), "doubled": facts.profile.wide}
    if facts.unknown:
        card["unknown"] = facts.unknown
    lookahead = facts.now + timedelta(minutes=facts.policy.lookahead_minutes)
    if due := [entry.portfolio for entry in facts.later if entry.at <= lookahead]:
        card["due"] = due
    if facts.waiting:
        card["waiting_for_exit"] = list(facts.waiting)
    forecasts = [_forecast(jump, facts.session.budget) for jump in facts.past if jump.today][:FORECASTS_ON_CARD]
    if forecasts:
        card["forecasts"] = forecasts
    if projection is not None:
        card["projected_pct"] = two_places(
            projection.worst.utilization_after_pct if projection.worst else projection.utilization_now_pct
        )
        card["projection"] = [
            {
                "portfolio": e.entry.portfolio,
                "at": e.entry.at.isoformat(),
                "at_order": two_places(e.at_order),
                "used_after": two_places(e.used_after),
                "used_after_pct": two_places(e.utilization_after_pct),
                "source": " + ".join(e.decided_by),
                "forecast": two_places(e.added),
                "forecast_at_order": two_places(e.added_at_order),
                "spread_pct": two_places(e.spread_pct),
                "sources": {
                    s.source.value: {"used_after": two_places(s.used_after), "note": s.note} for s in e.sources
                },
            }
            for e in projection.entries
        ]
    if solution is not None:
        card["floor_pct"] = two_places(solution.floor_pct)
        card["binding"] = None if solution.binding is None else solution.binding.value
        card["chosen"] = {
            "status": solution.status.value,
            "aim": None if solution.aim is None else solution.aim.value,
            "relaxation": None if solution.relaxation is None else solution.relaxation.value,
            "proven": solution.proven,
            "cost": two_places(solution.cost),
            "charges": two_places(solution.charges),
            "expected_cost": two_places(solution.expected_cost),
            "utilization_after_pct": two_places(solution.utilization_after_pct),
            "buys": [trade_line(facts, t) for t in solution.buys],
            "sells": [trade_line(facts, t) for t in solution.sells],
            "would_do": [contract_name(c) for c in solution.would_do],
        }
    return card


def candidate_lines(problem: HedgeProblem, solution: HedgeSolution) -> list[dict[str, Any]]:
    """Return the strikes that a solution could choose from, calls before puts and by strike; asks in rupees a unit.

    They are those that the relaxation in force allowed; with none in force, nothing was considered.
    """
    if solution.relaxation is None:
        return []
    allowed = eligible_contracts(problem, solution.relaxation)
    bought = {trade.contract for trade in solution.buys}
    offered = sorted(
        (each for each in problem.candidates if each.contract in allowed),
        key=lambda each: (each.contract.right, each.contract.strike),
    )
    return [
        {
            "symbol": contract_name(each.contract),
            "ask": two_places(each.ask),
            "chosen": each.contract in bought,
        }
        for each in offered
    ]


def _held(facts: CycleFacts, wing: OwnWing) -> dict[str, Any]:
    """Return a wing of ours with what it would bring: the bid where prices were read, and the last price of the book."""
    quote = None if facts.chain is None else facts.chain.quotes.get(wing.contract)
    line = next((p for p in facts.positions or () if p.contract == wing.contract), None)
    return {
        "symbol": contract_name(wing.contract),
        "quantity": wing.quantity,
        "bid": two_places(None if quote is None else quote.bid),
        "last": two_places(None if line is None else line.last),
    }


def _shorts(facts: CycleFacts) -> dict[str, int] | None:
    """Return the units sold on each side of the session's expiry, which wings can cover; `None` where no book was read."""
    if facts.positions is None:
        return None
    of_session = [p for p in facts.positions if p.contract.index == facts.session.index]
    of_session = [p for p in of_session if p.contract.expiry == facts.session.expiry and p.quantity < 0]
    return {side.value: -sum(p.quantity for p in of_session if p.contract.right is side) for side in Right}


def _forecast(jump: PastJump, budget: Decimal) -> dict[str, str | None]:
    missed = None if jump.forecast is None else (jump.realized - jump.forecast) / budget * HUNDRED
    return {
        "what": jump.what,
        "at": jump.at.isoformat(),
        "forecast": two_places(jump.forecast),
        "realized": two_places(jump.realized),
        "error_pct": two_places(missed),
    }


def trade_line(facts: CycleFacts, trade: WingTrade) -> dict[str, Any]:
    """Return one trade of a solution: quantity in units, price in rupees a unit."""
    return {
        "symbol": contract_name(trade.contract),
        "quantity": trade.lots * facts.spec.lot,
        "price": two_places(trade.price),
    }


def contract_name(contract: Contract) -> str:
    """Return a contract as people read it, like NIFTY 01DEC26 26500 CE."""
    return f"{contract.index} {contract.expiry:%d%b%y} {contract.strike.normalize():f} {contract.right}".upper()


def two_places(value: Decimal | None) -> str | None:
    """Return a figure as a card keeps it: to the paisa or the hundredth of a percent; `None` stays unknown."""
    return None if value is None else str(value.quantize(Decimal("0.01")))


def percent(value: Decimal | None) -> str:
    """Return a percentage as a gate's detail tells it."""
    return "unknown" if value is None else f"{value:.1f} %"
