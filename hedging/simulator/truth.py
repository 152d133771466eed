"""Ground truth: what really happened, whatever a client believes. Utilization is looked at second by second, afterwards."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np

from hedging.domain.instruments import Side
from hedging.simulator.day import IST
from hedging.simulator.funds import filled_book
from hedging.simulator.orders import Order, Origin, Trade

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange

TRIGGER_PCT = 95.0
_CHUNK = 2_048
_PAISA = Decimal("0.01")


@dataclass(slots=True)
class Flow:
    """Money of one strategy's orders: premium paid and received, charges, counts."""

    orders: int = 0
    trades: int = 0
    bought_orders: int = 0
    sold_orders: int = 0
    spend: Decimal = Decimal(0)
    recovery: Decimal = Decimal(0)
    charges: Decimal = Decimal(0)

    def as_json(self) -> dict[str, Any]:
        """Return the flow with rupees as floats."""
        return {
            "orders": self.orders,
            "trades": self.trades,
            "bought_orders": self.bought_orders,
            "sold_orders": self.sold_orders,
            "spend": float(self.spend.quantize(_PAISA)),
            "recovery": float(self.recovery.quantize(_PAISA)),
            "charges": float(self.charges.quantize(_PAISA)),
        }


class Truth:
    """The recorder of one day. It is told before the book changes and after every trade and order."""

    def __init__(self, *, exchange: Exchange) -> None:
        self._exchange = exchange
        self._sampled = -1
        self._run = 0
        self.peak = 0.0
        self.peak_us = 0
        self.breaches = 0
        self.seconds_above = 0
        self.flows: dict[tuple[Origin, str], Flow] = defaultdict(Flow)

    def utilised(self) -> float:
        """Return what the filled book uses now, in rupees: SPAN + ELM + net premium."""
        exchange = self._exchange
        need = exchange.risk.need(filled_book(exchange.account), exchange.t).total
        return need + float(exchange.account.premium_paid)

    def before_change(self) -> None:
        """Look at every grid second that passed with the book as it still is."""
        exchange = self._exchange
        until = min(exchange.us // 1_000_000, exchange.market.grid_seconds - 1)
        book = filled_book(exchange.account)
        cash, premium = float(exchange.account.cash), float(exchange.account.premium_paid)
        while self._sampled < until:
            first = self._sampled + 1
            seconds = np.arange(first, min(until, first + _CHUNK - 1) + 1)
            used = (exchange.risk.need_path(book, seconds) + premium) / cash * 100.0
            highest = int(np.argmax(used))
            self._note(float(used[highest]), int(seconds[highest]) * 1_000_000)
            above = used > TRIGGER_PCT
            self.seconds_above += int(above.sum())
            if above.any() or self._run:
                for flag in above:
                    # A breach is one that lasted: seen at two grid seconds in a row.
                    self._run = self._run + 1 if flag else 0
                    self.breaches += self._run == 2
            self._sampled = int(seconds[-1])

    def _note(self, utilization: float, us: int) -> None:
        if utilization > self.peak:
            self.peak, self.peak_us = utilization, us

    def traded(self, trade: Trade, *, price: Decimal, charge: Decimal) -> None:
        """Count one trade."""
        flow = self.flows[(trade.origin, trade.ticket.strategy)]
        flow.trades += 1
        flow.charges += charge
        if trade.ticket.side is Side.BUY:
            flow.spend += price * trade.units
        else:
            flow.recovery += price * trade.units

    def after_order(self, order: Order) -> None:
        """Count a completed order and look at the utilization that it left."""
        flow = self.flows[(order.origin, order.ticket.strategy)]
        flow.orders += 1
        if order.ticket.side is Side.BUY:
            flow.bought_orders += 1
        else:
            flow.sold_orders += 1
        self._note(self.utilised() / float(self._exchange.account.cash) * 100.0, self._exchange.us)

    def _flow_of(self, origins: set[Origin]) -> Flow:
        total = Flow()
        for (origin, _), flow in self.flows.items():
            if origin in origins:
                for name in ("orders", "trades", "bought_orders", "sold_orders", "spend", "recovery", "charges"):
                    setattr(total, name, getattr(total, name) + getattr(flow, name))
        return total

    def report(self) -> dict[str, Any]:
        """Return everything as JSON-able values; rupees as floats, times IST."""
        self.before_change()
        exchange = self._exchange
        account, strategist = exchange.account, exchange.strategist
        http = {name: flow for (origin, name), flow in self.flows.items() if origin is Origin.HTTP}
        refusals = strategist.refusals
        final = account.cash - account.premium_paid - account.charges
        return {
            "date": exchange.day.date.isoformat(),
            "seed": exchange.seed,
            "family": exchange.market.family.value,
            "gap_pct": {index.value: round(path.gap_pct, 2) for index, path in exchange.market.paths.items()},
            "now": exchange.now.isoformat(),
            "settled": exchange.settled,
            "entries_scheduled": len(exchange.day.entries),
            "entries_made": strategist.entries_made,
            "entries_refused": sum(1 for refusal in refusals if refusal["preventable"]),
            "entries_unavoidably_refused": sum(1 for refusal in refusals if refusal["preventable"] is False),
            "entries_failed": strategist.entries_failed,
            "refusals": refusals,
            "entries": strategist.jumps,
            "stops_hit": strategist.stops_hit,
            "hedges": self._flow_of({Origin.HTTP}).as_json(),
            "hedges_by_strategy": {name: flow.as_json() for name, flow in http.items()},
            "strategist": self._flow_of({Origin.STRATEGIST, Origin.BROKER}).as_json(),
            "by_hand": self._flow_of({Origin.HUMAN}).as_json(),
            "peak_margin": exchange.peaks.report(),
            "charges": float(account.charges.quantize(_PAISA)),
            "peak_utilization": round(self.peak, 3),
            "peak_at": exchange.moment(self.peak_us).astimezone(IST).strftime("%H:%M:%S"),
            "trigger_breaches": self.breaches,
            "seconds_above_trigger": self.seconds_above,
            "cash": float(account.cash),
            "final_cash": float(final.quantize(_PAISA)),
        }
