"""Account endpoints on the wire: funds, margin, positionbook, ping, analyzer (contract.md sections 3.1 to 3.4, 3.27)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from hedging.brokers.base import MarginLeg, UnreadableAnswer
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.openalgo.wire.answer import Answer, success_body
from hedging.brokers.openalgo.wire.values import (
    CASH_EXCHANGES,
    Json,
    as_amount,
    as_list,
    as_object,
    as_price,
    as_product,
    as_quantity,
    as_text,
    contract_or_none,
)
from hedging.domain.instruments import Contract, Product, Side
from hedging.domain.snapshot import BasketMargin, Funds, Position

MAX_MARGIN_LEGS = 50


@dataclass(frozen=True, slots=True)
class PositionRows:
    """The open index-option positions, and how many open rows of other instruments were left out."""

    positions: tuple[Position, ...]
    foreign: int


def parse_funds(answer: Answer) -> Funds:
    """Parse /funds. `{}` (the broker failed) and five zeros (a broker at night) are unknown, not poor."""
    data = as_object(success_body(answer).get("data"), "funds data")
    if not data:
        raise UnreadableAnswer("funds are unknown: OpenAlgo answered an empty object (broker error or no session)")
    funds = Funds(
        available_cash=as_amount(data.get("availablecash"), "availablecash"),
        collateral=as_amount(data.get("collateral"), "collateral"),
        utilised=as_amount(data.get("utiliseddebits"), "utiliseddebits"),
        realized_pnl=as_amount(data.get("m2mrealized"), "m2mrealized"),
        unrealized_pnl=as_amount(data.get("m2munrealized"), "m2munrealized"),
        read_at=answer.asked_at,
    )
    if not (funds.available_cash or funds.collateral or funds.utilised):
        raise UnreadableAnswer("funds are all 0: unknown until the broker says something else")
    return funds


def margin_request(legs: Sequence[MarginLeg]) -> Json:
    """Return the body of /margin: quantities and prices must be JSON strings, 1 to 50 legs (else `ValueError`)."""
    if not 1 <= len(legs) <= MAX_MARGIN_LEGS:
        raise ValueError(f"a basket has 1 to {MAX_MARGIN_LEGS} legs, not {len(legs)}")
    return {
        "positions": [
            {
                "symbol": format_symbol(leg.contract),
                "exchange": leg.contract.exchange.value,
                "action": leg.side.value,
                "quantity": str(leg.quantity),
                "product": leg.product.value,
                "pricetype": "LIMIT",
                "price": format(leg.price, "f"),
                "trigger_price": "0",
            }
            for leg in legs
        ]
    }


def parse_margin(answer: Answer, legs: Sequence[MarginLeg]) -> BasketMargin:
    """Parse /margin for these legs. Nothing required for a basket that sells is a sum without its legs: an error."""
    data = as_object(success_body(answer).get("data"), "margin data")
    margin = BasketMargin(
        total=as_amount(data.get("total_margin_required"), "total_margin_required"),
        span=_part(data, "span_margin"),
        exposure=_part(data, "exposure_margin"),
        read_at=answer.asked_at,
    )
    if not (margin.total or margin.span or margin.exposure) and any(leg.side is Side.SELL for leg in legs):
        raise UnreadableAnswer("margin is 0 for a basket that sells: the broker counted no leg")
    return margin


def parse_positions(answer: Answer) -> PositionRows:
    """Parse /positionbook: open index options, with the number of other open rows that were left out."""
    positions: list[Position] = []
    seen: set[tuple[Contract, Product]] = set()
    foreign = 0
    for item in as_list(success_body(answer).get("data"), "positionbook data"):
        row = as_object(item, "a position")
        quantity = as_quantity(row.get("quantity"), "position quantity")
        if quantity == 0:
            continue  # closed today; the broker keeps the row until night
        contract = contract_or_none(row.get("symbol"), row.get("exchange"))
        if contract is None:
            symbol = row.get("symbol")
            named = isinstance(symbol, str) and bool(symbol.strip())
            if not named and str(row.get("exchange")) not in CASH_EXCHANGES:
                raise UnreadableAnswer("an open position without a symbol: OpenAlgo's master contract is not loaded")
            foreign += 1
            continue
        position = Position(
            contract=contract,
            product=as_product(row.get("product")),
            quantity=quantity,
            average_price=as_price(row.get("average_price"), "average_price") or Decimal(0),
            last=as_price(row.get("ltp", row.get("last_price")), "ltp"),
        )
        if (contract, position.product) in seen:
            raise UnreadableAnswer(f"two rows for {as_text(row.get('symbol'))} {position.product}")
        seen.add((contract, position.product))
        positions.append(position)
    return PositionRows(tuple(positions), foreign)


def parse_ping(answer: Answer) -> str:
    """Parse /ping: the name of the broker behind OpenAlgo. It proves no live session there."""
    data = as_object(success_body(answer).get("data"), "ping data")
    broker = data.get("broker")
    if not isinstance(broker, str) or not broker.strip():
        raise UnreadableAnswer("ping names no broker")
    return as_text(broker, 60)


def parse_analyzer(answer: Answer) -> bool:
    """Parse /analyzer: whether OpenAlgo sends orders to its own sandbox."""
    data = as_object(success_body(answer).get("data"), "analyzer data")
    mode = data.get("analyze_mode")
    if not isinstance(mode, bool) or data.get("mode") != ("analyze" if mode else "live"):
        raise UnreadableAnswer("analyzer status contradicts itself")
    return mode


def _part(data: Json, name: str) -> Decimal:
    value = data.get(name)
    return Decimal(0) if value is None else as_amount(value, name)
