"""What a SPAN file says of an index: figures as they stand in the file, in rupees a unit and fractions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from hedging.domain.instruments import Index, Right


@dataclass(frozen=True, slots=True)
class SpanOption:
    """An option: its price, its composite delta (None where the file has none), and its risk array.

    `losses` is what one long unit loses in each scenario, the last two at their share.
    """

    right: Right
    strike: Decimal
    price: Decimal
    losses: tuple[float, ...]
    delta: float | None


@dataclass(frozen=True, slots=True)
class SpanSeries:
    """The options of one expiry. `years` is the time to expiry that the file's own pricing starts from."""

    expiry: date
    years: float | None
    price_scan: Decimal | None
    volatility_scan: Decimal | None
    rate: Decimal | None
    options: tuple[SpanOption, ...]


@dataclass(frozen=True, slots=True)
class SpanIndex:
    """An index: its level, its scan ranges, options, the arrays of its futures, and flat calendar charges a unit."""

    index: Index
    price: Decimal
    price_scan: Decimal
    volatility_scan: Decimal
    series: tuple[SpanSeries, ...]
    futures: tuple[tuple[float, ...], ...]
    calendar_charges: tuple[Decimal, ...]


@dataclass(frozen=True, slots=True)
class SpanFile:
    """A SPAN risk parameter file: one business day, intraday or settlement."""

    business_date: date
    settlement: bool
    clearing_house: str
    look_ahead_years: float | None
    indices: tuple[SpanIndex, ...]
