"""What the pre-flight reads: listings, open exchanges, the order mode and the server's clock, from recorded answers."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

from hedging.brokers.base import BrokerRefused, Listing, UnreadableAnswer
from hedging.brokers.openalgo.broker import NO_ORDER_ID, OpenAlgoBroker, OpenAlgoReader
from hedging.brokers.openalgo.client import OpenAlgoOrderClient
from hedging.domain.instruments import Contract, Index, Right
from tests.contract.recorded import RecordedAdapter, made, session_over

NOW = datetime(2026, 12, 1, 4, 0, tzinfo=UTC)
OPTION = Contract(Index.NIFTY, date(2026, 12, 1), Decimal(26000), Right.CE)


def over(answers, *, clock=lambda: NOW):
    adapter = RecordedAdapter(answers)
    client = OpenAlgoOrderClient(
        "http://openalgo.test:5000", "5ecre7" * 10, session=session_over(adapter), clock=clock, sleep=lambda _: None
    )
    return OpenAlgoBroker(client), adapter


@pytest.mark.parametrize(
    ("recording", "listing"),
    [
        ("live/symbol__option", Listing(65, Decimal("0.05"), 1800)),
        ("live/symbol__sensex_option", Listing(20, Decimal("0.05"), None)),  # 1 means that nobody configured it
    ],
)
def test_a_listing_is_lot_tick_and_freeze(recording, listing):
    assert over({"symbol": recording})[0].listing(OPTION) == listing


def test_an_option_that_is_not_listed_is_refused():
    with pytest.raises(BrokerRefused, match="not found"):
        over({"symbol": "live/symbol__not_found"})[0].listing(OPTION)


@pytest.mark.parametrize("data", [None, [], {}, {"lotsize": 0, "tick_size": 0.05}, {"lotsize": 65, "tick_size": 0}])
def test_a_listing_without_its_figures_is_no_listing(data):
    with pytest.raises(UnreadableAnswer):
        over({"symbol": made(200, {"status": "success", "data": data})})[0].listing(OPTION)


@pytest.mark.parametrize(
    ("recording", "trades"),
    [
        ("live/market_timings__weekday", True),
        ("live/market_timings__sunday", False),
        ("live/market_timings__holiday", False),
    ],
)
def test_an_exchange_is_open_when_the_timings_name_it(recording, trades):
    broker, adapter = over({"market/timings": recording})
    assert ("NFO" in broker.open_exchanges(date(2026, 11, 23))) is trades
    assert adapter.sent[0][1]["date"] == "2026-11-23"


@pytest.mark.parametrize(
    ("answer", "queued"),
    [
        ("semi_auto/cancelorder__blocked", True),
        ("live/cancelorder__completed", False),
        ("errors/cancelorder__broker_plugin_raises", False),  # the broker was asked, so nothing was queued
        (made(502, "<html>"), None),
        (TimeoutError("nobody answers"), None),
    ],
)
def test_the_order_mode_shows_in_the_refusal_of_a_cancel(answer, queued):
    broker, adapter = over({"cancelorder": answer})
    assert broker.queues_orders() is queued
    assert adapter.sent[0][1]["orderid"] == NO_ORDER_ID


class Dated(RecordedAdapter):
    """The recorded ping with a Date header."""

    def __init__(self, date_header: str | None) -> None:
        super().__init__({"ping": "live/ping__ok", "analyzer": "live/analyzer_status__off"})
        self.date = date_header

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        response = super().send(request, *args, **options)
        response.headers.pop("Date", None)
        if self.date is not None:
            response.headers["Date"] = self.date
        return response


@pytest.mark.parametrize(
    ("header", "took", "skew"),
    [
        ("Tue, 01 Dec 2026 04:00:00 GMT", 0, 0),
        ("Tue, 01 Dec 2026 04:00:08 GMT", 8, 0),  # a slow answer proves nothing
        ("Tue, 01 Dec 2026 04:00:14 GMT", 8, 6),
        ("Tue, 01 Dec 2026 03:59:53 GMT", 0, -6),  # it may have been :53.999
        ("nonsense", 0, None),
        (None, 0, None),
    ],
)
def test_only_what_lies_outside_of_request_and_answer_is_skew(header, took, skew):
    times = iter([NOW, NOW + timedelta(seconds=took), *[NOW] * 4])
    client = OpenAlgoOrderClient(
        "http://openalgo.test:5000", "k" * 20, session=session_over(Dated(header)), clock=lambda: next(times)
    )
    assert OpenAlgoReader(client).server_status().skew_seconds == skew
