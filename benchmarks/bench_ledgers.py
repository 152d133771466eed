"""Status, transactions, analytics and the ledgers of the admin, over a million transactions and a quarter million snapshots.

`make bench`, or `python -m benchmarks.bench_ledgers [--transactions 1000000] [--snapshots 250000]`. An embedded PostgreSQL of
its own is filled; every address is asked in this process by a viewer who is logged in, as gunicorn would call the
application: through all middleware, to the last byte of the answer. Beside it, in the same run, the peer: the page-number pagination that Django REST framework brings, over
the same rows and fields. Figures are printed, never judged by an exit code; a busy machine is slow for both.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"  # servers and files of its own, and nobody's keys

import django

django.setup()

from django.conf import settings  # noqa: E402 - after the setup
from django.contrib import admin  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.db import connection  # noqa: E402
from django.db.models import F  # noqa: E402
from django.test import Client, RequestFactory  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from rest_framework import serializers  # noqa: E402
from rest_framework.generics import ListAPIView  # noqa: E402
from rest_framework.pagination import PageNumberPagination  # noqa: E402

from benchmarks.ledger_page import write_table  # noqa: E402
from benchmarks.ledger_rows import NOW, TODAY, write_rows  # noqa: E402
from config.celery import settle_memory  # noqa: E402
from config.long_lists import COUNTED  # noqa: E402
from hedging.admin.ledgers import Ledger  # noqa: E402
from hedging.api.outputs.ledgers import OrderOutput, TransactionOutput  # noqa: E402
from hedging.domain.reasons import Reason  # noqa: E402
from hedging.engine import clock  # noqa: E402
from hedging.engine.clock import VirtualClock  # noqa: E402
from hedging.management.database import database_at_hand, prepare_database  # noqa: E402
from hedging.models import HedgeTransaction  # noqa: E402
from hedging.selectors import kept  # noqa: E402
from hedging.selectors.cards import reason_text  # noqa: E402
from notifications.models import Alert  # noqa: E402
from sessions_app.models import MarginSnapshot, TradingSession  # noqa: E402
from tests.people import person  # noqa: E402

PAGE_SIZE = 50
REASONS = (Reason.DENY_COOLDOWN, Reason.ADD_PROJECTION_OVER_TRIGGER, Reason.UNWIND_SHORTS_GONE)
Ask = Callable[[], Any]


class StockTransaction(TransactionOutput):
    """The same fields, read from the model's own rows as the framework reads them."""

    to_representation = serializers.Serializer.to_representation  # type: ignore[assignment] # values of any kind

    session = serializers.IntegerField(source="session_id")
    trading_day = serializers.DateField(source="session.trading_day")
    decision = serializers.IntegerField(source="decision_id")
    text = serializers.SerializerMethodField()  # type: ignore[assignment] # read from the row, not stored
    live = serializers.BooleanField(source="is_live")
    orders = OrderOutput(many=True, source="orders.all")

    def get_text(self, row: HedgeTransaction) -> str:
        """Return the reason's sentence."""
        return reason_text(row.reason)


class StockPages(PageNumberPagination):
    """Pages by number, with a count: as the framework brings them."""

    page_size = PAGE_SIZE


class StockTransactions(ListAPIView[HedgeTransaction]):
    """The peer. It is asked without middleware, login and throttle, which is in its favour."""

    queryset = HedgeTransaction.objects.order_by("-id").select_related("session").prefetch_related("orders")
    serializer_class = StockTransaction
    pagination_class = StockPages
    authentication_classes = ()
    permission_classes = ()


class Bench:
    """Asks addresses again and again, and keeps a line of what each needed."""

    def __init__(self, *, requests: int, say: Callable[[str], None]) -> None:
        self.requests = requests
        self.say = say
        self.rows: list[tuple[str, float, float, int, int | None]] = []
        self.application = WSGIHandler()
        self.viewer = person("viewer")
        visitor = Client()
        visitor.force_login(self.viewer)
        cookie = visitor.cookies[settings.SESSION_COOKIE_NAME].value
        self.browser = RequestFactory(HTTP_HOST="127.0.0.1", HTTP_COOKIE=f"{settings.SESSION_COOKIE_NAME}={cookie}")

    def get(self, address: str) -> Ask:
        """Return what asks an address. Raises `RuntimeError` for anything but 200."""
        asked = self.browser.get(address).environ

        def ask() -> None:
            statuses: list[str] = []

            def begin(status: str, *_: Any) -> Callable[[bytes], object]:
                statuses.append(status)
                return lambda _: None

            answer = self.application({**asked}, begin)
            content = b"".join(answer)
            answer.close()
            if not statuses[0].startswith("200 "):
                raise RuntimeError(f"{address}: {statuses[0]} {content[:300]!r}")

        return ask

    def measure(
        self,
        name: str,
        asks: Iterable[Ask],
        bar: int | None,
        *,
        requests: int | None = None,
        before: Ask = lambda: None,
    ) -> None:
        """Ask each once and count its queries; then ask in turn, and take the milliseconds. `before` each is not measured."""
        every, queries = list(asks), 0
        for ask in every:
            before()
            with CaptureQueriesContext(connection) as seen:
                ask()
            queries = max(queries, len(seen))
        wanted, taken, used = max(requests or self.requests, 2 * len(every)), [], []
        for number in range(wanted):
            before()
            began, cpu = time.perf_counter(), time.process_time()
            every[number % len(every)]()
            taken.append(1e3 * (time.perf_counter() - began))
            used.append(1e3 * (time.process_time() - cpu))
        cuts = statistics.quantiles(taken, n=100, method="inclusive")
        self.rows.append((name, cuts[49], cuts[98], queries, bar))
        verdict = "" if bar is None else f"{bar:>6}  {'within' if cuts[98] <= bar else 'OVER'}"
        self.say(f"  {name:<58}{cuts[49]:>8.1f}{cuts[98]:>8.1f}{statistics.median(used):>8.1f}{queries:>5}{verdict}")


def news() -> None:
    """Change a row of the session, so that nobody has seen it as it is."""
    TradingSession.objects.filter(closed_at=None).update(reserved=F("reserved"))


def endpoints(bench: Bench) -> None:
    """Measure the API and the status page."""
    deep = HedgeTransaction.objects.order_by("id").values_list("id", flat=True)[PAGE_SIZE * 20]
    old = TradingSession.objects.order_by("id").values_list("id", flat=True)[TradingSession.objects.count() // 2]
    symbol = HedgeTransaction.objects.values_list("symbol", flat=True).get(pk=deep)
    bench.measure("GET status", [bench.get("/api/hedge/status")], 15)
    bench.measure("GET status, something new each time", [bench.get("/api/hedge/status")], 15, before=news)
    ledger = "/api/hedge/transactions"
    bench.measure("GET transactions, first page", [bench.get(ledger)], 15)
    bench.measure(f"GET transactions, cursor={deep}", [bench.get(f"{ledger}?cursor={deep}")], 15)
    bench.measure(
        "GET transactions, as nobody has seen them", [bench.get(ledger)], 15, before=vars(kept)["_made"].clear
    )
    filters = [
        *(f"mode={mode}" for mode in ("live", "dry_run")), *(f"side={side}" for side in ("BUY", "SELL")),
        *(f"origin={origin}" for origin in ("auto", "admin", "api", "command")), "live=true", "live=false",
        *(f"reason={reason.value}" for reason in REASONS), f"symbol={symbol}", "symbol=NOTHING", f"session={old}",
        f"day={TODAY}", "mode=dry_run&side=SELL", "mode=live&origin=command", f"mode=dry_run&day={TODAY}",
        f"mode=dry_run&session={old}", "origin=command&live=true", f"side=SELL&symbol={symbol}",
    ]  # fmt: skip
    for words in filters:
        both = [bench.get(f"{ledger}?{words}"), bench.get(f"{ledger}?{words}&cursor={deep}")]
        bench.measure(f"GET transactions, {words}", both, 15)
    for by in ("day", "index", "dte"):
        bench.measure(f"GET analytics, 90 days by {by}", [bench.get(f"/api/hedge/analytics?by={by}")], 100)
    everything = "/api/hedge/analytics?first=2024-01-01&by="
    bench.measure("GET analytics, 500 days", [bench.get(everything + by) for by in ("day", "index", "dte")], 100)
    bench.measure("the status page /", [bench.get("/")], None)


def peers(bench: Bench) -> None:
    """Measure stock page numbers over the same rows."""
    view, ask = StockTransactions.as_view(), RequestFactory(HTTP_HOST="127.0.0.1")
    last = HedgeTransaction.objects.count() // PAGE_SIZE - 20

    def page(number: int) -> Ask:
        return lambda: view(ask.get("/", {"page": number})).render()

    bench.measure("peer: PageNumberPagination, first page", [page(1)], None, requests=10)
    bench.measure(f"peer: PageNumberPagination, page={last}", [page(last)], None, requests=10)


def ledgers(bench: Bench, *, requests: int) -> None:
    """Measure every list of the admin that grows: its first and last page, each filter, and the search."""
    request = RequestFactory(HTTP_HOST="127.0.0.1").get("/")
    request.user = bench.viewer
    for model, site in sorted(admin.site._registry.items(), key=lambda each: each[0].__name__):
        if not (isinstance(site, Ledger) or model in {Alert, MarginSnapshot}) or not model._default_manager.exists():
            continue
        name = model._meta.model_name
        address = f"/admin/{model._meta.app_label}/{name}/"
        pages = min(COUNTED, model._default_manager.count()) // site.list_per_page
        bench.measure(f"admin {name}, first page", [bench.get(address)], 150, requests=requests)
        bench.measure(f"admin {name}, p={pages}", [bench.get(f"{address}?p={pages}")], 150, requests=requests)
        shown = site.get_changelist_instance(request)
        for spec in shown.filter_specs:
            asked = [bench.get(f"{address}{choice['query_string']}") for choice in spec.choices(shown)]
            bench.measure(f"admin {name}, by {spec.title}", asked, 150, requests=requests)
        if site.search_fields:
            words = ("NIFTY", "25000CE", "nothing like it")
            bench.measure(
                f"admin {name}, search", [bench.get(f"{address}?q={word}") for word in words], 150, requests=requests
            )


def main() -> None:
    """Fill, measure, print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--transactions", type=int, default=1_000_000)
    options.add_argument("--snapshots", type=int, default=250_000)
    options.add_argument("--requests", type=int, default=100, help="for each address of the API; of the admin, a third")
    options.add_argument("--page", type=Path, help="write what was measured into this page")
    asked = options.parse_args()

    def say(words: str) -> None:
        print(words, flush=True)

    with database_at_hand():
        prepare_database()
        say("Two years of rows, once, for the ledgers …")
        write_rows(transactions=asked.transactions, snapshots=asked.snapshots, wall_now=datetime.now(UTC), say=say)
        vars(clock)["market_clock"] = lambda: VirtualClock(NOW)
        settle_memory()
        rows = f"{HedgeTransaction.objects.count():,} transactions, {MarginSnapshot.objects.count():,} snapshots"
        say(f"Server time in this process, {rows}; bars are for p99, in ms")
        say(f"  {'ms':<58}{'p50':>8}{'p99':>8}{'CPU':>8}{'SQL':>5}{'bar':>6}")
        bench = Bench(requests=asked.requests, say=say)
        endpoints(bench)
        peers(bench)
        ledgers(bench, requests=max(10, asked.requests // 3))
    if asked.page is not None:
        write_table(asked.page, rows=rows, measured=bench.rows)


if __name__ == "__main__":
    main()
