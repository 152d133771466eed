"""The one place where it is decided whether orders are real."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import requests

from hedging.brokers.base import Broker, SetupReader
from hedging.brokers.dry_run import DryRunBroker
from hedging.brokers.openalgo.broker import OpenAlgoBroker, OpenAlgoReader
from hedging.brokers.openalgo.client import OpenAlgoClient, OpenAlgoOrderClient
from hedging.brokers.openalgo.limits import Retries
from hedging.brokers.openalgo.symbols import format_symbol
from hedging.brokers.paper import PaperBook
from hedging.brokers.paper_margin import PaperMeaning


def build_setup_reader(
    *,
    base_url: str,
    api_key: str,
    session: requests.Session | None = None,
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> SetupReader:
    """Return what the pre-flight reads an OpenAlgo server by: it has no method that writes."""
    return OpenAlgoReader(OpenAlgoClient(base_url, api_key, session=session, clock=wall_clock, sleep=sleep))


def build_mode_probe(
    *,
    base_url: str,
    api_key: str,
    session: requests.Session | None = None,
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
) -> Callable[[], bool | None]:
    """Return the question whether OpenAlgo queues orders for a person, for live sessions: it asks for a cancel."""
    client = OpenAlgoOrderClient(base_url, api_key, session=session, clock=wall_clock, sleep=sleep)
    return OpenAlgoBroker(client).queues_orders


def build_broker(
    *,
    live: bool,
    base_url: str,
    api_key: str,
    paper_book: PaperBook | None = None,
    meaning: PaperMeaning | None = None,
    session: requests.Session | None = None,
    market_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], None] = time.sleep,
    retries: Retries | None = None,
) -> Broker:
    """Return the broker of one account.

    Whether a live one may send anything is asked by the claim and by the fence (`hedging/engine/preflight/gate.py`). A dry
    run needs a `paper_book` (else `ValueError`) and gets a client that knows no order endpoint; `meaning` says what the figures
    contain that the paper is laid over. `session` is for a transport in process; `market_clock` stamps paper orders,
    `wall_clock` readings; both give aware UTC. `retries` is the budget of repeated reads that the account's processes
    share.
    """
    if live:
        client = OpenAlgoOrderClient(base_url, api_key, session=session, clock=wall_clock, sleep=sleep, retries=retries)
        return OpenAlgoBroker(client)
    if paper_book is None:
        raise ValueError("a dry run needs a paper book")
    return DryRunBroker(
        OpenAlgoReader(
            OpenAlgoClient(base_url, api_key, session=session, clock=wall_clock, sleep=sleep, retries=retries)
        ),
        paper_book,
        clock=market_clock,
        symbol_of=format_symbol,
        meaning=meaning or PaperMeaning(),
    )
