"""Resale: what a wing is expected to fetch when it is no longer needed, for the objective that counts it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import numpy as np

from hedging.domain.instruments import Contract, Right
from hedging.domain.pricing import YEAR_SECONDS, FloatArray, black_scholes, implied_volatility
from hedging.domain.risk import MarginMarket, MarginParameters


class Quoted(Protocol):
    """Anything tradable with a touch: `price` is where we would trade now, `bid` where the market buys, if it does."""

    @property
    def contract(self) -> Contract: ...  # noqa: D102
    @property
    def price(self) -> float: ...  # noqa: D102
    @property
    def bid(self) -> float | None: ...  # noqa: D102


def resale_values(
    quoted: Sequence[Quoted], *, until: datetime | None, market: MarginMarket, parameters: MarginParameters
) -> FloatArray:
    """Return the bid in rupees a unit that each wing is expected to have at `until`; 0 where nobody bids today.

    The index stands still and the volatility implied by today's middle price stays, so only time passes; half of today's
    spread is lost. `None`, or a time past the expiry's close, is expiry: what is out of the money is worth nothing then.
    """
    if not quoted:
        return np.zeros(0)
    bids = np.array([np.nan if q.bid is None else q.bid for q in quoted])
    asks = np.array([q.price for q in quoted])
    spots = np.array([float(market.spots[q.contract.index]) for q in quoted])
    strikes = np.array([float(q.contract.strike) for q in quoted])
    is_call = np.array([q.contract.right is Right.CE for q in quoted], dtype=np.bool_)
    years = np.array([market.years_to(q.contract.expiry) for q in quoted])
    passed = np.inf if until is None else max(0.0, (until - market.now).total_seconds()) / YEAR_SECONDS
    rate = parameters.rate_pct / 100
    middle = np.where(np.isnan(bids), asks, (bids + asks) / 2)
    volatility = implied_volatility(
        price=middle,
        spot=spots,
        strike=strikes,
        years=years,
        is_call=is_call,
        fallback=parameters.base_volatility_pct / 100,
        rate=rate,
    )
    later = black_scholes(
        spot=spots,
        strike=strikes,
        years=np.maximum(years - passed, 0.0),
        volatility=volatility,
        is_call=is_call,
        rate=rate,
    )
    # The model may stand above a price that no volatility explains; time alone never makes an option dearer.
    worth = np.minimum(later, middle) - (asks - np.where(np.isnan(bids), 0.0, bids)) / 2
    values: FloatArray = np.where(np.isnan(bids), 0.0, np.maximum(worth, 0.0))
    return values
