"""Pre-flight: the one table of checks before trading, which of them are red, and what a person does about each. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check, or a whole run, came out. NOT_ASKED: what it rests on failed, so that one is the one to mend."""

    GREEN = "green"
    AMBER = "amber"
    RED = "red"
    NOT_ASKED = "not_asked"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: its name, what holds when it is green, whether it failing is red or amber, and the remedy.

    `needs` are checks without which it cannot be asked.
    """

    name: str
    holds: str
    failing: State
    fix: str
    needs: tuple[str, ...] = ()


CHECKS: tuple[Check, ...] = (
    Check(
        "database",
        "The database answers, and its tables are those of this version.",
        State.RED,
        "Run `manage.py migrate`, or start again with `make run`.",
    ),
    Check("redis", "Redis answers.", State.RED, "Start Redis, or correct REDIS_URL."),
    Check(
        "workers",
        "Workers of the queues hedge, orders, exits, books and io, and beat, gave a sign of life in the last 75 seconds.",
        State.RED,
        "Start the workers (`make run` starts all of them) and look into var/log.",
    ),
    Check(
        "settings",
        "No system check of the settings is an error.",
        State.RED,
        "Run `manage.py check --deploy` and mend what it names.",
    ),
    Check(
        "clock",
        "Our clock and the database's are within 2 seconds of each other.",
        State.RED,
        "Let both machines set their clocks by NTP.",
    ),
    Check(
        "openalgo",
        "OpenAlgo answers at OPENALGO_BASE_URL.",
        State.RED,
        "Start OpenAlgo, or correct OPENALGO_BASE_URL.",
    ),
    Check(
        "openalgo_clock",
        "OpenAlgo's clock is within 5 seconds of ours.",
        State.RED,
        "Let both machines set their clocks by NTP.",
        needs=("openalgo",),
    ),
    Check(
        "key",
        "OpenAlgo takes our API key.",
        State.RED,
        "Log in to OpenAlgo; copy the key anew from its API Key page into OPENALGO_API_KEY.",
        needs=("openalgo",),
    ),
    Check(
        "broker",
        "The broker behind OpenAlgo is the one of the account's first green run.",
        State.RED,
        "Log in to the right broker; if the change is meant, set the account's expected broker in admin.",
        needs=("key",),
    ),
    Check(
        "analyzer",
        "OpenAlgo's analyzer mode is off, so that books and funds are the account's own.",
        State.RED,
        "Switch the analyzer off in OpenAlgo. Paper trading is AUTO_HEDGE_DRY_RUN=true here.",
        needs=("key",),
    ),
    Check(
        "order_mode",
        "OpenAlgo sends our orders at once and does not queue them for approval (asked of live accounts only).",
        State.RED,
        "Set the API key's order mode to Auto in OpenAlgo.",
        needs=("analyzer",),
    ),
    Check(
        "broker_session",
        "The broker tells the account's funds.",
        State.RED,
        "Log in to the broker in OpenAlgo: its session ends every night.",
        needs=("analyzer",),
    ),
    Check(
        "session",
        "A session of today is open, with a budget, in the mode that account and environment say; no other account is live here.",
        State.RED,
        "Open today's session in admin, or by POST /api/hedge/session; close another account's, or give it an installation of its own.",
    ),
    Check(
        "calendar",
        "Our calendar and OpenAlgo's agree that today trades, and on the next expiry.",
        State.RED,
        "Correct the trading days in admin, or OpenAlgo's market calendar.",
        needs=("key",),
    ),
    Check(
        "master_contract",
        "Options of the session's expiry are listed and have prices.",
        State.RED,
        "Download the master contract in OpenAlgo, or wait until it has.",
        needs=("key", "session"),
    ),
    Check(
        "contracts",
        "Lot, tick and freeze quantity are what our contract spec says; a freeze that OpenAlgo does not know is ours.",
        State.RED,
        "Add a contract spec with today's figures in admin.",
        needs=("master_contract",),
    ),
    Check(
        "product",
        "No short of the session's expiry has another product than the account's: hedging it would release nothing.",
        State.RED,
        "Set the account's product to that of your straddles.",
        needs=("broker_session", "session"),
    ),
    Check(
        "carried_over",
        "The broker holds every hedge that we carried over, and no order of an earlier day is unresolved.",
        State.RED,
        "Look at the broker's screen. An order of an earlier day: `manage.py reconcile --order N --never-came`, or `--is ID --filled UNITS --price P`.",
        needs=("broker_session",),
    ),
    Check(
        "margin_profile",
        "The margin model is calibrated to this broker within 3 %.",
        State.AMBER,
        "Nothing is blocked, the safety buffer is doubled. `manage.py calibrate` asks again.",
        needs=("session",),
    ),
    Check(
        "telegram",
        "Telegram is configured.",
        State.AMBER,
        "Set TELEGRAM_BOT_TOKEN and TELEGRAM_CHAT_ID; until then alerts go to the console and the pages.",
    ),
)


@dataclass(frozen=True, slots=True)
class Result:
    """What one check came to. `detail` says what was seen, in words and figures."""

    check: Check
    state: State
    detail: str


def verdict(results: Iterable[Result]) -> State:
    """Return the worst state of a run; what was not asked is never worse than what kept it from being asked."""
    states = {result.state for result in results}
    return next((state for state in (State.RED, State.AMBER) if state in states), State.GREEN)
