"""Pricing: Black-Scholes values, deltas and implied volatilities of many options at once, in numpy floats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

DEFAULT_RATE = 0.066
"""Continuously compounded interest rate, the figure that the clearing corporations' model uses (domain.md, SPAN)."""

YEAR_SECONDS = 365 * 86_400
LOWEST_VOLATILITY = 1e-4
HIGHEST_VOLATILITY = 5.0
MAX_ITERATIONS = 60
CONVERGED_RUPEES = 1e-9
PRICE_TOLERANCE_RUPEES = 1e-4


def black_scholes(
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    is_call: npt.ArrayLike,
    rate: float = DEFAULT_RATE,
) -> FloatArray:
    """Return option values in index points; the arguments broadcast.

    `years` is the time to expiry, `volatility` a fraction (0.14). At or past expiry the value is intrinsic.
    Source: Black and Scholes (1973), no dividends.
    """
    s, k, t, v, call = np.broadcast_arrays(
        np.asarray(spot, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(volatility, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    sign = np.where(call, 1.0, -1.0)
    intrinsic: FloatArray = np.maximum(sign * (s - k), 0.0)
    if not (t > 0).any():
        return intrinsic
    d1, d2 = _d1_d2(s, k, t, v, rate)
    alive = sign * (s * ndtr(sign * d1) - k * np.exp(-rate * np.maximum(t, 0.0)) * ndtr(sign * d2))
    value: FloatArray = np.where(t > 0, np.maximum(alive, 0.0), intrinsic)
    return value


def delta(
    *,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    volatility: npt.ArrayLike,
    is_call: npt.ArrayLike,
    rate: float = DEFAULT_RATE,
) -> FloatArray:
    """Return the change of each option's value for one point of the index: 0 to 1 for calls, -1 to 0 for puts."""
    s, k, t, v, call = np.broadcast_arrays(
        np.asarray(spot, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(volatility, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    d1, _ = _d1_d2(s, k, t, v, rate)
    call_delta = np.where(t > 0, ndtr(d1), (s > k).astype(np.float64))
    return np.where(call, call_delta, call_delta - 1.0)


def implied_volatility(
    *,
    price: npt.ArrayLike,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    is_call: npt.ArrayLike,
    fallback: float,
    rate: float = DEFAULT_RATE,
) -> FloatArray:
    """Return the volatilities at which the model gives the market `price`, by safeguarded Newton on [0.0001, 5].

    `fallback` stands wherever no volatility does: expired, priced below the least or above the most that the model can say.
    """
    p, s, k, t, call = np.broadcast_arrays(
        np.asarray(price, dtype=np.float64),
        np.asarray(spot, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )

    def value(volatility: npt.ArrayLike) -> FloatArray:
        return black_scholes(spot=s, strike=k, years=t, volatility=volatility, is_call=call, rate=rate)

    invertible = (t > 0) & (p > value(LOWEST_VOLATILITY) + PRICE_TOLERANCE_RUPEES) & (p < value(HIGHEST_VOLATILITY))
    low = np.full(p.shape, LOWEST_VOLATILITY)
    high = np.full(p.shape, HIGHEST_VOLATILITY)
    found = _inflexion(s, k, t, rate)
    for _ in range(MAX_ITERATIONS):
        error = np.where(invertible, value(found) - p, 0.0)
        if (np.abs(error) < CONVERGED_RUPEES).all():
            break
        low = np.where(error < 0, found, low)
        high = np.where(error > 0, found, high)
        stepped = found - error / np.maximum(_vega(s, k, t, found, rate), 1e-12)
        # A step that leaves the bracket is replaced by its middle, so that nothing can run away.
        found = np.where((stepped > low) & (stepped < high), stepped, 0.5 * (low + high))
    return np.where(invertible, found, fallback)


def _d1_d2(s: FloatArray, k: FloatArray, t: FloatArray, v: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    # Expired rows get a harmless tiny time here; the callers replace their values by the intrinsic ones.
    safe_t = np.maximum(t, 1e-12)
    spread = np.maximum(v, LOWEST_VOLATILITY) * np.sqrt(safe_t)
    d1 = (np.log(s / k) + rate * safe_t) / spread + 0.5 * spread
    return d1, d1 - spread


def _vega(s: FloatArray, k: FloatArray, t: FloatArray, v: FloatArray, rate: float) -> FloatArray:
    d1, _ = _d1_d2(s, k, t, v, rate)
    vega: FloatArray = s * np.exp(-0.5 * d1 * d1) * np.sqrt(np.maximum(t, 1e-12) / (2 * np.pi))
    return vega


def _inflexion(s: FloatArray, k: FloatArray, t: FloatArray, rate: float) -> FloatArray:
    """Return the volatility of highest vega, from which Newton's steps do not overshoot (Manaster and Koehler, 1982)."""
    safe_t = np.maximum(t, 1e-12)
    best: FloatArray = np.sqrt(2 * np.abs(np.log(s / k) + rate * safe_t) / safe_t)
    return np.clip(best, 0.05, 0.9 * HIGHEST_VOLATILITY)
