"""A whole trading day through the production engine, in process, on a virtual clock: everything real but the sockets."""

from __future__ import annotations

import hashlib
import json
import time as wall_time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

import requests

from hedging.brokers.base import Broker
from hedging.brokers.factory import build_broker
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.policy import HedgePolicy
from hedging.engine import ticks
from hedging.engine.clock import VirtualClock
from hedging.engine.execution import send_order
from hedging.engine.meaning import meaning_of
from hedging.engine.paper import StoredPaperBook
from hedging.engine.plan import dated_parameters, plan_of
from hedging.engine.ports import Ports
from hedging.engine.preflight import gate
from hedging.engine.sessions import open_session, set_automation
from hedging.management.worlds import day_of
from hedging.models import CycleKind, HedgeDecision
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.http_adapter import mount
from hedging.simulator.margin import MarginParameters
from hedging.simulator.profiles import DEFAULT, Profile
from hedging.simulator.rules import AccountRules
from hedging.simulator.wsgi import SimulatorApp
from schedule.calendar import load_calendar
from schedule.entries import ScheduledEntry
from sessions_app.models import Account, Mode, TradingSession

BASE_URL = "http://simulator.invalid"
API_KEY = "simulated-day"
STEP = timedelta(seconds=5)
CALIBRATION_SECONDS = 60


@dataclass(slots=True)
class SimulatedRun:
    """One simulated day, ready to run. Needs a database with the reference rows and a timetable.

    `profile` is the broker that the simulator is, `margin` the clearing corporation's figures, `rules` what the broker
    refuses and how late its books are: nothing of these is told to the application. `cash` is in the account (`None`: the
    budget, one million a basket). `watch` sees the exchange after every step of five seconds.
    """

    day: date
    seed: int
    policy: HedgePolicy
    automation: bool = True
    dry_run: bool = False
    baskets: int = 1
    profile: Profile = DEFAULT
    margin: MarginParameters | None = None
    rules: AccountRules | None = None
    cash: Decimal | None = None
    progress: Callable[[datetime], None] = lambda _: None
    watch: Callable[[Exchange, TradingSession], None] = lambda *_: None
    _orders_live: bool = False
    _sessions_known: list[TradingSession] | None = None

    def run(self) -> dict[str, Any]:
        """Run the day and return its figures; rupees and percent as floats, `decisions_hash` over every card."""
        started = wall_time.perf_counter()
        account = Account.objects.create(
            name=f"simulated {self.day} seed {self.seed} {wall_time.time_ns()}",
            mode=Mode.DRY_RUN if self.dry_run else Mode.LIVE,
        )
        world = day_of(self.day, load_calendar(), baskets=self.baskets)
        exchange = Exchange(day=world, seed=self.seed, cash=self._money(), margin=self.margin, rules=self.rules)
        clock = VirtualClock(world.start_at)
        ports_for = self._ports(account, exchange, clock)
        session = open_session(
            account=account,
            day=self.day,
            now=clock.now(),
            wall_now=datetime.now(UTC),
            actor="simulate_day",
            baskets=self.baskets,
        )
        gate.waive(session, now=clock.now())
        if not self.automation:
            set_automation(session=session, on=False, now=clock.now(), wall_now=datetime.now(UTC), actor="simulate_day")
        self._live_through(session, exchange, clock, ports_for, until=world.end_at)
        session.refresh_from_db()
        return self._figures(session, exchange) | {"seconds": round(wall_time.perf_counter() - started, 2)}

    def _money(self) -> Decimal:
        return Decimal(1_000_000) * self.baskets if self.cash is None else self.cash

    def _ports(self, account: Account, exchange: Exchange, clock: VirtualClock) -> Callable[[TradingSession], Ports]:
        transport = requests.Session()
        app = SimulatorApp(
            exchange=exchange,
            clock=ManualClock(start=exchange.now),
            api_keys=[API_KEY],
            rate_limited=False,
            profile=self.profile,
        )
        mount(transport, BASE_URL, app)

        @cache
        def broker(meaning: PaperMeaning | None) -> Broker:
            return build_broker(
                live=not self.dry_run,
                base_url=BASE_URL,
                api_key=API_KEY,
                paper_book=StoredPaperBook(account_id=account.pk, day=self.day),
                session=transport,
                market_clock=clock.now,
                sleep=lambda _: None,  # in process nothing is rate-limited
                meaning=meaning,
            )

        def ports_for(session: TradingSession) -> Ports:
            # As in production, calibration decides how paper holdings are laid over the broker's figures.
            meaning = meaning_of(session).for_paper(dated_parameters(session)) if self.dry_run else None
            ports = Ports(
                broker=broker(meaning),
                clock=clock,
                wall=lambda: datetime.now(UTC),
                nudge_send=lambda order_id: self._send(order_id, ports),
                pause=lambda _: None,
            )
            return ports

        return ports_for

    def _sessions(self) -> list[TradingSession]:
        """Return the open session, read again whenever something may have changed it: nobody else does here."""
        if self._sessions_known is None or any(session.baseline is None for session in self._sessions_known):
            self._sessions_known = ticks.open_sessions()
        return self._sessions_known

    def _send(self, order_id: int, ports: Ports) -> None:
        self._orders_live = True
        send_order(order_id=order_id, ports=ports)

    def _live_through(
        self,
        session: TradingSession,
        exchange: Exchange,
        clock: VirtualClock,
        ports_for: Callable[[TradingSession], Ports],
        *,
        until: datetime,
    ) -> None:
        plan = plan_of(session)
        rules = ticks.Rules(
            ports_for=ports_for,
            plan_for=lambda _: plan,
            policy=self.policy,
            enabled=True,
            sessions=self._sessions,
        )
        due = _near_entries(plan.of(session), self.policy)
        while clock.moment < until:
            clock.moment += STEP
            exchange.advance_to(clock.moment)
            self.watch(exchange, session)
            second = int(clock.moment.timestamp())
            if second % CALIBRATION_SECONDS == 0:
                _must_succeed(ticks.calibrate(now=clock.moment, rules=rules))
            if second % ticks.PERIOD_SECONDS[CycleKind.MARGIN_CHECK] == 0:
                counts = ticks.check_margin(now=clock.moment, rules=rules)
                _must_succeed(counts)
                if counts["closed"]:
                    break  # the session is over; what the exchange still does, it does below
                self.progress(clock.moment)
            elif second % ticks.PERIOD_SECONDS[CycleKind.ENTRY_PROJECTION] == 0 and due(clock.moment):
                _must_succeed(ticks.project_entries(now=clock.moment, rules=rules))
            if self._orders_live:
                self._sessions_known = None  # fills and refusals change the session's row
                counts = ticks.reconcile_books(ports_for=ports_for)
                _must_succeed(counts)
                self._orders_live = counts["watched"] > 0
        exchange.advance_to(until)

    def _figures(self, session: TradingSession, exchange: Exchange) -> dict[str, Any]:
        truth = exchange.report()
        hedges = truth["hedges"] if not self.dry_run else _paper_figures(session)
        return {
            "date": self.day.isoformat(),
            "seed": self.seed,
            "index": session.index,
            "dte": session.dte,
            "entries_made": truth["entries_made"],
            "entries_refused": truth["entries_refused"],
            "entries_unavoidably_refused": truth["entries_unavoidably_refused"],
            "hedges_bought": hedges["bought_orders"],
            "hedges_sold": hedges["sold_orders"],
            "spend": hedges["spend"],
            "recovery": hedges["recovery"],
            "charges": hedges["charges"],
            "net": round(hedges["recovery"] - hedges["spend"] - hedges["charges"], 2),
            "peak_utilization": truth["peak_utilization"],
            "trigger_breaches": truth["trigger_breaches"],
            "refusals": truth["refusals"],
            "decisions_hash": decisions_hash(session),
        }


def decisions_hash(session: TradingSession) -> str:
    """Return a hash over every decision of the session: what was decided when, why, and by which figures."""
    digest = hashlib.sha256()
    rows = HedgeDecision.objects.filter(session=session).order_by("at", "kind", "id")
    for at, kind, action, reason, facts in rows.values_list("at", "kind", "action", "reason", "facts"):
        card = json.dumps([at.isoformat(), kind, action, reason, facts], sort_keys=True)
        digest.update(card.encode())
    return digest.hexdigest()


def _must_succeed(counts: dict[str, int]) -> None:
    """Stop the day at the first failed tick: in production the next tick carries on, here it would hide a bug."""
    if counts["failed"]:
        raise RuntimeError(f"a tick of the simulated day failed ({counts}): the log above says why")


def _near_entries(entries: Sequence[ScheduledEntry], policy: HedgePolicy) -> Callable[[datetime], bool]:
    ahead = timedelta(minutes=policy.lookahead_minutes)
    return lambda now: any(now < entry.entry_at <= now + ahead for entry in entries)


def _paper_figures(session: TradingSession) -> dict[str, Any]:
    summary = session.summary
    return {
        "bought_orders": summary["hedges_bought"],
        "sold_orders": summary["hedges_sold"],
        "spend": float(summary["spend"]),
        "recovery": float(summary["recovery"]),
        "charges": float(summary["charges"]),
    }
