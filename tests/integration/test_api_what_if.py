"""GET /api/hedge/preview: what would be bought under other figures, on one reading of the broker."""

from __future__ import annotations

from collections import Counter
from datetime import time
from decimal import Decimal

import pytest
from django.core.cache import cache

from hedging.api import analytics
from hedging.engine import clock
from hedging.models import HedgeDecision, HedgeTransaction
from sessions_app.models import TradingSession
from tests import factories as make
from tests.integration.manual_world import manual_world, rules

pytestmark = pytest.mark.django_db
ADDRESS = "/api/hedge/preview"
LOWER = "trigger_pct=45&target_pct=40&exit_trigger_pct=30"


@pytest.fixture
def place(monkeypatch):
    found = manual_world(held=1)
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(analytics, "rules", lambda: rules(found))
    return found


def asked(client, query=""):
    answer = client.get(f"{ADDRESS}?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_it_says_what_would_be_bought_and_orders_nothing(client, place):
    before = HedgeDecision.objects.count(), HedgeTransaction.objects.count()

    told = asked(client, LOWER)

    assert told["changed"] == {"trigger_pct": "45.00", "target_pct": "40.00", "exit_trigger_pct": "30.00"}
    assert (told["utilization_pct"], told["now_decided"]["reason"]) == ("50.00", "HOLD_AUTOMATION_OFF")
    assert (told["if_needed"]["action"], told["if_needed"]["chosen"]["proven"]) == ("add", True)
    assert (HedgeDecision.objects.count(), HedgeTransaction.objects.count()) == before


def test_the_present_policy_stands_beside_what_is_imagined_and_only_then(client, place):
    assert asked(client)["at_present"] is None

    told = asked(client, LOWER)

    assert (told["at_present"]["action"], told["at_present"]["chosen"]) == ("hold", None)
    assert told["policy"]["trigger_pct"] == "45.00"
    assert asked(client)["policy"]["trigger_pct"] == "95.00"


@pytest.mark.parametrize("query", ["", LOWER, f"{LOWER}&reach_minutes=60", "scan_range_pct=12&baskets=2"])
def test_however_many_decisions_are_made_the_broker_is_asked_each_thing_once(client, place, query):
    place.exchange.calls.clear()

    asked(client, query)

    reads = Counter(place.exchange.calls)
    assert (reads["funds"], reads["positions"], reads["chain"]) == (1, 1, 1)
    assert set(reads) <= {"funds", "positions", "chain", "depth", "basket_margin"}


def test_the_scenarios_are_the_engines_in_all_three_shapes(client, place):
    told = asked(client, LOWER)["scenarios"]

    (tier,) = told["tiers"]
    assert (tier["name"], len(tier["losses"])) == ("NIFTY NRML expiring", 16)
    assert {"label": "−2/3, vol up"}.items() <= tier["losses"][8].items()
    for shape in ("without", "held", "after"):
        assert max(Decimal(row[shape]) for row in tier["losses"]) == Decimal(told[shape]["scan"])
    assert Decimal(told["after"]["scan"]) < Decimal(told["held"]["scan"]) < Decimal(told["without"]["scan"])


def test_where_nothing_would_be_done_there_is_no_third_shape(client, place):
    told = asked(client)["scenarios"]

    assert told["after"] is None
    assert {row["after"] for row in told["tiers"][0]["losses"]} == {None}


def test_the_chain_is_the_one_that_was_decided_on(client, place):
    told = asked(client, LOWER)

    chain = told["chain"]
    rows = {row["strike"]: row for row in chain["rows"]}
    bought = {row["strike"]: row["call"]["bought"] for row in chain["rows"] if row["call"] and row["call"]["bought"]}
    (leg,) = (leg for leg in told["if_needed"]["chosen"]["buys"] if leg["symbol"].endswith("CE"))
    assert bought == {"26500": leg["quantity"]}
    assert (rows["26000"]["call"]["short"], rows["26500"]["call"]["held"]) == (650, 65)
    assert (rows["26500"]["call"]["bid"], rows["26500"]["call"]["ask"]) == ("3.9", "4")
    assert rows["26500"]["call"]["allowed"] is True
    assert (chain["min_premium"], chain["max_premium"], chain["relaxation"]) == ("2.00", "6.00", "none")


def test_a_wider_scan_range_raises_used_margin_and_leaves_the_session_alone(client, place):
    plain, wide = asked(client), asked(client, "scan_range_pct=12")

    assert (plain["policy"]["scan_range_pct"], wide["policy"]["scan_range_pct"]) == ("9.30", "12.00")
    assert Decimal(wide["used"]) > Decimal(plain["used"])
    assert Decimal(wide["scenarios"]["held"]["scan"]) > Decimal(plain["scenarios"]["held"]["scan"])
    assert asked(client)["used"] == plain["used"]


def test_reaching_farther_projects_a_later_entry_and_does_not_change_what_the_loop_decides(client, place):
    make.StrategyEntryFactory.create(portfolio="ITJ_NF_EXP 7", entry_time=time(11, 2), exit_time=None)
    near, far = asked(client), asked(client, "reach_minutes=60")

    assert near["projection"] == []
    assert [entry["portfolio"] for entry in far["projection"]] == ["ITJ_NF_EXP 7"]
    assert far["scenarios"]["entries"] == ["ITJ_NF_EXP 7"]
    assert far["now_decided"] == near["now_decided"]
    assert far["policy"]["lookahead_minutes"] == near["policy"]["lookahead_minutes"]


@pytest.mark.parametrize("read", ["funds", "positions"])
def test_an_entry_that_falls_due_while_the_books_are_read_is_not_coming_in_any_look(client, place, read):
    make.StrategyEntryFactory.create(portfolio="ITJ_NF_EXP 7", entry_time=time(11, 2), exit_time=None)
    place.exchange.before[read] = lambda: place.wait((make.ist(11, 2) - place.clock.now()).total_seconds() + 1)

    assert asked(client, "reach_minutes=60")["projection"] == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("trigger_pct=10", "must rise in this order"),
        ("min_premium=7", "least premium is above the largest"),
        ("scan_range_pct=2.99", "write 3 to 30"),
        ("scan_range_pct=30.01", "write 3 to 30"),
    ],
)
def test_figures_that_contradict_are_refused_before_the_answer(client, place, query, words):
    answer = client.get(f"{ADDRESS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (409, "POLICY_CONTRADICTS")
    assert words in answer.json()["message"]


@pytest.mark.parametrize("query", ["scan_range_pct=0", "scan_range_pct=100", "reach_minutes=401", "baskets=0"])
def test_what_is_no_figure_at_all_is_named(client, place, query):
    answer = client.get(f"{ADDRESS}?{query}")

    assert (answer.status_code, answer.json()["code"]) == (400, "INVALID_INPUT")
    assert query.partition("=")[0] in answer.json()["facts"]


def test_without_a_baseline_the_answer_says_unknown_and_still_shows_the_book(client, place):
    TradingSession.objects.update(baseline=None)

    told = asked(client)

    assert (told["used"], told["utilization_pct"], told["projected_pct"]) == (None, None, None)
    assert told["chain"]["rows"][0]["call"] is None or told["chain"]["rows"][0]["call"]["allowed"] is None
    assert told["scenarios"]["held"]["scan"] is not None


def test_a_caller_who_asks_too_fast_is_told_how_long_to_wait(client, place, settings):
    cache.clear()
    settings.API_RATES = settings.API_RATES | {"what-ifs": "1/min"}
    asked(client)

    answer = client.get(ADDRESS)

    assert (answer.status_code, answer.json()["code"]) == (429, "TOO_MANY_REQUESTS")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
