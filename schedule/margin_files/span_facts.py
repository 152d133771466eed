"""From the figures of a SPAN file to the columns of a margin row: percentages of the index level."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from statistics import median

from hedging.domain.instruments import Right
from hedging.domain.pricing import implied_volatility
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_types import SpanIndex

_PERCENT, _THOUSANDTH = Decimal(100), Decimal("0.001")
# What a figure may be; beyond, the file is not what it seems, or is in another unit.
_LIMITS = {
    "price_scan_pct": (Decimal(1), Decimal(60)),
    "volatility_scan_points": (Decimal("0.1"), Decimal(60)),
    "rate_pct": (Decimal(0), Decimal(50)),
    "calendar_pct": (Decimal(0), Decimal(20)),
    "look_ahead_days": (Decimal(0), Decimal(10)),
    "extreme_share_pct": (Decimal(1), Decimal(100)),
}
_EXTREME_RANGES = 2  # the two last scenarios move by so many scan ranges
_SCAN_UP, _SCAN_DOWN, _EXTREME_UP, _EXTREME_DOWN = 10, 12, 14, 15
_CALMEST_PCT, _WILDEST_PCT = Decimal(3), Decimal(100)
_NEAR_THE_MONEY = 10
_LEAST_DAYS = 2
_DAYS_A_YEAR = 365


def parameters_of(
    span: SpanIndex, *, day: date, look_ahead_years: float | None, known: dict[str, Decimal]
) -> dict[str, Decimal]:
    """Return the columns that the file speaks of, in per cent, points or days; what it does not say stays out.

    `known` is the row that is replaced: a figure that rounds to the file's own digits is kept, as 6.6 % where the file
    shows a rate of 0.07. Raises `MarginFileRefused` where a figure cannot be meant.
    """
    found: dict[str, Decimal] = {
        "price_scan_pct": span.price_scan / span.price * _PERCENT,
        "volatility_scan_points": _kept(known["volatility_scan_points"], span.volatility_scan),
    }
    rate = span.series[0].rate
    if rate is not None:
        found["rate_pct"] = _kept(known["rate_pct"], rate)
    if span.calendar_charges:
        found["calendar_pct"] = median(span.calendar_charges) / span.price * _PERCENT
    if look_ahead_years is not None:
        found["look_ahead_days"] = (Decimal(repr(look_ahead_years)) * _DAYS_A_YEAR).quantize(Decimal("0.1"))
    share = extreme_share_pct(span)
    if share is not None:
        found["extreme_share_pct"] = share
    base = _base_volatility_pct(span, day=day)
    if base is not None:
        found["base_volatility_pct"] = base
    for name, value in found.items():
        least, most = _LIMITS.get(name, (_CALMEST_PCT, _WILDEST_PCT))
        if not least <= value <= most:
            raise MarginFileRefused(
                f"{span.index}: {name.replace('_', ' ')} would be {value:.3f}, outside {least} to {most}: "
                "the file is not what it seems, or counts in other units"
            )
    return {name: value.quantize(_THOUSANDTH) for name, value in found.items()}


def extreme_share_pct(span: SpanIndex) -> Decimal | None:
    """Return the share of an extreme move's loss that counts, from the array of a future, which is linear; None without.

    The file's own `pointDef` says otherwise, and its arrays are what margins are made of.
    """
    for losses in span.futures:
        range_lost = losses[_SCAN_DOWN] - losses[_SCAN_UP]
        if range_lost > 0:
            share = (losses[_EXTREME_DOWN] - losses[_EXTREME_UP]) / range_lost / _EXTREME_RANGES
            return (Decimal(repr(share)) * _PERCENT).quantize(Decimal("0.1"))
    return None


def uneven_scan_ranges(span: SpanIndex) -> list[date]:
    """Return the expiries whose scan ranges are not those of the nearest, which are the ones that we take."""
    return [
        series.expiry
        for series in span.series
        if (series.price_scan or span.price_scan) != span.price_scan
        or (series.volatility_scan or span.volatility_scan) != span.volatility_scan
    ]


def _kept(known: Decimal, fraction: Decimal) -> Decimal:
    return known if round(known / _PERCENT, _digits(fraction)) == fraction else fraction * _PERCENT


def _digits(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _base_volatility_pct(span: SpanIndex, *, day: date) -> Decimal | None:
    """Return the middle volatility that prices at the money imply, of the nearest expiry with time left; None without.

    The file's own `v` is not used: not every file has one for each strike.
    """
    for series in span.series:
        left = (series.expiry - day).days
        if left < _LEAST_DAYS:
            continue
        near = sorted(series.options, key=lambda option: (abs(option.strike - span.price), option.right))
        implied = implied_volatility(
            price=[float(option.price) for option in near[:_NEAR_THE_MONEY]],
            spot=float(span.price),
            strike=[float(option.strike) for option in near[:_NEAR_THE_MONEY]],
            years=left / _DAYS_A_YEAR if series.years is None else series.years,
            is_call=[option.right is Right.CE for option in near[:_NEAR_THE_MONEY]],
            fallback=0.0,
        )
        named = [float(volatility) for volatility in implied if volatility > 0]
        found = Decimal(repr(median(named))) * _PERCENT if named else None
        return found if found is not None and _CALMEST_PCT <= found <= _WILDEST_PCT else None
    return None
