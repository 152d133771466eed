"""Which broker the simulator is: one table of what each broker's numbers, words and types mean through OpenAlgo.

A profile changes how the same account is told, not what happens in it; the one exception is market protection, by which a
MARKET order becomes a LIMIT order that may rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from enum import StrEnum

from hedging.domain.instruments import Side
from hedging.simulator.orders import Order, PriceType, Status


class UnknownProfile(Exception):
    """No such profile. The message names those that exist."""


class Figure(StrEnum):
    """What `total_margin_required` is."""

    INCREMENT = "what the book's requirement grows by, net of premium"
    TOTAL = "the requirement of the basket, with the book where it is counted"
    BEFORE_BENEFIT = "the book's requirement plus every leg alone"
    LEGS = "the sum of the legs, each alone"


@dataclass(frozen=True, slots=True)
class MarginCall:
    """What `/margin` answers. `counts_book_from` is the least number of legs that counts positions; `None` is never."""

    figure: Figure
    counts_book_from: int | None = None
    shows_parts: bool = True


@dataclass(frozen=True, slots=True)
class FundsMeaning:
    """What `availablecash` is: with collateral in it or not, with the used margin taken off or not."""

    holds_collateral: bool = False
    used_taken_off: bool = False

    def available(self, *, cash: Decimal, collateral: Decimal, utilised: Decimal) -> Decimal:
        """Return `availablecash` in rupees."""
        return cash + (collateral if self.holds_collateral else 0) - (utilised if self.used_taken_off else 0)

    def free(self, *, available: Decimal, collateral: Decimal, utilised: Decimal) -> Decimal:
        """Return the free margin that the answer's fields mean, in rupees: the formula of this broker."""
        return available + (0 if self.holds_collateral else collateral) - (0 if self.used_taken_off else utilised)


@dataclass(frozen=True, slots=True)
class Words:
    """Status words beside open, complete, rejected and cancelled, which all brokers share."""

    in_flight: str = "open"
    part_filled: str = "open"
    trigger_pending: str = "trigger pending"
    lapsed: str = "cancelled"

    def of(self, order: Order) -> str:
        """Return the word that the order book shows for an order."""
        if order.status is Status.CANCELLED:
            return self.lapsed if order.lapsed else order.status.value
        if order.status not in {Status.OPEN, Status.TRIGGER_PENDING}:
            return order.status.value
        if not order.arrived and self.in_flight != "open":
            return self.in_flight
        if order.status is Status.TRIGGER_PENDING:
            return self.trigger_pending
        return self.part_filled if order.filled else order.status.value


@dataclass(frozen=True, slots=True)
class Profile:
    """One broker behind OpenAlgo. `margin` `None` answers 501; `mpp` turns MARKET orders into protected LIMIT orders."""

    name: str
    margin: MarginCall | None
    funds: FundsMeaning = FundsMeaning()
    words: Words = Words()
    mpp: bool = False
    integer_ids: bool = False
    text_averages: bool = True
    text_quantities: bool = False
    shows_ltp: bool = True
    shows_filled: bool = False
    order_time: str = "%Y-%m-%d %H:%M:%S"
    cancel_error: int = 500

    def order_id(self, order_id: str) -> str | int:
        """Return an order id as this broker's JSON has it."""
        return int(order_id) if self.integer_ids else order_id

    def protects(self, kind: PriceType) -> bool:
        """Return whether an order of this kind is sent as a protected LIMIT order."""
        return self.mpp and kind is PriceType.MARKET


_NET = FundsMeaning(used_taken_off=True)
_NOREN = MarginCall(Figure.BEFORE_BENEFIT, counts_book_from=1, shows_parts=False)
_NOREN_WORDS = Words(trigger_pending="open")
_RAW_WORDS = Words(in_flight="put order req received")
_LONG_TIME = "%d-%b-%Y %H:%M:%S"

PROFILES: Mapping[str, Profile] = {
    profile.name: profile
    for profile in (
        Profile("zerodha", MarginCall(Figure.INCREMENT, counts_book_from=2)),
        Profile(
            "dhan",
            MarginCall(Figure.TOTAL, counts_book_from=2),
            funds=_NET,
            words=Words(in_flight="TRANSIT", part_filled="PART_TRADED", lapsed="EXPIRED"),
            mpp=True,
            text_averages=False,
            cancel_error=400,
        ),
        Profile(
            "fyers",
            MarginCall(Figure.TOTAL, counts_book_from=1, shows_parts=False),
            words=Words(in_flight="unknown"),
            order_time=_LONG_TIME,
            cancel_error=400,
        ),
        Profile(
            "upstox",
            MarginCall(Figure.LEGS),
            funds=FundsMeaning(holds_collateral=True, used_taken_off=True),
            words=_RAW_WORDS,
            text_averages=False,
            cancel_error=400,
        ),
        Profile("shoonya", _NOREN, funds=_NET, words=_NOREN_WORDS, mpp=True, order_time="%H:%M:%S %d-%m-%Y"),
        Profile(
            "flattrade",
            _NOREN,
            funds=_NET,
            words=_NOREN_WORDS,
            mpp=True,
            text_quantities=True,
            order_time="%H:%M:%S %d-%m-%Y",
        ),
        Profile(
            "kotak",
            MarginCall(Figure.LEGS, shows_parts=False),
            funds=FundsMeaning(holds_collateral=True),
            words=_RAW_WORDS,
            mpp=True,
            text_averages=False,
            shows_ltp=False,
            order_time=_LONG_TIME,
            cancel_error=400,
        ),
        Profile(
            "pocketful",
            None,
            funds=_NET,
            mpp=True,
            text_averages=False,
            shows_ltp=False,
            shows_filled=True,
            cancel_error=400,
        ),
        Profile(
            "xts",
            None,
            funds=_NET,
            words=Words(in_flight="PendingNew", part_filled="PartiallyFilled"),
            integer_ids=True,
            text_averages=False,
            order_time="%d-%m-%Y %H:%M:%S",
            cancel_error=400,
        ),
    )
}
DEFAULT = PROFILES["zerodha"]

_PROTECTION = ((10, "0.05"), (100, "0.03"), (500, "0.02"))


def profile_named(name: str) -> Profile:
    """Return a profile. Raises `UnknownProfile`, which names those that exist."""
    found = PROFILES.get(name)
    if found is None:
        raise UnknownProfile(f"There is no profile {name!r}: choose one of {', '.join(PROFILES)}")
    return found


def protected_ticks(*, last: int, tick: Decimal, side: Side) -> int:
    """Return the limit in ticks that market protection gives an option: 5 % under ₹10, 3 % to ₹100, 2 % to ₹500, 1 % above."""
    rupees = last * tick
    share = next((Decimal(rate) for below, rate in _PROTECTION if rupees < below), Decimal("0.01"))
    return max(1, int((last * (1 + side.sign * share)).to_integral_value(ROUND_HALF_EVEN)))
