"""Option values: Black-Scholes on the forward with one smile, free of vertical, butterfly and calendar arbitrage.

The smile lives in moneyness divided by the square root of the variance left, so that it narrows in points as an expiry day goes
by, while its wings steepen. Fear leans it towards the puts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from hedging.simulator.families import Floats

_DENSITY = float(1.0 / np.sqrt(2.0 * np.pi))
_WINGS = 0.26
_EXPIRY_WINGS = 0.12  # more, when an expiry day is spent
_LEAN = 0.035
_FEAR_LEAN = 0.025  # more, when options imply twice the usual volatility


@dataclass(frozen=True, slots=True)
class Standing:
    """What prices hang on at some seconds: level, variance to expiry, discount factor, implied volatility beside the usual.

    `spent` is the share of an expiry day's variance that is over; 0 before expiry day.
    """

    spot: Floats
    variance: Floats
    discount: Floats
    stress: Floats
    spent: Floats

    def at(self, when: NDArray[np.int64]) -> Standing:
        """Return the standing at some of its seconds."""
        return Standing(
            spot=self.spot[when],
            variance=self.variance[when],
            discount=self.discount[when],
            stress=self.stress[when],
            spent=self.spent[when],
        )


def moneyness(standing: Standing, strikes: NDArray[np.int64]) -> Floats:
    """Return how far strikes lie from the money, in standard deviations until expiry, without a sign."""
    return np.abs(np.log(strikes * standing.discount / standing.spot)) / np.sqrt(standing.variance)


@dataclass(frozen=True, slots=True)
class Values:
    """What options are worth, in rupees, by strike.

    `distance` is how far a strike lies from the money, in standard deviations until expiry, without a sign. `swing` is what a call, and
    a put, gains when everybody expects twice the volatility, at the rate of its first little bit (vega times volatility).
    """

    calls: Floats
    puts: Floats
    distance: Floats
    swing: Floats


def option_values(standing: Standing, strikes: NDArray[np.int64]) -> Values:
    """Return the values of calls and puts.

    Total variance is V·(1 − a·x + c·(√(x² + 1) − 1)), a hyperbola in x (a slice of Gatheral's SVI): linear in the wings, so no
    strike is dearer than one nearer the money, and convex enough that no butterfly costs less than nothing. It grows with V at
    every strike, and V grows with the expiry, so no calendar does either.
    """
    discounted = strikes * standing.discount
    log_strike = np.log(discounted / standing.spot)
    x = log_strike / np.sqrt(standing.variance)
    wings = _WINGS + _EXPIRY_WINGS * standing.spent
    lean = _LEAN + _FEAR_LEAN * np.clip(standing.stress - 1.0, 0.0, 1.0)
    smile = 1.0 - lean * x + wings * (np.sqrt(x * x + 1.0) - 1.0)
    deviation = np.sqrt(standing.variance * smile)
    d1 = -log_strike / deviation + deviation / 2.0
    calls = standing.spot * ndtr(d1) - discounted * ndtr(d1 - deviation)
    puts = calls - standing.spot + discounted
    swing = standing.spot * deviation * np.exp(d1 * d1 * -0.5) * _DENSITY
    return Values(np.maximum(calls, 0.0), np.maximum(puts, 0.0), np.abs(x), swing)
