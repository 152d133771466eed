"""The board that a manual order is chosen from: live prices around the money, the band, what is ours, what the account holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import TypeVar

from hedging.brokers.base import BrokerError
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.problem import out_of_the_money
from hedging.domain.snapshot import Chain, Position, Quote
from hedging.engine.gather import LONGEST_CHAIN, STRIKES_BEYOND_BOUND
from hedging.engine.manual import held_units
from hedging.engine.ticks import Rules
from hedging.selectors import holdings
from hedging.wiring import rules
from sessions_app.models import TradingSession
from sessions_app.policy import policy_of

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Offered:
    """One option on the board. Prices in rupees a unit, `None` where nobody quotes; `away` in points of the index.

    `in_band`: the ask lies within the policy's premium band. `held` are units that are ours, less what is being sold;
    `net` is the account's own figure in the session's product, negative when short.
    """

    contract: Contract
    symbol: str
    bid: Decimal | None
    ask: Decimal | None
    away: Decimal | None
    in_band: bool
    held: int
    net: int


@dataclass(frozen=True, slots=True)
class Board:
    """What may be bought on each side, nearest strike first, and the account's lines in the session's index.

    `lines` holds every option of the index that is in the book or ours, hedges first. `unknown` says what could not be
    read, "" when all was; `now` is market time.
    """

    now: datetime
    expiry: date
    spot: Decimal | None
    lot: int
    band: tuple[Decimal, Decimal]
    wings: dict[Right, tuple[Offered, ...]]
    lines: tuple[Offered, ...]
    unknown: str

    @property
    def uncovered_lots(self) -> dict[Right, int]:
        """Return the lots of this expiry that are short on each side beyond its longs: what a purchase usually covers."""
        lines = [line for line in self.lines if line.contract.expiry == self.expiry]
        open_units = {right: -sum(line.net for line in lines if line.contract.right is right) for right in Right}
        return {right: max(0, units) // self.lot for right, units in open_units.items()}

    @property
    def hedges(self) -> tuple[Offered, ...]:
        """Return what is ours and can be sold."""
        return tuple(line for line in self.lines if line.held > 0)


@dataclass(frozen=True, slots=True)
class Held:
    """A hedge of ours that can be sold: units, and lots; rupees a unit, and in all. `price` is the bid, `None` unknown.

    `gain` is what the units would bring at `price` beyond their cost, before charges.
    """

    symbol: str
    quantity: int
    lots: int | None
    average_price: Decimal | None
    price: Decimal | None

    @property
    def cost(self) -> Decimal | None:
        """Return what the units cost."""
        return None if self.average_price is None else self.average_price * self.quantity

    @property
    def gain(self) -> Decimal | None:
        """Return what they would bring beyond that."""
        if self.price is None or self.average_price is None:
            return None
        return (self.price - self.average_price) * self.quantity


def held_on(board: Board, *, session: TradingSession) -> tuple[Held, ...]:
    """Return the board's hedges with what they cost by our fills. One query."""
    held = holdings(account_id=session.account_id, mode=session.mode, day=session.trading_day)
    averages = {row.contract: row.average_price for row in held}
    return tuple(
        Held(line.symbol, line.held, line.held // board.lot, averages.get(line.contract), line.bid)
        for line in board.hedges
    )


def read_board(*, session: TradingSession, run_by: Rules | None = None) -> Board:
    """Read chain and positions once each, and lay our holdings beside them. Stores nothing.

    What the broker does not answer is named in `unknown` and left out. Raises `ReferenceMissing`, `ClockUnavailable`.
    """
    by = run_by or rules()
    ports, spec, policy = by.ports_for(session), by.plan_for(session).spec, policy_of(session, by.policy)
    now = ports.clock.now()
    strikes = min(LONGEST_CHAIN, int(spec.otm_max / spec.strike_step) + STRIKES_BEYOND_BOUND)
    troubles: list[str] = []
    chain = _read("option chain", troubles, lambda: ports.broker.chain(Index(session.index), session.expiry, strikes))
    positions = _read("positions", troubles, ports.broker.positions) or ()
    own = held_units(session)
    net = _net(session, positions)
    band = (policy.min_premium, policy.max_premium)
    quotes = {} if chain is None else dict(chain.quotes)

    def offered(contract: Contract) -> Offered:
        return _offered(contract, quotes.get(contract), chain, band=band, held=own.get(contract, 0), net=net)

    shown = sorted(set(own) | set(net), key=lambda contract: (own.get(contract, 0) == 0, contract))
    return Board(
        now=now,
        expiry=session.expiry,
        spot=None if chain is None else chain.spot,
        lot=spec.lot,
        band=band,
        wings={right: tuple(map(offered, _wing(chain, right))) for right in Right},
        lines=tuple(map(offered, shown)),
        unknown="; ".join(troubles),
    )


def _read(what: str, troubles: list[str], call: Callable[[], Answer]) -> Answer | None:
    try:
        return call()
    except BrokerError as error:
        troubles.append(f"{what}: {error}")
        return None


def _net(session: TradingSession, positions: tuple[Position, ...]) -> dict[Contract, int]:
    net: dict[Contract, int] = {}
    for line in positions:
        if line.contract.index == session.index and line.product is Product(session.account.product):
            net[line.contract] = net.get(line.contract, 0) + line.quantity
    return {contract: units for contract, units in net.items() if units}


def _wing(chain: Chain | None, right: Right) -> list[Contract]:
    if chain is None:
        return []
    found = [own for own in chain.quotes if own.right is right and out_of_the_money(own, chain.spot)]
    return sorted(found, key=lambda own: abs(own.strike - chain.spot))


def _offered(
    contract: Contract,
    quote: Quote | None,
    chain: Chain | None,
    *,
    band: tuple[Decimal, Decimal],
    held: int,
    net: dict[Contract, int],
) -> Offered:
    ask = None if quote is None else quote.ask
    return Offered(
        contract=contract,
        symbol=format_symbol(contract),
        bid=None if quote is None else quote.bid,
        ask=ask,
        away=None if chain is None else abs(contract.strike - chain.spot),
        in_band=ask is not None and band[0] <= ask <= band[1],
        held=held,
        net=net.get(contract, 0),
    )
