"""Prices of what is held beside the session's expiry: a chain quotes one expiry, and some position books have no prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal

from hedging.brokers.base import BrokerError, MarketReader
from hedging.domain.depth import touch
from hedging.domain.instruments import Index, Side
from hedging.domain.snapshot import Position, Quote


def with_prices(
    positions: Sequence[Position], *, index: Index, expiry: date, reader: MarketReader
) -> tuple[Position, ...]:
    """Return positions, of which those of the index but another expiry have their own quote's price where they came without.

    One read for each of these; read before the chain of `expiry`, which must stay fresh. Where it is not answered the position
    stays without a price, and whoever needs it says whose is missing.
    """
    return tuple(
        replace(line, last=_price(line, reader))
        if line.last is None and line.contract.index is index and line.contract.expiry != expiry
        else line
        for line in positions
    )


def _price(line: Position, reader: MarketReader) -> Decimal | None:
    try:
        depth = reader.depth(line.contract)
    except BrokerError:
        return None
    return Quote(line.contract, touch(depth, Side.SELL), touch(depth, Side.BUY), depth.last).mark
