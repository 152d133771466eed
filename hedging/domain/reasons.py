"""Reason codes: why a cycle held, bought, sold or denied. One table, documented in docs/reasons.md and kept equal by a test."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A `CATEGORY_CONDITION` code; `REASON_TEXT` says it in a sentence for people."""

    HOLD_WITHIN_BUDGET = "HOLD_WITHIN_BUDGET"
    HOLD_NOTHING_DUE = "HOLD_NOTHING_DUE"
    HOLD_NOT_YET = "HOLD_NOT_YET"
    HOLD_AUTOMATION_OFF = "HOLD_AUTOMATION_OFF"
    HOLD_TRADING_STATE = "HOLD_TRADING_STATE"
    HOLD_OUT_OF_HOURS = "HOLD_OUT_OF_HOURS"
    HOLD_DATA_UNKNOWN = "HOLD_DATA_UNKNOWN"
    HOLD_NO_BASELINE = "HOLD_NO_BASELINE"
    HOLD_IN_FLIGHT = "HOLD_IN_FLIGHT"
    HOLD_COOLDOWN = "HOLD_COOLDOWN"
    HOLD_BREAKER_OPEN = "HOLD_BREAKER_OPEN"
    HOLD_COST_CAP = "HOLD_COST_CAP"
    HOLD_NO_CANDIDATE_IN_BAND = "HOLD_NO_CANDIDATE_IN_BAND"
    HOLD_UNREACHABLE = "HOLD_UNREACHABLE"
    HOLD_NOT_RECONCILED = "HOLD_NOT_RECONCILED"
    HOLD_PREFLIGHT = "HOLD_PREFLIGHT"
    HOLD_LIVE_CLOSED = "HOLD_LIVE_CLOSED"
    HOLD_MARKET_STILL = "HOLD_MARKET_STILL"
    ADD_PROJECTION_OVER_TRIGGER = "ADD_PROJECTION_OVER_TRIGGER"
    ADD_FREE_MARGIN_SHORT = "ADD_FREE_MARGIN_SHORT"
    ADD_LEAST_UTILIZATION = "ADD_LEAST_UTILIZATION"
    ADD_BY_HAND = "ADD_BY_HAND"
    UNWIND_SHORTS_GONE = "UNWIND_SHORTS_GONE"
    UNWIND_UNDER_EXIT_TRIGGER = "UNWIND_UNDER_EXIT_TRIGGER"
    UNWIND_BEFORE_CLOSE = "UNWIND_BEFORE_CLOSE"
    UNWIND_SESSION_END = "UNWIND_SESSION_END"
    UNWIND_REPLACED = "UNWIND_REPLACED"
    UNWIND_BY_HAND = "UNWIND_BY_HAND"
    DENY_AUTOMATION_OFF = "DENY_AUTOMATION_OFF"
    DENY_TRADING_STATE = "DENY_TRADING_STATE"
    DENY_OUT_OF_HOURS = "DENY_OUT_OF_HOURS"
    DENY_COST_CAP = "DENY_COST_CAP"
    DENY_COOLDOWN = "DENY_COOLDOWN"
    DENY_BREAKER_OPEN = "DENY_BREAKER_OPEN"
    DENY_LEASE_LOST = "DENY_LEASE_LOST"
    DENY_LIVE_INTENT = "DENY_LIVE_INTENT"
    DENY_BEYOND_HELD = "DENY_BEYOND_HELD"
    DENY_STALE_QUOTE = "DENY_STALE_QUOTE"
    DENY_CROSSED_QUOTE = "DENY_CROSSED_QUOTE"
    DENY_READS_FAILED = "DENY_READS_FAILED"
    DENY_EXPIRED_INTENT = "DENY_EXPIRED_INTENT"
    DENY_PRICE_MOVED = "DENY_PRICE_MOVED"
    DENY_SHORT_CONTRACT = "DENY_SHORT_CONTRACT"
    DENY_REPLACEMENT_UNFILLED = "DENY_REPLACEMENT_UNFILLED"
    DENY_LIVE_NOT_ALLOWED = "DENY_LIVE_NOT_ALLOWED"
    DENY_PREFLIGHT = "DENY_PREFLIGHT"
    DENY_ABSURD_QUOTE = "DENY_ABSURD_QUOTE"
    DENY_OTHER_PRODUCT = "DENY_OTHER_PRODUCT"
    DENY_FILLED_MEANWHILE = "DENY_FILLED_MEANWHILE"
    DENY_NOT_RECONCILED = "DENY_NOT_RECONCILED"
    DENY_NOT_OF_SESSION = "DENY_NOT_OF_SESSION"
    DENY_BEYOND_FREEZE = "DENY_BEYOND_FREEZE"
    DENY_BEYOND_CAPACITY = "DENY_BEYOND_CAPACITY"
    DENY_BEYOND_CASH = "DENY_BEYOND_CASH"
    DENY_QUARANTINED = "DENY_QUARANTINED"
    DENY_NO_BID = "DENY_NO_BID"
    DENY_UNCOVERS_SHORT = "DENY_UNCOVERS_SHORT"
    DENY_OVER_TRIGGER = "DENY_OVER_TRIGGER"
    DENY_POLICY_CHANGED = "DENY_POLICY_CHANGED"


REASON_TEXT: dict[Reason, str] = {
    Reason.HOLD_WITHIN_BUDGET: "The projection stays under the trigger, so nothing is bought.",
    Reason.HOLD_NOTHING_DUE: "No entry is due within the lookahead and margin is under the trigger.",
    Reason.HOLD_NOT_YET: "A coming entry would breach, and it is early: a stop or exit before it may still free the margin.",
    Reason.HOLD_AUTOMATION_OFF: "Automation is off: AUTO_HEDGE_ENABLED, or the session's toggle.",
    Reason.HOLD_TRADING_STATE: "The session or the whole installation is HALTED, or REDUCING (sells only).",
    Reason.HOLD_OUT_OF_HOURS: "Outside the hours in which we act, or the calendar does not know the day.",
    Reason.HOLD_DATA_UNKNOWN: "Funds, positions or prices could not be read, or contradict each other; unknown is not zero.",
    Reason.HOLD_NO_BASELINE: "No baseline: the margin used before today's first short is not known.",
    Reason.HOLD_IN_FLIGHT: "An order is live, unknown or just filled; its outcome, and books that show it, come first.",
    Reason.HOLD_COOLDOWN: "The last hedge action was less than the cooldown ago.",
    Reason.HOLD_BREAKER_OPEN: "Circuit breaker OPEN: the server failed several times in a row; a probe closes it.",
    Reason.HOLD_COST_CAP: "The day's cost cap leaves too little for the hedge that is needed.",
    Reason.HOLD_NO_CANDIDATE_IN_BAND: "No strike satisfies premium band and distance, even with every allowed relaxation.",
    Reason.HOLD_UNREACHABLE: "No purchasable set brings margin under any aim, by our count or the broker's; the floor is on the card.",
    Reason.HOLD_NOT_RECONCILED: "Nothing is decided at start-up until the books have been reconciled.",
    Reason.HOLD_PREFLIGHT: "Today's pre-flight was red, or has not been run: nothing is automatic until one is not red.",
    Reason.HOLD_LIVE_CLOSED: "The session is live where no live order may leave: take it to dry run, or open what is closed.",
    Reason.HOLD_MARKET_STILL: "The calendar says open and the index price stands still: nothing is done on such a market.",
    Reason.ADD_PROJECTION_OVER_TRIGGER: "The projection passes the trigger: the cheapest sufficient hedge is bought.",
    Reason.ADD_FREE_MARGIN_SHORT: "The broker's free margin would not cover the next entry: a hedge is bought.",
    Reason.ADD_LEAST_UTILIZATION: "No aim can be reached; the policy buys what brings margin lowest. Refusals remain likely.",
    Reason.ADD_BY_HAND: "Bought by hand.",
    Reason.UNWIND_SHORTS_GONE: "The shorts that the hedge covered are gone: sold to recover cost.",
    Reason.UNWIND_UNDER_EXIT_TRIGGER: "The book stays under the exit trigger without the hedge: sold to recover cost.",
    Reason.UNWIND_BEFORE_CLOSE: "In the money near the close: sold, since exercise is taxed.",
    Reason.UNWIND_SESSION_END: "The session ends and the policy closes hedges: sold.",
    Reason.UNWIND_REPLACED: "Replaced by a nearer hedge: sold after that was bought, to free its place.",
    Reason.UNWIND_BY_HAND: "Sold by hand.",
    Reason.DENY_AUTOMATION_OFF: "Automation was switched off before the order was claimed or sent.",
    Reason.DENY_TRADING_STATE: "The trading state does not allow this order.",
    Reason.DENY_OUT_OF_HOURS: "The order would be sent outside the hours in which we act.",
    Reason.DENY_COST_CAP: "The order's worst cost does not fit under the day's cost cap.",
    Reason.DENY_COOLDOWN: "Another action took the cooldown first.",
    Reason.DENY_BREAKER_OPEN: "Circuit breaker OPEN: no new order is claimed.",
    Reason.DENY_LEASE_LOST: "Another worker has taken the account over since; its decision counts.",
    Reason.DENY_LIVE_INTENT: "An intent on this contract and side is already live.",
    Reason.DENY_BEYOND_HELD: "The sale is larger than what is surely held.",
    Reason.DENY_STALE_QUOTE: "The quote is too old or absent.",
    Reason.DENY_CROSSED_QUOTE: "The bid is above the ask.",
    Reason.DENY_READS_FAILED: "A read before sending failed; nothing was sent.",
    Reason.DENY_EXPIRED_INTENT: "The intent was older than its validity.",
    Reason.DENY_PRICE_MOVED: "The price left the allowed buffer before the order was sent.",
    Reason.DENY_SHORT_CONTRACT: "The account is short in this contract: a buy would close the short.",
    Reason.DENY_REPLACEMENT_UNFILLED: "The hedge that was to replace this one was not bought whole, so this one stays.",
    Reason.DENY_LIVE_NOT_ALLOWED: "The session is live where no live order may leave: AUTO_HEDGE_DRY_RUN is true, or the account is in dry run.",
    Reason.DENY_PREFLIGHT: "No pre-flight of today lets this order go.",
    Reason.DENY_ABSURD_QUOTE: "The price is far from the one that was decided on, or bid and ask are far apart.",
    Reason.DENY_OTHER_PRODUCT: "The shorts have another product than the hedge: it would release nothing.",
    Reason.DENY_FILLED_MEANWHILE: "An earlier attempt filled after all: this one would be more than was decided.",
    Reason.DENY_NOT_RECONCILED: "The books have not been compared since the start: no buy before they are.",
    Reason.DENY_NOT_OF_SESSION: "The contract is not of the session's index, or a buy not of its expiry.",
    Reason.DENY_BEYOND_FREEZE: "The order needs more slices under the exchange's freeze quantity than one order may have.",
    Reason.DENY_BEYOND_CAPACITY: "The longs would be more than the shorts that they could cover: what is beyond releases nothing.",
    Reason.DENY_BEYOND_CASH: "The broker's free margin does not cover the cost.",
    Reason.DENY_QUARANTINED: "An order in this contract was lost or the books differ on it: it may still surface.",
    Reason.DENY_NO_BID: "Nobody bids for it: it cannot be sold now.",
    Reason.DENY_UNCOVERS_SHORT: "The sale takes the cover from shorts that are in the book or about to be.",
    Reason.DENY_OVER_TRIGGER: "Without the hedge, utilization would be over the trigger.",
    Reason.DENY_POLICY_CHANGED: "The policy was changed after the preview: look at a new one.",
}
