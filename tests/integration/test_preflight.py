"""The pre-flight: each check green, and red or amber for its cause; what a run keeps, tells, opens and closes; when one is due."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
import requests
from django.conf import settings
from django.core.management import call_command
from django.db.models import F
from django.test import override_settings

from hedging import preflights
from hedging.brokers.factory import build_mode_probe, build_setup_reader
from hedging.domain.instruments import Contract, Index, Right, Side
from hedging.domain.preflight import CHECKS, State
from hedging.engine import clock, watchdog
from hedging.engine.clock import VirtualClock
from hedging.engine.preflight import gate, runs
from hedging.engine.preflight.asking import Around, examine
from hedging.management.worlds import day_of
from hedging.models import AuditEvent
from hedging.simulator.clock import ManualClock
from hedging.simulator.exchange import Exchange
from hedging.simulator.faults import FaultSpec
from hedging.simulator.http_adapter import mount
from hedging.simulator.wsgi import SimulatorApp
from notifications.models import Alert
from schedule.calendar import load_calendar
from schedule.models import ContractSpec, TradingDay
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import Account, Calibration, Mode, PreflightRun, TradingSession
from tests import factories as make
from tests.factories import TUESDAY, ist

pytestmark = pytest.mark.django_db
KEY = "0123456789abcdef"
WHERE = "http://openalgo.test"
REAL = {"WORLD": "real", "OPENALGO_BASE_URL": WHERE, "OPENALGO_API_KEY": KEY, "AUTO_HEDGE_DRY_RUN": False}
TELEGRAM = {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_CHAT_ID": "1"}


class Place:
    """A live account of the real world, as far as it can tell: the server behind its address is a simulator in process."""

    def __init__(self) -> None:
        seed_reference_data()
        seed_schedule_if_empty()
        day = day_of(TUESDAY, load_calendar())
        self.exchange = Exchange(day=day, seed=1, cash=Decimal(1_000_000))
        self.clock = VirtualClock(day.moment(ist(9, 0).astimezone(make.IST).time()))
        self.app = SimulatorApp(
            exchange=self.exchange, clock=ManualClock(start=self.exchange.now), api_keys=[KEY], rate_limited=False
        )
        self.transport = requests.Session()
        mount(self.transport, WHERE, self.app)
        self.fault("*:skew=0")  # in process there is no Date header otherwise
        self.account = make.AccountFactory.create()
        self.session: TradingSession | None = make.TradingSessionFactory.create(
            account=self.account, calibration=make.CalibrationFactory.create(account=self.account)
        )
        self.key = KEY
        self.redis: Callable[[], object] = lambda: None
        self.wall = lambda: datetime.now(UTC)
        for name in watchdog.ALL:
            watchdog.beat(name=name, wall_now=self.wall())

    def fault(self, text: str) -> None:
        self.app.faults.add(FaultSpec.parse(text), at_us=self.exchange.us)

    def around(self) -> Around:
        self.account.refresh_from_db()
        return Around(
            account=self.account,
            session=runs.session_of(self.account, TUESDAY),
            day=TUESDAY,
            now=self.clock.now(),
            wall=self.wall,
            reader=build_setup_reader(base_url=WHERE, api_key=self.key, session=self.transport, sleep=lambda _: None),
            ping_redis=self.redis,
            queues_orders=build_mode_probe(
                base_url=WHERE, api_key=self.key, session=self.transport, sleep=lambda _: None
            ),
        )

    def states(self) -> dict[str, State]:
        return {result.check.name: result.state for result in examine(self.around())}

    def run(self, asked_by: str = "test") -> PreflightRun:
        return runs.run(around=self.around(), asked_by=asked_by)


@pytest.fixture
def place():
    with override_settings(**REAL, **TELEGRAM):
        yield Place()


# --- each check ----------------------------------------------------------------------------------------------------------


def test_everything_in_order_is_green(place):
    assert {name: state for name, state in place.states().items() if state is not State.GREEN} == {}


def redis_away(place):
    def ping():
        raise ConnectionError("refused")

    place.redis = ping


def worker_silent(name):
    return lambda place: watchdog.beat(name=name, wall_now=place.wall() - timedelta(seconds=76))


def worker_of_the_future(place):
    watchdog.beat(name="orders", wall_now=place.wall() + timedelta(hours=5))


def clock_off(seconds):
    def turn(place):
        place.wall = lambda: datetime.now(UTC) + timedelta(seconds=seconds)
        for name in watchdog.ALL:
            watchdog.beat(name=name, wall_now=place.wall())

    return turn


def other_broker(place):
    Account.objects.update(expected_broker="zerodha")


def wrong_key(place):
    place.key = "fedcba9876543210"


def another_account_live(place):
    make.TradingSessionFactory.create(account=make.AccountFactory.create(mode=Mode.LIVE), mode=Mode.LIVE)


def no_session(place):
    TradingSession.objects.update(closed_at=ist(8, 0))


def session_of_other_mode(place):
    TradingSession.objects.update(mode=Mode.DRY_RUN)


def closed_here(place):
    TradingDay.objects.filter(day=TUESDAY).update(is_open=False)


def year_unknown(place):
    TradingDay.objects.all().delete()


def expiry_differs(place):
    ContractSpec.objects.filter(index="NIFTY").update(expiry_weekday=3)


def expiry_not_listed(place):
    TradingSession.objects.update(expiry=date(2026, 12, 2))


def spec(**changes):
    return lambda place: ContractSpec.objects.filter(index="NIFTY").update(**changes)


def lost_hedge(place):
    decision = make.HedgeDecisionFactory.create(session=place.session, at=ist(9, 20))
    tx = make.HedgeTransactionFactory.create(decision=decision, is_live=False, ended_at=ist(9, 21))
    order = make.HedgeOrderFactory.create(transaction=tx, acked=True, status="filled")
    make.FillFactory.create(order=order, quantity=130)


def unresolved_order(place):
    decision = make.HedgeDecisionFactory.create(session=place.session, at=ist(9, 20))
    tx = make.HedgeTransactionFactory.create(decision=decision)
    make.HedgeOrderFactory.create(transaction=tx, status="unknown", trading_day=TUESDAY - timedelta(days=1))


def not_calibrated(place):
    TradingSession.objects.update(calibration=None)


def badly_calibrated(place):
    Calibration.objects.update(error_pct=Decimal("3.01"))


def fault(*texts):
    def switch(place):
        for text in texts:
            place.fault(text)

    return switch


FAILING = [
    ("redis", State.RED, redis_away),
    *[("workers", State.RED, worker_silent(name)) for name in watchdog.ALL],
    ("workers", State.RED, worker_of_the_future),
    ("clock", State.RED, clock_off(3)),
    ("clock", State.RED, clock_off(-3)),
    ("openalgo", State.RED, fault("ping:error_before")),
    ("openalgo", State.RED, fault("analyzer:empty")),
    ("openalgo_clock", State.RED, fault("*:skew=7")),
    ("openalgo_clock", State.RED, fault("*:skew=-7")),
    ("key", State.RED, wrong_key),
    ("broker", State.RED, other_broker),
    ("analyzer", State.RED, fault("*:analyze")),
    ("order_mode", State.RED, fault("*:semi_auto")),
    ("order_mode", State.RED, fault("cancelorder:reset_before")),
    ("broker_session", State.RED, fault("funds:no_data")),
    ("broker_session", State.RED, fault("funds:broker_raises")),
    ("session", State.RED, no_session),
    ("session", State.RED, session_of_other_mode),
    ("session", State.RED, another_account_live),
    ("calendar", State.RED, closed_here),
    ("calendar", State.RED, year_unknown),
    ("calendar", State.RED, expiry_differs),
    ("calendar", State.RED, fault("market/timings:error_before")),
    ("master_contract", State.RED, expiry_not_listed),
    ("master_contract", State.RED, fault("optionchain:zeros")),
    ("contracts", State.RED, spec(lot=75, freeze_quantity=1800)),
    ("contracts", State.RED, spec(tick=Decimal("0.10"))),
    ("contracts", State.RED, spec(freeze_quantity=1755)),
    ("carried_over", State.RED, lost_hedge),
    ("carried_over", State.RED, unresolved_order),
    ("margin_profile", State.AMBER, not_calibrated),
    ("margin_profile", State.AMBER, badly_calibrated),
]


@pytest.mark.parametrize(("name", "state", "spoil"), FAILING)
def test_a_check_fails_for_its_cause_and_says_so_in_its_colour(place, name, state, spoil):
    spoil(place)
    assert place.states()[name] is state


@pytest.mark.parametrize(
    ("name", "leave"),
    [
        ("workers", worker_silent("orders")),
        ("clock", clock_off(1)),
        ("openalgo_clock", fault("*:skew=4")),
        ("openalgo_clock", fault("*:skew=-4")),
        ("margin_profile", lambda _: Calibration.objects.update(error_pct=Decimal("3.00"))),
        ("broker", lambda _: Account.objects.update(expected_broker="simulator")),
    ],
)
def test_a_check_holds_just_inside_of_its_bound(place, name, leave):
    leave(place)
    if name == "workers":
        watchdog.beat(name="orders", wall_now=place.wall() - timedelta(seconds=70))
    assert place.states()[name] is State.GREEN


@pytest.mark.parametrize("missing", list(TELEGRAM))
def test_telegram_that_is_not_configured_is_amber(place, missing):
    with override_settings(**{missing: None}):
        assert place.states()["telegram"] is State.AMBER


def test_settings_with_an_error_are_red(place):
    with override_settings(HEDGE_API_KEY=KEY):  # one secret for two doors: hedging.E001
        assert place.states()["settings"] is State.RED


def test_a_database_that_is_not_migrated_is_red(place, monkeypatch):
    step = type("Step", (), {"app_label": "hedging", "name": "9999_new"})()
    monkeypatch.setattr("hedging.engine.preflight.asking.MigrationExecutor.migration_plan", lambda *_: [(step, False)])
    assert place.states()["database"] is State.RED


@pytest.mark.parametrize(("product", "state"), [("NRML", State.GREEN), ("MIS", State.RED)])
def test_shorts_of_another_product_are_red(place, monkeypatch, product, state):
    from hedging.domain.snapshot import Position

    contract = Contract(Index.NIFTY, TUESDAY, Decimal(26000), Right.CE)
    around = place.around()
    monkeypatch.setattr(around.reader, "positions", lambda: (Position(contract, product, -65, Decimal(100)),))
    assert {r.check.name: r.state for r in examine(around)}["product"] is state


def test_what_rests_on_a_failed_check_is_not_asked_and_names_it(place):
    place.fault("*:error_before")
    results = {result.check.name: result for result in examine(place.around())}
    assert results["openalgo"].state is State.RED
    assert results["key"].state is State.NOT_ASKED
    assert "openalgo" in results["key"].detail
    assert results["broker_session"].state is State.NOT_ASKED


def test_a_dry_run_never_asks_for_the_order_mode(place):
    Account.objects.update(mode=Mode.DRY_RUN)
    TradingSession.objects.update(mode=Mode.DRY_RUN)
    place.fault("*:semi_auto")
    assert place.states()["order_mode"] is State.GREEN


def test_no_detail_shows_the_key(place):
    wrong_key(place)
    for result in examine(place.around()):
        assert place.key not in result.detail


def test_an_index_whose_freeze_openalgo_does_not_know_keeps_ours(place):
    assert (
        build_setup_reader(base_url=WHERE, api_key=KEY, session=place.transport)
        .listing(Contract(Index.SENSEX, place.exchange.day.expiries[Index.SENSEX][0], Decimal(80000), Right.CE))
        .freeze_quantity
        is None
    )


# --- a run -----------------------------------------------------------------------------------------------------------------


def test_a_green_run_clears_its_session_and_remembers_the_broker(place):
    row = place.run()
    place.session.refresh_from_db()
    assert (row.verdict, [r["name"] for r in row.results]) == ("green", [check.name for check in CHECKS])
    assert (place.session.preflight, place.session.cleared_at) == ("green", place.clock.now())
    assert Account.objects.get().expected_broker == "simulator"
    assert AuditEvent.objects.get(event="preflight_green").subject_id == row.pk
    assert Alert.objects.get(kind="preflight").severity == "info"


def test_an_amber_run_blocks_nothing(place):
    not_calibrated(place)
    place.run()
    place.session.refresh_from_db()
    assert place.session.preflight == "amber"
    assert gate.is_cleared(place.session)
    assert gate.may_go_live(place.session, Side.BUY)
    assert Alert.objects.get(kind="preflight").severity == "warning"


def test_a_red_run_closes_the_gate_until_one_is_not(place):
    redis_away(place)
    place.run()
    place.session.refresh_from_db()
    assert not gate.is_cleared(place.session)
    assert not gate.may_go_live(place.session, Side.SELL)
    assert Account.objects.get().expected_broker == ""
    assert Alert.objects.get(kind="preflight").severity == "critical"
    place.redis = lambda: None
    place.run()
    place.session.refresh_from_db()
    assert gate.is_cleared(place.session)


def test_a_later_red_stops_buys_and_lets_what_is_ours_leave(place):
    place.run()
    redis_away(place)
    place.run()
    place.session.refresh_from_db()
    assert not gate.is_cleared(place.session)
    assert not gate.may_go_live(place.session, Side.BUY)
    assert gate.may_go_live(place.session, Side.SELL)


def test_the_broker_of_the_first_green_run_is_never_replaced_by_another(place):
    Account.objects.update(expected_broker="zerodha")
    place.run()
    assert Account.objects.get().expected_broker == "zerodha"


def test_a_run_of_another_day_clears_nothing(place):
    place.run()
    TradingSession.objects.update(cleared_at=place.clock.now() - timedelta(days=1))
    session = TradingSession.objects.get()
    assert not gate.is_cleared(session)
    assert not gate.may_go_live(session, Side.SELL)


def test_a_run_that_repeats_itself_is_told_once(place):
    redis_away(place)
    place.run()
    place.run("again")
    assert Alert.objects.filter(kind="preflight").count() == 1
    place.redis = lambda: None
    place.run("again")
    assert Alert.objects.filter(kind="preflight").count() == 2


def test_in_the_simulators_world_no_run_is_asked_for(place):
    redis_away(place)
    place.run()
    session = TradingSession.objects.get()
    with override_settings(WORLD="simulator"):
        assert gate.is_cleared(session)
        assert gate.may_go_live(session, Side.BUY)
        assert preflights.run_due(now=place.clock.now(), wall_now=place.wall()) == {}


# --- when --------------------------------------------------------------------------------------------------------------------


def due(place, at):
    return runs.why_due(account=place.account, now=at, wall_now=place.wall())


def test_nothing_is_due_before_nine_without_a_session(place):
    no_session(place)
    assert due(place, ist(8, 59, 59)) == ""
    assert due(place, ist(9, 0)) == "09:00"


def test_a_run_is_due_when_a_session_is_opened_and_again_at_nine(place):
    assert due(place, ist(8, 30)) == "session opened"
    place.clock.moment = ist(8, 30)
    place.run()
    assert due(place, ist(8, 59, 59)) == ""
    assert due(place, ist(9, 0)) == "09:00"
    place.clock.moment = ist(9, 0)
    place.run()
    assert due(place, ist(9, 1)) == ""


def test_a_red_run_is_repeated_every_two_minutes_while_a_session_waits(place):
    redis_away(place)
    place.run()
    assert due(place, place.clock.now() + timedelta(seconds=119)) == ""
    assert due(place, place.clock.now() + timedelta(seconds=120)) == "again"
    no_session(place)
    assert due(place, place.clock.now() + timedelta(seconds=120)) == ""


def test_a_red_run_from_a_clock_that_ran_ahead_is_not_waited_for(place):
    redis_away(place)
    place.clock.moment = ist(14, 0)
    place.run()
    assert due(place, ist(9, 30)) == "again"


def waking(place, *, for_seconds: int) -> None:
    """Let only the hedge worker be silent, at runs of every ten seconds for so long. What is amber does not matter."""
    not_calibrated(place)
    worker_silent(watchdog.HEDGE)(place)
    for seconds in range(0, for_seconds + 1, 10):
        place.run("again" if seconds else "session opened")
        if seconds < for_seconds:
            place.clock.moment += timedelta(seconds=10)
            PreflightRun.objects.update(wall_at=F("wall_at") - timedelta(seconds=10))


def test_while_only_workers_are_red_just_after_a_start_each_tick_asks_again_and_nobody_is_told(place):
    waking(place, for_seconds=10)
    assert not Alert.objects.filter(kind="preflight").exists()
    assert due(place, place.clock.now() + timedelta(seconds=7)) == ""
    assert due(place, place.clock.now() + timedelta(seconds=8)) == "again"
    watchdog.beat(name=watchdog.HEDGE, wall_now=place.wall())
    assert place.run("again").verdict == "amber"
    assert Alert.objects.get(kind="preflight").severity == "warning"


def test_workers_that_do_not_wake_up_are_told_once_and_asked_every_two_minutes_again(place):
    waking(place, for_seconds=100)
    assert [alert.severity for alert in Alert.objects.filter(kind="preflight")] == ["critical"]
    assert due(place, place.clock.now() + timedelta(seconds=119)) == ""
    assert due(place, place.clock.now() + timedelta(seconds=120)) == "again"


def test_silent_workers_are_told_at_once_where_no_session_waits_for_another_run(place):
    no_session(place)
    worker_silent(watchdog.HEDGE)(place)
    place.run("09:00")
    assert Alert.objects.get(kind="preflight").severity == "critical"


def test_a_session_that_no_run_has_seen_gets_one(place):
    no_session(place)
    place.run()
    TradingSession.objects.update(closed_at=None)
    assert due(place, ist(10, 0)) == "session opened"


@pytest.mark.parametrize(("age", "reason"), [(74, ""), (76, "session opened"), (-76, "session opened")])
def test_a_run_that_never_ended_is_given_up_after_its_time(place, age, reason):
    PreflightRun.objects.create(
        account=place.account,
        trading_day=TUESDAY,
        mode=Mode.LIVE,
        at=place.clock.now(),
        wall_at=place.wall() - timedelta(seconds=age),
        asked_by="09:00",
    )
    assert due(place, place.clock.now()) == reason


@pytest.mark.parametrize("at", [ist(15, 30), ist(9, 0, day=date(2026, 12, 6)), ist(9, 0, day=date(2026, 12, 25))])
def test_nothing_is_due_after_our_hours_or_on_closed_days(place, at):
    assert due(place, at) == ""


# --- command and page ------------------------------------------------------------------------------------------------------


class _Asked:
    """Ask the place's Redis as it is when asked, not as it was when this was set."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __call__(self) -> object:
        return self._place.redis()


@pytest.fixture
def wired(place, monkeypatch):
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    monkeypatch.setattr(preflights, "ping_redis", _Asked(place))
    for name in ("build_setup_reader", "build_mode_probe"):
        built = getattr(preflights, name)
        monkeypatch.setattr(
            preflights,
            name,
            lambda built=built, **given: built(**given, session=place.transport, sleep=lambda _: None),
        )
    return place


def test_the_command_prints_each_check_and_ends_well_when_none_is_red(wired):
    out = StringIO()
    call_command("preflight", stdout=out)
    assert "GREEN" in out.getvalue()
    assert all(check.name in out.getvalue() for check in CHECKS)


def test_the_command_ends_with_1_when_a_check_is_red_and_says_what_to_do(wired):
    redis_away(wired)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("preflight", stdout=out)
    assert ended.value.code == 1
    assert "Start Redis, or correct REDIS_URL." in out.getvalue()


def test_the_command_prints_json(wired):
    out = StringIO()
    call_command("preflight", "--json", stdout=out)
    (run,) = json.loads(out.getvalue())
    assert (run["verdict"], len(run["checks"])) == ("green", len(CHECKS))


def test_the_task_runs_what_is_due_once(wired):
    assert preflights.run_due(now=wired.clock.now(), wall_now=wired.wall()) == {wired.account.name: "green"}
    assert preflights.run_due(now=wired.clock.now(), wall_now=wired.wall()) == {}


def test_the_page_shows_every_check_with_its_remedy(wired, client, admin_user):
    redis_away(wired)
    wired.run()
    client.force_login(admin_user)
    page = client.get("/preflight/").content.decode()
    assert "Start Redis, or correct REDIS_URL." in page
    assert "RED" in page


def test_the_page_wants_a_login_in_the_real_world(wired, client):
    answer = client.get("/preflight/")
    assert answer.status_code == 302
    assert settings.OPENALGO_API_KEY not in str(answer)


def refused() -> None:
    raise ConnectionError("refused")


def test_a_slow_red_run_that_ends_after_a_green_one_does_not_close_the_gate_for_the_day(place):
    between = []

    def ping() -> None:
        place.redis = lambda: None  # mended while the slow run still asks, and a second run begins
        between.append(place.run("command"))
        refused()

    place.redis = ping
    slow = place.run("again")
    assert (between[0].verdict, slow.verdict) == ("green", "red")
    assert gate.is_cleared(TradingSession.objects.get(pk=place.session.pk))
    # Nobody would ask again, for the last run is green.
    later = place.clock.now() + timedelta(hours=1)
    assert runs.why_due(account=place.account, now=later, wall_now=place.wall()) == ""


def test_a_slow_green_run_that_ends_after_a_red_one_does_not_open_the_gate(place):
    between = []

    def ping() -> None:
        place.redis = refused
        between.append(place.run("command"))

    place.redis = ping
    slow = place.run("again")
    assert (between[0].verdict, slow.verdict) == ("red", "green")
    assert not gate.is_cleared(TradingSession.objects.get(pk=place.session.pk))
