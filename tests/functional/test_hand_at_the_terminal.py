"""A morning on which a person trades in the broker's own terminal while we hedge: seen, taken off, never sold twice."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from hedging.domain.instruments import Product, Side
from hedging.management.simulated_day import SimulatedRun
from hedging.models import Adjustment, AuditEvent, BookCheck, HedgeDecision
from hedging.selectors import holdings
from hedging.simulator.exchange import Exchange
from hedging.simulator.orders import Origin, PriceType, Ticket
from notifications.models import Alert
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import TradingSession
from tests.factories import TUESDAY, ist

UNTIL = ist(10, 35)
WAIT = timedelta(seconds=45)
"""After our fill, until the person sells: the position book may be behind the trade book before."""


class MorningWithAPerson(SimulatedRun):
    """Stops at `UNTIL`. The person sells one lot of the first hedge that we hold, and buys one of the other side."""

    exchange: Exchange
    sold: str = ""
    bought: str = ""
    _held_since: datetime | None = None

    def _live_through(self, session: Any, exchange: Any, clock: Any, ports: Any, *, until: Any) -> None:
        self.exchange = exchange
        self.watch = self._at_the_terminal
        super()._live_through(session, exchange, clock, ports, until=UNTIL)

    def _at_the_terminal(self, exchange: Exchange, session: TradingSession) -> None:
        longs = [p for p in exchange.account.positions.values() if p.quantity > 0]
        if len(longs) < 2 or self.sold:
            return
        self._held_since = self._held_since or exchange.now
        if exchange.now - self._held_since < WAIT:
            return
        self.sold, self.bought = longs[0].symbol, longs[1].symbol
        for position, side in ((longs[0], Side.SELL), (longs[1], Side.BUY)):
            lot = exchange.day.specs[position.contract.index].lot
            order = Ticket(position.contract, position.symbol, side, lot, Product.NRML, PriceType.MARKET)
            exchange.place(order, origin=Origin.HUMAN)

    def _figures(self, session: TradingSession, exchange: Exchange) -> dict[str, Any]:
        return {}


@pytest.mark.slow
def test_a_person_sells_one_of_our_hedges_and_buys_another(db):
    seed_reference_data()
    seed_schedule_if_empty()
    morning = MorningWithAPerson(day=TUESDAY, seed=1, policy=settings.HEDGE_POLICY)
    morning.run()
    assert morning.sold
    session = TradingSession.objects.get()

    # What the person sold was seen twice and left our holdings; the broker's book says the same of it.
    row = Adjustment.objects.get()
    assert (row.symbol, row.kind, row.quantity) == (morning.sold, "sold_by_hand", 65)
    ours = {row.contract: row.quantity for row in holdings(account_id=session.account_id, mode="live", day=TUESDAY)}
    theirs = {key[0]: p.quantity for key, p in morning.exchange.account.positions.items() if p.quantity > 0}
    surplus = {contract for contract, units in theirs.items() if units != ours.get(contract, 0)}
    assert [p.symbol for key, p in morning.exchange.account.positions.items() if key[0] in surplus] == [morning.bought]

    # What the person bought is not ours, and blocks automatic buys of that contract alone.
    check = BookCheck.objects.get()
    assert check.blocked == [morning.bought]
    told = Alert.objects.filter(kind="books_differ").order_by("id").values_list("title", flat=True)
    assert sorted(told) == [f"Bought by hand: 65 {morning.bought}", f"Sold by hand: 65 {morning.sold}"]
    foreign = {found["kind"] for found in check.found} - {"bought_by_hand"}
    assert foreign <= {"foreign_position", "foreign_order"}  # the straddles: shown, and nothing more

    # Decisions went on.
    assert HedgeDecision.objects.filter(at__gt=row.at).exclude(reason="HOLD_NOT_RECONCILED").exists()

    # The trail alone leads to today's tables, the correction among them, and is whole.
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    replayed = json.loads(out.getvalue())
    assert replayed["differences"] == 0, replayed["shown"]
    assert AuditEvent.objects.get(event="holding_sold_by_hand").subject_id == row.pk
