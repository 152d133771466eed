"""The world that is served: a stored day resumed or a new one begun, its clock, and the thread that moves it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from threading import Event, Thread
from typing import Any

from hedging.domain.instruments import Index, Product
from hedging.simulator.clock import ScaledClock
from hedging.simulator.day import CarriedPosition, SimulatedDay
from hedging.simulator.exchange import Exchange
from hedging.simulator.profiles import DEFAULT, Profile, UnknownProfile, profile_named
from hedging.simulator.rules import AccountRules
from hedging.simulator.store import Command, Store, StoreUnusable
from hedging.simulator.views_orders import OrderViews
from hedging.simulator.wsgi import SimulatorApp

_TICK_SECONDS = 0.2
_LEASE_SECONDS = 0.3


@dataclass(frozen=True, slots=True)
class Leftover:
    """What a finished day hands to the next: its date, the index levels at its close, positions that have not expired."""

    date: date
    closes: Mapping[Index, Decimal]
    carried: tuple[CarriedPosition, ...]


class World:
    """One served day. Build it with `open_world`; `start` and `stop` its thread; serve its `app`."""

    def __init__(
        self, *, store: Store, exchange: Exchange, clock: ScaledClock, api_keys: Iterable[str], profile: Profile
    ) -> None:
        self.exchange = exchange
        self.clock = clock
        self._store = store
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="simulated-market", daemon=True)
        self.app = SimulatorApp(exchange=exchange, clock=clock, api_keys=api_keys, record=self._record, profile=profile)
        self._extend()

    def _record(self, kind: str, body: dict[str, Any], order_id: str) -> None:
        self._store.append(Command(self.exchange.now, kind, body, order_id))

    def _extend(self) -> None:
        """Store how far the clock may run before it asks again: after kill -9 time goes on, and never goes back."""
        limit = self.clock.after(_LEASE_SECONDS)
        self._store.save_clock(limit)
        self.clock.allow_until(limit)

    def _run(self) -> None:
        while not self._stopping.wait(_TICK_SECONDS):
            self._extend()
            self.exchange.advance_to(self.clock.now())

    def start(self) -> None:
        """Let the market run."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the market and store the exact time."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)
        now = self.clock.now()
        with self.exchange.lock:
            self._store.save_clock(now)
            self.clock.allow_until(now)
            self._store.close()


def open_world(
    *,
    store: Store,
    seed: int,
    cash: Decimal,
    speed: float,
    api_keys: Iterable[str],
    choose_day: Callable[[Leftover | None], SimulatedDay],
    say: Callable[[str], None] = lambda _: None,
    hold_seconds: float = 0.0,
    profile: Profile | None = None,
    rules: AccountRules | None = None,
    monotonic: Callable[[], float] = time.monotonic,
) -> World:
    """Resume the stored day; if it is over, or there is none, begin the one that `choose_day` names.

    A stored day keeps its own seed, cash and profile (its orders were taken by that broker); `seed` is for a new file, and
    `profile` (`None`: the stored one, else Zerodha) and `rules` are for a new day. The clock stands still for `hold_seconds`, or until
    it is told to go. Raises `StoreUnusable` when playing the stored
    commands again gives other orders than it gave the first time (another version wrote them).
    """
    stored = store.load()
    exchange: Exchange | None = None
    if stored is not None:
        seed = stored.seed
        kept = _profile_of(stored.profile)
        exchange = _replayed(store)
        if stored.now >= stored.day.end_at:
            exchange.advance_to(stored.day.end_at)
            day = choose_day(_leftover(exchange))
            profile = profile or kept
            say(f"The day {stored.day.date} is over; {day.date} begins.")
            exchange = None
        else:
            day = stored.day
            if profile is not None and profile is not kept:
                say(f"The stored day's broker is {kept.name}: it stays so until the day is over (or --fresh).")
            profile = kept
            say(f"The day {day.date} goes on at {stored.now:%H:%M:%S} UTC.")
    else:
        day = choose_day(None)
    profile = profile or DEFAULT
    anchor = stored.now if stored is not None and exchange is not None else day.start_at
    if exchange is None:
        store.begin(day=day, seed=seed, cash=cash, profile=profile.name, rules=rules or AccountRules())
        exchange = Exchange(day=day, seed=seed, cash=cash, rules=rules)
    clock = ScaledClock(anchor=anchor, end=day.end_at, speed=speed, hold_seconds=hold_seconds, monotonic=monotonic)
    return World(store=store, exchange=exchange, clock=clock, api_keys=api_keys, profile=profile)


def _profile_of(name: str) -> Profile:
    try:
        return profile_named(name)
    except UnknownProfile as error:
        raise StoreUnusable(f"{error}: the stored day is of another version") from None


def _replayed(store: Store) -> Exchange:
    """Return the exchange in the state in which the store left it."""
    stored = store.load()
    if stored is None:
        raise StoreUnusable("nothing is stored")
    exchange = Exchange(day=stored.day, seed=stored.seed, cash=stored.cash, rules=stored.rules)
    views = OrderViews(exchange=exchange, record=lambda *_: None, profile=_profile_of(stored.profile))
    for command in stored.commands:
        exchange.advance_to(command.at)
        result = views.replay(command.kind, dict(command.body))
        if result != command.order_id:
            raise StoreUnusable(
                f"The simulator's state {store.path} was written by another version (order {command.order_id}): "
                "move it away to start anew."
            )
    exchange.advance_to(stored.now)
    return exchange


def _leftover(exchange: Exchange) -> Leftover:
    today = exchange.day.date
    carried = tuple(
        CarriedPosition(p.symbol, p.product, p.quantity, p.average)
        for p in exchange.account.positions.values()
        if p.quantity and p.product is Product.NRML and p.contract.expiry > today
    )
    closes = {index: Decimal(str(round(float(path.spot[-1]), 2))) for index, path in exchange.market.paths.items()}
    return Leftover(date=today, closes=closes, carried=carried)
