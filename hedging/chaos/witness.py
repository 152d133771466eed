"""Witness: what must hold at the very moment, written down as it happens: posts, acceptances, trades, locks, the fence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from hedging.brokers.base import OrderRequest
from hedging.chaos.kernel import Kernel
from hedging.chaos.script import FREEZE_LOTS, LOT, TICK
from hedging.chaos.store import Disasters
from hedging.domain.instruments import Product, Side
from hedging.models import HedgeOrder, Origin
from sessions_app.models import Installation, TradingState

if TYPE_CHECKING:
    from hedging.chaos.exchange import Exchange, Order

POSITION_AGE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Breach:
    """One invariant that did not hold. `rule` is its short name in `judge.RULES`."""

    rule: str
    words: str
    at: datetime


class Witness:
    """Sees what the gateway does, and what our tables say at that moment."""

    def __init__(self, *, kernel: Kernel, disasters: Disasters, hours: tuple[datetime, datetime]) -> None:
        self.kernel = kernel
        self.disasters = disasters
        self.act_from, self.act_until = hours
        self.breaches: list[Breach] = []
        self.posts: Counter[int] = Counter()
        self.limits: dict[int, tuple[int, int]] = {}
        self.on_news: Callable[[], None] = lambda: None
        self.last_look: datetime | None = None
        """When a sender last read the positions: an order may rest on them until it has landed."""
        self._positions_read: dict[str, datetime] = {}

    def breach(self, rule: str, words: str) -> None:
        """Write down that a rule did not hold."""
        self.kernel.tell(f"BREACH of '{rule}': {words}")
        self.breaches.append(Breach(rule, words, self.kernel.now))

    def lockless(self, what: str) -> None:
        """Demand that no transaction of ours is open while the network is used."""
        if self.disasters.in_transaction:
            self.breach("no lock over the network", what)

    def positions_read(self) -> None:
        """Note that the running strand has just read the positions."""
        if self.kernel.current is not None:
            self._positions_read[self.kernel.current.name] = self.kernel.now
            if self.kernel.current.order_id is not None:
                self.last_look = self.kernel.now

    def fence_passed(self, request: OrderRequest, owner: int | None) -> None:
        """Judge an order at the moment in which the protocol let it go."""
        self.lockless("place")
        now = self.kernel.now
        if owner is None:
            self.breach("one call site", "a POST by nobody")
            return
        if not self.act_from <= now < self.act_until:
            self.breach("hours", f"POST at {now:%H:%M:%S} UTC")
        if request.quantity % LOT or not 0 < request.quantity <= LOT * FREEZE_LOTS or request.limit_price % TICK:
            self.breach("whole lots", f"{request.quantity} at {request.limit_price}")
        if self.disasters.gone:
            return
        order = HedgeOrder.objects.select_related("transaction__session").get(pk=owner)
        tx = order.transaction
        self.limits[owner] = (tx.pk, order.slice)
        if (tx.worst_price - request.limit_price) * request.side.sign < 0 or request.product is not Product(tx.product):
            self.breach("price", f"{request.limit_price} beyond {tx.worst_price}")
        if now > tx.valid_until:
            self.breach("age", f"POST {now - tx.valid_until} after its validity")
        session = tx.session
        forbidden = {TradingState.HALTED} | ({TradingState.REDUCING} if request.side is Side.BUY else set())
        by_engine = tx.origin == Origin.AUTO and not tx.due_by_clock
        states = {session.trading_state, *Installation.objects.values_list("trading_state", flat=True)}
        if states & forbidden or not session.is_open or (by_engine and not session.automation):
            self.breach("halt", f"POST while {sorted(states)}, automation {session.automation}")
        read_at = self._positions_read.get(self.kernel.current.name if self.kernel.current else "", None)
        if request.side is Side.SELL and (read_at is None or now - read_at > POSITION_AGE):
            self.breach("fresh positions", f"a sale on positions read {'never' if read_at is None else now - read_at}")

    def posted(self, request: OrderRequest, owner: int | None) -> None:
        """Count the bytes of an order that left this machine."""
        if owner is None:
            return
        self.posts[owner] += 1
        if self.posts[owner] > 1:
            self.breach("one POST", f"slice {owner} was posted {self.posts[owner]} times ({request.side})")

    def accepted(self, order: Order, gateway: Exchange) -> None:
        """Judge the account at the moment in which the exchange takes an order of ours."""
        mine = [o for o in gateway.orders if o.owner is not None]
        place = self.limits.get(order.owner or 0)
        if place is not None:
            rivals = [o for o in mine if o is not order and o.rest and self.limits.get(o.owner or 0) == place]
            if rivals:
                self.breach("one live order a slice", f"{order.order_id} beside {rivals[0].order_id}")
        if order.request.side is Side.SELL:
            going = sum(
                o.rest for o in mine if o.request.contract == order.request.contract and o.request.side is Side.SELL
            )
            if going > gateway.net(order.request.contract):
                self.breach("never short", f"{going} being sold of {gateway.net(order.request.contract)}")
        self.news()

    def traded(self, order: Order, gateway: Exchange) -> None:
        """Judge the account after a trade of ours."""
        if order.request.side is Side.SELL and gateway.net(order.request.contract) < 0:
            self.breach("never short", f"net {gateway.net(order.request.contract)} after {order.order_id}")
        self.news()

    def news(self) -> None:
        """Tell that the books will show something new."""
        self.on_news()
