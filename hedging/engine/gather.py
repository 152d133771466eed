"""Gather: read what one cycle needs to know. Cheap readings first; prices and basket calls only when a decision wants them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from math import ceil
from typing import Any

from hedging.brokers.base import BrokerError, BrokerUnavailable, MarginLeg, MarketReader
from hedging.brokers.openalgo.symbols import parse_symbol
from hedging.domain.entries import ComingEntry, in_time_order, waits_for_exit
from hedging.domain.facts import SETTLES_WITHIN, CycleFacts, InFlight, LaterEntry, OwnWing, SessionFacts, Window
from hedging.domain.instruments import Contract, ContractSpec, Index, Product, Right, Side
from hedging.domain.lifecycle import OUTCOME_UNKNOWN
from hedging.domain.plausible import contradiction, vanished_collateral
from hedging.domain.policy import HedgePolicy
from hedging.domain.projection import BrokerIncrement
from hedging.domain.snapshot import BasketMargin, Chain, Depth, Funds, Position
from hedging.domain.stillness import still_seconds
from hedging.domain.templates import resolve_legs, short_units
from hedging.engine.basket import BasketCall, NoAnswer
from hedging.engine.completing import unfinished
from hedging.engine.meaning import meaning_of
from hedging.engine.past import past_jumps
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.engine.preflight import gate
from hedging.engine.prices import with_prices
from hedging.engine.pulse import Pulse, last_fill_at
from hedging.engine.reconcile import Reconciled
from hedging.engine.sessions import live_closed
from hedging.engine.standing import Standing
from hedging.models import HedgeTransaction, values_of
from hedging.selectors import holdings
from hedging.selectors.ledger import holdings_as_of
from schedule.entries import ScheduledEntry
from sessions_app.models import TradingSession
from sessions_app.policy import policy_of

STRIKES_BEYOND_BOUND = 4
LONGEST_CHAIN = 100  # strikes on each side that a server is asked for at most
JUST_DUE = timedelta(seconds=60)
JUST_EXITED = timedelta(minutes=3)


class Gatherer:
    """Collects `CycleFacts` for one session. Not reused: one gatherer, one cycle.

    `reader` is asked in place of the ports' broker where several gatherers have to see the same readings.
    """

    def __init__(
        self,
        *,
        session: TradingSession,
        plan: DayPlan,
        base_policy: HedgePolicy,
        enabled: bool,
        ports: Ports,
        reader: MarketReader | None = None,
    ) -> None:
        self._session = session
        self._account = session.account
        self._meaning = meaning_of(session)
        self._reader: MarketReader = reader or ports.broker
        self._basket = BasketCall(broker=self._reader, meaning=self._meaning)
        self._plan = plan
        self._policy = policy_of(session, base_policy)
        self._enabled = enabled
        self._ports = ports
        self._unknown = ""
        self._spots: tuple[tuple[datetime, Decimal], ...] = ()
        self.infrastructure_failed = False
        self.no_basket = ""
        """Why the broker's basket call last gave no answer that counts; "" when it did."""

    def book(self, *, now: datetime, books: Reconciled, pulse: Pulse) -> CycleFacts:
        """Read funds and positions, and everything about the session that the database knows.

        What must have settled by now is judged by `now`, when the cycle began. Which entries are still to come is judged by
        the moment after the reading: one that fell due in between may be held already, and must not be counted twice.
        """
        session = self._session
        spec, hours = self._plan.spec, self._plan.hours
        funds = self._read("funds", self._reader.funds)
        positions = self._read("positions", self._reader.positions)
        if funds is not None and contradiction(funds, positions or ()):
            # The first short may have filled between the two readings, and an adapter fails for a moment: ask once more.
            funds = self._read("funds", self._reader.funds)
        seen_at = max(now, self._ports.clock.now())
        if funds is not None and (why := contradiction(funds, positions or ()) or self._lost_collateral(funds)):
            self._unknown = self._unknown or why
            funds = None
        if funds is not None and self._is_stale(funds):
            funds = None
        used = free = None
        if funds is not None:
            free = self._meaning.free(funds)
            used = None if session.baseline is None else funds.utilised - session.baseline
        later = [e for e in self._plan.of(session) if e.entry_at > seen_at]
        standing = pulse.standing
        self._spots = pulse.spots
        live = _live_intents(session) if books.watched else ()
        # Read after the books: what fills while they are read may not be in them.
        filled_at = last_fill_at(session.pk) if books.watched else pulse.filled_at
        fresh = filled_at is not None and filled_at > now - SETTLES_WITHIN
        return CycleFacts(
            now=now,
            seen_at=seen_at,
            session=_session_facts(session, standing),
            policy=self._policy,
            spec=spec,
            parameters=self._meaning.parameters(self._plan.parameters),
            charges=self._plan.charges,
            profile=self._meaning.profile(),
            enabled=self._enabled,
            window=None if hours is None else Window(hours.act_from, hours.act_until, hours.closes),
            breaker_open=standing.orders_until is not None,
            exit_breaker_open=standing.exits_until is not None,
            reconciled=books.books_read,
            funds=funds,
            used=used,
            free_margin=free,
            positions=positions,
            held=_held(session, live, positions, ledger=None if books.watched else pulse.ledger, fresh=fresh),
            in_flight=_in_flight(live),
            coming=(),
            soon=(),
            later=tuple(LaterEntry(e.portfolio, e.entry_at, self._units(e, spec)) for e in later),
            # Of any entry of the day: these two ask whether funds are moving, and funds are the whole account's.
            just_due=any(now - JUST_DUE <= e.entry_at <= seen_at for e in self._plan.entries),
            just_exited=any(
                e.exit_at is not None and e.exit_at <= now < e.exit_at + JUST_EXITED for e in self._plan.entries
            ),
            past=past_jumps(session=session, measured=pulse.jumps_measured),
            needed_until=_last_exit(self._plan, session),
            unknown=self._unknown,
            cleared=gate.is_cleared(session),
            preflight=gate.words(session),
            live_closed=live_closed(session),
            unfinished=unfinished(session=session, policy=self._policy, positions=positions, now=now)
            if later
            else None,
            filled_at=filled_at,
        )

    def prices(self, facts: CycleFacts) -> CycleFacts:
        """Read the option chain, and resolve the legs of every entry that is near at the strikes of this moment.

        An entry whose legs cannot be read is left out, and told: the others are hedged all the same.
        """
        session = facts.session
        if facts.positions is not None:
            priced = with_prices(facts.positions, index=session.index, expiry=session.expiry, reader=self._reader)
            facts = replace(facts, positions=priced)
        strikes = min(LONGEST_CHAIN, ceil(self._reach(facts)) + STRIKES_BEYOND_BOUND)
        chain = self._read("option chain", lambda: self._reader.chain(session.index, session.expiry, strikes))
        if chain is None:
            return replace(facts, unknown=self._unknown)
        facts = replace(
            facts,
            chain_age_seconds=self._age_seconds(chain.read_at),
            still_seconds=still_seconds(now=facts.now, spot=chain.spot, earlier=self._spots),
        )
        try:
            due = self._resolve(facts, chain, within=timedelta(minutes=facts.policy.lookahead_minutes))
            soon = self._resolve(facts, chain, within=timedelta(minutes=facts.policy.exit_buffer_minutes))
        except ValueError as error:
            return replace(facts, chain=chain, unknown=str(error))
        # An exit of another expiry releases margin too, and it is the account's margin that is measured.
        exits = [e.exit_at for e in self._plan.entries if e.exit_at is not None and e.entry_at <= facts.seen_at]
        waiting = {e.portfolio for e in due if waits_for_exit(e.at, exits, now=facts.now)}
        coming = tuple(entry for entry in due if entry.portfolio not in waiting)
        return replace(facts, chain=chain, coming=coming, soon=soon, waiting=tuple(sorted(waiting)))

    def _reach(self, facts: CycleFacts) -> Decimal:
        """Return the strike steps within which all lies that wants a price: candidates, legs still to come, what is held.

        One leg without a price makes everything unknown, some brokers' position books have no prices, and a wing that the
        chain does not quote is never sold.
        """
        spec, session = facts.spec, facts.session
        legs = [leg.offset for e in self._plan.of(session) if e.entry_at > facts.seen_at for leg in e.legs]
        bound = max(spec.otm_max / spec.strike_step, *map(Decimal, map(abs, legs)), Decimal(0))
        strikes = [
            p.contract.strike
            for p in facts.positions or ()
            if (p.contract.index, p.contract.expiry) == (session.index, session.expiry)
        ]
        if not strikes:
            return bound
        # Where nobody has seen the index yet, it is taken to lie within what is held: this chain tells it for the next one.
        seen = [self._spots[0][1]] if self._spots else [min(strikes), max(strikes)]
        return max(bound, *(abs(strike - spot) / spec.strike_step for strike in strikes for spot in seen))

    def depth(self, contract: Contract) -> Depth | None:
        """Read the price ladder of one contract; `None` when it cannot be read."""
        found: Depth | None = self._read("depth", lambda: self._reader.depth(contract))
        return found

    def increments(self, facts: CycleFacts) -> CycleFacts:
        """Ask the broker what the coming entries add, one after the other. An answer that fails is left out."""
        answers: dict[str, BrokerIncrement] = {}
        legs: list[MarginLeg] = []
        for entry in in_time_order(facts.coming):
            legs += margin_legs(entry)
            added = self.added_by(facts, legs)
            if added is None:
                break
            age = self._age_seconds(added[1].read_at)
            answers[entry.portfolio] = BrokerIncrement(used_after=added[0], at_order=None, age_seconds=age)
        # These calls took their time: what is decided now rests on prices that are older by it.
        age = 0.0 if facts.chain is None else self._age_seconds(facts.chain.read_at)
        facts = replace(facts, increments=answers, chain_age_seconds=age)
        return self._with_prices_of_now(facts) if facts.chain_is_stale and self._still_as_read(facts) else facts

    def _still_as_read(self, facts: CycleFacts) -> bool:
        """Return whether funds may be believed still, and no entry fell due since: it may be in the book that was not read."""
        if facts.funds is not None and self._is_stale(facts.funds):
            return False
        return all(entry.at > self._ports.clock.now() for entry in facts.coming)

    def _with_prices_of_now(self, facts: CycleFacts) -> CycleFacts:
        """Read the chain once more: a slow basket call must not keep every cycle from deciding until the entry is past.

        What was answered stays for entries whose legs are the same ones still; each answer holds the entries before it too.
        """
        fresh, answers = self.prices(facts), {}
        for was, now in zip(in_time_order(facts.coming), in_time_order(fresh.coming), strict=False):
            if _what(was) != _what(now) or was.portfolio not in facts.increments:
                break
            answers[was.portfolio] = facts.increments[was.portfolio]
        return replace(fresh, increments=answers)

    def added_by(self, facts: CycleFacts, legs: Sequence[MarginLeg]) -> tuple[Decimal, BasketMargin] | None:
        """Return the rupees that `legs` add to the book by the broker's own basket call, or `None` when it cannot say."""
        self.no_basket = ""
        try:
            return self._basket.added_by(legs, book=book_legs(facts), held=bool(facts.positions))
        except (NoAnswer, ValueError) as error:  # a line of the book without a price: `decide` names it
            self.no_basket = str(error)[:200]
            return None

    def _age_seconds(self, read_at: datetime) -> float:
        return (self._ports.wall() - read_at).total_seconds()

    def _lost_collateral(self, funds: Funds) -> str:
        row = self._session.calibration
        today = row is not None and row.trading_day == self._session.trading_day
        known = Decimal(row.funds.get("collateral", 0)) if row is not None and today else Decimal(0)
        return vanished_collateral(funds, known=known)

    def _is_stale(self, funds: Funds) -> bool:
        age = self._age_seconds(funds.read_at)
        if age <= self._policy.max_funds_age_seconds:
            return False
        self._unknown = self._unknown or f"funds: read {age:.0f} s ago"
        return True

    def rest_of_day(self, facts: CycleFacts) -> tuple[CycleFacts, tuple[ComingEntry, ...]]:
        """Return `facts` with prices, and every entry still to come today of the session's index and expiry, priced now.

        Reads the chain where this cycle has not. Raises `ValueError` where a price or an entry's legs are missing, which says
        whose.
        """
        priced = facts if facts.chain is not None else self.prices(facts)
        chain = priced.chain
        if chain is None:
            raise ValueError(priced.unknown or "the option chain could not be read")
        ahead = [e for e in self._plan.of(facts.session) if e.entry_at > facts.seen_at]
        if trouble := next((e.trouble for e in ahead if e.trouble), ""):
            raise ValueError(trouble)
        return priced, tuple(self._resolve_entry(priced, chain, entry) for entry in ahead)

    def _resolve(self, facts: CycleFacts, chain: Chain, *, within: timedelta) -> tuple[ComingEntry, ...]:
        return tuple(
            self._resolve_entry(facts, chain, e)
            for e in self._plan.of(facts.session)
            if facts.seen_at < e.entry_at <= facts.now + within and not e.trouble
        )

    def _resolve_entry(self, facts: CycleFacts, chain: Chain, entry: ScheduledEntry) -> ComingEntry:
        session = self._session
        legs = resolve_legs(
            entry.legs,
            portfolio=entry.portfolio,
            spec=facts.spec,
            expiry=entry.expiry,
            spot=chain.spot,
            lots=session.baskets * session.lots_per_basket,
            price_of=replace(facts, chain=chain).price_of,
        )
        return ComingEntry(
            portfolio=entry.portfolio,
            index=facts.session.index,
            expiry=entry.expiry,
            product=facts.session.product,
            at=entry.entry_at,
            legs=legs,
            dte=entry.dte,
            baskets=session.baskets,
            exit_at=entry.exit_at,
        )

    def _units(self, entry: ScheduledEntry, spec: ContractSpec) -> dict[Right, int] | None:
        if entry.trouble:
            return None
        return short_units(entry.legs, lots=self._session.baskets * self._session.lots_per_basket, lot=spec.lot)

    def _read(self, what: str, call: Any) -> Any:
        try:
            return call()
        except BrokerUnavailable as error:
            self.infrastructure_failed = True
            self._unknown = self._unknown or f"{what}: {error}"
        except BrokerError as error:
            self._unknown = self._unknown or f"{what}: {error}"
        return None


def _last_exit(plan: DayPlan, session: TradingSession) -> datetime | None:
    """Return when the last short that the session hedges leaves the book; `None` when one is held to its expiry."""
    exits = [entry.exit_at for entry in plan.of(session)]
    known = [at for at in exits if at is not None]
    return max(known) if known and len(known) == len(exits) else None


def margin_legs(entry: ComingEntry) -> list[MarginLeg]:
    """Return an entry's legs in the form of the basket call."""
    return [MarginLeg(leg.contract, entry.product, leg.side, leg.quantity, leg.price) for leg in entry.legs]


def _what(entry: ComingEntry) -> tuple[Any, ...]:
    return entry.portfolio, tuple((leg.contract, leg.side, leg.quantity) for leg in entry.legs)


def book_legs(facts: CycleFacts) -> list[MarginLeg]:
    """Return the book as legs of a basket call, for brokers that count only what is sent."""
    return [
        MarginLeg(
            line.contract, line.product, Side.BUY if line.quantity > 0 else Side.SELL, abs(line.quantity), line.price
        )
        for line in facts.book()
        if line.quantity
    ]


def _session_facts(session: TradingSession, standing: Standing) -> SessionFacts:
    return SessionFacts(
        index=Index(session.index),
        expiry=session.expiry,
        dte=session.dte,
        product=Product(session.account.product),
        budget=session.budget,
        baseline=session.baseline,
        automation=standing.automation,
        trading_state=standing.state.value,
        state_reason=standing.reason,
        spent=session.spent,
        reserved=session.reserved,
        last_action_at=session.last_action_at,
        quarantine=frozenset(parse_symbol(symbol) for symbol in session.quarantine),
    )


def _in_flight(live: Sequence[HedgeTransaction]) -> tuple[InFlight, ...]:
    uncertain = set(values_of(OUTCOME_UNKNOWN))
    return tuple(
        InFlight(
            contract=tx.contract,
            side=Side(tx.side),
            quantity=tx.quantity - tx.filled_quantity,
            uncertain=any(order.status in uncertain for order in tx.orders.all()),
        )
        for tx in live
    )


def _live_intents(session: TradingSession) -> tuple[HedgeTransaction, ...]:
    return tuple(HedgeTransaction.objects.live().filter(session=session).prefetch_related("orders"))


def _held(
    session: TradingSession,
    live: Sequence[HedgeTransaction],
    positions: Sequence[Position] | None,
    *,
    ledger: int | None,
    fresh: bool,
) -> tuple[OwnWing, ...]:
    """Return what is ours by our fills; nothing, without a query, where the broker shows no long and no fill is `fresh`."""
    if not fresh and not any(position.quantity > 0 for position in positions or ()):
        return ()
    selling: dict[Contract, int] = {}
    for tx in live:
        if tx.side == Side.SELL:
            selling[tx.contract] = selling.get(tx.contract, 0) + tx.quantity - tx.filled_quantity
    find = holdings if ledger is None else partial(holdings_as_of, ledger)
    rows = find(account_id=session.account_id, mode=session.mode, day=session.trading_day)
    wings = [
        OwnWing(row.contract, row.quantity - selling.get(row.contract, 0))
        for row in rows
        if row.product == session.account.product
    ]
    return tuple(wing for wing in wings if wing.quantity > 0)
