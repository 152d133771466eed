"""Book: what a book file says, checked and typed; all that `margin` and `optimize` compute from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry
from hedging.domain.instruments import Contract, ContractSpec, Exchange, Index, Product
from hedging.domain.margin import MarginLine, MarginMarket
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer_types import Candidate, HeldWing
from hedging.domain.policy import HedgePolicy
from hedging.domain.risk import MarginParameters


class PriceFrom(StrEnum):
    """Which of a row's cells its price comes from."""

    LAST = "last"
    MIDDLE = "middle of bid and ask"
    ASK = "ask"
    IV = "iv"


@dataclass(frozen=True, slots=True)
class Hedged:
    """What is hedged: wings are bought in one index, expiry and product."""

    index: Index
    expiry: date
    product: Product


@dataclass(frozen=True, slots=True)
class Book:
    """A book file. Money in rupees, quantities in units; `None` is: the file does not say.

    `lines` are held, `coming` about to be sold, `candidates` could be bought, `wings` are ours and could be sold in exchange.
    `prices_from` says for each contract where its price comes from. `hedged` is `None` where nobody asked.
    """

    as_of: datetime
    market: MarginMarket
    parameters: MarginParameters
    policy: HedgePolicy
    profile: MarginProfile
    specs: Mapping[Index, ContractSpec]
    rates: Mapping[Exchange, ChargeRates]
    lines: tuple[MarginLine, ...]
    prices_from: Mapping[Contract, PriceFrom]
    coming: tuple[ComingEntry, ...]
    candidates: tuple[Candidate, ...]
    wings: tuple[HeldWing, ...]
    hedged: Hedged | None
    budget: Decimal | None
    used_now: Decimal | None
    free_margin: Decimal | None
    cash: Decimal | None
    spent: Decimal
    buffer: Decimal
