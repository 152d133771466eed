"""Contract views: the master contract's rows, expiries, and the calendar, in the recorded shapes."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import Any

from hedging.brokers.openalgo.symbols import format_expiry
from hedging.domain.instruments import OPTION_EXCHANGE, Right
from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, Desk, error, ok
from hedging.simulator.exchange import Exchange


class ContractViews(Desk):
    """What is listed at one exchange, and when it trades."""

    def __init__(self, *, exchange: Exchange) -> None:
        super().__init__(exchange=exchange)
        self.endpoints = {
            "symbol": self.symbol,
            "expiry": self.expiry,
            "market/holidays": self.holidays,
            "market/timings": self.timings,
        }

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
                "freeze_qty": self.freeze(contract),
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
        dates = self.expiries(index) if index and kind == "options" else ()
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
