"""Account views: what an account of the profile's broker behind OpenAlgo answers (Zerodha's as recorded)."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from hedging.domain.instruments import Product, Side
from hedging.simulator.desk import Answer, Desk, error, ok
from hedging.simulator.exchange import Basket, Exchange
from hedging.simulator.margin_calls import margin_answer
from hedging.simulator.profiles import DEFAULT, Profile


class AccountViews(Desk):
    """Funds, margin and positions."""

    def __init__(self, *, exchange: Exchange, broker: str, profile: Profile = DEFAULT) -> None:
        super().__init__(exchange=exchange)
        self.broker = broker
        self.profile = profile
        self.endpoints = {
            "ping": self.ping,
            "analyzer": self.analyzer,
            "funds": self.funds,
            "margin": self.margin,
            "positionbook": self.positionbook,
            "openposition": self.openposition,
        }

    def ping(self, _: dict[str, Any]) -> Answer:
        """Say who answers."""
        return ok(data={"broker": self.broker, "message": "pong"})

    def analyzer(self, _: dict[str, Any]) -> Answer:
        """Say that orders here are live orders (of this world)."""
        return ok(data={"analyze_mode": False, "mode": "live", "total_logs": 0})

    def funds(self, _: dict[str, Any]) -> Answer:
        """Return five strings; what `availablecash` means is the profile's (at Zerodha cash alone, whatever is used)."""
        f = self.exchange.funds()
        available = self.profile.funds.available(cash=f.cash, collateral=f.collateral, utilised=f.utilised)
        return ok(
            data={
                "availablecash": f"{available:.2f}",
                "collateral": f"{f.collateral:.2f}",
                "m2mrealized": f"{f.realized:.2f}",
                "m2munrealized": f"{f.unrealized:.2f}",
                "utiliseddebits": f"{f.utilised:.2f}",
            }
        )

    def margin(self, body: dict[str, Any]) -> Answer:
        """Margin of a basket in the profile's sense. Unknown symbols drop out."""
        call = self.profile.margin
        if call is None:
            return error(501, f"{self.profile.name.title()} does not support margin calculator API")
        legs: Basket = []
        for n, leg in enumerate(body["positions"], start=1):
            try:
                units = int(leg["quantity"])
                price = Decimal(leg["price"])
            except (ValueError, InvalidOperation):
                return error(400, f"Position {n}: Invalid quantity format")
            if units <= 0:
                return error(400, f"Position {n}: Quantity must be a positive number")
            contract = self.option(leg["symbol"], leg["exchange"])
            if contract is None or leg["product"] not in Product.__members__:
                continue
            side = Side(leg["action"].upper())
            if price <= 0 or leg["pricetype"] == "MARKET":
                last, bid, ask = self.exchange.market.ticks(contract, self.exchange.t)
                touch = (ask if side is Side.BUY else bid) or last
                price = self.exchange.market.price(contract.index, touch)
            legs.append((contract, Product(leg["product"]), side.sign * units, price))
        if not legs:
            return error(400, "No valid positions to calculate margin. Check if symbols are valid.")
        total, span, elm = margin_answer(self.exchange, call, legs)
        return ok(
            data={"exposure_margin": float(elm), "span_margin": float(span), "total_margin_required": float(total)},
        )

    def positionbook(self, _: dict[str, Any]) -> Answer:
        """Return today's positions; closed ones stay with quantity 0 and average "0.00", after the open ones."""
        rows = []
        positions = self.exchange.shown.positions.positions.values()
        for position in sorted(positions, key=lambda p: p.quantity == 0):
            contract = position.contract
            last = self.price(contract, self.exchange.market.ticks(contract, self.exchange.t)[0])
            pnl = position.realized + (Decimal(str(last)) - position.average) * position.quantity
            row: dict[str, Any] = {
                "average_price": f"{position.average:.2f}" if self.profile.text_averages else _paise(position.average),
                "exchange": contract.exchange.value,
                "ltp": last,
                "pnl": round(float(pnl), 2),
                "product": position.product.value,
                "quantity": str(position.quantity) if self.profile.text_quantities else position.quantity,
                "symbol": None if self.master_gap else position.symbol,
            }
            if not self.profile.shows_ltp:
                del row["ltp"], row["pnl"]
            rows.append(row)
        return ok(data=rows)

    def openposition(self, body: dict[str, Any]) -> Answer:
        """Return one position's quantity; 0 also for a symbol that nobody knows."""
        for position in self.exchange.shown.positions.positions.values():
            asked = (body["symbol"], body["exchange"], body["product"])
            if asked == (position.symbol, position.contract.exchange.value, position.product.value):
                return ok(quantity=str(position.quantity) if self.profile.text_quantities else position.quantity)
        return ok(quantity=0)


def _paise(value: Decimal) -> float:
    return round(float(value), 2)
