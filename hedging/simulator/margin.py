"""The simulator's own margin: SPAN and ELM, written the plain way from the clearing corporations' description (domain.md §5).

Each index and product is a portfolio of its own. Every figure may be asked for many seconds at once (leading axis), so
that a day's utilization can be looked at afterwards second by second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hedging.domain.instruments import Contract, Index, Product, Right

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MarginParameters:
    """The clearing corporation's figures. Fractions of the spot, volatilities a year, look-ahead in days."""

    price_scan: float = 0.093
    daily_volatility: float = 0.0085
    volatility_scan_points: float = 0.04
    volatility_scan_share: float = 0.25
    base_volatility: float = 0.14
    rate: float = 0.066
    look_ahead_days: float = 1.0
    extreme_move: float = 2.0
    extreme_cover: float = 0.35
    calendar_rate: float = 0.0175
    elm_rate: float = 0.02
    elm_deep_rate: float = 0.03
    elm_deep_distance: float = 0.10
    elm_far_rate: float = 0.05
    elm_far_days: int = 270
    elm_expiry_extra: float = 0.02

    @property
    def scan_range(self) -> float:
        """Return the price scan range as a fraction of the spot: at least six daily deviations over two days."""
        return max(self.price_scan, 6.0 * self.daily_volatility * math.sqrt(2.0))

    @property
    def volatility_range(self) -> float:
        """Return the volatility scan range in volatility a year."""
        return max(self.volatility_scan_points, self.volatility_scan_share * self.base_volatility)


@dataclass(frozen=True, slots=True)
class Holding:
    """A net quantity of one contract (short negative) with its price at the seconds asked, in rupees."""

    contract: Contract
    product: Product
    quantity: int
    price: Floats


@dataclass(frozen=True, slots=True)
class IndexState:
    """What margin needs to know of an index: levels at the seconds asked, yesterday's close, years left by expiry."""

    spot: Floats
    previous_close: float
    years_left: dict[date, Floats] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requirement:
    """SPAN and ELM in rupees, one figure for each second asked."""

    span: Floats
    elm: Floats

    @property
    def total(self) -> Floats:
        """Return SPAN + ELM. Long premium is a cash debit beside it."""
        return self.span + self.elm


def option_value(*, spot: Floats, strike: float, right: Right, years: Floats, volatility: float, rate: float) -> Floats:
    """Return the Black-Scholes value on the spot; intrinsic value when no time is left. Arguments broadcast."""
    root = np.sqrt(np.maximum(years, 1e-12))
    discounted = strike * np.exp(-rate * years)
    deviation = volatility * root
    d1 = np.log(spot / discounted) / deviation + deviation / 2.0
    call: Floats = spot * ndtr(d1) - discounted * ndtr(d1 - deviation)
    value = call if right is Right.CE else call - spot + discounted
    return np.asarray(np.maximum(value, 0.0))


def _delta(*, spot: Floats, strike: float, right: Right, years: Floats, p: MarginParameters) -> Floats:
    deviation = p.base_volatility * np.sqrt(np.maximum(years, 1e-12))
    d1 = np.log(spot / (strike * np.exp(-p.rate * years))) / deviation + deviation / 2.0
    call: Floats = ndtr(d1)
    return call if right is Right.CE else call - 1.0


class MarginModel:
    """SPAN and ELM of a book on one trading day."""

    def __init__(self, *, today: date, parameters: MarginParameters | None = None) -> None:
        self.today = today
        self.parameters = parameters or MarginParameters()
        p = self.parameters
        moves = [0.0, 1 / 3, -1 / 3, 2 / 3, -2 / 3, 1.0, -1.0]
        scenarios = [
            (move * p.scan_range, p.base_volatility + turn * p.volatility_range, 1.0)
            for move in moves
            for turn in (1, -1)
        ] + [(sign * p.extreme_move * p.scan_range, p.base_volatility, p.extreme_cover) for sign in (1, -1)]
        # Columns, one row for each scenario: they broadcast over the seconds of a path.
        self._factors = np.array([[1.0 + move] for move, _, _ in scenarios])
        self._volatilities = np.array([[volatility] for _, volatility, _ in scenarios])
        self._covers = np.array([[cover] for _, _, cover in scenarios])

    def risk_array(self, holding: Holding, state: IndexState) -> Floats:
        """Return the loss of one long unit in each of the 16 scenarios: shape (16, seconds), rupees."""
        p = self.parameters
        contract = holding.contract
        strike = float(contract.strike)
        later = np.maximum(state.years_left[contract.expiry] - p.look_ahead_days / 365.0, 0.0)
        moved = self._factors * state.spot
        if not later.any():  # on expiry day the look-ahead leaves intrinsic value, so volatility does not matter
            after = np.maximum(moved - strike if contract.right is Right.CE else strike - moved, 0.0)
        else:
            after = option_value(
                spot=moved,
                strike=strike,
                right=contract.right,
                years=later,
                volatility=self._volatilities,  # type: ignore[arg-type]  # broadcasts like a float
                rate=p.rate,
            )
        return np.asarray(self._covers * (holding.price - after), dtype=np.float64)

    def requirement(self, holdings: Sequence[Holding], states: dict[Index, IndexState]) -> Requirement:
        """Return the requirement of a book: the sum over its portfolios. Products do not help each other."""
        seconds = len(next(iter(states.values())).spot)
        span, elm = np.zeros(seconds), np.zeros(seconds)
        for index, state in states.items():
            for product in Product:
                part = [h for h in holdings if h.contract.index is index and h.product is product and h.quantity]
                if part:
                    span += self._span(part, state)
                    elm += self._elm(part, state)
        return Requirement(span=span, elm=elm)

    def _span(self, part: Sequence[Holding], state: IndexState) -> Floats:
        tiers: dict[bool, Floats] = {}
        value = np.zeros(len(state.spot))
        for holding in part:
            loss = holding.quantity * self.risk_array(holding, state)
            tier = holding.contract.expiry == self.today
            tiers[tier] = tiers[tier] + loss if tier in tiers else loss
            value = value + holding.quantity * holding.price
        scan = sum((np.maximum(loss.max(axis=0), 0.0) for loss in tiers.values()), np.zeros(len(state.spot)))
        return np.maximum(scan + self._calendar(part, state) - value, 0.0)

    def _calendar(self, part: Sequence[Holding], state: IndexState) -> Floats:
        """Charge the far notional of deltas that offset each other across expiries, nearest pairs first."""
        expiries = sorted({h.contract.expiry for h in part if h.contract.expiry != self.today})
        charge = np.zeros(len(state.spot))
        if len(expiries) < 2:
            return charge
        deltas = []
        for expiry in expiries:
            delta = np.zeros(len(state.spot))
            for h in part:
                if h.contract.expiry == expiry:
                    years = state.years_left[expiry]
                    strike = float(h.contract.strike)
                    delta = delta + h.quantity * _delta(
                        spot=state.spot, strike=strike, right=h.contract.right, years=years, p=self.parameters
                    )
            deltas.append(delta)
        for far in range(1, len(deltas)):
            for near in range(far):
                matched = np.minimum(np.abs(deltas[near]), np.abs(deltas[far]))
                matched = np.where(deltas[near] * deltas[far] < 0.0, matched, 0.0)
                charge += self.parameters.calendar_rate * state.spot * matched
                deltas[near] = deltas[near] - np.sign(deltas[near]) * matched
                deltas[far] = deltas[far] - np.sign(deltas[far]) * matched
        return charge

    def _elm(self, part: Sequence[Holding], state: IndexState) -> Floats:
        p = self.parameters
        total = np.zeros(len(state.spot))
        for holding in part:
            if holding.quantity >= 0:
                continue
            contract = holding.contract
            distance = float(contract.strike) / state.previous_close - 1.0
            if contract.right is Right.PE:
                distance = -distance
            rate = p.elm_deep_rate if distance > p.elm_deep_distance else p.elm_rate
            if (contract.expiry - self.today).days > p.elm_far_days:
                rate = p.elm_far_rate
            if contract.expiry == self.today:
                rate += p.elm_expiry_extra
            total += state.spot * -holding.quantity * rate
        return total
