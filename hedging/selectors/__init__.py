"""Selectors: what the page, the API, the alerts and the engine read, as plain values, with a fixed number of queries."""

from hedging.selectors.accuracy import accuracy
from hedging.selectors.ahead import day_ahead
from hedging.selectors.books import books
from hedging.selectors.course import course
from hedging.selectors.decisions import decision
from hedging.selectors.health import readiness
from hedging.selectors.jumps import Forecast, forecasts
from hedging.selectors.ledger import Holding, holdings
from hedging.selectors.moment import (
    current_session,
    day_entries,
    heartbeats,
    installation,
    last_session,
    session_facts,
    status,
)
from hedging.selectors.outcomes import analytics
from hedging.selectors.static_hedge import static_hedge
from hedging.selectors.story import feed, timetable
from hedging.selectors.trades import transactions

__all__ = [
    "Forecast",
    "Holding",
    "accuracy",
    "analytics",
    "books",
    "course",
    "current_session",
    "day_ahead",
    "day_entries",
    "decision",
    "feed",
    "forecasts",
    "heartbeats",
    "holdings",
    "installation",
    "last_session",
    "readiness",
    "session_facts",
    "static_hedge",
    "status",
    "timetable",
    "transactions",
]
