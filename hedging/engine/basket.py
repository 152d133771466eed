"""Basket: what legs add to used margin by the broker's own call, whatever that call counts and contains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hedging.brokers.base import BasketScope, BrokerError, MarginLeg, MarketReader
from hedging.domain.instruments import Side
from hedging.domain.margin import MarginLine
from hedging.domain.snapshot import BasketMargin
from hedging.engine.meaning import Meaning, net_premium

BASKET_LIMIT = 50
LEAST_LEGS = 2
"""One leg alone is answered without the book, and without premium, at brokers that count both from two legs on."""


class NoAnswer(Exception):
    """The broker's basket call says nothing that counts; the message says why. Decide without it."""


class BasketCall:
    """The basket call of one cycle, read by the meaning that calibration gave it."""

    def __init__(self, *, broker: MarketReader, meaning: Meaning) -> None:
        self._broker = broker
        self._meaning = meaning
        self._book_margin: Decimal | None = None

    def added_by(
        self, legs: Sequence[MarginLeg], *, book: Sequence[MarginLeg], held: bool
    ) -> tuple[Decimal, BasketMargin]:
        """Return the rupees by which `legs` raise used margin beside `book`, premium as `/funds` counts it, and the answer.

        `held` tells that the account holds anything at all. One read; two where the call counts only what is sent, or the
        whole book. Raises `NoAnswer`.
        """
        meaning = self._meaning
        if not meaning.usable:
            raise NoAnswer("this account's broker has no basket call that nets")
        scope = meaning.scope
        if scope is None:
            if held:
                raise NoAnswer("what the basket call counts beside a book is not settled yet")
            scope = BasketScope.INCREMENT
        sent = [*book, *legs] if scope is BasketScope.LEGS_ONLY else list(legs)
        if not (len(legs) >= LEAST_LEGS and len(sent) <= BASKET_LIMIT):
            raise NoAnswer(f"the basket call takes {LEAST_LEGS} to {BASKET_LIMIT} legs, not {len(sent)}")
        try:
            answer, margin = self._margin(sent)
            if (held and scope is BasketScope.TOTAL) or (book and scope is BasketScope.LEGS_ONLY):
                margin -= self._margin_of_book(scope, book, legs[0])
        except BrokerError as error:
            raise NoAnswer(f"the basket call gave no answer: {error}") from error
        premium = net_premium(_lines(legs)) if meaning.premium_in_used else Decimal(0)
        return margin + premium, answer

    def _margin_of_book(self, scope: BasketScope, book: Sequence[MarginLeg], leg: MarginLeg) -> Decimal:
        if self._book_margin is None:
            # A call that counts the whole book tells it alone for a leg and its opposite, which add nothing.
            other = Side.SELL if leg.side is Side.BUY else Side.BUY
            sent = book if scope is BasketScope.LEGS_ONLY else (leg, replace(leg, side=other))
            self._book_margin = self._margin(sent)[1]
        return self._book_margin

    def _margin(self, legs: Sequence[MarginLeg]) -> tuple[BasketMargin, Decimal]:
        """Return the broker's answer, and what of it is margin: without the premium that it contains."""
        answer = self._broker.basket_margin(legs)
        return answer, answer.total - self._meaning.premium_in_answer(_lines(legs))


def _lines(legs: Sequence[MarginLeg]) -> tuple[MarginLine, ...]:
    return tuple(MarginLine(leg.contract, leg.side.sign * leg.quantity, leg.price, leg.product) for leg in legs)
