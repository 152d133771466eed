"""Optimize report: the cheapest sufficient hedge of a book, or why there is none, in plain values."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import OPTION_EXCHANGE, ContractSpec, Product, Side
from hedging.domain.margin import requirement
from hedging.domain.optimizer import solve
from hedging.domain.optimizer_types import Alternative, HedgeProblem, HedgeSolution, Status, WingTrade
from hedging.domain.policy import Relaxation
from hedging.domain.risk import IST
from hedging.management.books.book import Book
from hedging.management.books.margin_report import percent

ALTERNATIVES = 3
NO_LIMIT = Decimal("Infinity")
HUNDRED = Decimal(100)


def hedge_problem(book: Book) -> HedgeProblem:
    """Return the optimizer's problem of a book; raises `ValueError` for one that was not read for hedging.

    Used margin that the file does not give is the engine's; free margin and cash that it does not give limit nothing.
    """
    if book.hedged is None or book.budget is None:
        raise ValueError("the book was not read for hedging")
    hedged = book.hedged
    margin = requirement(lines=book.lines, market=book.market, parameters=book.parameters).total
    free_margin = NO_LIMIT if book.free_margin is None else book.free_margin
    return HedgeProblem(
        spec=book.specs[hedged.index],
        expiry=hedged.expiry,
        product=hedged.product,
        book=book.lines,
        coming=book.coming,
        candidates=book.candidates,
        wings=book.wings,
        market=book.market,
        parameters=book.parameters,
        policy=book.policy,
        profile=book.profile,
        rates=book.rates[OPTION_EXCHANGE[hedged.index]],
        budget=book.budget,
        used_now=margin * book.profile.scale if book.used_now is None else book.used_now,
        free_margin=free_margin,
        cash=free_margin if book.cash is None else book.cash,
        cost_cap_left=book.policy.max_cost_per_day - book.spent,
        used_offset=book.buffer,
        order_offset=book.buffer,
        alternatives=ALTERNATIVES,
    )


def optimize_report(book: Book) -> dict[str, Any]:
    """Return what to buy (and what of ours to sell for it), with proof, cost, figures before and after, and next-best ones.

    Rupees are floats to the paisa, utilizations in percent of the budget.
    """
    problem = hedge_problem(book)
    solution = solve(problem)
    spec, product, policy = problem.spec, problem.product, problem.policy
    solved = solution.status is Status.SOLVED
    return {
        "status": solution.status.value,
        "proven": solution.proven,
        "aim": None if solution.aim is None else solution.aim.value,
        "cost": _paise(solution.cost),
        "charges": _paise(solution.charges),
        "legs": _legs(solution, spec, product),
        "utilization_before": percent(solution.utilization_before_pct, HUNDRED),
        "utilization_after": percent(solution.utilization_after_pct, HUNDRED),
        "used_after": _paise(solution.used_after),
        "relaxations": _relaxations(problem, solution.relaxation if solved else policy.relaxations[-1]),
        "alternatives": [_alternative(other, spec, product) for other in solution.alternatives],
        "binding": None if solution.binding is None else solution.binding.value,
        "floor": None if solution.floor_pct is None else percent(solution.floor_pct, HUNDRED),
        "would_do": [format_symbol(contract) for contract in solution.would_do],
        "target": float(policy.utilization_target_pct),
        "trigger": float(policy.utilization_trigger_pct),
        "budget": _paise(problem.budget),
        "used_now": _paise(problem.used_now),
        "at_order_before": _paise(solution.at_order_before),
        "at_order_after": _paise(solution.at_order_after),
        "free_margin": None if book.free_margin is None else _paise(book.free_margin),
        "hedged": {
            "index": spec.index.value,
            "expiry": problem.expiry.isoformat(),
            "product": product.value,
            "as_of": book.as_of.astimezone(IST).isoformat(),
        },
    }


def _relaxations(problem: HedgeProblem, last: Relaxation | None) -> list[str]:
    """Return what was given up, in order: for the hedge that was found, or in vain."""
    order = problem.policy.relaxations
    upto = 0 if last is None else order.index(last) + 1
    return [relaxation.value for relaxation in order[:upto] if relaxation is not Relaxation.NONE]


def _legs(action: HedgeSolution | Alternative, spec: ContractSpec, product: Product) -> list[dict[str, Any]]:
    return [*_side(action.buys, Side.BUY, spec, product), *_side(action.sells, Side.SELL, spec, product)]


def _side(trades: Sequence[WingTrade], side: Side, spec: ContractSpec, product: Product) -> list[dict[str, Any]]:
    return [
        {
            "symbol": format_symbol(trade.contract),
            "side": side.value,
            "lots": trade.lots,
            "quantity": trade.lots * spec.lot,
            "price": float(trade.price),
            "product": product.value,
        }
        for trade in trades
    ]


def _alternative(other: Alternative, spec: ContractSpec, product: Product) -> dict[str, Any]:
    return {
        "without": format_symbol(other.without),
        "legs": _legs(other, spec, product),
        "cost": _paise(other.cost),
        "dearer": _paise(other.dearer),
        "utilization_after": percent(other.utilization_after_pct, HUNDRED),
        "why_not": other.why_not,
        "proven": other.proven,
    }


def _paise(amount: Decimal) -> float:
    return float(round(amount, 2)) + 0.0
