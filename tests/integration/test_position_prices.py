"""A position of another expiry whose price the position book does not tell keeps nobody from deciding."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from hedging.domain.instruments import Contract, Index, Product, Right
from hedging.domain.reasons import Reason
from hedging.domain.snapshot import Position
from hedging.engine.calibrate import find_out
from tests import factories as make
from tests.integration.engine_world import World
from tests.integration.test_books_behind import decided, over_the_trigger

pytestmark = pytest.mark.django_db
NEXT_WEEK = Contract(Index.NIFTY, make.TUESDAY + timedelta(days=7), Decimal(26000), Right.CE)


def with_next_week(place: World, *, last: Decimal | None) -> None:
    """Let the position book show a long of next week, and no price of anything but what `last` says of it."""
    known = place.exchange._positions

    def positions() -> tuple[Position, ...]:
        place.exchange._called("positions")
        mine = tuple(replace(row, last=None) for row in known())
        return (*mine, Position(NEXT_WEEK, Product.NRML, 65, Decimal(170), last))

    setattr(place.exchange, "positions", positions)  # noqa: B010 - its own type does not know that it can be replaced


@pytest.mark.parametrize("last", [Decimal(180), None])
def test_its_own_quote_tells_its_price_and_todays_shorts_are_hedged(last):
    place, plan = over_the_trigger()
    place.exchange.quote(NEXT_WEEK, "179.00", "181.00")
    with_next_week(place, last=last)
    place.wait(10)
    assert decided(place, plan, 1).reason.startswith("ADD")


def test_a_price_that_nobody_tells_is_named():
    place, plan = over_the_trigger()
    with_next_week(place, last=None)
    place.wait(10)
    card = decided(place, plan, 1)
    assert card.reason == Reason.HOLD_DATA_UNKNOWN
    assert "no price for" in card.facts["unknown"]


def test_its_own_quote_is_enough_to_calibrate():
    place, plan = over_the_trigger()
    place.exchange.quote(NEXT_WEEK, "179.00", "181.00")
    with_next_week(place, last=None)
    found = find_out(session=place.session, plan=plan, now=place.clock.now(), ports=place.ports)
    assert found.trading_day == place.session.trading_day
