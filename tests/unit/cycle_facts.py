"""Facts of one quiet cycle on an expiry Tuesday at 10:12 IST, everything known and nothing needed; tests change what they are about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.charges import ChargeRates
from hedging.domain.entries import ComingEntry, EntryLeg
from hedging.domain.facts import CycleFacts, LaterEntry, OwnWing, SessionFacts, Window
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side, round_up_to_tick
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.domain.risk import MarginParameters
from hedging.domain.snapshot import Chain, Funds, Position, Quote

DAY = date(2026, 12, 1)
NOW = datetime(2026, 12, 1, 4, 42, tzinfo=UTC)  # 10:12 IST
WALL = datetime(2026, 11, 1, tzinfo=UTC)
SPOT = Decimal(26000)
SPEC = ContractSpec(
    index=Index.NIFTY,
    lot=65,
    strike_step=Decimal(50),
    tick=Decimal("0.05"),
    freeze_quantity=1800,
    lots_per_basket=1,
    otm_min=Decimal(200),
    otm_max=Decimal(1000),
)
WINDOW = Window(
    act_from=datetime(2026, 12, 1, 3, 45, tzinfo=UTC),
    act_until=datetime(2026, 12, 1, 10, 0, tzinfo=UTC),
    closes_at=datetime(2026, 12, 1, 10, 10, tzinfo=UTC),
)


def option(strike: int, right: Right = Right.CE) -> Contract:
    return Contract(Index.NIFTY, DAY, Decimal(strike), right)


def session(**changes: Any) -> SessionFacts:
    known: dict[str, Any] = {
        "index": Index.NIFTY, "expiry": DAY, "dte": 0, "product": Product.NRML, "budget": Decimal(1_000_000),
        "baseline": Decimal(0), "automation": True, "trading_state": "active", "spent": Decimal(0),
        "reserved": Decimal(0), "last_action_at": None, "quarantine": frozenset(),
    }  # fmt: skip
    return SessionFacts(**(known | changes))


def funds() -> Funds:
    return Funds(Decimal(1_000_000), Decimal(0), Decimal(0), Decimal(0), Decimal(0), WALL)


def facts(**changes: Any) -> CycleFacts:
    known: dict[str, Any] = {
        "now": NOW, "seen_at": changes.get("now", NOW), "session": session(), "policy": HedgePolicy(), "spec": SPEC, "parameters": MarginParameters(),
        "charges": ChargeRates(), "profile": MarginProfile(premium_counted=True), "enabled": True, "window": WINDOW,
        "breaker_open": False, "reconciled": True, "funds": funds(), "used": Decimal(0),
        "free_margin": Decimal(1_000_000), "positions": (), "held": (), "in_flight": (), "coming": (), "soon": (),
        "later": (), "just_due": False, "just_exited": False,
    }  # fmt: skip
    return CycleFacts(**(known | changes))


def chain() -> Chain:
    """Quote 24 strikes on each side, ₹90 at the money and a fifth less with every strike outward, 100 lots deep."""
    quotes = {}
    for right, sign in ((Right.CE, 1), (Right.PE, -1)):
        for out in range(0, 1250, 50):
            ask = max(Decimal("0.20"), round_up_to_tick(Decimal(90) * Decimal("0.8") ** (out // 50), SPEC.tick))
            contract = option(26000 + sign * out, right)
            quotes[contract] = Quote(contract, ask - Decimal("0.05"), ask, ask, 100 * 65, 100 * 65)
    return Chain(Index.NIFTY, DAY, SPOT, SPOT, quotes, WALL)


def straddle(lots: int, *, minutes: float, portfolio: str = "ITJ_NF_EXP 4") -> ComingEntry:
    quoted = chain().quotes
    legs = [
        EntryLeg(option(26000, right), Side.SELL, lots * 65, quoted[option(26000, right)].ask or Decimal(0))
        for right in Right
    ]
    return ComingEntry(
        portfolio=portfolio, index=Index.NIFTY, expiry=DAY, product=Product.NRML, at=NOW + timedelta(minutes=minutes),
        legs=tuple(legs),
    )  # fmt: skip


def later(entry: ComingEntry) -> LaterEntry:
    return LaterEntry(entry.portfolio, entry.at, {leg.contract.right: leg.quantity for leg in entry.legs})


def short_straddle(lots: int) -> tuple[Position, ...]:
    return tuple(Position(option(26000, right), Product.NRML, -65 * lots, Decimal(90), Decimal(90)) for right in Right)


def long(contract: Contract, lots: int) -> tuple[Position, OwnWing]:
    """A wing of ours: in the broker's book, and held by our fills."""
    price = chain().quotes[contract].ask or Decimal(1)
    return Position(contract, Product.NRML, 65 * lots, price, price), OwnWing(contract, 65 * lots)
