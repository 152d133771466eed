"""What the hedge does at each hour of an expiry day: both indices, every family of days, through the product's own reading.

`python -m benchmarks.expiry_day docs/expiry-day.md` writes the tables. Each cell is one decision of the product on the
chain of the simulated broker at that minute. Every cell must say something: a set that is bought, or by name why none is.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from itertools import count
from pathlib import Path

import requests

from hedging.brokers.openalgo.broker import OpenAlgoReader
from hedging.brokers.openalgo.client import OpenAlgoClient
from hedging.domain.charges import ChargeRates
from hedging.domain.decision import AddHedge, Decision, decide
from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.facts import CycleFacts, LaterEntry, SessionFacts, Window
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side, nearest_strike
from hedging.domain.margin import MarginLine, MarginMarket, MarginParameters, requirement
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer_types import HedgeSolution
from hedging.domain.policy import HedgePolicy, Relaxation
from hedging.domain.snapshot import Chain, Funds, Position
from hedging.simulator.clock import ManualClock
from hedging.simulator.day import SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.families import Family, family_of
from hedging.simulator.http_adapter import mount
from hedging.simulator.wsgi import SimulatorApp

BASE, KEY = "http://simulator", "expiry-day"
BUDGET = Decimal(1_000_000)
STRIKES_BEYOND_BOUND = 4
HOURS = tuple(
    time.fromisoformat(at) for at in ("09:20", "10:00", "11:00", "12:00", "13:00", "14:00", "14:30", "15:00", "15:25")
)
SPECS = {
    Index.NIFTY: ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000)),
    Index.SENSEX: ContractSpec(Index.SENSEX, 20, Decimal(100), Decimal("0.05"), 1000, 1, Decimal(500), Decimal(2500)),
}
EXPIRY_DAYS = {Index.NIFTY: date(2026, 12, 1), Index.SENSEX: date(2026, 12, 3)}
MORNING = (time(9, 16), time(9, 24), time(9, 29))


class Book(StrEnum):
    """Where the three straddles of the book stand."""

    AROUND = "around the money"
    MORNING = "sold in the morning, nothing stopped"


GIVEN_UP = {
    Relaxation.NONE: "",
    Relaxation.OTM_BOUND: " nearer",
    Relaxation.LOWER_PREMIUM: " cheaper",
    Relaxation.HIGHER_PREMIUM: " dearer",
}


@dataclass(frozen=True, slots=True)
class Hour:
    """One decision: where, when, on which chain, and what it said."""

    index: Index
    family: Family
    book: Book
    at: time
    chain: Chain
    decision: Decision

    @property
    def solution(self) -> HedgeSolution | None:
        """Return what is bought, or `None`."""
        return self.decision.solution if isinstance(self.decision, AddHedge) else None

    @property
    def outcome(self) -> str:
        """Return the aim that is reached, or the reason why nothing is bought."""
        found = self.solution
        return self.decision.reason.value if found is None or found.aim is None else found.aim.value

    @property
    def told(self) -> str:
        """Return a cell of the table."""
        found = self.solution
        if found is None:
            return f"`{self.decision.reason.value}` {self.decision.gates[-1].detail}"
        given_up = "" if found.relaxation is None else GIVEN_UP[found.relaxation]
        lots = {right: sum(trade.lots for trade in found.buys if trade.contract.right is right) for right in Right}
        bought = " + ".join(str(count) for count in lots.values())
        return f"{self.outcome} {found.utilization_after_pct:.0f} %, {bought}, ₹{found.cost:,.0f}{given_up}"


class ExpiryDay:
    """A simulated expiry day of one index and family, read by the product's own client in process."""

    def __init__(self, index: Index, family: Family) -> None:
        self.index, self.family, self.spec = index, family, SPECS[index]
        day = EXPIRY_DAYS[index]
        self.day = SimulatedDay(date=day, specs=SPECS, expiries={i: (day, day + timedelta(days=7)) for i in SPECS})
        seed = next(seed for seed in count(1) if family_of(seed=seed, day=day) is family)
        self.exchange = Exchange(day=self.day, seed=seed, cash=BUDGET)
        self.clock = ManualClock(start=self.day.start_at)
        session = requests.Session()
        app = SimulatorApp(exchange=self.exchange, clock=self.clock, api_keys=[KEY], rate_limited=False)
        mount(session, BASE, app)
        self.reader = OpenAlgoReader(OpenAlgoClient(BASE, KEY, session=session, sleep=lambda _: None))

    def hours(self) -> Iterator[Hour]:
        """Yield both books at every hour."""
        for at in HOURS:
            now = self.day.moment(at)
            self.clock.set(now)
            strikes = int(self.spec.otm_max / self.spec.strike_step) + STRIKES_BEYOND_BOUND
            chain = self.reader.chain(self.index, self.day.date, strikes)
            for book in Book:
                facts = self._facts(chain, book, now)
                yield Hour(self.index, self.family, book, at, chain, decide(facts))

    def _strikes(self, chain: Chain, book: Book, now: datetime) -> tuple[Decimal, ...]:
        step = self.spec.strike_step
        money = nearest_strike(chain.spot, step)
        if book is Book.AROUND:
            return (money - step, money, money + step)
        market = self.exchange.market
        sold = [min(self.day.moment(at), now) for at in MORNING]
        levels = [Decimal(str(round(market.spot(self.index, market.second(at)), 2))) for at in sold]
        return tuple(nearest_strike(level, step) for level in levels)

    def _facts(self, chain: Chain, book: Book, now: datetime) -> CycleFacts:
        positions: dict[Contract, Position] = {}
        for strike in self._strikes(chain, book, now):
            for right in Right:
                contract = Contract(self.index, self.day.date, strike, right)
                before = positions[contract].quantity if contract in positions else 0
                price = self._price(chain, contract)
                positions[contract] = Position(contract, Product.NRML, before - self.spec.lot, price, price)
        market = MarginMarket(
            {self.index: chain.spot}, now, {} if chain.previous_close is None else {self.index: chain.previous_close}
        )
        lines = [MarginLine(c, p.quantity, p.last or Decimal(0), p.product) for c, p in positions.items()]
        used = requirement(lines=lines, market=market, parameters=MarginParameters()).total
        coming = self._coming(chain, now + timedelta(minutes=1.5))
        return CycleFacts(
            now=now, seen_at=now,
            session=SessionFacts(
                index=self.index, expiry=self.day.date, dte=0, product=Product.NRML, budget=BUDGET, baseline=Decimal(0),
                automation=True, trading_state="active", spent=Decimal(0), reserved=Decimal(0), last_action_at=None,
                quarantine=frozenset(),
            ),
            policy=HedgePolicy(),
            spec=self.spec,
            parameters=MarginParameters(),
            charges=ChargeRates(),
            profile=MarginProfile(error_pct=Decimal(1)),
            enabled=True,
            window=Window(self.day.moment(self.day.opens), self.day.moment(time(15, 30)), self.day.moment(self.day.closes)),
            breaker_open=False,
            reconciled=True,
            funds=Funds(BUDGET - used, Decimal(0), used, Decimal(0), Decimal(0), chain.read_at),
            used=used,
            free_margin=BUDGET - used,
            positions=tuple(positions.values()),
            held=(),
            in_flight=(),
            coming=(coming,),
            soon=(coming,),
            later=(LaterEntry(coming.portfolio, coming.at, dict.fromkeys(Right, self.spec.lot)),),
            just_due=False,
            just_exited=False,
            chain=chain,
        )  # fmt: skip

    def _coming(self, chain: Chain, at: datetime) -> ComingEntry:
        money = nearest_strike(chain.spot, self.spec.strike_step)
        contracts = [Contract(self.index, self.day.date, money, right) for right in Right]
        legs = tuple(EntryLeg(c, Side.SELL, self.spec.lot, self._price(chain, c)) for c in contracts)
        return ComingEntry("fourth", self.index, self.day.date, Product.NRML, at, legs)

    def _price(self, chain: Chain, contract: Contract) -> Decimal:
        """Return what the broker shows; farther in the money than the chain reaches, what the exchange shows."""
        quote = chain.quotes.get(contract)
        if quote is not None and quote.mark is not None:
            return quote.mark
        last, _, _ = self.exchange.market.ticks(contract, self.exchange.market.second(self.clock.now()))
        return self.spec.tick * last


def every_hour() -> Iterator[Hour]:
    """Yield every decision of every expiry day."""
    for index in SPECS:
        for family in Family:
            yield from ExpiryDay(index, family).hours()


INTRODUCTION = """# Every hour of an expiry day

Written by `python -m benchmarks.expiry_day docs/expiry-day.md`; a test keeps it current.

One lot a basket, a budget of ₹10,00,000, default policy and margin parameters. Three short straddles are in the book and a
fourth is due in a minute and a half: without wings that is about 108 %. Each cell is one decision of the product on the simulated
broker's chain of that minute, of the first seed that draws the family. It reads: the aim reached and the utilization with
the fourth straddle in, lots of calls + puts bought, what they cost with charges. *nearer*: only inside the preferred
distance. *cheaper*: also only under the preferred premium, down to ₹0.30. Otherwise the reason why nothing is bought, and
the strikes that would have done.
"""


def document(hours: list[Hour]) -> str:
    """Return the page: how each hour went in all, then a table for each index and book."""
    parts = [INTRODUCTION, "## In short\n", "| at | bought | within band and distance | nothing |", "|---|---|---|---|"]
    for at in HOURS:
        here = [hour for hour in hours if hour.at == at]
        bought = [hour.solution for hour in here if hour.solution is not None]
        in_band = sum(found.relaxation is Relaxation.NONE for found in bought)
        parts.append(f"| {at:%H:%M} | {len(bought)} | {in_band} | {len(here) - len(bought)} |")
    for index in SPECS:
        for book in Book:
            parts += [
                f"\n## {index}, straddles {book}\n",
                "| family | " + " | ".join(f"{at:%H:%M}" for at in HOURS) + " |",
            ]
            parts.append("|---" * (len(HOURS) + 1) + "|")
            for family in Family:
                cells = [hour.told for hour in hours if (hour.index, hour.book, hour.family) == (index, book, family)]
                parts.append(f"| {family} | " + " | ".join(cells) + " |")
    return "\n".join(parts) + "\n"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("target", type=Path, help="the page to write, such as docs/expiry-day.md")
    target = options.parse_args().target
    hours = list(every_hour())
    target.write_text(document(hours), encoding="utf-8")
    print(f"{target}: {len(hours)} decisions, {dict(Counter(hour.outcome for hour in hours))}")


if __name__ == "__main__":
    main()
