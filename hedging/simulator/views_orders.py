"""Order views: the books of orders and trades, and the commands that place, modify and cancel (Zerodha's as recorded)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hedging.domain.instruments import Contract, Product, Side
from hedging.simulator.day import IST
from hedging.simulator.desk import Answer, Desk, error, ok
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import TWISTS
from hedging.simulator.orders import LIVE, Order, OrderRefused, Origin, PriceType, Status, Ticket
from hedging.simulator.profiles import DEFAULT, Profile, protected_ticks
from hedging.simulator.twists import Later, later, twist_cancelled, twist_placed

_FIRST_IN_TRANSIT = "cannot access local variable 'order_status' where it is not associated with a value"

Record = Callable[[str, dict[str, Any], str], None]


class OrderViews(Desk):
    """Orders and trades. `record` is called with each accepted command before its answer leaves."""

    def __init__(self, *, exchange: Exchange, record: Record, profile: Profile = DEFAULT) -> None:
        super().__init__(exchange=exchange)
        self.profile = profile
        self.lag_us = 0
        self.leak_us: int | None = None
        self._record = record
        self.endpoints = {
            "orderbook": self.orderbook,
            "tradebook": self.tradebook,
            "orderstatus": self.orderstatus,
            "placeorder": self.placeorder,
            "modifyorder": self.modifyorder,
            "cancelorder": self.cancelorder,
        }

    # -- books --------------------------------------------------------------------------------------------------------

    def _row(self, order: Order) -> dict[str, Any]:
        contract = order.ticket.contract
        row: dict[str, Any] = {
            "action": order.ticket.side.value,
            "exchange": contract.exchange.value,
            "order_status": self.profile.words.of(order),
            "orderid": self.profile.order_id(order.order_id),
            "price": self.price(contract, order.price),
            "pricetype": order.ticket.kind.value,
            "product": order.ticket.product.value,
            "quantity": order.quantity,
            "symbol": None if self.master_gap else order.ticket.symbol,
            "timestamp": self.exchange.moment(order.placed_us).astimezone(IST).strftime(self.profile.order_time),
            "trigger_price": self.price(contract, order.trigger),
        }
        if self.profile.shows_filled:
            row |= {"filled_quantity": order.filled, "pending_quantity": order.remaining}
        return row

    def _rows(self) -> list[dict[str, Any]] | None:
        """Return the rows; with leaking statuses, one in transit has the status of the row before (`None`: it is the first)."""
        rows = [self._row(order) for order in self.exchange.orders.values()]
        if self.leak_us is not None:
            for n, order in enumerate(self.exchange.orders.values()):
                young = self.exchange.us - order.placed_us < self.leak_us
                if young or (order.status in LIVE and not order.arrived):
                    if n == 0:
                        return None
                    rows[n]["order_status"] = rows[n - 1]["order_status"]
        return rows

    def orderbook(self, _: dict[str, Any]) -> Answer:
        """Return the day's orders, oldest first: no strategy, no filled quantity, no reason."""
        orders = self.exchange.orders.values()
        rows = self._rows()
        if rows is None:
            return error(500, _FIRST_IN_TRANSIT)
        states = [order.status for order in orders]
        sides = [order.ticket.side for order in orders]
        return ok(
            data={
                "orders": rows,
                "statistics": {
                    "total_buy_orders": sides.count(Side.BUY),
                    "total_completed_orders": states.count(Status.COMPLETE),
                    "total_open_orders": states.count(Status.OPEN),
                    "total_rejected_orders": states.count(Status.REJECTED),
                    "total_sell_orders": sides.count(Side.SELL),
                },
            }
        )

    def tradebook(self, _: dict[str, Any]) -> Answer:
        """Return one row for each fill, with the time of day only and no trade id."""
        rows = []
        for trade in self.exchange.trades:
            if self.exchange.us - trade.at_us < self.lag_us:
                continue
            contract = trade.ticket.contract
            price = self.price(contract, trade.price)
            rows.append(
                {
                    "action": trade.ticket.side.value,
                    "average_price": price,
                    "exchange": contract.exchange.value,
                    "orderid": self.profile.order_id(trade.order_id),
                    "product": trade.ticket.product.value,
                    "quantity": trade.units,
                    "symbol": None if self.master_gap else trade.ticket.symbol,
                    "timestamp": self.exchange.moment(trade.at_us).astimezone(IST).strftime("%H:%M:%S"),
                    "trade_value": round(price * trade.units, 2),
                }
            )
        return ok(data=rows)

    def orderstatus(self, body: dict[str, Any]) -> Answer:
        """Return one order; `average_price` is its first trade's price, and only once it is complete."""
        order = self.exchange.orders.get(body["orderid"])
        if order is None:
            return error(404, f"Order {body['orderid']} not found")
        rows = self._rows() if self.leak_us is not None else [self._row(order)]
        if rows is None:
            return error(500, _FIRST_IN_TRANSIT)
        row = rows[list(self.exchange.orders).index(order.order_id)] if len(rows) > 1 else rows[0]
        complete = row["order_status"] == Status.COMPLETE.value and order.trades
        complete = complete and self.exchange.us - order.trades[0].at_us >= self.lag_us
        row["average_price"] = self.price(order.ticket.contract, order.trades[0].price) if complete else 0.0
        return ok(data=dict(sorted(row.items())))

    # -- commands -----------------------------------------------------------------------------------------------------

    def replay(self, kind: str, body: dict[str, Any]) -> str:
        """Apply a recorded command again; return the order id that it concerned, or the refusal's words."""
        handlers = {
            "place": self.placeorder,
            "modify": self.modifyorder,
            "cancel": self.cancelorder,
            "human": self.by_hand,
        }
        try:
            _, answer = handlers[kind](body)
        except Later:
            return ""
        return str(answer.get("orderid", answer.get("message", "")))

    def _to_ticks(self, contract: Contract, price: float) -> int:
        tick = self.exchange.day.specs[contract.index].tick
        ticks = Decimal(repr(round(price, 6))) / tick
        if ticks % 1:
            message = (
                f"Tick size for this script is {tick}. Kindly enter price in the multiple of tick size for this script."
            )
            raise OrderRefused(message)
        return int(ticks)

    def placeorder(self, body: dict[str, Any]) -> Answer:
        """Take an order: an id means acknowledged, not filled."""
        if "late" in body.get(TWISTS, {}):
            raise self._later("place", body, self.placeorder)
        return self._place(body, kind="place", origin=Origin.HTTP)

    def by_hand(self, body: dict[str, Any]) -> Answer:
        """Take an order that a person places at another terminal of the account."""
        return self._place(body, kind="human", origin=Origin.HUMAN)

    def _later(self, kind: str, body: dict[str, Any], handler: Callable[[dict[str, Any]], Answer]) -> Later:
        """Store a command that happens later, and let it happen without storing it again."""
        twists = dict(body[TWISTS])
        seconds = twists.pop("late")
        self._record(kind, {name: body[name] for name in body if name != "apikey"}, "")

        def happen() -> Answer:
            record, self._record = self._record, lambda *_: None
            try:
                return handler({**body, TWISTS: twists})
            finally:
                self._record = record

        return later(self.exchange, seconds=seconds, happen=happen)

    def _place(self, body: dict[str, Any], *, kind: str, origin: Origin) -> Answer:
        try:
            contract = self.option(body["symbol"], body["exchange"])
            if contract is None:
                return error(400, "The instrument you are placing an order for has either expired or does not exist.")
            if body["pricetype"] == "SL-M":
                return error(400, "SL-M orders are blocked for options. Use SL orders.")
            if body["product"] not in Product.__members__:
                return error(400, f"Product {body['product']} is not allowed for options.")
            side, price_type = Side(body["action"].upper()), PriceType(body["pricetype"])
            price = self._to_ticks(contract, body["price"])
            if self.profile.protects(price_type):
                last = self.exchange.market.ticks(contract, self.exchange.t)[0]
                price = protected_ticks(last=last, tick=self.exchange.day.specs[contract.index].tick, side=side)
                price_type = PriceType.LIMIT
            ticket = Ticket(
                contract=contract,
                symbol=body["symbol"],
                side=side,
                quantity=body["quantity"],
                product=Product(body["product"]),
                kind=price_type,
                price=price,
                trigger=self._to_ticks(contract, body["trigger_price"]),
                strategy=body["strategy"],
            )
            order = self.exchange.place(ticket, origin=origin)
        except OrderRefused as refused:
            return error(400, str(refused))
        twist_placed(self.exchange, order, body.get(TWISTS, {}))
        self._record(kind, {name: body[name] for name in body if name != "apikey"}, order.order_id)
        return ok(orderid=self.profile.order_id(order.order_id))

    def modifyorder(self, body: dict[str, Any]) -> Answer:
        """Change quantity and prices of a live order."""
        if "late" in body.get(TWISTS, {}):
            raise self._later("modify", body, self.modifyorder)
        try:
            order = self.exchange.orders.get(body["orderid"])
            if order is None:
                return error(400, "Couldn't find that `order_id`.")
            contract = order.ticket.contract
            self.exchange.modify(
                order.order_id,
                quantity=body["quantity"],
                price=self._to_ticks(contract, body["price"]),
                trigger=self._to_ticks(contract, body["trigger_price"]),
            )
        except OrderRefused as refused:
            return error(400, str(refused))
        self._record("modify", {name: body[name] for name in body if name != "apikey"}, order.order_id)
        return ok(orderid=self.profile.order_id(order.order_id))

    def cancelorder(self, body: dict[str, Any]) -> Answer:
        """Cancel a live order; at Zerodha every failure is a 500."""
        twists = body.get(TWISTS, {})
        if "late" in twists:
            raise self._later("cancel", body, self.cancelorder)
        try:
            twist_cancelled(self.exchange, self.exchange.cancel(body["orderid"]), twists)
        except OrderRefused as refused:
            return error(self.profile.cancel_error, f"Failed to cancel order: {refused}")
        self._record("cancel", {name: body[name] for name in body if name != "apikey"}, body["orderid"])
        return ok(orderid=self.profile.order_id(body["orderid"]))
