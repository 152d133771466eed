"""Margin report: what a book's margin is and where it comes from, in plain values that a spreadsheet can follow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import numpy as np

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.entries import in_time_order
from hedging.domain.instruments import Right
from hedging.domain.margin import MarginLine, PoolMargin, Universe, requirement
from hedging.domain.pricing import implied_volatility
from hedging.domain.risk import IST
from hedging.management.books.book import Book

ARRAY_DECIMALS = 6
"""A risk array is rupees for one unit: at the paisa, ten thousand units would be ₹50 off."""


def margin_report(book: Book) -> dict[str, Any]:
    """Return the margin of the rows held, by pool and by contract, and after each coming entry.

    Rupees are floats to the paisa, volatilities and utilizations in percent.
    """
    universe = Universe.of(book.lines, market=book.market, parameters=book.parameters)
    pools = universe.pools(universe.quantities(book.lines))
    whole = requirement(lines=book.lines, market=book.market, parameters=book.parameters)
    return {
        "as_of": book.as_of.astimezone(IST).isoformat(),
        "spot": {index.value: float(level) for index, level in book.market.spots.items()},
        "total": float(whole.total),
        "span": float(whole.span),
        "elm": float(whole.elm),
        "scan": float(whole.scan),
        "calendar": float(whole.calendar),
        "nov": float(whole.nov),
        "long_premium": float(
            sum((line.price * line.quantity for line in book.lines if line.quantity > 0), Decimal(0))
        ),
        "utilization": None if book.budget is None else percent(whole.total, book.budget),
        "pools": [_pool(index.value, product.value, margin) for (index, product), margin in pools.items()],
        "contracts": _contracts(book, universe),
        "coming": _coming(book),
        "parameters": asdict(book.parameters),
    }


def percent(amount: Decimal, budget: Decimal) -> float:
    """Return a share of the budget in percent, to four places."""
    return round(float(amount / budget * 100), 4)


def _pool(index: str, product: str, margin: PoolMargin) -> dict[str, Any]:
    return {
        "index": index,
        "product": product,
        "total": paise(margin.total),
        "span": paise(margin.span),
        "elm": paise(margin.elm),
        "scan": paise(margin.scan),
        "calendar": paise(margin.calendar),
        "nov": paise(margin.nov),
        "tiers": [
            {
                "tier": "expiring" if expiring else "later",
                "scan": paise(max(0.0, float(losses.max()))),
                "losses": [paise(float(loss)) for loss in losses],
            }
            for expiring, losses in margin.tiers.items()
        ],
    }


def _contracts(book: Book, universe: Universe) -> list[dict[str, Any]]:
    value = universe.valuation
    found = []
    for line in book.lines:
        row = universe.row(line.contract, line.product)
        found.append(
            {
                "symbol": format_symbol(line.contract),
                "product": line.product.value,
                "quantity": line.quantity,
                "price": float(line.price),
                "price_from": book.prices_from[line.contract].value,
                "implied_volatility": _volatility(book, line),
                "delta": round(float(value.deltas[row]), ARRAY_DECIMALS),
                "risk_array": [round(float(loss), ARRAY_DECIMALS) + 0.0 for loss in value.risk[row]],
                "elm_per_unit": round(float(value.elm[row]), ARRAY_DECIMALS),
                "elm": paise(float(value.elm[row]) * max(0, -line.quantity)),
            }
        )
    return found


def _volatility(book: Book, line: MarginLine) -> float | None:
    """Return the volatility that the price implies, in percent; `None` where no volatility gives that price."""
    contract = line.contract
    found = implied_volatility(
        price=float(line.price),
        spot=float(book.market.spots[contract.index]),
        strike=float(contract.strike),
        years=book.market.years_to(contract.expiry),
        is_call=contract.right is Right.CE,
        fallback=np.nan,
        rate=book.parameters.rate_pct / 100,
    )
    return None if np.isnan(found) else round(float(found) * 100, 4)


def _coming(book: Book) -> list[dict[str, Any]]:
    lines: Sequence[MarginLine] = book.lines
    before = requirement(lines=lines, market=book.market, parameters=book.parameters).total
    found = []
    for entry in in_time_order(book.coming):
        lines = (*lines, *entry.lines)
        after = requirement(lines=lines, market=book.market, parameters=book.parameters)
        found.append(
            {
                "entry": entry.portfolio,
                "at": entry.at.astimezone(IST).isoformat(),
                "added": float(after.total - before),
                "total": float(after.total),
                "span": float(after.span),
                "elm": float(after.elm),
                "utilization": None if book.budget is None else percent(after.total, book.budget),
            }
        )
        before = after.total
    return found


def paise(value: float) -> float:
    """Return float rupees to the paisa, and never -0."""
    return round(value, 2) + 0.0
