"""A session at 10:12 IST over the in-memory exchange, with both clocks moved by hand and nudges kept in a list."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hedging.domain.decision import AddHedge, LegOrder, Unwind
from hedging.domain.facts import CycleFacts, SessionFacts, Window
from hedging.domain.instruments import Contract, Index, Product, Right, Side
from hedging.domain.lifecycle import OrderStatus
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.optimizer_types import Aim, HedgeSolution, Status
from hedging.domain.policy import HedgePolicy
from hedging.domain.reasons import Reason
from hedging.engine.clock import VirtualClock
from hedging.engine.execution import send_order
from hedging.engine.hours import acting_hours
from hedging.engine.plan import DayPlan
from hedging.engine.ports import Ports
from hedging.engine.reconcile import Reconciled, reconcile
from hedging.models import Fill, HedgeOrder, HedgeTransaction
from notifications.models import Alert
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.fake_exchange import FakeExchange

NOW = make.ist(10, 12)
CALL = Contract(Index.NIFTY, make.TUESDAY, Decimal(26500), Right.CE)
PUT = Contract(Index.NIFTY, make.TUESDAY, Decimal(25500), Right.PE)
POLICY = HedgePolicy()


@dataclass(slots=True)
class World:
    """The exchange, the session, the clocks, and the nudges that nobody has followed yet."""

    session: TradingSession
    exchange: FakeExchange
    clock: VirtualClock
    wall: VirtualClock
    nudges: list[int] = field(default_factory=list)

    @property
    def ports(self) -> Ports:
        return Ports(
            broker=self.exchange, clock=self.clock, wall=self.wall.now, nudge_send=self.nudges.append, pause=self.wait
        )

    def wait(self, seconds: float) -> None:
        self.clock.moment += timedelta(seconds=seconds)
        self.wall.moment += timedelta(seconds=seconds)

    def send(self, order: HedgeOrder) -> OrderStatus:
        return send_order(order_id=order.pk, ports=self.ports)

    def reconcile(self, *, after: float = 0) -> Reconciled:
        """Wait, read the books once, then send what was nudged."""
        self.wait(after)
        done = reconcile(account_id=self.session.account_id, day=self.session.trading_day, ports=self.ports)
        self.follow()
        return done

    def follow(self) -> None:
        waiting, self.nudges[:] = list(self.nudges), []
        for order_id in waiting:
            send_order(order_id=order_id, ports=self.ports)

    def alerts(self) -> list[str]:
        return list(Alert.objects.order_by("id").values_list("kind", flat=True))


def world(**session: Any) -> World:
    """Write the reference rows and an open live session whose books were compared; both wings are quoted at 3.90 / 4.00."""
    make.TradingDayFactory.create(day=make.TUESDAY)
    make.ContractSpecFactory.create()
    make.ChargeRatesFactory.create()
    make.MarginParametersFactory.create()
    row = make.TradingSessionFactory.create(**({"baseline": Decimal(0), "baseline_at": make.OPEN} | session))
    wall = VirtualClock(datetime(2026, 11, 1, tzinfo=UTC))
    make.BookCheckFactory.create(session=row, read_at=NOW, read_wall=wall.now())
    exchange = FakeExchange(wall=wall.now)
    for contract in (CALL, PUT):
        exchange.quote(contract, "3.90", "4.00")
    return World(row, exchange, VirtualClock(NOW), wall)


def policy_card(policy: HedgePolicy = POLICY) -> dict[str, Any]:
    """A policy as a decision card stores it."""
    return {name: value if isinstance(value, int | bool) else str(value) for name, value in asdict(policy).items()}


def intent(place: World, *, contract: Contract = CALL, side: Side = Side.BUY, **fields: Any) -> HedgeTransaction:
    """Claim an intent of two lots by hand: the reserve is booked, one NEW slice waits."""
    decision = fields.pop("decision", None) or make.HedgeDecisionFactory.create(
        session=place.session, at=place.clock.now(), policy=policy_card()
    )
    fields.setdefault("worst_price", Decimal("4.50") if side is Side.BUY else Decimal("3.50"))
    tx = make.HedgeTransactionFactory.create(
        decision=decision, strike=contract.strike, right=contract.right.value, side=side.value, **fields
    )
    TradingSession.objects.filter(pk=place.session.pk).update(reserved=place.session.reserved + tx.reserve)
    place.session.refresh_from_db()
    make.HedgeOrderFactory.create(transaction=tx, touched_wall=place.wall.now())
    return tx


def slice_of(tx: HedgeTransaction, number: int = 1) -> HedgeOrder:
    return tx.orders.get(slice=number, attempt=tx.orders.filter(slice=number).count())


def hold(place: World, quantity: int, *, contract: Contract = CALL) -> None:
    """Let `quantity` units be bought this morning: filled, booked, and in the broker's book."""
    tx = intent(
        place, contract=contract, quantity=quantity, is_live=False, reserve=Decimal(0), filled_quantity=quantity,
        average_price=Decimal(4), ended_at=place.clock.now(),
    )  # fmt: skip
    row = tx.orders.get()
    HedgeOrder.objects.filter(pk=row.pk).update(status=OrderStatus.FILLED, broker_order_id=f"MORNING{tx.pk}")
    Fill.objects.create(
        order=row,
        mode=tx.mode,
        sequence=1,
        quantity=quantity,
        price=Decimal(4),
        at=place.clock.now() - timedelta(hours=1),
    )
    key = (contract, Product.NRML)
    place.exchange.foreign[key] = place.exchange.foreign.get(key, 0) + quantity


def leg(
    contract: Contract = CALL, quantity: int = 130, *, side: Side = Side.BUY, worst: str | None = None, **fields: Any
) -> LegOrder:
    reason = Reason.ADD_PROJECTION_OVER_TRIGGER if side is Side.BUY else Reason.UNWIND_SHORTS_GONE
    limit = worst or ("4.50" if side is Side.BUY else "3.50")
    return LegOrder(contract, side, quantity, Decimal(4), Decimal(limit), fields.pop("reason", reason), **fields)


def add(*legs: LegOrder) -> AddHedge:
    """A decision to buy, as the optimizer would have made it."""
    zero = Decimal(0)
    solution = HedgeSolution(
        status=Status.SOLVED, proven=True, utilization_before_pct=zero, at_order_before=zero, used_after=zero,
        utilization_after_pct=zero, at_order_after=zero, aim=Aim.TARGET,
    )  # fmt: skip
    return AddHedge(Reason.ADD_PROJECTION_OVER_TRIGGER, (), legs, solution, (), Decimal(0))


def unwind(*legs: LegOrder) -> Unwind:
    return Unwind(legs[0].reason, (), legs)


def plan(place: World) -> DayPlan:
    """The day's dated facts with an empty timetable."""
    from hedging.engine.plan import plan_of

    return plan_of(place.session)


def facts(place: World, **changes: Any) -> CycleFacts:
    """What a cycle knows at the world's present moment."""
    session, day = TradingSession.objects.select_related("account").get(pk=place.session.pk), plan(place)
    hours = acting_hours(session.trading_day)
    known: dict[str, Any] = {
        "now": place.clock.now(),
        "seen_at": place.clock.now(),
        "session": SessionFacts(
            index=Index(session.index),
            expiry=session.expiry,
            dte=session.dte,
            product=Product(session.account.product),
            budget=session.budget,
            baseline=session.baseline,
            automation=session.automation,
            trading_state=session.trading_state,
            spent=session.spent,
            reserved=session.reserved,
            last_action_at=session.last_action_at,
            quarantine=frozenset(),
        ),
        "policy": POLICY,
        "spec": day.spec,
        "parameters": day.parameters,
        "charges": day.charges,
        "profile": MarginProfile(premium_counted=True, error_pct=None),
        "enabled": True,
        "window": None if hours is None else Window(hours.act_from, hours.act_until, hours.closes),
        "breaker_open": False,
        "reconciled": True,
        "funds": place.exchange.funds(),
        "used": Decimal(0),
        "free_margin": Decimal(1_000_000),
        "positions": (),
        "held": (),
        "in_flight": (),
        "coming": (),
        "soon": (),
        "later": (),
        "just_due": False,
        "just_exited": False,
    }
    return CycleFacts(**(known | changes))
