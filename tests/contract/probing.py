"""A simulated Tuesday at any broker, with margin figures that nobody told: asked through the product's own client."""

from __future__ import annotations

from datetime import datetime, time
from decimal import Decimal

import requests

from hedging.brokers.base import MarginLeg
from hedging.brokers.factory import build_broker
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.margin import MarginLine, MarginMarket, requirement
from hedging.domain.probes import Reading, resolve
from hedging.domain.risk import MarginParameters
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.margin import MarginParameters as Truth
from hedging.simulator.orders import PriceType
from hedging.simulator.profiles import PROFILES
from hedging.simulator.wsgi import SimulatorApp
from tests.unit.simulator_days import SPECS, STORY_SEED, TUESDAY, contract, ticket, tuesday, wait

BELIEVED = MarginParameters()
Units = dict[Contract, int]
LOT = SPECS[Index.NIFTY].lot


class Probed:
    """One broker's account on a Tuesday, `truth` being what its clearing corporation charges."""

    def __init__(self, name: str, truth: Truth, *, at: str = "09:20:00", expiry=TUESDAY) -> None:
        self.exchange = Exchange(day=tuesday(), seed=STORY_SEED, cash=Decimal(50_000_000), margin=truth)
        self.exchange.advance_to(self.exchange.day.moment(time.fromisoformat(at)))
        self.expiry = expiry
        self._seen: tuple[datetime, tuple[MarginMarket, dict[Contract, Decimal]]] | None = None
        app = SimulatorApp(
            exchange=self.exchange,
            clock=ManualClock(start=self.exchange.now),
            api_keys=["KEY"],
            rate_limited=False,
            profile=PROFILES[name],
        )
        session = requests.Session()
        mount(session, "http://simulator", app)
        self.broker = build_broker(
            live=True, base_url="http://simulator", api_key="KEY", session=session, sleep=lambda _: None
        )

    def look(self):
        """The market, and the price of every listed contract: asked for once while the clock stands."""
        if self._seen is None or self._seen[0] != self.exchange.now:
            self._seen = self.exchange.now, self._asked()
        return self._seen[1]

    def _asked(self):
        chain = self.broker.chain(Index.NIFTY, self.expiry, 100)
        closes = {} if chain.previous_close is None else {Index.NIFTY: chain.previous_close}
        market = MarginMarket(spots={Index.NIFTY: chain.spot}, now=self.exchange.now, previous_closes=closes)
        return market, {c: quote.mark for c, quote in chain.quotes.items() if quote.mark is not None}

    def readings(self):
        market, prices = self.look()
        baskets = resolve(spec=SPECS[Index.NIFTY], product=Product.NRML, market=market, prices=prices)
        return [Reading(basket, self.broker.basket_margin(legs_of(basket.lines)).total) for basket in baskets], market

    def book(self):
        _, prices = self.look()
        return tuple(MarginLine(p.contract, p.quantity, prices[p.contract], p.product) for p in self.broker.positions())

    def trade(self, side: Side, steps: int = 0, *, lots: int = 1, rights=tuple(Right)) -> None:
        """Trade at the market on both sides, and wait for the fills."""
        for right in rights:
            what = contract(self.exchange, steps, right)
            self.exchange.place(ticket(self.exchange, what, side, lots=lots, kind=PriceType.MARKET))
        wait(self.exchange, 5)

    def engine_error_pct(self, calibration, units: Units) -> float:
        """By how many percent our calibrated engine misses the simulator's own requirement of a book."""
        market, prices = self.look()
        lines = [MarginLine(c, quantity, prices[c], Product.NRML) for c, quantity in units.items()]
        ours = requirement(lines=lines, market=market, parameters=calibration.applied_to(BELIEVED)).total
        true = self.exchange.risk.need({(c, Product.NRML): q for c, q in units.items()}, self.exchange.t).total
        return abs(float(ours * calibration.scale) / true - 1) * 100

    def random_book(self, random, *, winged: bool) -> Units:
        """One to four straddles near the money, some a leg short, with or without wings at 1 to 4 %."""
        units: Units = {}
        for _ in range(random.randint(1, 4)):
            lots, near = random.randint(1, 5), random.randint(-4, 4)
            stopped = random.choice([None, None, None, *Right])
            for right in Right:
                if right is not stopped:
                    _add(units, contract(self.exchange, near if right is Right.CE else -near, right), -lots * LOT)
        if winged:
            for right in Right:
                shorts = -sum(q for c, q in units.items() if c.right is right)
                _add(
                    units, contract(self.exchange, random.randint(6, 20), right), random.randint(0, shorts // LOT) * LOT
                )
        return {c: quantity for c, quantity in units.items() if quantity}


def _add(units: Units, what, quantity: int) -> None:
    units[what] = units.get(what, 0) + quantity


def legs_of(lines) -> list[MarginLeg]:
    return [
        MarginLeg(
            line.contract, line.product, Side.BUY if line.quantity > 0 else Side.SELL, abs(line.quantity), line.price
        )
        for line in lines
    ]
