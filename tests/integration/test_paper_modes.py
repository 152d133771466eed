"""Two books, one account: paper orders and real ones never meet, whether they are looked for, counted, kept or switched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from hedging.brokers.base import OrderRequest
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.paper_margin import PaperMeaning
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.reasons import Reason
from hedging.engine import clock, discrepancies, ticks
from hedging.engine.baseline import capture_first_reading
from hedging.engine.calibration_rows import measured_jumps
from hedging.engine.day_end import end_day
from hedging.engine.day_figures import summarize
from hedging.engine.execution import send_order
from hedging.engine.hours import acting_hours
from hedging.engine.intents import record
from hedging.engine.modes import left_behind, switch_mode
from hedging.engine.paper import StoredPaperBook
from hedging.engine.past import past_jumps
from hedging.engine.path_rows import tick_and_own_prices
from hedging.engine.ports import Ports
from hedging.engine.pulse import take_pulse
from hedging.engine.reconcile import ResolutionRefused, reconcile, resolve
from hedging.engine.sessions import SessionRefused, effective_mode
from hedging.engine.states import Act, restrict_session, resume_session
from hedging.models import (
    Adjustment,
    AuditEvent,
    CycleKind,
    Fill,
    HedgeOrder,
    HedgeTransaction,
    JumpKind,
    MarginJump,
    Origin,
)
from hedging.selectors import day_ahead, feed, forecasts, holdings, session_facts, status, timetable, transactions
from hedging.selectors.trades import TransactionFilter
from notifications.models import Alert
from schedule.entries import ScheduledEntry
from sessions_app.models import Mode, TradingSession, TradingState
from tests import factories as make
from tests.integration.engine_world import CALL, NOW, PUT, World, add, facts, intent, leg, slice_of, unwind, world

pytestmark = pytest.mark.django_db

MONDAY = make.TUESDAY - timedelta(days=1)


def paper_world(**session: Any) -> World:
    return world(mode=Mode.DRY_RUN, **session)


def dry(place: World) -> Ports:
    """The ports of the same account in dry run: paper over the very exchange that takes the real orders."""
    broker = DryRunBroker(
        place.exchange,
        StoredPaperBook(account_id=place.session.account_id, day=place.session.trading_day),
        clock=place.clock.now,
        symbol_of=format_symbol,
        meaning=PaperMeaning(paid_in_answer=False, credit_from_legs=None),  # the fake adds nothing for any basket
    )
    return replace(place.ports, broker=broker)


def look(place: World, ports: Ports):
    return reconcile(account_id=place.session.account_id, day=place.session.trading_day, ports=ports)


def other_session(place: World, mode: Mode, **fields: Any) -> TradingSession:
    """The row that the account has for the same day in another mode, left before."""
    known = {"account": place.session.account, "mode": mode, "closed_at": NOW, "baseline": Decimal(0)}
    return make.TradingSessionFactory.create(**(known | fields))


def order_in(session: TradingSession, contract: Contract = CALL, *, live: bool = True, **fields: Any) -> HedgeOrder:
    """A slice of two lots, with its intent and card, in a session."""
    decision = make.HedgeDecisionFactory.create(session=session, at=NOW)
    tx = make.HedgeTransactionFactory.create(
        decision=decision, strike=contract.strike, right=contract.right.value, is_live=live
    )
    return make.HedgeOrderFactory.create(transaction=tx, **fields)


# --- orders are looked for where they were sent ----------------------------------------------------------------------------


@pytest.mark.parametrize("status_", [OrderStatus.ACKED, OrderStatus.UNKNOWN, OrderStatus.LOST])
@pytest.mark.parametrize("paper", [True, False], ids=["paper order, live run", "live order, dry run"])
def test_an_order_of_the_other_mode_is_never_looked_for_and_blocks_nothing(paper, status_):
    place = world() if paper else paper_world()
    order = order_in(
        other_session(place, Mode.DRY_RUN if paper else Mode.LIVE),
        status=status_,
        broker_order_id="PAPER-1" if paper else "B0001",
        limit_price=Decimal("4.15"),
        sent_at=NOW,
    )
    ports = place.ports if paper else dry(place)
    place.wait(300)
    assert look(place, ports) == look(place, ports)
    order.refresh_from_db()
    assert order.status == status_
    assert place.exchange.calls == []
    assert ticks.open_sessions() == [place.session]


@pytest.mark.parametrize("mode", list(Mode))
def test_a_cycle_asks_the_books_of_its_own_mode_only(mode):
    place = world(mode=mode)
    order_in(other_session(place, Mode.LIVE if mode == Mode.DRY_RUN else Mode.DRY_RUN), status=OrderStatus.UNKNOWN)
    own = order_in(place.session, status=OrderStatus.UNKNOWN)
    pulse = take_pulse(
        session_id=place.session.pk,
        account_id=place.session.account_id,
        day=place.session.trading_day,
        mode=mode,
        kind=CycleKind.MARGIN_CHECK,
        slot=1,
        now=NOW,
    )
    assert pulse.watched == (own.pk,)


def test_an_order_of_the_other_mode_that_was_never_sent_is_not_sent_by_the_wrong_broker():
    place = paper_world()
    waiting = order_in(other_session(place, Mode.LIVE), touched_wall=place.wall.now())
    own = intent(place)
    place.wait(5)
    look(place, dry(place))
    assert place.nudges == [slice_of(own).pk]
    place.nudges.clear()
    look(place, place.ports)
    assert place.nudges == [waiting.pk]


def test_a_lost_paper_order_is_not_found_among_live_orders_that_look_like_it():
    place = paper_world()
    tx = intent(place)
    price = Decimal("4.15")
    HedgeOrder.objects.filter(transaction=tx).update(status=OrderStatus.UNKNOWN, limit_price=price, sent_at=NOW)
    ports = dry(place)
    place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 130, price))  # somebody's, for real
    for _ in range(2):
        place.wait(5)
        look(place, ports)
    assert slice_of(tx).status == OrderStatus.UNKNOWN
    ports.broker.place(OrderRequest(CALL, Product.NRML, Side.BUY, 130, price))
    look(place, ports)
    order = slice_of(tx)
    assert order.status in {OrderStatus.ACKED, OrderStatus.FILLED}
    assert str(order.broker_order_id).startswith("PAPER-")


@pytest.mark.parametrize("mode", list(Mode))
def test_a_price_taken_in_one_mode_is_free_in_the_other(mode):
    place = world(mode=mode)
    own = order_in(place.session, limit_price=Decimal("4.15"))
    assert tick_and_own_prices(own)[1] == {Decimal("4.15")}
    other = other_session(place, Mode.LIVE if mode == Mode.DRY_RUN else Mode.DRY_RUN)
    order_in(other, limit_price=Decimal("4.20"))
    assert tick_and_own_prices(own)[1] == {Decimal("4.15")}


@pytest.mark.parametrize("mode", list(Mode))
def test_a_day_is_closed_although_the_other_mode_left_an_order_unresolved(mode):
    place = world(mode=mode)
    other = Mode.LIVE if mode == Mode.DRY_RUN else Mode.DRY_RUN
    order_in(other_session(place, other), status=OrderStatus.REVIEW, limit_price=Decimal(4), sent_at=NOW)
    hours = acting_hours(make.TUESDAY)
    assert hours is not None
    place.clock.moment = hours.closes + timedelta(minutes=3)
    ports = dry(place) if mode == Mode.DRY_RUN else place.ports
    assert end_day(session=place.session, hours=hours, now=place.clock.now(), ports=ports)
    place.session.refresh_from_db()
    assert "unresolved_orders" not in place.session.summary


# --- a manual buy ----------------------------------------------------------------------------------------------------------


def test_a_manual_buy_and_exit_fill_on_paper_with_automation_off_and_no_order_leaves(settings):
    settings.AUTO_HEDGE_ENABLED = False
    settings.AUTO_HEDGE_DRY_RUN = True
    place = paper_world(automation=False)
    ports = dry(place)

    def acted(origin: Origin, decision):
        return record(
            decision=decision,
            facts=facts(place, enabled=False),
            session=TradingSession.objects.get(pk=place.session.pk),
            kind=CycleKind.MANUAL,
            slot=None,
            ports=ports,
            origin=origin,
            actor="operator",
        )

    by_itself = acted(Origin.AUTO, add(leg(CALL), leg(PUT)))
    assert by_itself is not None
    assert by_itself.card.reason == Reason.DENY_AUTOMATION_OFF
    by_hand = acted(Origin.ADMIN, add(leg(CALL), leg(PUT)))
    assert by_hand is not None
    for order_id in by_hand.order_ids:
        send_order(order_id=order_id, ports=ports)
    place.wait(1)
    look(place, ports)
    filled = HedgeTransaction.objects.filter(origin=Origin.ADMIN).order_by("id")
    assert [(tx.filled_quantity, tx.average_price, tx.mode) for tx in filled] == [(130, Decimal(4), "dry_run")] * 2
    place.session.refresh_from_db()
    assert place.session.spent == sum(130 * Decimal(4) + tx.charges for tx in filled)
    held = {row.contract: row.quantity for row in ports.broker.positions()}
    assert held == {CALL: 130, PUT: 130}
    place.wait(300)
    exit_by_hand = acted(Origin.ADMIN, unwind(leg(CALL, 65, side=Side.SELL)))
    assert exit_by_hand is not None
    send_order(order_id=exit_by_hand.order_ids[0], ports=ports)
    assert {row.contract: row.quantity for row in ports.broker.positions()} == {CALL: 65, PUT: 130}
    assert (place.exchange.posts, place.exchange.cancels) == ([], [])
    assert place.exchange.positions() == ()


# --- overnight -------------------------------------------------------------------------------------------------------------


def paper_row(place: World, symbol: str, **fields: Any) -> None:
    make.PaperOrderFactory.create(
        **({"account": place.session.account, "trading_day": MONDAY, "symbol": symbol} | fields)
    )


def test_wings_kept_overnight_are_in_the_next_days_paper_book():
    place = paper_world()
    tuesday, later = "NIFTY01DEC2626500CE", "NIFTY08DEC2626500CE"
    paper_row(place, tuesday)
    paper_row(place, later, quantity=195)
    paper_row(place, later, side=Side.SELL.value, quantity=65)
    paper_row(place, "NIFTY08DEC2625500PE")
    paper_row(place, "NIFTY08DEC2625500PE", side=Side.SELL.value)
    paper_row(place, "NIFTY01DEC2627000CE", product=Product.MIS.value)
    paper_row(place, "NIFTY24NOV2627000CE", trading_day=MONDAY - timedelta(days=7))
    paper_row(place, later, account=make.AccountFactory.create())
    ports = dry(place)
    held = {format_symbol(row.contract): row.quantity for row in ports.broker.positions()}
    assert held == {tuesday: 130, later: 130}
    assert ports.broker.order_book().rows == ()
    wednesday = StoredPaperBook(account_id=place.session.account_id, day=make.TUESDAY + timedelta(days=1))
    assert [format_symbol(row.contract) for row in wednesday.carried()] == [later]


def test_a_wing_that_was_sold_on_the_second_day_is_not_carried_into_the_third():
    place = paper_world()
    contract = Contract(Index.NIFTY, make.TUESDAY + timedelta(days=7), Decimal(26500), Right.CE)
    paper_row(place, format_symbol(contract))
    place.exchange.quote(contract, "3.00", "3.10")
    ports = dry(place)
    ports.broker.place(OrderRequest(contract, Product.NRML, Side.SELL, 130, Decimal("2.90")))
    assert ports.broker.positions() == ()
    assert StoredPaperBook(account_id=place.session.account_id, day=make.TUESDAY + timedelta(days=1)).carried() == ()


def test_stored_wings_are_settled_at_the_close_of_the_calendar_once():
    place = paper_world()
    contract = Contract(Index.NIFTY, make.TUESDAY, Decimal(25900), Right.CE)  # 100 in the money
    place.exchange.quote(contract, "103.00", "104.00")
    ports = dry(place)
    ports.broker.place(OrderRequest(contract, Product.NRML, Side.BUY, 65, Decimal(105)))
    paid = ports.broker.funds().utilised
    hours = acting_hours(make.TUESDAY)
    assert hours is not None
    place.clock.moment = hours.closes - timedelta(seconds=1)
    assert [row.quantity for row in ports.broker.positions()] == [65]
    place.clock.moment = hours.closes
    assert ports.broker.positions() == ()
    assert dry(place).broker.positions() == ()
    assert ports.broker.funds().utilised == paid - 65 * 100
    assert len(StoredPaperBook(account_id=place.session.account_id, day=make.TUESDAY).orders()) == 2


# --- nothing of it is ever in a live sum -----------------------------------------------------------------------------------

ENTRY = ScheduledEntry("P", Index.NIFTY, make.TUESDAY, 0, NOW, None, ())

FIGURES: dict[str, Callable[[TradingSession], object]] = {
    "session": lambda s: [s.spent, s.reserved, s.last_action_at, s.quarantine, session_facts(s)],
    "status": lambda s: status(session=s, now=NOW, wall_now=NOW),
    "holdings": lambda s: holdings(account_id=s.account_id, mode=s.mode, day=s.trading_day),
    "summary": summarize,
    "feed": lambda s: feed(session_id=s.pk),
    "timetable": lambda s: timetable(session_id=s.pk, entries=(ENTRY,), now=NOW),
    "transactions": lambda s: transactions(wanted=TransactionFilter(mode=s.mode)),
    "transactions of the session": lambda s: transactions(session_id=s.pk),
    "forecasts": lambda s: forecasts(session=s, now=NOW),
    "day ahead": lambda s: day_ahead(session=s, now=NOW),
    "history": lambda s: past_jumps(session=s, measured=MarginJump.objects.count()),
    "learning": measured_jumps,
}


def a_day_of(session: TradingSession) -> None:
    """A bought wing, one that still works, readings, and a measured jump in a session."""
    filled = order_in(
        session,
        live=False,
        status=OrderStatus.FILLED,
        limit_price=Decimal("4.15"),
        broker_order_id=f"X{session.pk}",
    )
    make.FillFactory.create(order=filled, at=NOW - timedelta(minutes=30))
    HedgeTransaction.objects.filter(pk=filled.transaction_id).update(
        filled_quantity=130, average_price=Decimal("4.05"), charges=Decimal("25.00")
    )
    order_in(session, status=OrderStatus.ACKED, limit_price=Decimal("4.20"), broker_order_id=f"Y{session.pk}")
    TradingSession.objects.filter(pk=session.pk).update(
        spent=Decimal(551), reserved=Decimal(600), last_action_at=NOW, quarantine=["NIFTY01DEC2627000CE"]
    )
    make.MarginSnapshotFactory.create(session=session, utilization_pct=Decimal("77.00"))
    jump(session)


def jump(session: TradingSession, *, measured_at=NOW - timedelta(minutes=40), **fields: Any) -> MarginJump:
    rows = [["NIFTY01DEC2626000CE", "NRML", -65, "50"]]
    known: dict[str, Any] = {
        "session": session,
        "mode": session.mode,
        "kind": JumpKind.ENTRY,
        "subject": f"P{MarginJump.objects.count()}",
        "at": measured_at,
        "before": Decimal(0),
        "after": Decimal(200_000),
        "measured_at": measured_at,
        "baskets": 1,
        "index": session.index,
        "dte": 0,
        "book": {"spot": "26000", "at": NOW.isoformat(), "before": [], "legs": rows, "after": rows},
    }
    return MarginJump.objects.create(**(known | fields))


def figures(session: TradingSession) -> dict[str, object]:
    row = TradingSession.objects.select_related("account", "calibration").get(pk=session.pk)
    return {name: ask(row) for name, ask in FIGURES.items()}


@pytest.mark.parametrize("mode", list(Mode))
def test_no_figure_of_one_mode_changes_by_a_day_in_the_other(mode):
    place = world(mode=mode)
    a_day_of(place.session)
    before = figures(place.session)
    a_day_of(other_session(place, Mode.LIVE if mode == Mode.DRY_RUN else Mode.DRY_RUN))
    assert figures(place.session) == before
    # The same day once more in the session's own mode changes every one of them that adds something up.
    again = order_in(place.session, PUT, status=OrderStatus.PARTIAL, broker_order_id="Z")
    make.FillFactory.create(order=again, at=NOW)
    jump(place.session, subject="another", measured_at=NOW - timedelta(minutes=45))
    make.MarginSnapshotFactory.create(session=place.session, utilization_pct=Decimal("88.00"), at=NOW)
    after = figures(place.session)
    same = {name for name in before if after[name] == before[name]}
    assert same <= {"session", "day ahead"}


def test_what_is_learned_for_live_never_comes_from_a_book_with_paper_in_it():
    place = paper_world()
    clean = jump(place.session, subject="before any paper")
    a_day_of(other_session(place, Mode.LIVE))
    a_day_of(place.session)  # its fill is half an hour old; its jump was measured ten minutes before that
    jump(place.session, subject="wings on paper", measured_at=NOW)
    jumps, _ = measured_jumps(place.session)
    assert len(jumps) == 2
    MarginJump.objects.filter(pk=clean.pk).delete()
    assert len(measured_jumps(place.session)[0]) == 1


# --- from one mode to the other --------------------------------------------------------------------------------------------


def switched(place: World, to: Mode) -> TradingSession:
    session = switch_mode(
        account=place.session.account,
        to=to,
        now=place.clock.now(),
        wall_now=place.wall.now(),
        actor="operator",
        reason="trying",
    )
    assert session is not None
    return session


def test_an_account_goes_to_dry_run_and_back_and_finds_its_counters_as_they_were():
    place = world(spent=Decimal(700), last_action_at=NOW, quarantine=["X"], baskets=3, max_cost_per_day=Decimal(9000))
    paper = switched(place, Mode.DRY_RUN)
    assert [paper.mode, paper.spent, paper.last_action_at, paper.quarantine] == ["dry_run", 0, None, []]
    assert [paper.baskets, paper.max_cost_per_day, paper.baseline] == [3, 9000, place.session.baseline]
    TradingSession.objects.filter(pk=paper.pk).update(spent=Decimal(50))
    place.wait(60)
    live = switched(place, Mode.LIVE)
    assert live.pk == place.session.pk
    assert [live.spent, live.last_action_at, live.quarantine] == [700, NOW, ["X"]]
    assert (live.closed_at, live.summary, live.is_open) == (None, {}, True)
    assert switched(place, Mode.DRY_RUN).spent == 50
    assert TradingSession.objects.count() == 2
    events = AuditEvent.objects.filter(event__in=["mode_left", "mode_switched"]).values_list("event", flat=True)
    assert list(events.order_by("id")) == ["mode_left", "mode_switched"] * 3


def test_a_session_that_was_moved_to_another_expiry_in_one_mode_wants_a_new_pre_flight_in_the_other():
    session = make.TradingSessionFactory.create(
        account=make.AccountFactory.create(mode=Mode.LIVE), mode=Mode.LIVE, preflight="green", cleared_at=NOW
    )
    words: dict[str, Any] = {"account": session.account, "now": NOW, "wall_now": NOW, "actor": "me", "reason": "trying"}
    there = switch_mode(to=Mode.DRY_RUN, **words)
    assert there is not None
    later = there.expiry + timedelta(days=7)
    TradingSession.objects.filter(pk=there.pk).update(expiry=later, baseline=Decimal(7))
    back = switch_mode(to=Mode.LIVE, **words)
    assert back is not None
    assert (back.pk, back.expiry, back.preflight, back.cleared_at) == (session.pk, later, "", None)
    assert back.baseline == Decimal(7)


def test_a_live_session_that_is_taken_up_again_is_not_cleared_by_a_run_of_before():
    place = world(preflight="green", cleared_at=NOW)
    there = switched(place, Mode.DRY_RUN)
    TradingSession.objects.filter(pk=there.pk).update(preflight="red")  # the last run of this account
    back = switched(place, Mode.LIVE)
    assert (back.pk, back.preflight, back.cleared_at) == (place.session.pk, "", None)


def test_a_session_of_another_day_keeps_its_mode():
    place = world(mode=Mode.DRY_RUN)
    place.wait(24 * 3600)
    assert switched(place, Mode.LIVE).mode == Mode.DRY_RUN
    session = TradingSession.objects.get()
    assert (session.mode, session.closed_at) == (Mode.DRY_RUN, None)
    assert effective_mode(session.account) == Mode.LIVE, "today's will be live"


def test_a_halt_that_outlives_a_change_of_mode_keeps_its_reason():
    place = world()
    act = Act("omar", "OpenAlgo answers nonsense", NOW, NOW)
    restrict_session(session=place.session, state=TradingState.HALTED, act=act)
    there = switched(place, Mode.DRY_RUN)
    resume_session(session=there, act=Act("omar", "on paper it may go on", NOW, NOW))
    back = switched(place, Mode.LIVE)
    assert (back.trading_state, back.state_reason) == (TradingState.HALTED, "OpenAlgo answers nonsense")


def test_a_switch_to_the_mode_that_is_open_changes_nothing():
    place = world()
    assert switched(place, Mode.LIVE).pk == place.session.pk
    assert not AuditEvent.objects.exists()


def test_without_an_open_session_only_the_account_is_switched():
    account = make.AccountFactory.create(mode=Mode.LIVE)
    assert (
        switch_mode(account=account, to=Mode.DRY_RUN, now=NOW, wall_now=NOW, actor="operator", reason="trying") is None
    )
    account.refresh_from_db()
    assert account.mode == Mode.DRY_RUN
    line = AuditEvent.objects.get(event="account_mode_switched")
    assert (line.account_id, line.actor) == (account.pk, "operator")
    assert line.facts == {"mode": "dry_run", "reason": "trying"}
    switch_mode(account=account, to=Mode.DRY_RUN, now=NOW, wall_now=NOW, actor="operator", reason="again")
    assert AuditEvent.objects.filter(event="account_mode_switched").count() == 1


def test_nothing_is_switched_while_an_order_may_still_fill():
    place = world()
    tx = intent(place)
    with pytest.raises(SessionRefused) as refused:
        switched(place, Mode.DRY_RUN)
    assert refused.value.code == "ORDERS_LIVE"
    assert refused.value.facts["orders"] == [str(slice_of(tx))]
    place.session.account.refresh_from_db()
    assert place.session.account.mode == Mode.LIVE


def test_live_stays_closed_under_the_environments_lid(settings):
    settings.AUTO_HEDGE_DRY_RUN = True
    place = paper_world()
    with pytest.raises(SessionRefused) as refused:
        switched(place, Mode.LIVE)
    assert refused.value.code == "LID_CLOSED"
    assert TradingSession.objects.get().mode == Mode.DRY_RUN


@pytest.mark.parametrize(("first", "second"), [("halted", "active"), ("active", "halted"), ("reducing", "active")])
def test_a_halt_outlives_a_change_of_mode_whichever_row_it_is_in(first, second):
    place = world(trading_state=first)
    other_session(place, Mode.DRY_RUN, trading_state=second)
    assert switched(place, Mode.DRY_RUN).trading_state == (second if first == TradingState.ACTIVE else first)


def test_real_hedges_that_a_dry_run_leaves_alone_are_named_loudly():
    place = world()
    order = order_in(place.session, live=False, status=OrderStatus.FILLED, broker_order_id="B1")
    make.FillFactory.create(order=order)
    switched(place, Mode.DRY_RUN)
    alert = Alert.objects.get(kind="mode_switched")
    assert alert.severity == "critical"
    assert alert.facts["hedges left"] == [f"130 {format_symbol(CALL)}"]
    switched(place, Mode.LIVE)
    assert [one.severity for one in Alert.objects.filter(kind="mode_switched").order_by("id")] == [
        "critical",
        "warning",
    ]


def test_late_news_of_the_mode_that_was_left_is_still_heard():
    place = world()
    order = order_in(
        place.session,
        live=False,
        status=OrderStatus.CANCELLED,
        limit_price=Decimal("4.15"),
        sent_at=NOW,
    )
    resting = place.exchange.accept(OrderRequest(PUT, Product.NRML, Side.BUY, 130, Decimal("1.00")))
    HedgeOrder.objects.filter(pk=order.pk).update(broker_order_id=resting.order_id)
    paper = switched(place, Mode.DRY_RUN)
    assert list(left_behind()) == [place.session]
    place.exchange.fill(resting, 130, "4.15")
    place.wait(30)
    ticks.reconcile_books(ports_for=lambda s: dry(place) if s.mode == Mode.DRY_RUN else place.ports)
    order.refresh_from_db()
    assert order.status == OrderStatus.FILLED
    assert Fill.objects.get().mode == Mode.LIVE
    paper.refresh_from_db()
    assert paper.spent == 0


def test_the_command_shows_and_switches_the_mode(monkeypatch):
    place = world()
    monkeypatch.setattr(clock, "market_clock", lambda: place.clock)
    name = place.session.account.name

    def said(*words: str) -> str:
        out = StringIO()
        call_command("mode", *words, stdout=out)
        return out.getvalue()

    assert said() == f"{name}: live\n"
    with pytest.raises(CommandError, match="--reason"):
        said("dry_run")
    assert "open: NIFTY 0DTE 2026-12-01 (dry run)" in said("dry_run", "--reason", "a quiet day")
    assert said() == f"{name}: dry run\n"
    make.AccountFactory.create(name="second")
    with pytest.raises(CommandError, match="--account"):
        said("live", "--reason", "again")
    assert "trades in live" in said("live", "--reason", "again", "--account", name)


def test_an_order_on_paper_is_not_settled_by_a_live_order_that_looks_like_it():
    place = paper_world()
    tx = intent(place)
    HedgeOrder.objects.update(status=OrderStatus.REVIEW, limit_price=Decimal("4.15"), sent_at=NOW)
    real = place.exchange.accept(OrderRequest(CALL, Product.NRML, Side.BUY, 130, Decimal("4.15")))
    with pytest.raises(ResolutionRefused, match="is a live order, ours is not"):
        resolve(order_id=slice_of(tx).pk, broker_order_id=real.order_id, actor="x", reason="y", ports=dry(place))
    assert slice_of(tx).status == OrderStatus.REVIEW


def test_a_baseline_with_paper_in_it_is_not_taken_into_a_live_session():
    here = paper_world(baseline=None, baseline_at=None)
    paper_row(here, format_symbol(CALL))  # bought on paper yesterday, NRML
    here.exchange.used = Decimal(500_000)  # real shorts kept overnight, of which the paper wings would release 200,000
    here.exchange.added_by_basket = lambda _: Decimal(-200_000)
    ports = dry(here)
    known = facts(here, funds=ports.broker.funds(), positions=ports.broker.positions())
    first = NOW + timedelta(hours=1)
    assert capture_first_reading(session=here.session, facts=known, first_entry_at=first, ports=ports)
    assert here.session.baseline == 300_000
    live = switched(here, Mode.LIVE)
    used = None if live.baseline is None else here.exchange.funds().utilised - live.baseline
    assert used in {None, 0}, f"₹{used} of paper count as used margin of the live account"


def test_a_live_short_of_the_same_contract_squares_no_paper_wing_off():
    here = paper_world(account=make.AccountFactory.create(product="MIS"))
    ports = dry(here)
    tx = intent(here, product=Product.MIS.value)
    send_order(order_id=slice_of(tx).pk, ports=ports)
    here.wait(5)
    reconcile(account_id=here.session.account_id, day=here.session.trading_day, ports=ports)
    here.wait(60)
    here.exchange.accept(OrderRequest(CALL, Product.MIS, Side.SELL, 130, Decimal("3.50")))  # the other tool's straddle
    for _ in range(2):
        discrepancies.examine(session=here.session, now=here.clock.now(), ports=ports)
        here.wait(6)
    assert list(Adjustment.objects.values_list("kind", flat=True)) == []
