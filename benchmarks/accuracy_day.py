"""One simulated day as a test of the forecasts: what was foretold, what came, what each hedge was good for.

The simulated broker and clearing corporation are set to figures that the application is not told. The judge is the
simulator's own margin, which shares no code with ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from typing import Any

from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.instruments import Product, Side
from hedging.domain.policy import HedgePolicy
from hedging.management.simulated_day import SimulatedRun
from hedging.models import Action, HedgeDecision, HedgeTransaction, MarginJump
from hedging.simulator.exchange import Exchange
from hedging.simulator.funds import Book, filled_book
from hedging.simulator.margin import MarginParameters
from hedging.simulator.profiles import PROFILES
from hedging.simulator.rules import AccountRules
from sessions_app.models import TradingSession

SPARE_PCT = 1.0
"""A hedge is needless where use would have stayed this many points under the trigger without it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """A day to run: what the application is told (date, cooldown), and what it is not (seed, broker, margin, lag of its books)."""

    day: date
    seed: int
    profile: str
    margin: MarginParameters
    behind: float = 0.0
    cooldown: int = 120

    def as_json(self) -> dict[str, Any]:
        """Return the trial as JSON-able values; margin figures that differ from the defaults only."""
        usual = asdict(MarginParameters())
        unusual = {name: value for name, value in asdict(self.margin).items() if value != usual[name]}
        return {
            "day": self.day.isoformat(),
            "seed": self.seed,
            "profile": self.profile,
            "margin": unusual,
            "behind": self.behind,
            "cooldown": self.cooldown,
        }


@dataclass(slots=True)
class _Entered:
    """An entry right after it came in: the book, premium paid less received, and the legs that were sold (signed units)."""

    portfolio: str
    t: int
    used_before: float
    used_after: float
    book: Book
    premium_paid: float
    legs: list[tuple[Any, int, float]]


@dataclass(slots=True)
class Recorder:
    """Watches the exchange, and writes down every entry with the book that it left."""

    entered: list[_Entered] = field(default_factory=list)
    exchange: Exchange | None = None
    session: TradingSession | None = None

    def __call__(self, exchange: Exchange, session: TradingSession) -> None:
        """Look at the exchange after one step."""
        self.exchange, self.session = exchange, session
        strategist = exchange.strategist
        for jump in strategist.jumps[len(self.entered) :]:
            entry = next(e for e in strategist.entries if e.plan.portfolio == jump["portfolio"])
            tick = float(exchange.day.specs[entry.plan.index].tick)
            self.entered.append(
                _Entered(
                    portfolio=jump["portfolio"],
                    t=exchange.t,
                    used_before=jump["utilised"] - jump["jump"],
                    used_after=jump["utilised"],
                    book=filled_book(exchange.account),
                    premium_paid=float(exchange.account.premium_paid),
                    legs=[(leg.contract, leg.side.sign * leg.units, leg.paid / leg.units * tick) for leg in entry.legs],
                )
            )


def run_trial(trial: Trial, *, policy: HedgePolicy) -> dict[str, Any]:
    """Run a day and return what it showed, as JSON-able values. Needs a database, in a transaction of the caller's."""
    seen = Recorder()
    policy = replace(policy, cooldown_seconds=trial.cooldown)
    figures = SimulatedRun(
        day=trial.day,
        seed=trial.seed,
        policy=policy,
        profile=PROFILES[trial.profile],
        margin=trial.margin,
        rules=AccountRules(books_behind_seconds=trial.behind),
        watch=seen,
    ).run()
    if seen.exchange is None or seen.session is None:
        raise RuntimeError(f"nothing was seen of {trial}")
    limit = float(policy.utilization_trigger_pct) - SPARE_PCT
    return trial.as_json() | {
        "family": seen.exchange.market.family.value,
        "figures": figures,
        "entries": _entries(seen, seen.session),
        "hedges": _hedges(seen, seen.exchange, seen.session, limit_pct=limit),
    }


def _entries(seen: Recorder, session: TradingSession) -> list[dict[str, Any]]:
    """Return forecast and truth of each entry, rupees and percent of budget."""
    budget = float(session.budget)
    forecasts = {row.subject: row for row in MarginJump.objects.filter(session=session, kind="entry")}
    rows = []
    for number, entry in enumerate(seen.entered):
        row = forecasts.get(entry.portfolio)
        forecast = None if row is None or row.forecast is None else float(row.forecast)
        jump = entry.used_after - entry.used_before
        rows.append(
            {
                "portfolio": entry.portfolio,
                "number": number,
                "jump": round(jump, 2),
                "forecast": None if forecast is None else round(forecast, 2),
                "source": "" if row is None else row.forecast_source,
                "error_of_budget_pct": None if forecast is None else round((forecast - jump) / budget * 100, 3),
                "error_of_used_pct": None if forecast is None else round((forecast - jump) / entry.used_after * 100, 3),
                "utilization": round(entry.used_after / budget * 100, 2),
            }
        )
    return rows


def _hedges(seen: Recorder, exchange: Exchange, session: TradingSession, *, limit_pct: float) -> list[dict[str, Any]]:
    """Return each hedge action with what its entries would have met without it."""
    cash = float(exchange.account.cash)
    rows = []
    for card in HedgeDecision.objects.filter(session=session, action=Action.ADD).order_by("id"):
        served = {entry["portfolio"] for entry in card.facts.get("projection", ())} - set(
            card.facts.get("given_up", ())
        )
        trades = [tx for tx in HedgeTransaction.objects.filter(decision=card) if tx.filled_quantity]
        entries = [entry for entry in seen.entered if entry.portfolio in served]
        worst_used, refused = 0.0, False
        for entry in entries:
            used, gross = _without(exchange, entry, trades)
            worst_used = max(worst_used, used / cash * 100)
            refused |= gross > cash
        rows.append(
            {
                "at": card.at.isoformat(),
                "serves": sorted(served),
                "bought": any(tx.side == Side.BUY for tx in trades),
                "judged": bool(entries),
                "without_pct": round(worst_used, 2),
                "refused_without": refused,
                "needless": bool(entries and trades) and not refused and worst_used <= limit_pct,
            }
        )
    return rows


def _without(exchange: Exchange, entry: _Entered, trades: Sequence[HedgeTransaction]) -> tuple[float, float]:
    """Return used after the entry, and the most that one of its orders asks of the cash, had `trades` not been made."""
    book, premium = dict(entry.book), entry.premium_paid
    for tx in trades:
        key = (parse_symbol(tx.symbol), Product(tx.product))
        # What was bought and has left the book since cannot be taken out of it again.
        units = tx.filled_quantity if tx.side == Side.SELL else -min(tx.filled_quantity, max(0, book.get(key, 0)))
        book[key] = book.get(key, 0) + units
        premium += units * float(tx.average_price or 0)
    used = exchange.risk.need(book, entry.t).total + premium
    asked, credit = 0.0, 0.0
    for contract, units, price in reversed(entry.legs):  # an order is checked without its own credit and those after it
        credit += -units * price
        asked = max(asked, exchange.risk.need(book, entry.t).total + premium + credit)
        product = next((product for held, product in book if held == contract), Product.NRML)
        book[contract, product] = book.get((contract, product), 0) - units
    return used, asked
