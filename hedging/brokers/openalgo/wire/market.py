"""Market endpoints on the wire: quotes, expiry, optionchain, depth (contract.md sections 3.17 to 3.20 and 3.25)."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import lru_cache

from hedging.brokers.base import Listing, UnreadableAnswer
from hedging.brokers.openalgo.symbols import UnknownSymbol, format_expiry, format_symbol, parse_expiry, parse_symbol
from hedging.brokers.openalgo.wire.answer import Answer, parse_market, success_body
from hedging.brokers.openalgo.wire.values import (
    Json,
    as_amount,
    as_known_price,
    as_list,
    as_object,
    as_open_quantity,
    as_price,
    as_quantity,
    as_text,
    contract_or_none,
)
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract, Index, Right
from hedging.domain.snapshot import Chain, Depth, Level, Quote

MAX_STRIKES_EACH_SIDE = 100


def spot_request(index: Index) -> Json:
    """Return the body of /quotes for an index."""
    return {"symbol": index.value, "exchange": INDEX_EXCHANGE[OPTION_EXCHANGE[index]]}


def parse_spot(answer: Answer) -> Decimal:
    """Parse /quotes: the last price, which must be there."""
    return as_known_price(as_object(success_body(answer).get("data"), "quote data").get("ltp"), "ltp")


def expiry_request(index: Index) -> Json:
    """Return the body of /expiry for an index's options."""
    return {"symbol": index.value, "exchange": OPTION_EXCHANGE[index].value, "instrumenttype": "options"}


def parse_expiries(answer: Answer) -> tuple[date, ...]:
    """Parse /expiry, ascending. An empty list is what OpenAlgo says before its master contract is loaded: an error."""
    texts = as_list(success_body(answer).get("data"), "expiry data")
    if not texts:
        raise UnreadableAnswer("no expiries: OpenAlgo's master contract is not loaded")
    return tuple(sorted({_expiry(text) for text in texts}))


def listing_request(contract: Contract) -> Json:
    """Return the body of /symbol."""
    return {"symbol": format_symbol(contract), "exchange": contract.exchange.value}


def parse_listing(answer: Answer) -> Listing:
    """Parse /symbol. A freeze quantity below one lot (1 on BFO) means that nobody configured it."""
    data = as_object(success_body(answer).get("data"), "symbol data")
    lot = as_quantity(data.get("lotsize"), "lotsize")
    if lot < 1:
        raise UnreadableAnswer(f"lotsize is {lot}")
    freeze = as_open_quantity(data.get("freeze_qty"), "freeze_qty")
    return Listing(
        lot=lot,
        tick=as_known_price(data.get("tick_size"), "tick_size"),
        freeze_quantity=freeze if freeze is not None and freeze >= lot else None,
    )


def parse_timings(answer: Answer) -> frozenset[str]:
    """Parse /market/timings: the names of the open exchanges. Its instants depend on the server's time zone: not read."""
    rows = as_list(success_body(answer).get("data"), "timings data")
    return frozenset(as_text(as_object(row, "a timing").get("exchange"), 20) for row in rows)


def chain_request(index: Index, expiry: date, strikes_each_side: int) -> Json:
    """Return the body of /optionchain; `ValueError` outside of 1 to 100 strikes on each side."""
    if not 1 <= strikes_each_side <= MAX_STRIKES_EACH_SIDE:
        raise ValueError(f"strikes_each_side is 1 to {MAX_STRIKES_EACH_SIDE}, not {strikes_each_side}")
    return {
        "underlying": index.value,
        "exchange": INDEX_EXCHANGE[OPTION_EXCHANGE[index]],
        "expiry_date": format_expiry(expiry),
        "strike_count": strikes_each_side,
    }


def parse_chain(answer: Answer, index: Index, expiry: date) -> Chain:
    """Parse /optionchain. A chain of zeros, of another expiry or with a misplaced leg is an error.

    A leg whose prices are 0 stays in the chain with prices `None`: that option exists, nobody quoted it.
    """
    body = success_body(answer, read=parse_market)
    if body.get("underlying") != index.value or _expiry(body.get("expiry_date")) != expiry:
        raise UnreadableAnswer(f"not the chain of {index} {format_expiry(expiry)}")
    quotes: dict[Contract, Quote] = {}
    for item in as_list(body.get("chain"), "chain"):
        row = as_object(item, "a chain row")
        for name, place, symbol in _places(index, expiry, as_amount(row.get("strike"), "strike")):
            leg = row.get(name)
            if leg is None:
                continue
            known = len(quotes)
            quotes[place] = _leg(as_object(leg, "a chain leg"), place, symbol)
            if len(quotes) == known:
                raise UnreadableAnswer(f"{symbol} is in the chain twice")
    if not any(quote.mark for quote in quotes.values()):
        # errors/optionchain__leg_quotes_fail: 200, success, and every price 0, because the bulk quote call failed.
        raise UnreadableAnswer(f"the chain of {index} {format_expiry(expiry)} has no price at all")
    return Chain(
        index=index,
        expiry=expiry,
        spot=as_known_price(body.get("underlying_ltp"), "underlying_ltp"),
        previous_close=as_price(body.get("underlying_prev_close"), "underlying_prev_close"),
        quotes=quotes,
        read_at=answer.asked_at,
    )


def depth_request(contract: Contract) -> Json:
    """Return the body of /depth."""
    return {"symbol": format_symbol(contract), "exchange": contract.exchange.value}


def parse_depth(answer: Answer, contract: Contract) -> Depth:
    """Parse /depth, best level first. A side with prices but without any quantity is unknown, not empty."""
    data = as_object(success_body(answer).get("data"), "depth data")
    bids, asks = _levels(data, "bids"), _levels(data, "asks")
    last = as_price(data.get("ltp"), "ltp")
    if not bids and not asks and last is None:
        raise UnreadableAnswer(f"the depth of {format_symbol(contract)} is all 0")
    return Depth(
        contract=contract,
        bids=tuple(sorted(bids, key=lambda level: -level.price)),
        asks=tuple(sorted(asks, key=lambda level: level.price)),
        last=last,
        read_at=answer.asked_at,
    )


@lru_cache(maxsize=4096)
def _places(index: Index, expiry: date, strike: Decimal) -> tuple[tuple[str, Contract, str], ...]:
    """Return what belongs into a row of a chain: a leg's name there, its contract and symbol. The same few hundred all day."""
    found = []
    for right in Right:
        symbol = format_symbol(Contract(index, expiry, strike, right))
        try:
            # A strike that is written in one way only.
            found.append((right.value.lower(), parse_symbol(symbol), symbol))
        except UnknownSymbol as error:
            raise UnreadableAnswer(str(error)[:120]) from None
    return tuple(found)


def _leg(leg: Json, place: Contract, expected: str) -> Quote:
    symbol = leg.get("symbol")
    # A symbol may be spelt in another way (`26000.0CE`) and mean the same.
    if symbol != expected and contract_or_none(symbol, place.exchange) != place:
        raise UnreadableAnswer(f"{str(symbol)[:40]!r} stands in the chain where {place.strike} {place.right} belongs")
    return Quote(
        contract=place,
        bid=as_price(leg.get("bid"), "bid"),
        ask=as_price(leg.get("ask"), "ask"),
        last=as_price(leg.get("ltp"), "ltp"),
        bid_quantity=as_open_quantity(leg.get("bid_qty"), "bid_qty"),
        ask_quantity=as_open_quantity(leg.get("ask_qty"), "ask_qty"),
    )


def _levels(data: Json, side: str) -> list[Level]:
    levels: list[Level] = []
    unknown = False
    for item in as_list(data.get(side), side):
        row = as_object(item, "a depth level")
        price = as_price(row.get("price"), "price")
        quantity = as_open_quantity(row.get("quantity"), "quantity")
        if price is not None and quantity is not None:
            levels.append(Level(price, quantity))
        unknown = unknown or (price is not None and quantity is None)
    if unknown and not levels:
        raise UnreadableAnswer(f"{side} have prices and no quantities")
    return levels


def _expiry(text: object) -> date:
    try:
        return parse_expiry(str(text).strip())
    except UnknownSymbol as error:
        raise UnreadableAnswer(str(error)[:120]) from None
