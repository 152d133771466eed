"""What faults do to orders, in market time: late acceptance, partial fills, a person's equal order, a fill after the cancel."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hedging.simulator.desk import Answer
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import SECOND, Order, OrderRefused, Origin, Status


class Later(Exception):
    """The command happens at a later market time; `outcome` holds its answer once it has happened."""

    def __init__(self) -> None:
        super().__init__("later")
        self.outcome: list[Answer] = []


def later(exchange: Exchange, *, seconds: float, happen: Callable[[], Answer]) -> Later:
    """Let a command happen after some market seconds; return the holder of its answer."""
    waiting = Later()
    exchange.at(exchange.us + int(seconds * SECOND), lambda: waiting.outcome.append(happen()))
    return waiting


def twist_placed(exchange: Exchange, order: Order, twists: Mapping[str, float]) -> None:
    """Apply the faults of a placement to its order."""
    if "partial" in twists:
        lot = exchange.day.specs[order.ticket.contract.index].lot
        order.fill_limit = max(1, int(order.quantity // lot * twists["partial"])) * lot
    if "human" in twists:
        exchange.at(exchange.us + int(twists["human"] * SECOND), lambda: _same_by_hand(exchange, order))


def twist_cancelled(exchange: Exchange, order: Order, twists: Mapping[str, float]) -> None:
    """Apply the faults of a cancel to its order."""
    if "late_fill" in twists:
        exchange.at(exchange.us + int(twists["late_fill"] * SECOND), lambda: _fill_cancelled(exchange, order))


def _same_by_hand(exchange: Exchange, order: Order) -> None:
    ticket = replace(order.ticket, strategy="by hand")
    try:
        exchange.place(ticket, origin=Origin.HUMAN)
    except OrderRefused:
        return  # the person has no funds left: nothing to confuse with


def _fill_cancelled(exchange: Exchange, order: Order) -> None:
    if order.status is Status.CANCELLED and exchange.is_open:
        exchange.execution.fill_in_full(order)
