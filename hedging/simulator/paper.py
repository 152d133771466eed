"""The analyzer's sandbox: paper orders with rows of their own, beside the account. No SPAN, no hedge benefit, no partial fills.

Orders fill whole: a marketable one at once at the touch, a resting one at its limit when the last price is seen there. A
short blocks its premium alone. It is kept in memory: the analyzer is a switch of a running server, not a part of its day.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from hedging.domain.instruments import Contract, Side
from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, Desk
from hedging.simulator.exchange import Exchange

_START_CASH = 10_000_000.0


@dataclass(slots=True)
class _Paper:
    """One paper order; prices in rupees."""

    order_id: str
    contract: Contract
    body: dict[str, Any]
    side: Side
    at: str
    price: float
    status: str = "open"
    average: float = 0.0

    @property
    def quantity(self) -> int:
        return int(self.body["quantity"])


@dataclass(slots=True)
class _Held:
    contract: Contract
    product: str
    quantity: int = 0
    average: float = 0.0
    realized: float = 0.0

    def trade(self, signed: int, price: float) -> None:
        closing = min(abs(signed), abs(self.quantity)) if signed * self.quantity < 0 else 0
        self.realized += (price - self.average) * closing * (1 if self.quantity > 0 else -1)
        opening = abs(signed) - closing
        if opening:
            kept = abs(self.quantity) - closing
            self.average = (self.average * kept + price * opening) / (kept + opening)
        self.quantity += signed
        if not self.quantity:
            self.average = 0.0


class PaperDesk(Desk):
    """The sandbox's account. `answer` is `None` for endpoints that stay with the live broker."""

    def __init__(self, *, exchange: Exchange) -> None:
        super().__init__(exchange=exchange)
        self._orders: dict[str, _Paper] = {}
        self._held: dict[tuple[str, str], _Held] = {}
        self._endpoints: dict[str, Callable[[dict[str, Any]], Answer]] = {
            "analyzer": self._analyzer,
            "funds": self._funds,
            "orderbook": self._orderbook,
            "tradebook": self._tradebook,
            "positionbook": self._positionbook,
            "openposition": self._openposition,
            "orderstatus": self._orderstatus,
            "placeorder": self._placeorder,
            "modifyorder": self._modifyorder,
            "cancelorder": self._cancelorder,
        }

    def answer(self, endpoint: str, body: dict[str, Any]) -> Answer | None:
        """Return the sandbox's answer, with `mode`, or `None` when the live broker answers."""
        handler = self._endpoints.get(endpoint)
        if handler is None:
            return None
        self._look()
        status, answer = handler(body)
        return status, answer if endpoint == "analyzer" else {**answer, "mode": "analyze"}

    def _last(self, contract: Contract) -> float:
        return self.price(contract, self.exchange.market.ticks(contract, self.exchange.t)[0])

    def _look(self) -> None:
        """Fill resting orders that the last price has reached."""
        for order in self._orders.values():
            if order.status == "open" and self.exchange.is_open:
                last = self._last(order.contract)
                if last <= order.price if order.side is Side.BUY else last >= order.price:
                    self._fill(order, order.price)

    def _fill(self, order: _Paper, price: float) -> None:
        order.status, order.average = "complete", price
        key = (order.body["symbol"], order.body["product"])
        held = self._held.setdefault(key, _Held(order.contract, order.body["product"]))
        held.trade(order.side.sign * order.quantity, price)

    def _blocked(self) -> float:
        held = sum(abs(h.quantity) * h.average for h in self._held.values())
        resting = sum(order.quantity * order.price for order in self._orders.values() if order.status == "open")
        return held + resting

    # -- reads ------------------------------------------------------------------------------------------------------

    def _analyzer(self, _: dict[str, Any]) -> Answer:
        data = {"analyze_mode": True, "mode": "analyze", "total_logs": len(self._orders)}
        return 200, {"data": data, "status": "success"}

    def _funds(self, _: dict[str, Any]) -> Answer:
        blocked = round(self._blocked(), 2)
        realized = round(sum(h.realized for h in self._held.values()), 2)
        unrealized = round(sum((self._last(h.contract) - h.average) * h.quantity for h in self._held.values()), 2)
        data = {
            "availablecash": round(_START_CASH - blocked + realized, 2),
            "collateral": 0.0,
            "grossexposure": blocked,
            "last_reset": self._stamp(),
            "m2mrealized": realized,
            "m2munrealized": unrealized,
            "reset_count": 0,
            "today_realized_pnl": realized,
            "total_realized_pnl": realized,
            "totalpnl": round(realized + unrealized, 2),
            "utiliseddebits": blocked,
        }
        return 200, {"data": data, "status": "success"}

    def _stamp(self) -> str:
        return self.exchange.now.astimezone(IST).strftime("%Y-%m-%d %H:%M:%S")

    def _row(self, order: _Paper) -> dict[str, Any]:
        filled = order.quantity if order.status == "complete" else 0
        return {
            "action": order.side.value,
            "average_price": order.average,
            "exchange": order.contract.exchange.value,
            "filled_quantity": filled,
            "order_status": order.status,
            "orderid": order.order_id,
            "pending_quantity": order.quantity - filled,
            "price": order.price,
            "pricetype": order.body["pricetype"],
            "product": order.body["product"],
            "quantity": order.quantity,
            "rejection_reason": "",
            "strategy": order.body["strategy"],
            "symbol": order.body["symbol"],
            "timestamp": order.at,
            "trigger_price": float(order.body["trigger_price"]),
        }

    def _orderbook(self, _: dict[str, Any]) -> Answer:
        rows = [self._row(order) for order in reversed(self._orders.values())]
        statistics = {
            "total_buy_orders": sum(row["action"] == "BUY" for row in rows),
            "total_completed_orders": sum(row["order_status"] == "complete" for row in rows),
            "total_open_orders": sum(row["order_status"] == "open" for row in rows),
            "total_rejected_orders": 0,
            "total_sell_orders": sum(row["action"] == "SELL" for row in rows),
            "total_trigger_pending_orders": sum(row["order_status"] == "trigger pending" for row in rows),
        }
        return 200, {"data": {"orders": rows, "statistics": statistics}, "status": "success"}

    def _tradebook(self, _: dict[str, Any]) -> Answer:
        rows = [
            {
                "action": order.side.value,
                "average_price": order.average,
                "exchange": order.contract.exchange.value,
                "orderid": order.order_id,
                "price": order.average,
                "product": order.body["product"],
                "quantity": order.quantity,
                "strategy": order.body["strategy"],
                "symbol": order.body["symbol"],
                "timestamp": order.at,
                "trade_value": round(order.average * order.quantity, 2),
                "tradeid": f"TRADE-{order.order_id}",
            }
            for order in reversed(self._orders.values())
            if order.status == "complete"
        ]
        return 200, {"data": rows, "status": "success"}

    def _positionbook(self, _: dict[str, Any]) -> Answer:
        rows, today = [], 0.0
        for (symbol, product), held in self._held.items():
            last = self._last(held.contract)
            open_result = round((last - held.average) * held.quantity, 2)
            result = round(open_result + held.realized, 2)
            today += result
            rows.append(
                {
                    "average_price": round(held.average, 2),
                    "exchange": held.contract.exchange.value,
                    "lot_size": 1.0,
                    "ltp": last,
                    "pnl": result,
                    "pnlpercent": (last / held.average - 1.0) * 100.0 if held.average else 0.0,
                    "product": product,
                    "quantity": held.quantity,
                    "symbol": symbol,
                    "today_realized_pnl": round(held.realized, 2),
                    "total_pnl_today": result,
                    "unrealized_pnl": open_result,
                }
            )
        realized = round(sum(h.realized for h in self._held.values()), 2)
        return 200, {
            "data": rows,
            "status": "success",
            "total_pnl": round(today, 2),
            "total_pnl_today": round(today, 2),
            "total_today_realized_pnl": realized,
            "total_unrealized_pnl": round(today - realized, 2),
        }

    def _openposition(self, body: dict[str, Any]) -> Answer:
        held = self._held.get((body["symbol"], body["product"]))
        return 200, {"quantity": held.quantity if held else 0, "status": "success"}

    def _orderstatus(self, body: dict[str, Any]) -> Answer:
        order = self._orders.get(body["orderid"])
        if order is None:
            return _refused(404, f"Order {body['orderid']} not found")
        row = self._row(order)
        row["price_type"] = row.pop("pricetype")
        del row["rejection_reason"]
        return 200, {"data": row, "status": "success"}

    # -- orders -----------------------------------------------------------------------------------------------------

    def _placeorder(self, body: dict[str, Any]) -> Answer:
        contract = self.option(body["symbol"], body["exchange"])
        if contract is None:
            return _refused(400, f"Symbol {body['symbol']} not found on {body['exchange']}")
        lot = self.exchange.day.specs[contract.index].lot
        if body["quantity"] % lot:
            return _refused(400, f"Quantity must be in multiples of lot size {lot}")
        if body["product"] == "CNC":
            words = "product not allowed for NFO derivatives segment. Use NRML for carryforward or MIS for intraday."
            return _refused(400, f"CNC {words}")
        market = body["pricetype"] == "MARKET"
        if not market and body["price"] <= 0:
            return _refused(400, f"{body['pricetype']} orders require price")
        side = Side(body["action"].upper())
        last, bid, ask = (self.price(contract, n) for n in self.exchange.market.ticks(contract, self.exchange.t))
        price = last if market else float(body["price"])
        required = round(price * body["quantity"], 2)
        free = round(_START_CASH - self._blocked() + sum(h.realized for h in self._held.values()), 2)
        if required > free:
            short = f"{Decimal(str(required)) - Decimal(str(free)):.2f}"
            return _refused(
                400, f"Insufficient funds. Required: ₹{required}, Available: ₹{free:.2f}, Shortage: ₹{short}"
            )
        order_id = f"{self.exchange.day.date:%y%m%d}{len(self._orders) + 1:08d}"
        order = _Paper(order_id, contract, dict(body), side, self._stamp(), price)
        self._orders[order_id] = order
        if market:
            self._fill(order, (ask if side is Side.BUY else bid) or last)
        elif body["pricetype"] != "LIMIT":
            order.status = "trigger pending"
        elif last <= price if side is Side.BUY else last >= price:
            self._fill(order, last)
        return 200, {"orderid": order_id, "status": "success"}

    def _modifyorder(self, body: dict[str, Any]) -> Answer:
        return self._change(body, "modify", "modified")

    def _cancelorder(self, body: dict[str, Any]) -> Answer:
        return self._change(body, "cancel", "cancelled")

    def _change(self, body: dict[str, Any], verb: str, done: str) -> Answer:
        order = self._orders.get(body["orderid"])
        if order is None:
            return _refused(404, f"Order {body['orderid']} not found")
        if order.status not in {"open", "trigger pending"}:
            return _refused(400, f"Cannot {verb} order in {order.status} status")
        if verb == "cancel":
            order.status = "cancelled"
        else:
            order.price = float(body["price"])
            order.body |= {"quantity": body["quantity"], "trigger_price": body["trigger_price"]}
        return 200, {"message": f"Order {done} successfully", "orderid": order.order_id, "status": "success"}


def _refused(status: int, message: str) -> Answer:
    return status, {"message": message, "status": "error"}
