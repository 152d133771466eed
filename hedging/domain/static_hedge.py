"""The static hedge: what a bot would have paid that buys a call and a put with every entry, whatever the margin says.

It buys as many wings as the entry sells, of the cheapest strikes within the preferred premium band and distance, and keeps
them to the entry's exit, or to expiry. Only prices that were read are used; what was not read is unknown, and never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from hedging.domain.charges import ChargeRates, order_charges, orders_for
from hedging.domain.instruments import Contract, ContractSpec, Right, Side
from hedging.domain.policy import HedgePolicy
from hedging.domain.snapshot import Chain, Quote

ZERO = Decimal(0)


@dataclass(frozen=True, slots=True)
class Wing:
    """One contract that the static bot would buy: units, and its ask in rupees a unit."""

    contract: Contract
    quantity: int
    ask: Decimal


def wings_for(
    units: Mapping[Right, int], *, chain: Chain, policy: HedgePolicy, spec: ContractSpec
) -> tuple[Wing, ...] | None:
    """Return the cheapest wing of each side that an entry sells `units` of; `None` where a side has none in the band.

    One wing alone releases nothing, so a bot that cannot buy both buys neither.
    """
    found = []
    for right in Right:
        if not units.get(right):
            continue
        fitting = [
            (quote.ask, _distance(quote.contract, chain.spot), quote.contract)
            for quote in chain.quotes.values()
            if quote.contract.right is right and _fits(quote, chain=chain, policy=policy, spec=spec)
        ]
        if not fitting:
            return None
        ask, _, contract = min(fitting, key=lambda each: each[:2])
        found.append(Wing(contract, units[right], ask or ZERO))
    return tuple(found)


def _fits(quote: Quote, *, chain: Chain, policy: HedgePolicy, spec: ContractSpec) -> bool:
    if quote.ask is None or quote.crossed or quote.contract.expiry != chain.expiry:
        return False
    in_band = policy.min_premium <= quote.ask <= policy.max_premium
    return in_band and spec.otm_min <= _distance(quote.contract, chain.spot) <= spec.otm_max


def _distance(contract: Contract, spot: Decimal) -> Decimal:
    return contract.strike - spot if contract.right is Right.CE else spot - contract.strike


def paid_for(wing: Wing, *, rates: ChargeRates, spec: ContractSpec) -> Decimal:
    """Return the rupees that a wing costs: its premium at the ask, and the charges of the orders that carry it."""
    premium = wing.ask * wing.quantity
    return premium + _charges(wing.quantity, premium, side=Side.BUY, rates=rates, spec=spec)


def sold_for(quantity: int, bid: Decimal | None, *, rates: ChargeRates, spec: ContractSpec) -> Decimal:
    """Return the rupees that a sale at `bid` brings, charges taken off; 0 where nobody bids or it is worth less than them."""
    if bid is None:
        return ZERO
    premium = bid * quantity
    return max(ZERO, premium - _charges(quantity, premium, side=Side.SELL, rates=rates, spec=spec))


def settled_for(contract: Contract, quantity: int, *, spot: Decimal) -> Decimal:
    """Return the rupees that a wing settles for at its expiry with the index at `spot`."""
    return max(ZERO, -_distance(contract, spot)) * quantity


def _charges(quantity: int, premium: Decimal, *, side: Side, rates: ChargeRates, spec: ContractSpec) -> Decimal:
    orders = orders_for(lots=max(1, quantity // spec.lot), freeze_lots=spec.freeze_lots)
    return order_charges(rates=rates, side=side, premium_rupees=premium, orders=orders)


class Fate(StrEnum):
    """What is known of an entry's wings."""

    KNOWN = "known"
    """Bought and sold, or settled, at prices that were read."""
    NO_STRIKE = "no_strike"
    """Prices were read, and no strike of a side was in the band: the bot would have bought nothing."""
    NO_PRICE = "no_price"
    """No price was read shortly before the entry."""
    NO_END = "no_end"
    """Bought at a price that was read; what it brought at the end is not known."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry of the day: what its wings cost and brought in rupees; `None` is unknown."""

    fate: Fate
    paid: Decimal | None = None
    got_back: Decimal | None = None


@dataclass(frozen=True, slots=True)
class StaticDay:
    """A day of the static bot. `paid` is of every entry whose wings had a price, `got_back` of those whose end is known.

    `whole`: every entry is known, so that the day may be compared.
    """

    entries: int
    fates: Mapping[Fate, int]
    paid: Decimal
    got_back: Decimal

    @property
    def whole(self) -> bool:
        """Return whether nothing of the day is unknown."""
        return not self.fates[Fate.NO_PRICE] and not self.fates[Fate.NO_END]


def day_of(kept: Iterable[Kept]) -> StaticDay:
    """Add up a day's entries."""
    rows = tuple(kept)
    return StaticDay(
        entries=len(rows),
        fates={fate: sum(row.fate is fate for row in rows) for fate in Fate},
        paid=sum((row.paid for row in rows if row.paid is not None), ZERO),
        got_back=sum((row.got_back for row in rows if row.got_back is not None), ZERO),
    )
