"""Order checks: what the broker refuses at placement, and what the exchange rejects when the order arrives."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

from hedging.domain.instruments import Product, Side
from hedging.simulator.funds import blocked_book, funds_view, rupees
from hedging.simulator.orders import Order, OrderRefused, Origin, PriceType, Ticket
from hedging.simulator.rules import FarOtm

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange

SQUARE_OFF = time(15, 25)
_CLIENTS = frozenset({Origin.HTTP, Origin.HUMAN})


class Checks:
    """The checks of one exchange's orders. They change nothing."""

    def __init__(self, *, exchange: Exchange) -> None:
        self._exchange = exchange

    def placement(self, ticket: Ticket, *, origin: Origin) -> None:
        """Raise `OrderRefused` for what the broker does not even acknowledge; funds are looked at apart."""
        exchange = self._exchange
        spec = exchange.day.specs.get(ticket.contract.index)
        if spec is None or not exchange.market.is_listed(ticket.contract):
            raise OrderRefused("The instrument you are placing an order for has either expired or does not exist.")
        if ticket.quantity <= 0 or ticket.quantity % spec.lot:
            raise OrderRefused(f"Quantity should be a multiple of lot size {spec.lot}.")
        if ticket.kind is not PriceType.MARKET and ticket.price <= 0:
            raise OrderRefused("Price cannot be zero for LIMIT orders.")
        if ticket.kind is PriceType.SL and ticket.trigger <= 0:
            raise OrderRefused("Trigger price cannot be zero for SL orders.")
        if not exchange.is_open:
            raise OrderRefused("Markets are closed right now. Try placing an after-market order.")
        late = exchange.now >= exchange.day.moment(SQUARE_OFF)
        if late and ticket.product is Product.MIS and origin is not Origin.BROKER:
            raise OrderRefused("MIS orders are not taken after the square-off time.")
        if exchange.rules.far_otm is FarOtm.REFUSED and origin in _CLIENTS and (words := self._too_far_out(ticket)):
            raise OrderRefused(words)

    def funds(self, ticket: Ticket, *, quantity: int, replacing: Order | None, price: int = 0) -> None:
        """Refuse on the gross requirement: what SPAN and ELM grow by, without the order's premium credit, plus a buy's premium."""
        exchange, t = self._exchange, self._exchange.t
        others = [order for order in exchange.live_orders() if order is not replacing]
        book = blocked_book(exchange.account, others)
        key = (ticket.contract, ticket.product)
        after = dict(book)
        after[key] = after.get(key, 0) + ticket.side.sign * quantity
        required = rupees(exchange.risk.need(after, t).total - exchange.risk.need(book, t).total)
        if ticket.side is Side.BUY:
            ticks = price or ticket.price or exchange.market.ticks(ticket.contract, t)[2]
            required += exchange.market.price(ticket.contract.index, ticks) * quantity
        free = funds_view(account=exchange.account, live=others, risk=exchange.risk, t=t).free
        if required > 0 and required > free:
            message = f"Insufficient funds. Required margin is {required:.2f} but available margin is {free:.2f}."
            raise OrderRefused(message, margin=True)

    def arrival(self, order: Order) -> str:
        """Return why the exchange rejects an order that was acknowledged, or nothing."""
        exchange, ticket = self._exchange, order.ticket
        if order.quantity > exchange.day.specs[ticket.contract.index].freeze_quantity:
            return "Order quantity is above the freeze quantity of the exchange."
        if words := self.outside_band(ticket, price=order.price, trigger=order.trigger):
            return words
        late_rule = exchange.rules.far_otm is FarOtm.REJECTED and order.origin in _CLIENTS
        return self._too_far_out(ticket, but=order) if late_rule else ""

    def outside_band(self, ticket: Ticket, *, price: int, trigger: int) -> str:
        """Return the exchange's words for a limit (ticks) outside limit price protection, or nothing.

        The reference is the last price, and a stop order's trigger: that is where its limit will be sent.
        """
        market, index = self._exchange.market, ticket.contract.index
        last = trigger if ticket.kind is PriceType.SL else market.ticks(ticket.contract, self._exchange.t)[0]
        return self._exchange.rules.outside_band(price=market.price(index, price), last=market.price(index, last))

    def _too_far_out(self, ticket: Ticket, *, but: Order | None = None) -> str:
        exchange = self._exchange
        live = [order for order in exchange.live_orders() if order is not but]
        spot = exchange.market.spot(ticket.contract.index, exchange.t)
        return exchange.rules.too_far_out(ticket, spot=spot, positions=exchange.account.positions, live=live)
