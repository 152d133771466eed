"""Quote views: one quote, many, and depth, in the recorded shapes."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract
from hedging.simulator.desk import Answer, Desk, error, not_found, ok
from hedging.simulator.exchange import Exchange
from hedging.simulator.liquidity import open_interest, traded
from hedging.simulator.market import LEVELS

_NO_LEVEL = {"price": 0, "quantity": 0}


class QuoteViews(Desk):
    """Quotes of one exchange."""

    def __init__(self, *, exchange: Exchange) -> None:
        super().__init__(exchange=exchange)
        self.endpoints = {
            "quotes": self.quotes,
            "multiquotes": self.multiquotes,
            "depth": self.depth,
        }

    def _quote(self, symbol: str, exchange: str) -> dict[str, Any] | None:
        market, t = self.exchange.market, self.t
        index = self.index(symbol, exchange)
        if index is not None:
            opened, high, low, before = market.spot_range(index, t)
            return {
                "ask": 0,
                "bid": 0,
                "high": high,
                "low": low,
                "ltp": market.spot(index, t),
                "oi": 0,
                "open": opened,
                "prev_close": before,
                "volume": 0,
            }
        contract = self.option(symbol, exchange)
        if contract is None:
            return None
        quote = self._leg(contract)
        return {key: quote[key] for key in ("ask", "bid", "high", "low", "ltp", "oi", "open", "prev_close", "volume")}

    def _leg(self, contract: Contract) -> dict[str, Any]:
        """Return one option's figures; out of hours nobody bids or asks."""
        market, t = self.exchange.market, self.t
        column = market.column(contract)
        last, bid, ask = market.ticks(contract, t)
        span = self.exchange.ranges.at(contract.index, contract.expiry, t)
        opened, high, low, before = span.of(contract.right, column)
        trading = self.exchange.is_open
        lot = self.exchange.day.specs[contract.index].lot
        strike = market.strikes(contract.index)[column : column + 1]
        interest = open_interest(strikes=strike, spot=market.spot(contract.index, t))

        def rupees(ticks: int) -> float:
            return self.price(contract, ticks)

        return {
            "ltp": rupees(last),
            "bid": rupees(bid) if trading else 0,
            "ask": rupees(ask) if trading else 0,
            "open": rupees(opened),
            "high": rupees(high),
            "low": rupees(low),
            "prev_close": rupees(before),
            "volume": lot * int(traded(interest, t)[0]),
            "oi": lot * int(interest[0]),
        }

    def neighbour(self, body: dict[str, Any], steps: float) -> dict[str, Any]:
        """Return a question for prices as a server that confuses instruments reads it: some strikes further up.

        An index becomes another one. The answer has no name in it but the one asked for (see `multiquotes`).
        """
        if "symbols" in body:
            rows = [self._confused(row, int(steps)) for row in body["symbols"]]
            return {**body, "symbols": rows}
        return self._confused(body, int(steps)) if "symbol" in body else body

    def _confused(self, asked: dict[str, Any], steps: int) -> dict[str, Any]:
        contract = self.option(asked["symbol"], asked["exchange"])
        if contract is not None:
            strikes = self.exchange.market.strikes(contract.index)
            column = self.exchange.market.column(contract)
            other = strikes[column + steps if column + steps < len(strikes) else column - steps]
            wrong = format_symbol(replace(contract, strike=Decimal(int(other))))
            return {**asked, "symbol": wrong, "as": asked["symbol"]}
        index = self.index(asked["symbol"], asked["exchange"])
        others = [i for i in self.exchange.day.specs if i is not index]
        if index is None or not others:
            return asked
        where = INDEX_EXCHANGE[OPTION_EXCHANGE[others[0]]]
        return {**asked, "symbol": others[0].value, "exchange": where, "as": asked["symbol"], "on": asked["exchange"]}

    def quotes(self, body: dict[str, Any]) -> Answer:
        """Return one quote; no quantity, no time."""
        quote = self._quote(body["symbol"], body["exchange"])
        return ok(data=quote) if quote else error(400, not_found(body["symbol"], body["exchange"]))

    def multiquotes(self, body: dict[str, Any]) -> Answer:
        """Return many quotes; unknown symbols come first, with an error instead of data."""
        good, bad = [], []
        for asked in body["symbols"]:
            quote = self._quote(asked["symbol"], asked["exchange"])
            row = {"exchange": asked.get("on", asked["exchange"]), "symbol": asked.get("as", asked["symbol"])}
            if quote:
                good.append({"data": quote, **row})
            else:
                bad.append({"error": not_found(asked["symbol"], asked["exchange"]), **row})
        if not good:
            return 400, {"invalid_symbols": bad, "message": bad[0]["error"], "status": "error"}
        return ok(results=bad + good)

    def depth(self, body: dict[str, Any]) -> Answer:
        """Return five levels a side; an index has none."""
        quote = self._quote(body["symbol"], body["exchange"])
        if quote is None:
            return error(400, not_found(body["symbol"], body["exchange"]))
        contract = self.option(body["symbol"], body["exchange"])
        ladders: list[list[tuple[int, int]]] = [[], []]
        if contract is not None and self.exchange.is_open:
            ladders = list(self.exchange.market.depth(contract, self.t))
        sides = []
        for rows in ladders:
            filled = [{"price": self.price(contract, p), "quantity": q} for p, q in rows] if contract else []
            sides.append(filled + [_NO_LEVEL] * (LEVELS - len(filled)))
        lot = self.exchange.day.specs[contract.index].lot if contract else 0
        return ok(
            data={
                "asks": sides[1],
                "bids": sides[0],
                "high": quote["high"],
                "low": quote["low"],
                "ltp": quote["ltp"],
                "ltq": lot,
                "oi": quote["oi"],
                "open": quote["open"],
                "prev_close": quote["prev_close"],
                "totalbuyqty": sum(q for _, q in ladders[0]),
                "totalsellqty": sum(q for _, q in ladders[1]),
                "volume": quote["volume"],
            }
        )
