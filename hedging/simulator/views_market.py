"""Market views: quotes, depth, chains, contracts and the calendar, in the recorded shapes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

from hedging.brokers.openalgo.symbols import format_expiry, format_symbol
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract, Index, Right
from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, Desk, error, not_found, ok
from hedging.simulator.exchange import Exchange
from hedging.simulator.market import LEVELS

_NO_LEVEL = {"price": 0, "quantity": 0}


class _Refused(Exception):
    """A chain or an offset that the server refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, {"status": "error", "message": message})


class MarketViews(Desk):
    """Market data of one exchange."""

    def __init__(self, *, exchange: Exchange) -> None:
        super().__init__(exchange=exchange)
        self.endpoints: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "quotes": self.quotes,
            "multiquotes": self.multiquotes,
            "depth": self.depth,
            "optionchain": self.optionchain,
            "optionsymbol": self.optionsymbol,
            "symbol": self.symbol,
            "expiry": self.expiry,
            "market/holidays": self.holidays,
            "market/timings": self.timings,
        }

    # -- market data ------------------------------------------------------------------------------------------------

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
        prices = market.slice(contract.index, contract.expiry, t).prices[contract.right]
        span = market.day_range(contract.index, contract.expiry, contract.right, t)
        trading = self.exchange.is_open
        distance = abs(float(contract.strike) / market.spot(contract.index, t) - 1.0)
        crowd = int(40_000 / (1.0 + (distance * 90.0) ** 2)) + 10
        lot = self.exchange.day.specs[contract.index].lot

        def rupees(ticks: Any) -> float:
            return self.price(contract, int(ticks))

        return {
            "ltp": rupees(prices.last[column]),
            "bid": rupees(prices.bid[column]) if trading else 0,
            "ask": rupees(prices.ask[column]) if trading else 0,
            "open": rupees(span.open[column]),
            "high": rupees(span.high[column]),
            "low": rupees(span.low[column]),
            "prev_close": rupees(span.previous_close[column]),
            "volume": lot * (crowd * max(t, 0) // 22_500),
            "oi": lot * crowd,
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

    # -- contracts --------------------------------------------------------------------------------------------------

    def _underlying(self, body: dict[str, Any]) -> tuple[Index, date]:
        """Return the index and expiry that a chain or an offset is asked for; raise the server's refusal."""
        name, exchange, text = body["underlying"], body["exchange"], body["expiry_date"]
        index = next((i for i in self.exchange.day.specs if i.value == name), None)
        if index is None or exchange not in {OPTION_EXCHANGE[index].value, INDEX_EXCHANGE[OPTION_EXCHANGE[index]]}:
            asked = exchange if exchange.endswith("_INDEX") else "NSE_INDEX"
            raise _Refused(400, f"Failed to fetch LTP for {name}: {not_found(name, asked)}")
        listed = {format_expiry(expiry): expiry for expiry in self._expiries(index)}
        if text.upper() not in listed:
            message = (
                f"No strikes found for {name} expiring {text}. Please check expiry date or update master contract."
            )
            raise _Refused(404, message)
        if text not in listed:
            raise _Refused(404, "No valid option symbols found for the given parameters")
        return index, listed[text]

    def _expiries(self, index: Index) -> tuple[date, ...]:
        return () if self.master_gap else self.exchange.day.expiries.get(index, ())

    def optionchain(self, body: dict[str, Any]) -> Answer:
        """Return the chain around the money; `bid_qty` and `ask_qty` are always 0 at this broker."""
        try:
            index, expiry = self._underlying(body)
        except _Refused as refused:
            return refused.answer
        exchange, market, t = self.exchange, self.exchange.market, self.t
        strikes = market.strikes(index)
        money = int(abs(strikes - market.spot(index, t)).argmin())
        reach = body["strike_count"]
        first, last = (
            (0, len(strikes)) if reach is None else (max(0, money - reach), min(len(strikes), money + reach + 1))
        )
        window = (first, last, money)
        calls = self._chain_side(Right.CE, index, expiry, window=window)
        puts = self._chain_side(Right.PE, index, expiry, window=window)
        levels = strikes[first:last].astype(float).tolist()
        rows = [{"strike": k, "ce": ce, "pe": pe} for k, ce, pe in zip(levels, calls, puts, strict=True)]
        closes = datetime.combine(expiry, time(15, 30), IST)
        return 200, {
            "status": "success",
            "underlying": index.value,
            "underlying_symbol": index.value,
            "underlying_exchange": INDEX_EXCHANGE[OPTION_EXCHANGE[index]],
            "underlying_ltp": market.spot(index, t),
            "underlying_prev_close": market.paths[index].previous_close,
            "expiry_date": body["expiry_date"],
            "expiry_ts": int(closes.timestamp()),
            "server_ts": int(exchange.now.timestamp()),
            "atm_strike": float(strikes[money]),
            "quotes_included": True,
            "greeks_included": False,
            "forward_price": None,
            "chain": rows,
        }

    def _chain_side(
        self, right: Right, index: Index, expiry: date, *, window: tuple[int, int, int]
    ) -> list[dict[str, Any]]:
        """Return one side of a chain; `window` is the first column, the one after the last, and the money's."""
        first, last, money = window
        market, t = self.exchange.market, self.t
        spec = self.exchange.day.specs[index]
        tick, lot = float(spec.tick), spec.lot
        prices = market.slice(index, expiry, t).prices[right]
        span = market.day_range(index, expiry, right, t)
        trading = self.exchange.is_open
        part = slice(first, last)

        def rupees(ticks: Any) -> list[float]:
            return (ticks[part] * tick).round(2).tolist()  # type: ignore[no-any-return]

        head, tail = f"{index.value}{format_expiry(expiry)}", right.value
        strikes = market.strikes(index)[part]
        distance = abs(strikes / market.spot(index, t) - 1.0)
        crowd = (40_000 / (1.0 + (distance * 90.0) ** 2)).astype(int) + 10
        nobody = [0] * (last - first)
        columns = zip(
            strikes.tolist(),
            range(money - first, money - last, -1) if right is Right.CE else range(first - money, last - money),
            rupees(prices.last),
            rupees(prices.bid) if trading else nobody,
            rupees(prices.ask) if trading else nobody,
            rupees(span.open),
            rupees(span.high),
            rupees(span.low),
            rupees(span.previous_close),
            (lot * (crowd * max(t, 0) // 22_500)).tolist(),
            (lot * crowd).tolist(),
            strict=True,
        )
        return [
            {
                "symbol": f"{head}{strike}{tail}",
                "label": f"ITM{inward}" if inward > 0 else f"OTM{-inward}" if inward else "ATM",
                "ltp": ltp,
                "bid": bid,
                "ask": ask,
                "bid_qty": 0,
                "ask_qty": 0,
                "open": opened,
                "high": high,
                "low": low,
                "prev_close": before,
                "volume": traded,
                "oi": oi,
                "lotsize": lot,
                "tick_size": tick,
            }
            for strike, inward, ltp, bid, ask, opened, high, low, before, traded, oi in columns
        ]

    def optionsymbol(self, body: dict[str, Any]) -> Answer:
        """Resolve an offset from the money to a listed symbol."""
        try:
            index, expiry = self._underlying(body)
        except _Refused as refused:
            return refused.answer
        market, spec = self.exchange.market, self.exchange.day.specs[index]
        strikes = market.strikes(index)
        spot = market.spot(index, self.t)
        right = Right(body["option_type"].upper())
        offset = body["offset"]
        steps = 0 if offset == "ATM" else int(offset[3:]) * (1 if offset.startswith("OTM") else -1)
        column = int(abs(strikes - spot).argmin()) + steps * (1 if right is Right.CE else -1)
        if not 0 <= column < len(strikes):
            return 404, {"status": "error", "message": "No valid option symbols found for the given parameters"}
        contract = Contract(index, expiry, Decimal(int(strikes[column])), right)
        return 200, {
            "status": "success",
            "symbol": format_symbol(contract),
            "exchange": contract.exchange.value,
            "lotsize": spec.lot,
            "tick_size": float(spec.tick),
            "freeze_qty": self._freeze(contract),
            "underlying_ltp": spot,
        }

    def _freeze(self, contract: Contract) -> int:
        """Return the freeze quantity as the server shows it: 1 (not configured) for everything on BFO."""
        return self.exchange.day.specs[contract.index].freeze_quantity if contract.exchange.value == "NFO" else 1

    def symbol(self, body: dict[str, Any]) -> Answer:
        """Return the master-contract row of an index or an option."""
        name, exchange = body["symbol"], body["exchange"]
        index = self.index(name, exchange)
        contract = self.option(name, exchange)
        if index is None and contract is None:
            return error(404, f"Symbol {name} not found in exchange {exchange}")
        row: dict[str, Any] = {
            "brexchange": exchange.removesuffix("_INDEX"),
            "brsymbol": name,
            "exchange": exchange,
            "expiry": "",
            "freeze_qty": 1,
            "id": 1,
            "instrumenttype": "INDEX",
            "lotsize": 1,
            "name": name,
            "strike": 0.0,
            "symbol": name,
            "tick_size": 0.05,
            "token": "10000::::10000",
        }
        if contract is not None:
            spec = self.exchange.day.specs[contract.index]
            text = format_expiry(contract.expiry)
            number = contract.expiry.toordinal() % 1000 * 1000 + self.exchange.market.column(contract) * 2
            number += contract.right is Right.PE
            row |= {
                "expiry": f"{text[:2]}-{text[2:5]}-{text[5:]}",
                "freeze_qty": self._freeze(contract),
                "id": number,
                "instrumenttype": contract.right.value,
                "lotsize": spec.lot,
                "name": contract.index.value,
                "strike": float(contract.strike),
                "tick_size": float(spec.tick),
                "token": f"{number}::::{number}",
            }
        return ok(data=row)

    def expiry(self, body: dict[str, Any]) -> Answer:
        """Return the listed expiries as DD-MMM-YY; none for what is unknown, which is still a success."""
        name, exchange, kind = body["symbol"], body["exchange"], body["instrumenttype"]
        index = next(
            (i for i in self.exchange.day.specs if i.value == name and OPTION_EXCHANGE[i].value == exchange), None
        )
        dates = self._expiries(index) if index and kind == "options" else ()
        if not dates:
            return ok(data=[], message=f"No expiry dates found for {name} {kind} in {exchange}")
        texts = [format_expiry(d) for d in dates]
        data = [f"{t[:2]}-{t[2:5]}-{t[5:]}" for t in texts]
        return ok(data=data, message=f"Found {len(data)} expiry dates for {name} {kind} in {exchange}")

    # -- calendar ---------------------------------------------------------------------------------------------------

    def holidays(self, body: dict[str, Any]) -> Answer:
        """Return the trading holidays of a year; an empty list means unknown."""
        year = body["year"] or self.exchange.day.date.year
        rows = [
            {
                "closed_exchanges": ["NSE", "BSE", "NFO", "BFO", "CDS", "BCD"],
                "date": day.isoformat(),
                "description": text,
                "holiday_type": "TRADING_HOLIDAY",
                "open_exchanges": [],
            }
            for day, text in self.exchange.day.holidays
            if day.year == year
        ]
        return ok(data=rows, timezone="Asia/Kolkata", year=year)

    def timings(self, body: dict[str, Any]) -> Answer:
        """Return the sessions of a date in epoch milliseconds; an exchange that is absent is closed."""
        try:
            day = date.fromisoformat(body["date"])
        except ValueError:
            return error(400, "Invalid date format. Use YYYY-MM-DD")
        closed = {holiday for holiday, _ in self.exchange.day.holidays}
        if day.weekday() >= 5 or day in closed:
            return ok(data=[])
        rules = self.exchange.day

        def row(name: str, closes: time) -> dict[str, Any]:
            starts, ends = (int(datetime.combine(day, at, IST).timestamp() * 1000) for at in (rules.opens, closes))
            return {"end_time": ends, "exchange": name, "start_time": starts}

        options = [row(name, rules.closes) for name in ("NFO", "BFO")]
        return ok(data=[row("NSE", rules.index_closes), row("BSE", rules.index_closes), *options])
