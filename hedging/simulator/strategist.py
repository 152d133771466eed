"""The strategist: the other tool. Sells the timetable's entries at their second, has stops hit, exits on time, is refused.

It trades in the exchange itself, with marketable limit orders, leg by leg: a leg is sent when the one before it is filled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, Product, Right, Side
from hedging.simulator.chance import hash01
from hedging.simulator.day import IST, JudgePolicy, ScheduledEntry
from hedging.simulator.judge import judge_refusal
from hedging.simulator.orders import LIVE, SECOND, Order, OrderRefused, Origin, PriceType, Status, Ticket

if TYPE_CHECKING:
    from hedging.simulator.exchange import Exchange

_CHASE_US = 1_500_000
_STOP_SHARE = {True: (0.50, 0.90), False: (0.70, 1.20)}  # of the premium, on expiry day and before


class Stage(StrEnum):
    """Where an entry stands."""

    WAITING = "waiting"
    ENTERING = "entering"
    OPEN = "open"
    UNDOING = "undoing"
    DONE = "done"


@dataclass(slots=True)
class Leg:
    """One leg of an entry at work: units wanted, held (absolute), average in ticks."""

    contract: Contract
    symbol: str
    side: Side
    units: int
    stop_share: float
    held: int = 0
    paid: int = 0
    closing: bool = False
    live: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Entry:
    """One scheduled entry at work."""

    number: int
    plan: ScheduledEntry
    stage: Stage = Stage.WAITING
    legs: list[Leg] = field(default_factory=list)
    used_before: float = 0.0


class Strategist:
    """Everything that the timetable's owner does on the simulated day."""

    def __init__(self, *, exchange: Exchange, entries: Sequence[ScheduledEntry], judge: JudgePolicy) -> None:
        self._exchange = exchange
        self._judge = judge
        self.entries = [Entry(number=n, plan=plan) for n, plan in enumerate(entries)]
        self.refusals: list[dict[str, Any]] = []
        self.jumps: list[dict[str, Any]] = []
        self.entries_made = 0
        self.entries_failed = 0
        self.stops_hit = 0
        self._owner: dict[str, tuple[Entry, Leg]] = {}
        for entry in self.entries:
            exchange.at(self._micros(entry.plan.entry_time), lambda entry=entry: self._enter(entry))  # type: ignore[misc]
            if entry.plan.exit_time is not None:
                exchange.at(self._micros(entry.plan.exit_time), lambda entry=entry: self._exit(entry))  # type: ignore[misc]

    def _micros(self, at: Any) -> int:
        moment = self._exchange.day.moment(at) - self._exchange.market.opens_at
        return int(moment.total_seconds()) * SECOND

    # -- entering ---------------------------------------------------------------------------------------------------

    def _enter(self, entry: Entry) -> None:
        exchange, plan = self._exchange, entry.plan
        spec = exchange.day.specs[plan.index]
        step = int(spec.strike_step)
        money = int(exchange.market.spot(plan.index, exchange.t) / step + 0.5) * step
        expiring = plan.expiry == exchange.day.date
        low, high = _STOP_SHARE[expiring]
        for n, template in enumerate(plan.legs):
            out = step * template.offset * (1 if template.right is Right.CE else -1)
            contract = Contract(plan.index, plan.expiry, Decimal(money + out), template.right)
            draw = float(hash01(exchange.seed, exchange.day.date.toordinal(), 55, entry.number, n)[0])
            units = spec.lot * template.lots * plan.lots
            entry.legs.append(
                Leg(contract, format_symbol(contract), template.side, units, stop_share=low + (high - low) * draw**0.5)
            )
        entry.stage = Stage.ENTERING
        exchange.truth.before_change()
        entry.used_before = exchange.truth.utilised()
        self._send_leg(entry, 0)

    def _send_leg(self, entry: Entry, number: int) -> None:
        leg = entry.legs[number]
        try:
            self._send(entry, leg, side=leg.side, units=leg.units)
        except OrderRefused as refusal:
            self._refused(entry, number, refusal)

    def _send(self, entry: Entry, leg: Leg, *, side: Side, units: int) -> None:
        """Send marketable limit orders, no larger than the freeze quantity allows."""
        exchange = self._exchange
        largest = exchange.day.specs[leg.contract.index].max_order_quantity
        while units > 0:
            part = min(units, largest)
            ticket = Ticket(
                contract=leg.contract,
                symbol=leg.symbol,
                side=side,
                quantity=part,
                product=Product.NRML,
                kind=PriceType.LIMIT,
                price=self._through(leg.contract, side),
                strategy=entry.plan.portfolio,
            )
            order = exchange.place(ticket, origin=Origin.STRATEGIST)
            leg.live.add(order.order_id)
            self._owner[order.order_id] = (entry, leg)
            self._watch(order)
            units -= part

    def _through(self, contract: Contract, side: Side) -> int:
        """Return a limit through the touch: five percent or ten ticks, so that it fills at once."""
        last, bid, ask = self._exchange.market.ticks(contract, self._exchange.t)
        if side is Side.BUY:
            return ask + max(10, ask // 20)
        return max(1, (bid or last) - max(10, bid // 20))

    def _watch(self, order: Order) -> None:
        def chase() -> None:
            if order.status in LIVE:
                price = self._through(order.ticket.contract, order.ticket.side)
                try:
                    self._exchange.modify(order.order_id, quantity=order.quantity, price=price, trigger=0)
                except OrderRefused:
                    return  # the close came first, or funds ran out: the order rests where it is
                self._watch(order)

        self._exchange.at(self._exchange.us + _CHASE_US, chase)

    def _refused(self, entry: Entry, number: int, refusal: OrderRefused) -> None:
        """Note the refusal and its judgement; buy back what was already sold."""
        exchange = self._exchange
        row: dict[str, Any] = {
            "portfolio": entry.plan.portfolio,
            "time": exchange.now.astimezone(IST).strftime("%H:%M:%S"),
            "leg": number + 1,
            "reason": str(refusal),
            "preventable": None,
        }
        if refusal.margin:
            sold = [leg for leg in entry.legs[:number] if leg.held]
            legs = [(leg.contract, leg.side.sign * leg.units) for leg in entry.legs]
            with _without(exchange, sold):
                verdict = judge_refusal(exchange=exchange, policy=self._judge, legs=legs, product=Product.NRML)
            row |= {"preventable": verdict.preventable, "judgement": asdict(verdict)}
            self.refusals.append(row)
        else:
            self.entries_failed += 1
            self.refusals.append(row)
        entry.stage = Stage.UNDOING
        for leg in entry.legs[:number]:
            self._close_leg(entry, leg)
        self._finish_if_flat(entry)

    # -- after fills ------------------------------------------------------------------------------------------------

    def on_done(self, order: Order) -> None:
        """Take note of an order of ours that is filled or rejected."""
        entry, leg = self._owner[order.order_id]
        leg.live.discard(order.order_id)
        if order.ticket.side is leg.side:
            leg.held += order.filled
            leg.paid += sum(trade.price * trade.units for trade in order.trades)
        else:
            leg.held -= order.filled
        if leg.live:
            return
        if order.status is Status.REJECTED or entry.stage is Stage.UNDOING:
            if order.status is Status.REJECTED and entry.stage is Stage.ENTERING:
                self.entries_failed += 1
            entry.stage = Stage.UNDOING if entry.stage is Stage.ENTERING else entry.stage
            for other in entry.legs:
                self._close_leg(entry, other)
            self._finish_if_flat(entry)
            return
        if leg.closing:
            self._finish_if_flat(entry)
            return
        if leg.side is Side.SELL:
            self._arm_stop(entry, leg)
        if entry.stage is Stage.ENTERING:
            following = entry.legs.index(leg) + 1
            if following < len(entry.legs):
                self._send_leg(entry, following)
            else:
                self._entered(entry)

    def _entered(self, entry: Entry) -> None:
        exchange = self._exchange
        entry.stage = Stage.OPEN
        self.entries_made += 1
        used, cash = exchange.truth.utilised(), float(exchange.account.cash)
        self.jumps.append(
            {
                "portfolio": entry.plan.portfolio,
                "time": exchange.now.astimezone(IST).strftime("%H:%M:%S"),
                "jump": round(used - entry.used_before, 2),
                "utilised": round(used, 2),
                "utilization": round(used / cash * 100.0, 2),
            }
        )

    def _arm_stop(self, entry: Entry, leg: Leg) -> None:
        """Look ahead for the first second at which the leg's ask reaches its stop."""
        exchange = self._exchange
        stop = int(leg.paid / leg.units * (1.0 + leg.stop_share))
        asks = exchange.market.whole_day(leg.contract)
        until = exchange.market.grid_seconds - 1
        after = exchange.t
        hit = (asks.ask[after + 1 : until] >= stop).nonzero()[0]
        if len(hit):
            exchange.at((after + 1 + int(hit[0])) * SECOND, lambda: self._stop(entry, leg))

    def _stop(self, entry: Entry, leg: Leg) -> None:
        if leg.held and not leg.closing:
            self.stops_hit += 1
            self._close_leg(entry, leg)

    def _exit(self, entry: Entry) -> None:
        if entry.stage is Stage.ENTERING:
            entry.stage = Stage.UNDOING
        for leg in entry.legs:
            self._close_leg(entry, leg)

    def _close_leg(self, entry: Entry, leg: Leg) -> None:
        """Send the closing order of a leg, once. A refusal (market closed) leaves it to settlement."""
        if leg.closing or not leg.held or leg.live:
            return
        leg.closing = True
        try:
            self._send(entry, leg, side=Side.BUY if leg.side is Side.SELL else Side.SELL, units=leg.held)
        except OrderRefused:
            leg.closing = False

    def _finish_if_flat(self, entry: Entry) -> None:
        if entry.legs and not any(leg.held or leg.live for leg in entry.legs):
            entry.stage = Stage.DONE

    def on_close(self) -> None:
        """End the day: what is left is settlement's."""
        for entry in self.entries:
            if entry.stage in {Stage.OPEN, Stage.UNDOING}:
                entry.stage = Stage.DONE


class _without:  # noqa: N801 - reads as a word in `with _without(...)`
    """Take legs out of the book while the judge looks at it: the entry is judged as a whole."""

    def __init__(self, exchange: Exchange, legs: Sequence[Leg]) -> None:
        self._exchange = exchange
        self._legs = legs

    def _shift(self, direction: int) -> None:
        account = self._exchange.account
        for leg in self._legs:
            position = account.position(leg.contract, Product.NRML, leg.symbol)
            position.quantity += direction * leg.side.sign * leg.held
            tick = self._exchange.day.specs[leg.contract.index].tick
            account.premium_paid += direction * leg.side.sign * leg.paid * tick

    def __enter__(self) -> None:
        self._shift(-1)

    def __exit__(self, *_: object) -> None:
        self._shift(1)
