"""A simulated NIFTY expiry Tuesday with the seed timetable, as plain values, for the tests of the simulator."""

from __future__ import annotations

from datetime import date, time, timedelta
from decimal import Decimal

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.simulator.day import ScheduledEntry, SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import PriceType, Ticket

TUESDAY = date(2026, 12, 1)
SPECS = {
    Index.NIFTY: ContractSpec(Index.NIFTY, 65, Decimal(50), Decimal("0.05"), 1800, 1, Decimal(200), Decimal(1000)),
    Index.SENSEX: ContractSpec(Index.SENSEX, 20, Decimal(100), Decimal("0.05"), 1000, 1, Decimal(500), Decimal(2500)),
}
EXPIRIES = {
    Index.NIFTY: (TUESDAY, date(2026, 12, 8)),
    Index.SENSEX: (date(2026, 12, 3), date(2026, 12, 10)),
}
TIMETABLE = (
    ("09:16:00", "14:15:00"),
    ("09:24:00", "14:00:00"),
    ("09:29:00", "14:15:00"),
    ("10:16:30", "13:15:00"),
    ("13:53:30", None),
    ("14:11:00", None),
    ("14:16:00", None),
    ("14:25:00", None),
    ("14:28:00", None),
    ("14:35:00", None),
)
# On this seed no leg is stopped before the fourth entry, so it is refused unless somebody hedges.
STORY_SEED = 7


def entries(expiry: date = TUESDAY) -> tuple[ScheduledEntry, ...]:
    return tuple(
        ScheduledEntry(
            f"ITJ_NF_EXP {n}",
            Index.NIFTY,
            expiry,
            time.fromisoformat(enters),
            time.fromisoformat(leaves) if leaves else None,
        )
        for n, (enters, leaves) in enumerate(TIMETABLE, start=1)
    )


def tuesday(**changes) -> SimulatedDay:
    return SimulatedDay(**{"date": TUESDAY, "specs": SPECS, "expiries": EXPIRIES, **changes})


def exchange(*, day: SimulatedDay | None = None, seed: int = 1, cash: int = 1_000_000, at: str = "") -> Exchange:
    made = Exchange(day=day or tuesday(), seed=seed, cash=Decimal(cash))
    if at:
        made.advance_to(made.day.moment(time.fromisoformat(at)))
    return made


def wait(market: Exchange, seconds: float) -> None:
    market.advance_to(market.now + timedelta(seconds=seconds))


def contract(market: Exchange, steps: int, right: Right, index: Index = Index.NIFTY) -> Contract:
    """The contract some strikes out of the money (negative: in the money) at this moment."""
    step = int(SPECS[index].strike_step)
    money = round(market.market.spot(index, market.t) / step) * step
    out = steps * step * (1 if right is Right.CE else -1)
    return Contract(index, EXPIRIES[index][0], Decimal(money + out), right)


def ticket(
    market: Exchange,
    what: Contract,
    side: Side,
    *,
    lots: int = 1,
    price: int | None = None,
    kind: PriceType = PriceType.LIMIT,
    product: Product = Product.NRML,
    trigger: int = 0,
    strategy: str = "auto-hedge",
) -> Ticket:
    """A ticket at a limit well through the touch, unless a price in ticks is given."""
    _, bid, ask = market.market.ticks(what, market.t)
    through = ask + 20 if side is Side.BUY else max(1, bid - 20)
    return Ticket(
        contract=what,
        symbol=format_symbol(what),
        side=side,
        quantity=lots * SPECS[what.index].lot,
        product=product,
        kind=kind,
        price=0 if kind is PriceType.MARKET else (through if price is None else price),
        trigger=trigger,
        strategy=strategy,
    )
