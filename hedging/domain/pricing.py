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
    """Return the volatilities at which the model gives the market `price` back, to a billionth of a rupee.

    `fallback` stands wherever no volatility in [0.0001, 5] does: expired; priced at or under spot less discounted strike
    (to a hundredth of a paisa, as deep in the money, where a whole chain may trade at parity); priced above what the
    highest says. There the model's price is not the market's, and the caller's fallback is the better guess of the two.

    Source: what is solved is the time value, as of the option out of the money at the same strike, in units of
    sqrt(spot * discounted strike): then only moneyness and deviation are left. Newton's steps, below the point of highest vega
    on its logarithm over 1 / deviation^2 (after Manaster and Koehler, 1982, and Jaeckel, Let's Be Rational, 2015).
    """
    p, s, k, t, call = np.broadcast_arrays(
        np.asarray(price, dtype=np.float64),
        np.asarray(spot, dtype=np.float64),
        np.asarray(strike, dtype=np.float64),
        np.asarray(years, dtype=np.float64),
        np.asarray(is_call, dtype=np.bool_),
    )
    root = np.sqrt(np.maximum(t, 1e-12))
    discounted = k * np.exp(-rate * np.maximum(t, 0.0))
    unit = np.sqrt(s * discounted)
    time_value = p - np.maximum(np.where(call, s - discounted, discounted - s), 0.0)
    target = np.maximum(time_value, PRICE_TOLERANCE_RUPEES) / unit
    x = -np.abs(np.log(s / discounted))
    low, high = LOWEST_VOLATILITY * root, HIGHEST_VOLATILITY * root
    invertible = (t > 0) & (time_value > PRICE_TOLERANCE_RUPEES) & (target < _time_value(x, high)[0])
    found, cheap = _first_guess(x, target)
    found = np.clip(found, low, high)
    for _ in range(MAX_ITERATIONS):
        value, slope = _time_value(x, found)
        error = value - target
        done = ~invertible | (np.abs(error) * unit < CONVERGED_RUPEES)
        if done.all():
            break
        low = np.where(error < 0, found, low)
        high = np.where(error > 0, found, high)
        stepped = np.where(cheap, _cheap_step(found, value, slope, target), found - error / np.maximum(slope, 1e-300))
        # A step that leaves the bracket is replaced by its middle, so that nothing can run away.
        stepped = np.where((stepped > low) & (stepped < high), stepped, 0.5 * (low + high))
        found = np.where(done, found, stepped)
    volatility = found / root
    return np.where(invertible & (volatility > LOWEST_VOLATILITY), volatility, fallback)


def _time_value(x: FloatArray, deviation: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return value and slope in the deviation of options out of the money by `x` (0 or less), per sqrt(spot * strike)."""
    ratio, half = x / deviation, 0.5 * deviation
    stretch = np.exp(0.5 * x)
    value: FloatArray = np.maximum(stretch * ndtr(ratio + half) - ndtr(ratio - half) / stretch, 0.0)
    slope: FloatArray = np.exp(-0.5 * (ratio * ratio + half * half)) / np.sqrt(2 * np.pi)
    return value, slope


def _cheap_step(deviation: FloatArray, value: FloatArray, slope: FloatArray, target: FloatArray) -> FloatArray:
    """Return Newton's step of log value over 1 / deviation squared, in which far options are almost a straight line."""
    safe = np.maximum(value, 1e-300)
    inverse = deviation**-2 + 2 * np.log(safe / target) * safe / (np.maximum(slope, 1e-300) * deviation**3)
    stepped: FloatArray = np.maximum(inverse, 1e-12) ** -0.5
    return stepped


def _first_guess(x: FloatArray, target: FloatArray) -> tuple[FloatArray, BoolArray]:
    """Return deviations near the root, and where it is cheap: more than one deviation out of the money."""
    distance = np.maximum(-x, 1e-12)
    best = np.sqrt(2 * distance)  # the deviation of highest vega: from there Newton's steps do not overshoot
    value, slope = _time_value(x, best)
    near = np.maximum(best + (target - value) / slope, 0.0)
    pivot = np.minimum(distance, best)
    value, _ = _time_value(x, pivot)
    # Farther out the value falls like exp(-x^2 / 2 deviation^2), made exact at the deviation `pivot`.
    far = 1 / np.sqrt(pivot**-2 + 2 * np.log(np.maximum(value / target, 1.0)) / distance**2)
    cheap = target < value
    return np.where(cheap, far, near), cheap


def _d1_d2(s: FloatArray, k: FloatArray, t: FloatArray, v: FloatArray, rate: float) -> tuple[FloatArray, FloatArray]:
    # Expired rows get a harmless tiny time here; the callers replace their values by the intrinsic ones.
    safe_t = np.maximum(t, 1e-12)
    spread = np.maximum(v, LOWEST_VOLATILITY) * np.sqrt(safe_t)
    d1 = (np.log(s / k) + rate * safe_t) / spread + 0.5 * spread
    return d1, d1 - spread
