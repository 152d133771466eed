"""Selectors: what the page, the API, the alerts and the engine read, as plain values, with a fixed number of queries."""

from hedging.selectors.ledger import Holding, holdings

__all__ = ["Holding", "holdings"]
