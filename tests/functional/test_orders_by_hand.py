"""A morning with automation off, over the simulator's OpenAlgo: a person buys a strangle of wings, and sells it again."""

from __future__ import annotations

import json
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from hedging import manual_orders
from hedging.domain.instruments import Index, Right
from hedging.domain.manual import Preview, WantedLeg
from hedging.domain.projection import Source
from hedging.domain.reasons import Reason
from hedging.engine import clock as clocks
from hedging.engine import watchdog
from hedging.engine.manual_claim import By
from hedging.engine.plan import plan_of
from hedging.engine.ticks import Rules
from hedging.management.simulated_day import SimulatedRun
from hedging.models import HedgeDecision, HedgeTransaction, JumpKind, MarginJump, Origin
from hedging.selectors import holdings
from hedging.simulator.exchange import Exchange
from notifications.models import Alert
from schedule.seed import seed_reference_data, seed_schedule_if_empty
from sessions_app.models import TradingSession
from tests.factories import TUESDAY, ist

BUY_AT, SELL_AT, UNTIL = ist(9, 45), ist(9, 50), ist(9, 53)
ALICE = By("alice", Origin.COMMAND)
LOTS = 2


class MorningByHand(SimulatedRun):
    """At `BUY_AT` a person buys two lots of the nearest wing in the band on each side, at `SELL_AT` sells all of them."""

    exchange: Exchange
    bought: Preview | None = None
    sold: Preview | None = None
    refused: Preview | None = None

    def _live_through(self, session: Any, exchange: Any, clock: Any, ports: Any, *, until: Any) -> None:
        self.exchange = exchange
        self._rules = Rules(ports_for=ports, plan_for=plan_of, policy=self.policy, enabled=False)
        self.watch = self._by_hand
        super()._live_through(session, exchange, clock, ports, until=UNTIL)

    def _by_hand(self, exchange: Exchange, session: TradingSession) -> None:
        if exchange.now >= BUY_AT and self.bought is None:
            self.bought = self._confirmed(
                manual_orders.preview_buy(session=session, legs=self._wings(session), by=ALICE, run_by=self._rules)
            )
        if exchange.now >= SELL_AT and self.sold is None:
            # The wings cover shorts: without a word of the person nothing is sold.
            self.refused = manual_orders.preview_exit(session=session, by=ALICE, run_by=self._rules).preview
            self.sold = self._confirmed(
                manual_orders.preview_exit(session=session, by=ALICE, even_so=True, run_by=self._rules)
            )

    def _confirmed(self, offer: manual_orders.Offer) -> Preview:
        assert offer.token is not None, offer.preview.refusals
        for queue in (watchdog.ORDERS, watchdog.EXITS):
            watchdog.beat(name=queue, wall_now=clocks.wall_now())
        done = manual_orders.confirm(token=offer.token, by=ALICE, run_by=self._rules)
        assert len(done.transaction_ids) == 2
        self._orders_live = True
        self._sessions_known = None
        return offer.preview

    def _wings(self, session: TradingSession) -> list[WantedLeg]:
        chain = self._rules.ports_for(session).broker.chain(Index(session.index), session.expiry, 20)
        low, high = self.policy.min_premium, self.policy.max_premium
        legs = []
        for right in Right:
            in_band = [c for c, q in chain.quotes.items() if c.right is right and q.ask and low <= q.ask <= high]
            legs.append(WantedLeg(min(in_band, key=lambda c: abs(c.strike - chain.spot)), LOTS))
        return legs

    def _figures(self, session: TradingSession, exchange: Exchange) -> dict[str, Any]:
        return {}


@pytest.mark.slow
def test_a_person_buys_and_sells_wings_by_hand_with_automation_off(db):
    seed_reference_data()
    seed_schedule_if_empty()
    morning = MorningByHand(day=TUESDAY, seed=1, policy=settings.HEDGE_POLICY, automation=False)
    morning.run()
    session = TradingSession.objects.get()
    bought, sold, refused = morning.bought, morning.sold, morning.refused
    assert bought is not None
    assert sold is not None
    assert refused is not None

    # The wings covered shorts: margin fell by the broker's own count to what the preview had said, and rose again.
    before, after = bought.margin.before_pct, bought.margin.after_pct
    assert before is not None
    assert after is not None
    assert after < before
    assert bought.margin.source is sold.margin.source is Source.BROKER
    jumps = MarginJump.objects.filter(kind=JumpKind.HEDGE).order_by("id")
    for jump, shown in zip(jumps, (bought.margin, sold.margin), strict=True):
        assert jump.after is not None
        assert shown.used_after is not None
        assert abs(jump.after - shown.used_after) < session.budget / 100
    assert {refusal.reason for refusal in refused.refusals} >= {Reason.DENY_UNCOVERS_SHORT}

    # Each leg filled whole, no dearer than its worst price, and everything is sold: our books and the exchange's agree.
    rows = HedgeTransaction.objects.order_by("id")
    assert [(row.origin, row.outcome, row.quantity) for row in rows] == [("command", "filled", 65 * LOTS)] * 4
    worst = {leg.contract: leg.worst_price for leg in bought.legs}
    for row in rows[:2]:
        assert row.average_price is not None
        assert row.average_price <= (worst[row.contract] or Decimal(0))
    assert holdings(account_id=session.account_id, mode="live", day=TUESDAY) == ()
    assert not [p for p in morning.exchange.account.positions.values() if p.quantity > 0]
    assert session.reserved == 0
    assert session.spent > 0

    # Nothing was automatic, a person was told, and the trail leads to the tables.
    assert set(HedgeDecision.objects.exclude(action="hold").values_list("kind", flat=True)) == {"manual"}
    kinds = list(Alert.objects.values_list("kind", flat=True))
    assert (kinds.count("manual_order"), kinds.count("hedge_bought"), kinds.count("hedge_sold")) == (2, 2, 2)
    out = StringIO()
    call_command("audit", "replay", "--json", stdout=out)
    replayed = json.loads(out.getvalue())
    assert replayed["differences"] == 0, replayed["shown"]
