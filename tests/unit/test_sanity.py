"""Absurd quotes are named, honest ones are not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Index, Right, Side
from hedging.domain.sanity import absurdity
from hedging.domain.snapshot import Depth, Level
from hedging.domain.stillness import still_seconds

NOW = datetime(2026, 12, 1, 4, 42, tzinfo=UTC)
WING = Contract(Index.NIFTY, date(2026, 12, 1), Decimal(26500), Right.CE)
SPOT = Decimal("26011.35")


def ladder(bid: str | None, ask: str | None) -> Depth:
    bids, asks = (() if price is None else (Level(Decimal(price), 650),) for price in (bid, ask))
    return Depth(WING, bids, asks, None, NOW)


@pytest.mark.parametrize(
    ("side", "bid", "ask", "absurd"),
    [
        (Side.BUY, "3.90", "4.00", False),
        (Side.BUY, None, "4.00", False),  # nobody bids for a far wing: it can still be bought
        (Side.BUY, "3.90", None, True),
        (Side.BUY, "11.90", "12.00", False),
        (Side.BUY, "11.90", "12.05", True),
        (Side.BUY, "1.30", "1.35", False),
        (Side.BUY, "1.25", "1.30", True),
        (Side.BUY, "2.00", "4.00", False),  # ₹2 apart is not yet wide
        (Side.BUY, "1.50", "4.00", True),
        (Side.BUY, "0.05", "1.95", False),  # cheap wings may be 40 ticks apart
        (Side.SELL, "3.90", "4.00", False),
        (Side.SELL, "0.05", "4.00", False),  # its own limit judges a low bid
        (Side.SELL, "12.00", "12.10", False),
        (Side.SELL, "12.05", "12.10", True),
        (Side.SELL, None, "4.00", True),
    ],
)
def test_a_quote_is_held_against_the_price_that_was_decided_on(side, bid, ask, absurd):
    assert bool(absurdity(side=side, depth=ladder(bid, ask), reference=Decimal(4))) is absurd


def readings(*spots: str, every: int = 30) -> list[tuple[datetime, Decimal]]:
    """Readings before NOW, newest first."""
    return [(NOW - timedelta(seconds=every * n), Decimal(spot)) for n, spot in enumerate(spots, start=1)]


@pytest.mark.parametrize(
    ("earlier", "seconds"),
    [
        ([], 0),
        (readings("26011.35", "26011.35"), 0),  # three readings prove nothing
        (readings("26011.35", "26011.35", "26011.35"), 90),
        (readings("26011.35", "26011.35", "26011.35", "26011.40"), 90),
        (readings("26011.40", "26011.35", "26011.35", "26011.35"), 0),
        (readings("26011.35", "26011.35", "26011.35", every=301), 0),  # too far apart
        (readings("26011.35", "26011.35", "26011.35", every=10), 30),
    ],
)
def test_an_index_stands_still_by_four_equal_readings_near_each_other(earlier, seconds):
    assert still_seconds(now=NOW, spot=SPOT, earlier=earlier) == seconds
