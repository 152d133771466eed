"""Calibrate in the engine: done once before the open, settled beside a book, kept with its history, and never in the way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import time, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from hedging import wiring
from hedging.brokers.base import BasketScope, BrokerUnavailable, MarginLeg
from hedging.domain.instruments import Product, Right, Side
from hedging.domain.jump import change_of_used
from hedging.domain.margin import MarginLine
from hedging.engine import calibrate as calibrating
from hedging.engine import clock
from hedging.engine.basket import BasketCall, NoAnswer
from hedging.engine.calibrate import CalibrationFailed, find_out, keep_calibrated
from hedging.engine.clock import VirtualClock
from hedging.engine.meaning import meaning_of
from hedging.engine.plan import plan_of
from hedging.engine.ports import Ports
from hedging.management.commands import calibrate as command
from hedging.models import AuditEvent, JumpKind, MarginJump
from hedging.selectors.margin_model import margin_model
from hedging.simulator.margin import MarginParameters as Truth
from hedging.simulator.profiles import PROFILES
from notifications.models import Alert
from sessions_app.models import BasketScope as ScopeChoice
from sessions_app.models import Calibration, FreeMargin, TradingSession
from tests import factories as make
from tests.contract.probing import Probed
from tests.unit.simulator_days import contract

pytestmark = pytest.mark.django_db
TRUTH = Truth(price_scan=0.104, elm_rate=0.026, elm_deep_rate=0.04)


class Counted:
    """The place's broker, counting what is read, or failing."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def __getattr__(self, method: str):
        if self._place.down:
            raise BrokerUnavailable("nobody answers")
        self._place.asked += 1
        return getattr(self._place.probed.broker, method)


class Place:
    """A session of today over a simulated broker, with reads counted and a switch that makes them fail."""

    def __init__(self, name: str, *, at: str = "09:15:10") -> None:
        self.probed = Probed(name, TRUTH, at=at)
        self.clock = VirtualClock(self.probed.exchange.now)
        self.asked = 0
        self.down = False
        self.ports = Ports(broker=Counted(self), clock=self.clock, wall=self.clock.now, nudge_send=lambda _: None)
        make.TradingDayFactory.create(day=make.TUESDAY)
        make.ContractSpecFactory.create()
        make.ChargeRatesFactory.create()
        make.MarginParametersFactory.create()
        self.session = make.TradingSessionFactory.create(baseline=Decimal(0), baseline_at=make.OPEN)
        self.plan = plan_of(self.session)

    def tick(self, **wait):
        self.clock.moment = max(self.clock.moment, self.probed.exchange.now) + timedelta(**wait)
        return keep_calibrated(session=self.session, plan=self.plan, now=self.clock.now(), ports=self.ports)


def test_the_probes_are_asked_once_and_what_they_say_is_in_force():
    place = Place("zerodha")
    row = place.tick()
    assert row == TradingSession.objects.get().calibration
    assert (row.found_by, row.basket_scope, row.error_pct < 1) == ("basket", "unknown", True)
    assert len(row.probes) == 9
    assert AuditEvent.objects.filter(event="calibrated").count() == 1
    meaning = meaning_of(place.session)
    assert meaning.parameters(place.plan.parameters).price_scan_fraction == pytest.approx(0.104, abs=0.0005)
    assert not meaning.profile().wide

    asked = place.asked
    assert place.tick(minutes=1) is None
    assert place.asked == asked + 1  # positions, to see whether there is a book to settle by
    assert Calibration.objects.count() == 1


@pytest.mark.parametrize(
    ("name", "scope", "net"), [("zerodha", "increment", False), ("dhan", "total", True), ("kotak", "none", False)]
)
def test_the_first_positions_settle_what_the_call_counts_and_what_cash_is(name, scope, net, django_assert_num_queries):
    place = Place(name)
    place.tick()
    place.probed.trade(Side.SELL, lots=4)
    row = place.tick(minutes=1)
    assert (row.basket_scope, row.cash_is_net, row.premium_in_used) == (scope, net, True)
    assert Calibration.objects.count() == 2
    asked = place.asked
    with django_assert_num_queries(1 if scope == "none" else 0):  # have fills taught anything new?
        assert place.tick(minutes=1) is None
    assert place.asked == asked


def test_a_book_that_settles_nothing_is_asked_about_once():
    place = Place("zerodha")
    place.tick()
    place.probed.trade(Side.BUY, 10)  # bought wings alone: an increment looks like the legs alone
    for _ in range(2):
        place.tick(minutes=1)
    asked = place.asked
    assert place.tick(minutes=1) is None
    assert place.asked == asked + 1


def test_without_a_call_fills_teach_and_every_row_is_kept():
    place = Place("pocketful")
    first = place.tick()
    assert (first.found_by, first.basket_scope, first.error_pct) == ("fills", "none", None)
    assert meaning_of(place.session).profile().wide
    for number in range(3):
        _sell_a_straddle(place, number)
        place.tick(minutes=1)
        place.tick(minutes=1)
    last = place.session.calibration
    assert last is not None
    assert (last.jumps, last.found_by) == (3, "fills")
    assert last.error_pct is not None
    # Scan range and exposure rates come as one sum from straddles; the sum is right.
    assert last.scan_pct + 2 * last.elm_pct == pytest.approx(10.4 + 2 * 2.6, abs=0.3)
    assert Calibration.objects.count() >= 4


def _sell_a_straddle(place: Place, number: int) -> Decimal:
    """Sell two lots on each side and store how far used margin jumped, which is returned."""
    market, prices = place.probed.look()
    before = place.probed.broker.funds().utilised
    lines = _card(place.probed, prices)
    place.probed.trade(Side.SELL, lots=2)
    after = place.probed.broker.funds().utilised
    MarginJump.objects.create(
        session=place.session, mode=place.session.mode, kind=JumpKind.ENTRY, subject=f"entry {number}",
        at=place.probed.exchange.now, before=before, after=after,
        measured_at=place.probed.exchange.now, baskets=2, index="NIFTY", dte=0,
        book={
            "spot": str(next(iter(market.spots.values()))), "previous_close": None,
            "at": place.probed.exchange.now.isoformat(), "before": lines,
            "after": _card(place.probed, place.probed.look()[1]),
        },
    )  # fmt: skip
    return after - before


def _stated_by_hand(place: Place) -> Calibration:
    return calibrating.state_by_hand(
        session=place.session,
        plan=place.plan,
        rates={"elm_pct": 2.5},
        scope=ScopeChoice.TOTAL,
        now=place.clock.now(),
        ports=place.ports,
        actor="command",
    )


def _card(probed: Probed, prices) -> list[list[object]]:
    from hedging.brokers.openalgo.symbols import format_symbol

    return [
        [format_symbol(p.contract), p.product.value, p.quantity, str(prices[p.contract])]
        for p in probed.broker.positions()
    ]


def test_a_broker_that_does_not_answer_leaves_what_was_known_and_is_told_once():
    place = Place("zerodha")
    place.down = True
    for minutes in (0, 3, 3, 3):
        with pytest.raises(CalibrationFailed, match="nobody answers"):
            place.tick(minutes=minutes)
    assert place.session.calibration is None
    assert Alert.objects.filter(kind="not_calibrated").count() == 1
    place.down = False
    assert place.tick(minutes=1) is not None


@pytest.mark.parametrize(("at", "due"), [(time(8, 59, 59), False), (time(9, 0), True), (time(15, 40), False)])
def test_it_is_due_from_a_quarter_of_an_hour_before_the_open_to_the_close(at, due):
    place = Place("zerodha")
    now = make.ist(at.hour, at.minute, at.second)
    row = keep_calibrated(session=place.session, plan=place.plan, now=now, ports=place.ports)
    assert (row is not None) is due


def test_a_calibration_stands_in_for_a_week_and_for_its_kind_of_day_only():
    account = make.AccountFactory.create()
    row = make.CalibrationFactory.create(account=account, trading_day=make.TUESDAY)

    def in_force(days: int, *, expiring: bool = True, index: str = "NIFTY"):
        day = make.TUESDAY + timedelta(days=days)
        return Calibration.objects.in_force(account_id=account.pk, index=index, day=day, expiring=expiring)

    assert in_force(0) == in_force(7) == row
    assert in_force(8) is in_force(-1) is None
    assert in_force(0, expiring=False) is in_force(0, index="SENSEX") is None
    newer = make.CalibrationFactory.create(account=account, trading_day=make.TUESDAY)
    assert in_force(1) == newer


def legs(place: Place, *steps: int) -> list[MarginLeg]:
    _, prices = place.probed.look()
    wanted = [contract(place.probed.exchange, n, right) for n in steps for right in Right]
    return [MarginLeg(c, Product.NRML, Side.BUY if n // 2 else Side.SELL, 65, prices[c]) for n, c in enumerate(wanted)]


@pytest.mark.parametrize("name", ["zerodha", "dhan", "fyers"])
def test_what_a_basket_adds_is_the_same_rupees_whatever_the_call_counts(name):
    place = Place(name)
    place.tick()
    wanted = legs(place, 0, 10)
    place.probed.trade(Side.SELL, lots=4)
    held = [
        MarginLeg(line.contract, line.product, Side.SELL, -line.quantity, line.price) for line in place.probed.book()
    ]
    broker = place.probed.broker
    with pytest.raises(NoAnswer, match="not settled"):
        BasketCall(broker=broker, meaning=meaning_of(place.session)).added_by(wanted, book=held, held=True)
    place.tick(minutes=1)
    added, _ = BasketCall(broker=broker, meaning=meaning_of(place.session)).added_by(wanted, book=held, held=True)
    used = broker.funds().utilised
    for leg in wanted:
        place.probed.exchange.place(_ticket(place, leg))
    place.probed.exchange.advance_to(place.probed.exchange.now + timedelta(seconds=3))
    assert float(added) == pytest.approx(float(broker.funds().utilised - used), rel=0.03)


def _ticket(place: Place, leg: MarginLeg):
    from hedging.simulator.orders import PriceType
    from tests.unit.simulator_days import ticket

    return ticket(place.probed.exchange, leg.contract, leg.side, kind=PriceType.MARKET)


@pytest.mark.parametrize("name", ["upstox", "kotak", "shoonya", "pocketful"])
def test_a_call_that_does_not_net_is_never_used_for_a_decision(name):
    place = Place(name)
    place.tick()
    call = BasketCall(broker=place.probed.broker, meaning=meaning_of(place.session))
    with pytest.raises(NoAnswer, match="nets"):
        call.added_by(legs(place, 0, 10), book=[], held=False)


@pytest.mark.parametrize("name", PROFILES)
def test_free_margin_is_the_brokers_own_whatever_its_cash_contains(name):
    place = Place(name)
    place.probed.exchange.account.collateral = Decimal(200_000)
    if PROFILES[name].funds.holds_collateral:
        place.session.account.free_margin = FreeMargin.CASH_HOLDS_COLLATERAL  # the one thing no change of funds tells
    place.tick()
    place.probed.trade(Side.SELL, lots=4)
    place.tick(minutes=1)
    true = place.probed.exchange.funds().free.quantize(Decimal("0.01"))
    assert meaning_of(place.session).free(place.probed.broker.funds()) == true


def test_a_scope_set_by_hand_stands_until_calibration_has_settled_it():
    session = make.TradingSessionFactory.create(account__basket_scope=ScopeChoice.TOTAL)
    assert meaning_of(session).scope is BasketScope.TOTAL
    session.calibration = make.CalibrationFactory.create(account=session.account)
    assert meaning_of(session).scope is BasketScope.TOTAL
    session.calibration = make.CalibrationFactory.create(account=session.account, basket_scope="increment")
    assert meaning_of(session).scope is BasketScope.INCREMENT


def test_an_uncalibrated_session_and_one_of_another_day_are_amber():
    session = make.TradingSessionFactory.create()
    assert margin_model(session).amber
    session.calibration = make.CalibrationFactory.create(account=session.account, error_pct=Decimal("0.40"))
    assert not margin_model(session).amber
    session.calibration.error_pct = Decimal("3.50")
    assert margin_model(session).amber
    session.calibration = make.CalibrationFactory.create(
        account=session.account, trading_day=session.trading_day - timedelta(days=7)
    )
    seen = margin_model(session)
    assert (seen.amber, "none today" in seen.words) == (True, True)


@pytest.fixture
def at_the_desk(monkeypatch):
    place = Place("zerodha")
    rules = replace(wiring.rules(), ports_for=lambda _: place.ports, plan_for=lambda _: place.plan)
    monkeypatch.setattr(command, "rules", lambda: rules)
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    return place


def said(*words: str) -> str:
    out = StringIO()
    call_command("calibrate", *words, stdout=out)
    return out.getvalue()


def test_the_command_calibrates_every_open_session(at_the_desk):
    (row,) = json.loads(said("--json"))
    assert (row["found_by"], row["nets"], len(row["probes"])) == ("basket", True, 9)
    assert row["scan_pct"] == pytest.approx(10.4, abs=0.05)
    assert "scan range 10.40 %" in said()


def test_the_command_keeps_what_a_person_states_and_calls_it_unmeasured(at_the_desk):
    (row,) = json.loads(said("--json", "--set", "scan_pct=11.5", "--set", "basket=total"))
    assert (row["found_by"], row["scan_pct"], row["basket_scope"], row["error_pct"]) == ("hand", 11.5, "total", None)
    assert AuditEvent.objects.get(event="calibrated").actor == "command"


@pytest.mark.parametrize("pair", ["scan_pct=0", "scan_pct=much", "basket=some", "lot=65", "elm_pct=-1"])
def test_the_command_refuses_what_is_no_rate(at_the_desk, pair):
    with pytest.raises(CommandError, match="not one of"):
        said("--set", pair)


def test_the_command_says_why_nothing_was_found(at_the_desk):
    at_the_desk.down = True
    with pytest.raises(CommandError, match="nobody answers"):
        said()
    TradingSession.objects.update(closed_at=make.OPEN)
    with pytest.raises(CommandError, match="No session is open"):
        said()


@pytest.fixture(autouse=True)
def _forget():
    yield
    calibrating._tried.clear()


def test_asking_twice_by_hand_keeps_both_rows(at_the_desk):
    for _ in range(2):
        find_out(
            session=at_the_desk.session, plan=at_the_desk.plan, now=at_the_desk.clock.now(), ports=at_the_desk.ports
        )
    assert Calibration.objects.count() == 2


def test_what_fills_told_about_funds_is_still_known_the_next_morning_beside_an_overnight_book():
    place = Place("dhan")
    place.tick()
    place.probed.trade(Side.SELL, lots=4)
    learned = place.tick(minutes=1)
    assert (learned.cash_is_net, learned.premium_in_used) == (True, True)
    true = place.probed.exchange.funds().free.quantize(Decimal("0.01"))
    Calibration.objects.update(trading_day=make.TUESDAY - timedelta(days=7))
    place.session.calibration = Calibration.objects.latest("id")
    row = place.tick(minutes=1)
    assert (row.trading_day, row.cash_is_net, row.premium_in_used) == (make.TUESDAY, True, True)
    assert meaning_of(place.session).free(place.probed.broker.funds()) == true


def test_a_flat_morning_learns_funds_again():
    place = Place("dhan")
    make.CalibrationFactory.create(
        account=place.session.account,
        trading_day=make.TUESDAY - timedelta(days=7),
        cash_is_net=True,
        premium_in_used=True,
    )
    row = place.tick()
    assert (row.cash_is_net, row.premium_in_used) == (None, None)


def test_collateral_is_kept_with_the_funds_of_a_calibration():
    place = Place("zerodha")
    place.probed.exchange.account.collateral = Decimal(200_000)
    assert Decimal(place.tick().funds["collateral"]) == 200_000


def test_funds_that_contradict_the_book_teach_nothing(monkeypatch):
    place = Place("dhan")  # cash has used margin taken off there
    place.probed.trade(Side.SELL, lots=4)  # yesterday
    read = place.probed.broker.funds
    with monkeypatch.context() as before_the_open:
        before_the_open.setattr(place.probed.broker, "funds", lambda: replace(read(), utilised=Decimal(0)))
        with pytest.raises(CalibrationFailed, match="0"):
            place.tick()
    for _ in range(3):
        place.tick(minutes=1)
    place.session.refresh_from_db()
    assert place.session.calibration is not None
    assert place.session.calibration.cash_is_net is not False


def test_rates_are_learned_with_the_premium_of_which_yesterday_told():
    place = Place("pocketful")
    place.session.account.premium_counted = False  # a guess
    place.session.account.save()
    place.tick()
    for number in range(3):
        _sell_a_straddle(place, number)
        place.tick(minutes=1)
    yesterday = {"trading_day": make.TUESDAY - timedelta(days=7), "premium_in_used": True, "cash_is_net": False}
    Calibration.objects.update(**yesterday)
    place.session.calibration = Calibration.objects.latest("id")
    row = place.tick(minutes=1)
    assert row is not None
    assert row.premium_in_used
    meaning = meaning_of(place.session)
    market, prices = place.probed.look()
    book = place.probed.book()
    took = _sell_a_straddle(place, 9)
    held = {(line.contract, line.product): line.quantity for line in book}
    added = ((line, line.quantity - held.get((line.contract, line.product), 0)) for line in place.probed.book())
    foretold = change_of_used(
        book=book,
        legs=tuple(
            MarginLine(line.contract, units, prices[line.contract], line.product) for line, units in added if units
        ),
        market=market,
        parameters=meaning.parameters(place.plan.parameters),
        profile=meaning.profile(),
    )
    assert float(foretold) == pytest.approx(float(took), rel=0.01)


def test_what_was_asked_for_the_expiry_before_is_not_given_to_a_moved_session():
    place = Place("zerodha")
    later = place.session.expiry + timedelta(days=7)
    TradingSession.objects.filter(pk=place.session.pk).update(expiry=later, dte=5)  # while the probes are asked
    asked = place.tick()
    assert asked is not None
    assert asked.expiring
    assert place.session.calibration is None
    assert TradingSession.objects.get().calibration is None


def test_rates_that_are_stated_by_hand_leave_what_funds_mean_as_it_was_found():
    place = Place("dhan")
    place.tick()
    place.probed.trade(Side.SELL, lots=4)
    found = place.tick(minutes=1)
    assert found is not None
    assert (found.cash_is_net, found.premium_in_used) == (True, True)
    stated = _stated_by_hand(place)
    assert (stated.cash_is_net, stated.premium_in_used, stated.elm_pct) == (True, True, 2.5)
    assert stated.funds == found.funds


def test_rates_that_are_stated_by_hand_take_no_funds_of_another_day_for_this_mornings():
    place = Place("zerodha")
    place.tick()
    Calibration.objects.update(trading_day=place.session.trading_day - timedelta(days=1))
    place.session.calibration = Calibration.objects.latest("id")
    stated = _stated_by_hand(place)
    assert stated.trading_day == place.session.trading_day
    assert stated.funds == {}
