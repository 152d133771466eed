"""Instruments: the words for what is traded, and the facts of a contract.

Pure values. The simulator shares this module (and the symbol codec) with the product, nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from enum import StrEnum


class Index(StrEnum):
    """An underlying index, by the name that OpenAlgo uses."""

    NIFTY = "NIFTY"
    BANKNIFTY = "BANKNIFTY"
    SENSEX = "SENSEX"


class Exchange(StrEnum):
    """The exchange segment on which an index's options trade, by OpenAlgo's name."""

    NFO = "NFO"
    BFO = "BFO"


OPTION_EXCHANGE: dict[Index, Exchange] = {
    Index.NIFTY: Exchange.NFO,
    Index.BANKNIFTY: Exchange.NFO,
    Index.SENSEX: Exchange.BFO,
}
INDEX_EXCHANGE: dict[Exchange, str] = {Exchange.NFO: "NSE_INDEX", Exchange.BFO: "BSE_INDEX"}


class Right(StrEnum):
    """The right of an option."""

    CE = "CE"
    PE = "PE"

    @property
    def other(self) -> Right:
        """Return the opposite right."""
        return Right.PE if self is Right.CE else Right.CE


class Side(StrEnum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"

    @property
    def sign(self) -> int:
        """Return +1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1


class Product(StrEnum):
    """The broker product. A hedge must carry the product of the shorts that it covers."""

    MIS = "MIS"
    NRML = "NRML"


@dataclass(frozen=True, slots=True, order=True)
class Contract:
    """One listed option: index, expiry, strike in index points, right."""

    index: Index
    expiry: date
    strike: Decimal
    right: Right

    @property
    def exchange(self) -> Exchange:
        """Return the exchange segment on which the contract trades."""
        return OPTION_EXCHANGE[self.index]


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """The facts of an index's options that an exchange may change; rows with effective dates hold them.

    `lot`, `freeze_quantity` in units; `strike_step`, `otm_min`, `otm_max` in index points; `tick` in rupees.
    """

    index: Index
    lot: int
    strike_step: Decimal
    tick: Decimal
    freeze_quantity: int
    lots_per_basket: int
    otm_min: Decimal
    otm_max: Decimal

    @property
    def freeze_lots(self) -> int:
        """Return the most whole lots that one order may carry (NIFTY: 1800 gives 27 lots = 1755)."""
        return self.freeze_quantity // self.lot

    @property
    def max_order_quantity(self) -> int:
        """Return the largest order in units."""
        return self.freeze_lots * self.lot


def round_down_to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Return `price` rounded down to a multiple of `tick`."""
    return (price / tick).to_integral_value(ROUND_FLOOR) * tick


def round_up_to_tick(price: Decimal, tick: Decimal) -> Decimal:
    """Return `price` rounded up to a multiple of `tick`."""
    return (price / tick).to_integral_value(ROUND_CEILING) * tick


def nearest_strike(spot: Decimal, step: Decimal) -> Decimal:
    """Return the listed strike nearest to `spot`; a tie goes to the higher strike."""
    return ((spot / step) + Decimal("0.5")).to_integral_value(ROUND_FLOOR) * step
