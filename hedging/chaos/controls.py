"""Controls: three ways to send an order that look prudent and must fail, or the zeros of the protocol would mean nothing.

They are production's sender up to the POST. They differ in what they do when the reply says nothing: they send again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

from hedging.brokers.base import Broker, BrokerError, CancelReply, OrderRequest, PlaceReply, ReplyClass
from hedging.chaos.gateway import Gateway
from hedging.chaos.world import Sender
from hedging.domain.lifecycle import OrderStatus
from hedging.engine.execution import send_order
from hedging.engine.ports import Ports

_AMBIGUOUS = {ReplyClass.UNKNOWN}


class _Insistent:
    """A broker that asks a rule what to do about an unclear reply, before the protocol hears of it."""

    paper = False

    def __init__(self, gateway: Gateway, again: Callable[[Gateway, OrderRequest, frozenset[str]], PlaceReply]) -> None:
        self._gateway = gateway
        self._again = again

    def place(self, request: OrderRequest) -> PlaceReply:
        """Send, and send again where the rule says so."""
        before = frozenset(order.order_id for order in self._gateway.orders)
        reply = self._gateway.place(request)
        return self._again(self._gateway, request, before) if reply.outcome in _AMBIGUOUS else reply

    def cancel(self, order_id: str) -> CancelReply:
        """Ask for a cancel, as production does."""
        return self._gateway.cancel(order_id)

    def __getattr__(self, name: str) -> object:
        return getattr(self._gateway, name)


def _three_times(gateway: Gateway, request: OrderRequest, _: frozenset[str]) -> PlaceReply:
    reply = PlaceReply(ReplyClass.UNKNOWN)
    for _attempt in range(3):
        reply = gateway.place(request)
        if reply.outcome not in _AMBIGUOUS:
            break
    return reply


def _look_once(gateway: Gateway, request: OrderRequest, before: frozenset[str], *, wait: float = 0.0) -> PlaceReply:
    gateway.kernel.pause(wait, "waiting before another look")
    try:
        rows = gateway.order_book().rows
    except BrokerError:
        return PlaceReply(ReplyClass.UNKNOWN)
    found = [
        row.order_id
        for row in rows
        if row.order_id not in before and (row.contract, row.price) == (request.contract, request.limit_price)
    ]
    return PlaceReply(ReplyClass.ACKED, found[0]) if found else gateway.place(request)


@dataclass(frozen=True, slots=True)
class Control:
    """A control: what it does, the share of schedules that it must breach at least, and its sender."""

    words: str
    must_breach: float
    send: Sender


def _sender(again: Callable[[Gateway, OrderRequest, frozenset[str]], PlaceReply]) -> Sender:
    def send(*, order_id: int, ports: Ports) -> OrderStatus:
        if not isinstance(ports.broker, Gateway):
            raise TypeError("a control runs over the simulated gateway only")
        insistent = _Insistent(ports.broker, again)
        return send_order(order_id=order_id, ports=replace(ports, broker=cast("Broker", insistent)))

    return send


CONTROLS: Mapping[str, Control] = {
    "retry_three_times": Control("send again, up to three times, until there is an answer", 0.5, _sender(_three_times)),
    "look_once_then_retry": Control("look at the order book once, then send again", 0.5, _sender(_look_once)),
    "quarantine_60_s": Control(
        "wait 60 s, look at the order book, then send again", 0.01, _sender(partial(_look_once, wait=60.0))
    ),
}
