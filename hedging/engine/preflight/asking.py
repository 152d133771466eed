"""Ask the checks of the pre-flight, one function each, of the world around one account. Reads only; writes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from types import MappingProxyType

from django.conf import settings
from django.core.checks import ERROR, run_checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from config.logging import redact
from hedging.brokers.base import AnalyzerMode, AuthenticationFailed, BrokerError, ServerStatus, SetupReader
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.domain.instruments import OPTION_EXCHANGE, Contract, Index
from hedging.domain.preflight import CHECKS, Result, State
from hedging.domain.snapshot import Chain, Position
from hedging.engine import watchdog
from hedging.engine.meaning import meaning_of
from hedging.engine.sessions import effective_mode
from hedging.models import Heartbeat, HedgeOrder
from hedging.selectors import holdings
from schedule.calendar import CalendarUnknown, TradingCalendar, load_calendar
from schedule.entries import entries_on
from schedule.models import ContractSpec
from sessions_app.models import Account, Mode, TradingSession

DATABASE_SKEW = timedelta(seconds=2)
SERVER_SKEW_SECONDS = 5
STRIKES = 5
"""How many strikes on each side of the money are asked for."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Whether a check holds, and what was seen."""

    holds: bool
    detail: str


class Around:
    """The world around one account, asked at most once for each reading. `now` is market time, `wall` gives wall time.

    `session` is the account's open session of the day, with account and calibration, or `None`. `queues_orders` asks for
    OpenAlgo's order mode, and is `None` where no real order could be sent. `ping_redis` raises when Redis is away.
    """

    def __init__(
        self,
        *,
        account: Account,
        session: TradingSession | None,
        day: date,
        now: datetime,
        wall: Callable[[], datetime],
        reader: SetupReader,
        ping_redis: Callable[[], object],
        queues_orders: Callable[[], bool | None] | None,
    ) -> None:
        self.account = account
        self.session = session
        self.day = day
        self.now = now
        self.wall = wall
        self.reader = reader
        self.ping_redis = ping_redis
        self.queues_orders = queues_orders
        self.mode = effective_mode(account) if session is None else Mode(session.mode)

    @cached_property
    def server(self) -> ServerStatus | BrokerError:
        """What OpenAlgo says of itself, or how it failed to."""
        try:
            return self.reader.server_status()
        except BrokerError as error:
            return error

    @cached_property
    def positions(self) -> tuple[Position, ...]:
        """The account's own positions, without paper."""
        return self.reader.positions()

    @cached_property
    def calendar(self) -> TradingCalendar:
        """Our calendar."""
        return load_calendar()

    @cached_property
    def chain(self) -> Chain:
        """Options around the money of the session's expiry."""
        session = self.open_session
        return self.reader.chain(Index(session.index), session.expiry, STRIKES)

    @property
    def open_session(self) -> TradingSession:
        """The session, for checks that need one."""
        if self.session is None:
            raise ValueError("this check needs the session")
        return self.session

    @property
    def index(self) -> Index:
        """What trades today: the session's index, else the timetable's first, else NIFTY."""
        if self.session is not None:
            return Index(self.session.index)
        entries = entries_on(self.day, self.calendar)
        return entries[0].index if entries else Index.NIFTY


def examine(around: Around) -> tuple[Result, ...]:
    """Return what every check came to, in the order of the table."""
    found: dict[str, Result] = {}
    for check in CHECKS:
        missing = [need for need in check.needs if found[need].state in {State.RED, State.NOT_ASKED}]
        if missing:
            found[check.name] = Result(check, State.NOT_ASKED, f"not asked while {', '.join(missing)} fails")
            continue
        try:
            finding = ASKED[check.name](around)
        except (BrokerError, CalendarUnknown) as error:
            finding = Finding(holds=False, detail=str(error))
        except Exception as error:  # noqa: BLE001 - a check that breaks is a check that fails, whatever broke
            finding = Finding(holds=False, detail=f"{type(error).__name__}: {error}")
        state = State.GREEN if finding.holds else check.failing
        found[check.name] = Result(check, state, redact(finding.detail)[:300])
    return tuple(found.values())


# --- our own machine ------------------------------------------------------------------------------------------------------


def _database(_around: Around) -> Finding:
    executor = MigrationExecutor(connection)
    missing = [
        f"{step.app_label}.{step.name}" for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())
    ]
    if missing:
        return Finding(holds=False, detail=f"not migrated: {', '.join(missing)}")
    return Finding(holds=True, detail="answers, every migration applied")


def _redis(around: Around) -> Finding:
    around.ping_redis()
    return Finding(holds=True, detail="answers")


def _workers(around: Around) -> Finding:
    seen = dict(Heartbeat.objects.filter(name__in=watchdog.ALL).values_list("name", "wall_at"))
    now, silent = around.wall(), []
    for name in watchdog.ALL:
        at = seen.get(name)
        if at is None:
            silent.append(f"{name} never gave a sign of life")
        elif watchdog.is_silent(at, wall_now=now):
            age = (now - at).total_seconds()
            silent.append(
                f"{name} silent for {age:.0f} s" if age > 0 else f"{name} silent since the clock was set back"
            )
    return Finding(holds=not silent, detail=", ".join(silent) or f"alive: {', '.join(watchdog.ALL)}")


def _settings(_around: Around) -> Finding:
    wrong = [m for m in run_checks(include_deployment_checks=True) if m.level >= ERROR and not m.is_silenced()]
    return Finding(holds=not wrong, detail="; ".join(f"{m.id}: {m.msg}" for m in wrong) or "no error")


def _clock(around: Around) -> Finding:
    before = around.wall()
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        theirs = cursor.fetchone()[0]
    after = around.wall()
    # The query took from `before` to `after`: only what lies outside of that is surely skew.
    skew = max(before - theirs, theirs - after, timedelta())
    return Finding(holds=skew <= DATABASE_SKEW, detail=f"at least {skew.total_seconds():.1f} s apart")


# --- OpenAlgo and the broker behind it ---------------------------------------------------------------------------------------


def _openalgo(around: Around) -> Finding:
    answer = around.server
    if isinstance(answer, ServerStatus | AuthenticationFailed | AnalyzerMode):
        return Finding(holds=True, detail=f"answers at {settings.OPENALGO_BASE_URL}")
    return Finding(holds=False, detail=str(answer))


def _openalgo_clock(around: Around) -> Finding:
    answer = around.server
    if not isinstance(answer, ServerStatus):
        return Finding(holds=True, detail="not told while the key is refused")
    if answer.skew_seconds is None:
        return Finding(holds=False, detail="its answers carry no Date header: what time it has is not known")
    return Finding(
        holds=abs(answer.skew_seconds) <= SERVER_SKEW_SECONDS, detail=f"at least {abs(answer.skew_seconds):.0f} s apart"
    )


def _key(around: Around) -> Finding:
    answer = around.server
    if isinstance(answer, AuthenticationFailed):
        return Finding(holds=False, detail=str(answer))
    return Finding(holds=True, detail="taken")


def _broker(around: Around) -> Finding:
    answer, expected = around.server, around.account.expected_broker
    if not isinstance(answer, ServerStatus):
        return Finding(holds=False, detail=str(answer))
    if not expected:
        return Finding(holds=True, detail=f"{answer.broker}: expected from the first run without red on")
    same = answer.broker == expected
    return Finding(holds=same, detail=answer.broker if same else f"{answer.broker}, not {expected}")


def _analyzer(around: Around) -> Finding:
    answer = around.server
    if isinstance(answer, ServerStatus) and not answer.analyze_mode:
        return Finding(holds=True, detail="off")
    return Finding(
        holds=False, detail="on: what OpenAlgo tells is paper" if isinstance(answer, ServerStatus) else str(answer)
    )


def _order_mode(around: Around) -> Finding:
    if around.mode != Mode.LIVE or around.queues_orders is None:
        return Finding(holds=True, detail="a dry run sends no order")
    queued = around.queues_orders()
    if queued is None:
        return Finding(holds=False, detail="OpenAlgo did not tell")
    return Finding(
        holds=not queued, detail="semi-auto: orders wait for approval" if queued else "orders are sent at once"
    )


def _broker_session(around: Around) -> Finding:
    funds = around.reader.funds()
    return Finding(holds=True, detail=f"₹{funds.available_cash} of cash, ₹{funds.utilised} used")


# --- the day ------------------------------------------------------------------------------------------------------------------


def _session(around: Around) -> Finding:
    session = around.session
    if session is None:
        return Finding(holds=False, detail=f"no session of {around.day} is open")
    wanted = effective_mode(around.account)
    if session.mode != wanted:
        return Finding(holds=False, detail=f"the session is {session.mode}, account and environment say {wanted.value}")
    beside = TradingSession.objects.open().filter(mode=Mode.LIVE).exclude(account=around.account)
    if session.mode == Mode.LIVE and beside.exists():
        names = ", ".join(beside.values_list("account__name", flat=True))
        # One server is one broker account: two caps, two cooldowns, and two ledgers would go by the same positions.
        return Finding(holds=False, detail=f"live through this server already: {names}")
    return Finding(holds=session.budget > 0, detail=f"{session}, budget ₹{session.budget}")


def _calendar(around: Around) -> Finding:
    index = around.index
    exchange = OPTION_EXCHANGE[index].value
    ours, theirs = around.calendar.is_trading_day(around.day), exchange in around.reader.open_exchanges(around.day)
    if not ours or not theirs:
        words = {True: "open", False: "closed"}
        return Finding(
            holds=False, detail=f"{exchange} on {around.day}: {words[ours]} here, {words[theirs]} in OpenAlgo"
        )
    expected = around.calendar.expiries(index, around.day, 1)[0]
    # The list may still hold dates that are over.
    listed = next((expiry for expiry in around.reader.expiries(index) if expiry >= around.day), None)
    if listed != expected:
        return Finding(holds=False, detail=f"next {index} expiry: {expected} here, {listed} in OpenAlgo")
    return Finding(holds=True, detail=f"{exchange} trades, {index} expires next on {expected}")


def _master_contract(around: Around) -> Finding:
    session = around.open_session
    if session.expiry not in around.reader.expiries(Index(session.index)):
        return Finding(holds=False, detail=f"{session.index} {session.expiry} is not listed")
    priced = sum(quote.mark is not None for quote in around.chain.quotes.values())
    return Finding(holds=True, detail=f"{priced} options of {session.expiry} with prices, spot {around.chain.spot}")


def _contracts(around: Around) -> Finding:
    session = around.open_session
    row = ContractSpec.objects.in_force(day=around.day).filter(index=session.index).first()
    if row is None:
        return Finding(holds=False, detail=f"no contract spec of {session.index} is in force")
    ours, theirs = row.as_facts(), around.reader.listing(_at_the_money(around.chain))
    wrong = []
    if theirs.lot != ours.lot:
        wrong.append(f"lot {ours.lot} here, {theirs.lot} there")
    if theirs.tick != ours.tick:
        wrong.append(f"tick {ours.tick} here, {theirs.tick} there")
    if theirs.freeze_quantity is not None and theirs.freeze_quantity != ours.freeze_quantity:
        wrong.append(f"freeze {ours.freeze_quantity} here, {theirs.freeze_quantity} there")
    freeze = "not known there" if theirs.freeze_quantity is None else f"{theirs.freeze_quantity}"
    return Finding(holds=not wrong, detail="; ".join(wrong) or f"lot {theirs.lot}, tick {theirs.tick}, freeze {freeze}")


def _at_the_money(chain: Chain) -> Contract:
    return min(chain.quotes, key=lambda contract: (abs(contract.strike - chain.spot), contract.strike, contract.right))


def _product(around: Around) -> Finding:
    session = around.open_session
    shorts = [
        p
        for p in around.positions
        if p.quantity < 0 and (p.contract.index, p.contract.expiry) == (Index(session.index), session.expiry)
    ]
    other = [f"{format_symbol(p.contract)} {p.product}" for p in shorts if p.product != around.account.product]
    if other:
        return Finding(holds=False, detail=f"hedges carry {around.account.product}: {', '.join(other[:5])}")
    return Finding(holds=True, detail=f"{len(shorts)} shorts, all {around.account.product}")


def _carried_over(around: Around) -> Finding:
    missing = []
    earlier = HedgeOrder.objects.live().filter(
        account_id=around.account.pk, mode=around.mode, trading_day__lt=around.day
    )
    missing += [f"order {order} of {order.trading_day} is unresolved" for order in earlier.order_by("id")[:5]]
    held = holdings(account_id=around.account.pk, mode=around.mode, day=around.day)
    if around.mode == Mode.LIVE:
        there = {(p.contract, p.product): p.quantity for p in around.positions}
        for row in held:
            found = there.get((row.contract, row.product), 0)
            if found < row.quantity:
                missing.append(f"{row.quantity} {format_symbol(row.contract)} by our fills, {found} at the broker")
    where = "at the broker" if around.mode == Mode.LIVE else "on paper"
    return Finding(holds=not missing, detail="; ".join(missing) or f"{len(held)} hedges held {where}")


def _margin_profile(around: Around) -> Finding:
    profile = meaning_of(around.open_session).profile()
    return Finding(holds=not profile.wide, detail=profile.words)


def _telegram(_around: Around) -> Finding:
    configured = bool(settings.TELEGRAM_BOT_TOKEN and settings.TELEGRAM_CHAT_ID)
    return Finding(holds=configured, detail="configured" if configured else "not configured")


ASKED: Mapping[str, Callable[[Around], Finding]] = MappingProxyType(
    {
        "database": _database,
        "redis": _redis,
        "workers": _workers,
        "settings": _settings,
        "clock": _clock,
        "openalgo": _openalgo,
        "openalgo_clock": _openalgo_clock,
        "key": _key,
        "broker": _broker,
        "analyzer": _analyzer,
        "order_mode": _order_mode,
        "broker_session": _broker_session,
        "session": _session,
        "calendar": _calendar,
        "master_contract": _master_contract,
        "contracts": _contracts,
        "product": _product,
        "carried_over": _carried_over,
        "margin_profile": _margin_profile,
        "telegram": _telegram,
    }
)
