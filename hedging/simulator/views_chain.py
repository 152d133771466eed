"""Chain views: the option chain around the money, and offsets from the money, in the recorded shapes."""

from __future__ import annotations

from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import numpy as np

from hedging.brokers.openalgo.symbols import format_expiry, format_symbol
from hedging.domain.instruments import INDEX_EXCHANGE, OPTION_EXCHANGE, Contract, Index, Right
from hedging.simulator.chain_form import ChainForm
from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, Desk, not_found
from hedging.simulator.exchange import Exchange
from hedging.simulator.json_text import JsonText
from hedging.simulator.liquidity import open_interest, traded
from hedging.simulator.market import PRE_OPEN


class _Refused(Exception):
    """A chain or an offset that the server refuses."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer: Answer = (status, {"status": "error", "message": message})


class ChainViews(Desk):
    """Chains of one exchange."""

    def __init__(self, *, exchange: Exchange) -> None:
        super().__init__(exchange=exchange)
        self._forms: dict[tuple[Index, date, bool], ChainForm] = {}
        self.endpoints = {
            "optionchain": self.optionchain,
            "optionsymbol": self.optionsymbol,
        }

    def _underlying(self, body: dict[str, Any]) -> tuple[Index, date]:
        """Return the index and expiry that a chain or an offset is asked for; raise the server's refusal."""
        name, exchange, text = body["underlying"], body["exchange"], body["expiry_date"]
        index = next((i for i in self.exchange.day.specs if i.value == name), None)
        if index is None or exchange not in {OPTION_EXCHANGE[index].value, INDEX_EXCHANGE[OPTION_EXCHANGE[index]]}:
            asked = exchange if exchange.endswith("_INDEX") else "NSE_INDEX"
            raise _Refused(400, f"Failed to fetch LTP for {name}: {not_found(name, asked)}")
        listed = {format_expiry(expiry): expiry for expiry in self.expiries(index)}
        if text.upper() not in listed:
            message = (
                f"No strikes found for {name} expiring {text}. Please check expiry date or update master contract."
            )
            raise _Refused(404, message)
        if text not in listed:
            raise _Refused(404, "No valid option symbols found for the given parameters")
        return index, listed[text]

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
        rows = self._rows(index, expiry, first=first, last=last, money=money)
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

    def _rows(self, index: Index, expiry: date, *, first: int, last: int, money: int) -> JsonText:
        """Return the columns from `first` up to `last` (not included); `money` is the one at the money."""
        market, t = self.exchange.market, self.t
        span, prices = self.exchange.ranges.at(index, expiry, t), market.slice(index, expiry, t).both
        key = (index, expiry, t == PRE_OPEN)  # once the day has opened, open and previous close stay what they are
        form = self._forms.get(key)
        if form is None:
            spec, strikes = self.exchange.day.specs[index], market.strikes(index).tolist()
            form = self._forms[key] = ChainForm(spec=spec, expiry=expiry, strikes=strikes, span=span)
        held = open_interest(strikes=market.strikes(index)[first:last], spot=market.spot(index, t))
        return form.filled(
            first=first,
            last=last,
            money=money,
            prices=np.stack((prices.last, prices.bid, prices.ask, span.high, span.low))[:, :, first:last],
            trading=self.exchange.is_open,
            traded=traded(held, t),
            held=held,
        )

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
            "freeze_qty": self.freeze(contract),
            "underlying_ltp": spot,
        }
