"""Answers and look-ups that all views share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

from hedging.brokers.openalgo.symbols import UnknownSymbol, format_symbol, parse_symbol
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract, Index
from hedging.simulator.exchange import Exchange

Answer = tuple[int, dict[str, Any]]


def ok(**body: Any) -> Answer:
    """Return a success."""
    return 200, {**body, "status": "success"}


def error(status: int, message: Any) -> Answer:
    """Return an error of the common shape."""
    return status, {"message": message, "status": "error"}


def not_found(symbol: str, exchange: str) -> str:
    """Return the server's words for a symbol that it does not know."""
    return (
        f"Symbol '{symbol}' not found for exchange '{exchange}'. "
        "Please verify the symbol name and ensure master contracts are downloaded."
    )


class Desk:
    """Look-ups over one exchange, and the endpoints that it answers. Callers hold the exchange's lock and have advanced it."""

    def __init__(self, *, exchange: Exchange) -> None:
        self.exchange = exchange
        self.endpoints: Mapping[str, Callable[[dict[str, Any]], Answer]] = {}
        self.pinned: int | None = None
        self.master_gap = False

    @property
    def t(self) -> int:
        """Return the grid second whose prices are told: now, unless a fault pins another."""
        return self.exchange.t if self.pinned is None else self.pinned

    def option(self, symbol: str, exchange: str) -> Contract | None:
        """Return the listed contract of a symbol on an exchange. Spelling must be exact."""
        if self.master_gap:
            return None
        try:
            contract = parse_symbol(symbol)
        except UnknownSymbol:
            return None
        known = contract.exchange == exchange and self.exchange.market.is_listed(contract)
        return contract if known and format_symbol(contract) == symbol else None

    def index(self, symbol: str, exchange: str) -> Index | None:
        """Return the index that is quoted by this name on this index exchange."""
        if self.master_gap or symbol not in Index.__members__ or Index(symbol) not in self.exchange.day.specs:
            return None
        index = Index(symbol)
        return index if INDEX_EXCHANGE[OPTION_EXCHANGE[index]] == exchange else None

    def price(self, contract: Contract, ticks: int) -> float:
        """Return ticks in rupees, as a JSON number."""
        return float(self.exchange.market.price(contract.index, ticks))

    def expiries(self, index: Index) -> tuple[date, ...]:
        """Return the expiries of an index that the master contract knows."""
        return () if self.master_gap else self.exchange.day.expiries.get(index, ())

    def freeze(self, contract: Contract) -> int:
        """Return the freeze quantity as the server shows it: 1 (not configured) for everything on BFO."""
        return self.exchange.day.specs[contract.index].freeze_quantity if contract.exchange.value == "NFO" else 1
