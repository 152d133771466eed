"""Guards: the ordered list of gates between a need and an order. Each says whether it was passed, and with what figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import time, timedelta

from hedging.domain.facts import CycleFacts
from hedging.domain.instruments import Side
from hedging.domain.plausible import CONTRADICTION
from hedging.domain.reasons import Reason
from hedging.domain.risk import IST

ACTIVE, REDUCING = "active", "reducing"
LAST_CHANCE = timedelta(seconds=90)
"""How close to an entry a hedge is bought although an earlier one is still unknown (design: in flight)."""
TIME_TO_BUY = timedelta(seconds=20)
"""How long before an entry a purchase must be decided at the latest: two ticks, and the way of its orders."""
STILL_FOR = timedelta(seconds=60)
"""How long an index price may stand still in market hours before nobody believes that the market is open."""
INDEX_IN_AUCTION = time(15, 15)
"""From here on (IST) the index is in its closing auction, while options trade on."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of the answer to "why was nothing bought?". `reason` is the hold that a closed gate causes."""

    gate: str
    passed: bool
    detail: str
    reason: Reason

    def as_card(self) -> dict[str, str | bool]:
        """Return the gate as it is stored on a decision card."""
        return {"gate": self.gate, "passed": self.passed, "detail": self.detail, "reason": self.reason.value}


def _lid(facts: CycleFacts) -> Gate:
    on = facts.enabled
    return Gate("lid", on, f"AUTO_HEDGE_ENABLED={'true' if on else 'false'}", Reason.HOLD_AUTOMATION_OFF)


def _toggle(facts: CycleFacts) -> Gate:
    on = facts.session.automation
    return Gate("toggle", on, f"automation of the session is {'on' if on else 'off'}", Reason.HOLD_AUTOMATION_OFF)


def _trading_state(facts: CycleFacts) -> Gate:
    state, why = facts.session.trading_state, facts.session.state_reason
    detail = f"{state.upper()}: {why}" if why and state != ACTIVE else state.upper()
    return Gate("trading state", state == ACTIVE, detail, Reason.HOLD_TRADING_STATE)


def _preflight(facts: CycleFacts) -> Gate:
    return Gate("pre-flight", facts.cleared, facts.preflight or "in order", Reason.HOLD_PREFLIGHT)


def _live(facts: CycleFacts) -> Gate:
    return Gate(
        "live", not facts.live_closed, facts.live_closed or "nothing keeps orders here", Reason.HOLD_LIVE_CLOSED
    )


def _hours(facts: CycleFacts) -> Gate:
    window = facts.window
    if window is None:
        detail = "the calendar has no hours for today: close the session, or let it end by itself at midnight"
        return Gate("hours", passed=False, detail=detail, reason=Reason.HOLD_OUT_OF_HOURS)
    inside = window.act_from <= facts.now < window.act_until
    detail = f"we act {window.act_from.astimezone(IST):%H:%M}–{window.act_until.astimezone(IST):%H:%M} IST"
    return Gate("hours", inside, detail, Reason.HOLD_OUT_OF_HOURS)


def _reconciled(facts: CycleFacts) -> Gate:
    detail = "the books were read" if facts.reconciled else "the books could not be read yet"
    return Gate("reconciled", facts.reconciled, detail, Reason.HOLD_NOT_RECONCILED)


def _data(facts: CycleFacts) -> Gate:
    if facts.chain_is_stale:
        age, most = facts.chain_age_seconds, facts.policy.max_quote_age_seconds
        return Gate(
            "data",
            passed=False,
            detail=f"prices are {age:.1f} s old, at most {most} s are trusted",
            reason=Reason.HOLD_DATA_UNKNOWN,
        )
    known = not facts.unknown and facts.funds is not None and facts.positions is not None
    # Funds may be behind the positions of an entry that has just filled: nobody need look before its minute is over.
    behind = facts.just_due and facts.unknown.startswith(CONTRADICTION)
    reason = Reason.HOLD_IN_FLIGHT if behind else Reason.HOLD_DATA_UNKNOWN
    return Gate("data", known, facts.unknown or "funds and positions are fresh", reason)


def _market_moves(facts: CycleFacts) -> Gate:
    """Hold while the index price stands still: the calendar's word that the market is open wants a second opinion."""
    auction = facts.now.astimezone(IST).time() >= INDEX_IN_AUCTION
    moves = facts.still_seconds < STILL_FOR.total_seconds() or auction
    seen = f"the index has stood still for {facts.still_seconds:.0f} s" if facts.still_seconds else "the index moves"
    return Gate("market moves", moves, seen, Reason.HOLD_MARKET_STILL)


def _baseline(facts: CycleFacts) -> Gate:
    baseline = facts.session.baseline
    detail = "none yet: captured before today's first short" if baseline is None else f"₹{baseline}"
    return Gate("baseline", baseline is not None, detail, Reason.HOLD_NO_BASELINE)


def _margin_model(facts: CycleFacts) -> Gate:
    """Always passed: a model that does not fit costs a wider buffer, not the hedge. It is here to be seen."""
    return Gate("margin model", passed=True, detail=facts.profile.words, reason=Reason.HOLD_DATA_UNKNOWN)


def _in_flight(facts: CycleFacts) -> Gate:
    count = len(facts.in_flight)
    if not count:
        return Gate("in flight", passed=True, detail="nothing is live", reason=Reason.HOLD_IN_FLIGHT)
    detail = f"{count} intents are live or unknown"
    if all(i.side is Side.BUY and i.uncertain for i in facts.in_flight) and _entry_within(facts, LAST_CHANCE):
        # What is unknown releases nothing until it is found: the entry would be refused while we wait for it.
        return Gate("in flight", passed=True, detail=f"{detail}, an entry is due at once", reason=Reason.HOLD_IN_FLIGHT)
    return Gate("in flight", passed=False, detail=detail, reason=Reason.HOLD_IN_FLIGHT)


def _in_flight_beside_sale(facts: CycleFacts) -> Gate:
    """Let a sale pass beside a buy of which nobody knows: it counts as not filled, so what is ours may go without it."""
    surely = [i for i in facts.in_flight if i.side is Side.SELL or not i.uncertain]
    detail = f"{len(surely)} intents are live" if surely else "nothing that a sale must wait for"
    return Gate("in flight", not surely, detail, Reason.HOLD_IN_FLIGHT)


def _settled(facts: CycleFacts) -> Gate:
    """Hold while the books may be behind our last fill: it would be bought, or its place sold, a second time."""
    left = facts.settling_seconds
    detail = f"positions and funds may be behind a fill for {left} s more" if left else "no fill is fresh"
    return Gate("settled", not left, detail, Reason.HOLD_IN_FLIGHT)


def _settled_for_purchase(facts: CycleFacts) -> Gate:
    """Wait for the books as long as the next entry bears it; then positions that show what is ours are enough.

    One side of a pair released nothing that funds could be behind with: its other side does not wait.
    """
    gate, last = _settled(facts), facts.unfinished
    settled_by = facts.now + timedelta(seconds=facts.settling_seconds) + TIME_TO_BUY
    too_late = any(entry.at < settled_by for entry in facts.coming)
    if gate.passed or not facts.positions_show_ours:
        return gate
    if facts.completing and last is not None and last.one_sided:
        return Gate("settled", passed=True, detail="completes one side of a pair", reason=Reason.HOLD_IN_FLIGHT)
    if too_late:
        return Gate(
            "settled", passed=True, detail=f"{gate.detail}, an entry is due at once", reason=Reason.HOLD_IN_FLIGHT
        )
    return gate


def _entry_within(facts: CycleFacts, ahead: timedelta) -> bool:
    return any(entry.at - facts.now <= ahead for entry in facts.coming)


def _breaker(facts: CycleFacts) -> Gate:
    detail = "Circuit breaker OPEN" if facts.breaker_open else "closed"
    return Gate("breaker", not facts.breaker_open, detail, Reason.HOLD_BREAKER_OPEN)


def _exit_breaker(facts: CycleFacts) -> Gate:
    detail = "Circuit breaker OPEN for exits" if facts.exit_breaker_open else "closed for exits"
    return Gate("breaker", not facts.exit_breaker_open, detail, Reason.HOLD_BREAKER_OPEN)


def _cooldown(facts: CycleFacts) -> Gate:
    left = facts.cooldown_left_seconds
    return Gate("cooldown", left == 0, f"{left} s left" if left else "over", Reason.HOLD_COOLDOWN)


def _cooldown_of_purchase(facts: CycleFacts) -> Gate:
    """Let the last purchase be completed: one leg of a pair releases nothing, and its entry does not wait for the cooldown."""
    if facts.completing:
        detail = f"{facts.cooldown_left_seconds} s left, a leg of the last purchase failed: it is completed"
        return Gate("cooldown", passed=True, detail=detail, reason=Reason.HOLD_COOLDOWN)
    return _cooldown(facts)


def _cap(facts: CycleFacts) -> Gate:
    left = facts.cost_left
    return Gate("cap", left > 0, f"₹{left:.0f} of ₹{facts.policy.max_cost_per_day} left", Reason.HOLD_COST_CAP)


KNOWING: tuple[Callable[[CycleFacts], Gate], ...] = (
    _lid,
    _toggle,
    _live,
    _trading_state,
    _preflight,
    _hours,
    _reconciled,
    _data,
    _market_moves,
    _baseline,
    _margin_model,
)
"""Gates before anything can be judged."""

ACTING: tuple[Callable[[CycleFacts], Gate], ...] = (
    _in_flight,
    _breaker,
    _cooldown_of_purchase,
    _settled_for_purchase,
    _cap,
)
"""Gates between a known need and a purchase."""

UNWINDING: tuple[Callable[[CycleFacts], Gate], ...] = (_in_flight_beside_sale, _exit_breaker, _cooldown, _settled)
"""Gates before a sale that nothing hurries; it costs nothing of the cap."""

SELLING: tuple[Callable[[CycleFacts], Gate], ...] = (_lid, _toggle, _live, _hours, _reconciled)
"""Gates before a sale that the clock asks for; unknown margin does not keep what must go."""


def first_closed(gates: tuple[Gate, ...]) -> Gate | None:
    """Return the first gate that did not let the decision pass, or `None`."""
    return next((gate for gate in gates if not gate.passed), None)
