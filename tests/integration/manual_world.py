"""Manual orders over the in-memory exchange: a short straddle in the book, a worker that lives, and the calls of a person."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.manual import Preview, WantedLeg, quoted
from hedging.domain.policy import HedgePolicy
from hedging.engine import watchdog
from hedging.engine.manual import preview_buy, preview_exit
from hedging.engine.manual_claim import By, Claimed, Request, confirm
from hedging.engine.plan import plan_of
from hedging.engine.ticks import Rules
from hedging.models import Origin
from tests import factories as make
from tests.integration.engine_world import CALL, POLICY, PUT, World, hold, world

SHORT_CALL = Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), Right.CE)
SHORT_PUT = Contract(Index.NIFTY, make.TUESDAY, Decimal(26000), Right.PE)
ALICE = By("alice", Origin.API)

__all__ = ["ALICE", "CALL", "PUT", "SHORT_CALL", "SHORT_PUT", "buy", "claim", "exits", "manual_world", "request"]


def manual_world(*, shorts: int = 10, held: int = 0, **session: Any) -> World:
    """Return a world with `shorts` lots short on each side, `held` lots of each wing of ours, and a worker alive."""
    place = world(**session)
    for contract in (SHORT_CALL, SHORT_PUT):
        place.exchange.quote(contract, "99", "101")
        if shorts:
            place.exchange.foreign[contract, Product.NRML] = -65 * shorts
    for contract in (CALL, PUT) if held else ():
        hold(place, 65 * held, contract=contract)
    place.exchange.used = Decimal(500_000)
    beat(place)
    return place


def beat(place: World) -> None:
    for queue in (watchdog.ORDERS, watchdog.EXITS):
        watchdog.beat(name=queue, wall_now=place.wall.now())


def rules(place: World, policy: HedgePolicy = POLICY) -> Rules:
    return Rules(ports_for=lambda _: place.ports, plan_for=plan_of, policy=policy, enabled=False)


def buy(place: World, *legs: tuple[Contract, int], even_so: bool = False, policy: HedgePolicy = POLICY) -> Preview:
    wanted = [WantedLeg(contract, lots) for contract, lots in legs or ((CALL, 2),)]
    return preview_buy(session_id=place.session.pk, legs=wanted, rules=rules(place, policy), even_so=even_so)


def exits(
    place: World, *legs: tuple[Contract, int | None], even_so: bool = False, policy: HedgePolicy = POLICY
) -> Preview:
    wanted = [WantedLeg(contract, lots) for contract, lots in legs]
    return preview_exit(session_id=place.session.pk, legs=wanted, rules=rules(place, policy), even_so=even_so)


def request(key: str = "k1", *, body: str = "b", preview: str = "p1") -> Request:
    return Request(key=key, body_hash=body, preview=preview)


def claim(
    place: World, preview: Preview, *, by: By = ALICE, asked: Request | None = None, policy: HedgePolicy = POLICY
) -> Claimed:
    return confirm(quoted=quoted(preview), by=by, request=asked or request(), rules=rules(place, policy))
