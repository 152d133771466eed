"""What a broker's `/margin` computes for a basket, beside the increment that the exchange itself knows."""

from __future__ import annotations

from decimal import Decimal

from hedging.simulator.exchange import Basket, Exchange
from hedging.simulator.funds import Book, blocked_book, rupees
from hedging.simulator.profiles import Figure, MarginCall

Figures = tuple[Decimal, Decimal, Decimal]
_PAISA = Decimal("0.01")


def margin_answer(exchange: Exchange, call: MarginCall, legs: Basket) -> Figures:
    """Return (total, span, elm) of a basket in rupees, as the broker of `call` tells them."""
    alone = call.counts_book_from is None or len(legs) < call.counts_book_from
    if call.figure is Figure.INCREMENT:
        total, span, elm = exchange.margin_of_basket(legs, alone=alone)
    elif call.figure is Figure.TOTAL:
        total, span, elm = margin_with_book(exchange, legs, alone=alone)
    else:
        each = [margin_with_book(exchange, [leg], alone=True) for leg in legs]
        total, span, elm = (sum((figures[n] for figures in each), Decimal(0)) for n in range(3))
        if call.figure is Figure.BEFORE_BENEFIT:
            total += margin_with_book(exchange, [], alone=False)[0]
    return (total, span, elm) if call.shows_parts else (total, Decimal(0), Decimal(0))


def margin_with_book(exchange: Exchange, legs: Basket, *, alone: bool) -> Figures:
    """Return (total, span, elm) of a basket and the book together (`alone`: of the basket), before credits.

    Bought premium of the basket is added; sold premium is not taken off.
    """
    with exchange.lock:
        after: Book = {} if alone else blocked_book(exchange.account, exchange.live_orders())
        premium = Decimal(0)
        for contract, product, signed, price in legs:
            after[(contract, product)] = after.get((contract, product), 0) + signed
            premium += max(Decimal(0), price * signed)
        need = exchange.risk.need(after, exchange.t)
        return rupees(need.total) + premium.quantize(_PAISA), rupees(need.span), rupees(need.elm)
