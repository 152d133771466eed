"""Risk arrays: what one unit of each contract loses in each of the 16 SPAN scenarios, and the parameters behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from math import sqrt

import numpy as np

from hedging.domain.instruments import Contract, Index, Right
from hedging.domain.pricing import (
    DEFAULT_RATE,
    YEAR_SECONDS,
    BoolArray,
    FloatArray,
    black_scholes,
    delta,
    implied_volatility,
)

IST = timezone(timedelta(hours=5, minutes=30), "IST")

# Each pair is (move in scan ranges, volatility shift in volatility ranges, share of the loss that counts excluded).
# The order is SPAN's: no move, then thirds up and down, volatility up before down, and the two extreme moves last.
MOVES = (0.0, 0.0, *(sign * step / 3 for step in (1, 2, 3) for sign in (1, 1, -1, -1)), 2.0, -2.0)
VOLATILITY_SHIFTS = (*(1.0, -1.0) * 7, 0.0, 0.0)
SCENARIOS = len(MOVES)
_EXTREME = 2  # the last two scenarios


class MarketUnknown(ValueError):
    """A margin was asked for without the index's spot. Read the spot and ask again; no margin may be guessed."""


@dataclass(frozen=True, slots=True)
class MarginParameters:
    """What a clearing corporation may change; dated rows fill it (domain.md §5 has the defaults and their state).

    Percentages are of the index level, `volatility_*_points` in points of annual volatility (4.0 = from 14 % to 18 %).
    `daily_volatility_pct` is the EWMA sigma of one day; `None` leaves both scan ranges at their minimum.
    """

    price_scan_minimum_pct: float = 9.3
    price_scan_sigmas: float = 6.0
    price_scan_days: float = 2.0
    volatility_scan_minimum_points: float = 4.0
    volatility_scan_share_pct: float = 25.0
    daily_volatility_pct: float | None = None
    base_volatility_pct: float = 14.0
    rate_pct: float = DEFAULT_RATE * 100
    look_ahead_days: float = 1.0
    extreme_move_share_pct: float = 35.0
    calendar_charge_pct: float = 1.75
    elm_pct: float = 2.0
    elm_deep_otm_pct: float = 3.0
    elm_long_dated_pct: float = 5.0
    elm_expiry_extra_pct: float = 2.0
    deep_otm_from_pct: float = 10.0
    long_dated_from_days: int = 270
    trading_days_a_year: int = 252

    @property
    def price_scan_fraction(self) -> float:
        """Return the price scan range as a fraction of spot: max(minimum, 6 sigma sqrt 2)."""
        sigma = (self.daily_volatility_pct or 0.0) * self.price_scan_sigmas * sqrt(self.price_scan_days)
        return max(self.price_scan_minimum_pct, sigma) / 100

    @property
    def volatility_scan(self) -> float:
        """Return the volatility scan range as a fraction: max(4 points, 25 % of annual sigma)."""
        annual = (self.daily_volatility_pct or 0.0) * sqrt(self.trading_days_a_year)
        return max(self.volatility_scan_minimum_points, annual * self.volatility_scan_share_pct / 100) / 100


@dataclass(frozen=True, slots=True)
class MarginMarket:
    """The market that a margin is computed in: index levels in points, `now` aware, `expiry_close` in IST.

    `previous_closes` decide what is deep out of the money; an index without one is measured from its spot.
    """

    spots: Mapping[Index, Decimal]
    now: datetime
    previous_closes: Mapping[Index, Decimal] = field(default_factory=dict)
    expiry_close: time = time(15, 30)

    @property
    def today(self) -> date:
        """Return the trading date in India."""
        return self.now.astimezone(IST).date()

    def years_to(self, expiry: date) -> float:
        """Return the calendar time to the expiry's close in years of 365 days; negative after it."""
        return (datetime.combine(expiry, self.expiry_close, IST) - self.now).total_seconds() / YEAR_SECONDS


@dataclass(frozen=True, slots=True)
class Valuation:
    """Per-unit figures of n contracts, aligned with the sequence they were asked for; rupees a unit.

    `risk` is [n, 16], positive where a long unit loses; `elm` is what one short unit is charged.
    """

    prices: FloatArray
    risk: FloatArray
    deltas: FloatArray
    elm: FloatArray
    spots: FloatArray
    expiring: BoolArray


def value_contracts(
    *,
    contracts: Sequence[Contract],
    prices: Sequence[Decimal],
    market: MarginMarket,
    parameters: MarginParameters,
) -> Valuation:
    """Return risk arrays, deltas and ELM of each contract at its market price.

    The look-ahead of one day leaves intrinsic value on expiry day. Volatility is implied by the price, or the base
    volatility where none is. Raises `MarketUnknown` where an index has no spot. Source: NSE Clearing's SPAN description.
    """
    missing = sorted({contract.index for contract in contracts} - market.spots.keys())
    if missing:
        raise MarketUnknown(f"No spot for {', '.join(missing)}: read it before asking for a margin.")
    levels = {i: (float(spot), float(market.previous_closes.get(i, spot))) for i, spot in market.spots.items()}
    spots, closes = np.array([levels[c.index] for c in contracts], dtype=np.float64).reshape(-1, 2).T
    strikes = np.array([float(c.strike) for c in contracts])
    is_call = np.array([c.right is Right.CE for c in contracts], dtype=np.bool_)
    quoted = np.array([float(price) for price in prices])
    time_left = {expiry: market.years_to(expiry) for expiry in {c.expiry for c in contracts}}
    years = np.array([time_left[c.expiry] for c in contracts])
    today = market.today
    days = np.array([(c.expiry - today).days for c in contracts])
    expiring = days <= 0
    ahead = np.maximum(years - parameters.look_ahead_days / 365, 0.0)
    ahead[expiring] = 0.0
    rate = parameters.rate_pct / 100
    volatility = np.full(len(contracts), parameters.base_volatility_pct / 100)
    deltas = np.zeros(len(contracts))
    alive = ahead > 0
    if alive.any():
        volatility[alive] = implied_volatility(
            price=quoted[alive],
            spot=spots[alive],
            strike=strikes[alive],
            years=years[alive],
            is_call=is_call[alive],
            fallback=parameters.base_volatility_pct / 100,
            rate=rate,
        )
        deltas[alive] = delta(
            spot=spots[alive],
            strike=strikes[alive],
            years=ahead[alive],
            volatility=volatility[alive],
            is_call=is_call[alive],
            rate=rate,
        )
    moved = spots[:, None] * np.maximum(1.0 + np.array(MOVES) * parameters.price_scan_fraction, 1e-6)
    shifted = volatility[:, None] + np.array(VOLATILITY_SHIFTS) * parameters.volatility_scan
    after = black_scholes(
        spot=moved,
        strike=strikes[:, None],
        years=ahead[:, None],
        volatility=shifted,
        is_call=is_call[:, None],
        rate=rate,
    )
    risk = quoted[:, None] - after
    risk[:, -_EXTREME:] *= parameters.extreme_move_share_pct / 100
    out_of_money = np.where(is_call, strikes / closes - 1, 1 - strikes / closes) * 100
    elm_pct = np.where(out_of_money > parameters.deep_otm_from_pct, parameters.elm_deep_otm_pct, parameters.elm_pct)
    elm_pct = np.where(days > parameters.long_dated_from_days, parameters.elm_long_dated_pct, elm_pct)
    elm_pct = elm_pct + np.where(expiring, parameters.elm_expiry_extra_pct, 0.0)
    return Valuation(prices=quoted, risk=risk, deltas=deltas, elm=spots * elm_pct / 100, spots=spots, expiring=expiring)


def risk_arrays(
    *,
    contracts: Sequence[Contract],
    prices: Sequence[Decimal],
    market: MarginMarket,
    parameters: MarginParameters,
) -> FloatArray:
    """Return [n, 16]: the rupees that one long unit of each contract loses in each scenario (the last two at 35 %)."""
    return value_contracts(contracts=contracts, prices=prices, market=market, parameters=parameters).risk
