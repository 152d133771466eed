"""`manage.py hedge buy | exit`: the preview, the typed yes, and what is refused before anything is ordered."""

from __future__ import annotations

import io
import json

import pytest
from django.core.management import CommandError, call_command

from hedging import manual_orders
from hedging.engine import clock
from hedging.models import HedgeTransaction, Origin
from sessions_app.models import TradingSession, TradingState
from tests.integration.manual_world import CALL, PUT, manual_world, rules

pytestmark = pytest.mark.django_db
LEG = ("CE", str(CALL.strike), "2")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def place(monkeypatch):
    found = manual_world(held=1)
    monkeypatch.setattr(clock, "market_clock", lambda: found.clock)
    monkeypatch.setattr(manual_orders, "rules", lambda: rules(found))
    return found


@pytest.fixture
def types(monkeypatch):
    """Have a person type this at the terminal."""
    return lambda words: monkeypatch.setattr("sys.stdin", Terminal(words))


def run(*words: str) -> str:
    out = io.StringIO()
    try:
        call_command("hedge", *words, stdout=out)
    except SystemExit as ended:
        return f"{out.getvalue()}exit code {ended.code}"
    return out.getvalue()


def orders() -> list[tuple[str, str, int]]:
    rows = HedgeTransaction.objects.filter(origin=Origin.COMMAND).order_by("id")
    return [(row.side, row.right, row.quantity) for row in rows]


def test_a_purchase_is_shown_and_ordered_once_yes_is_typed(place, types):
    types("yes\n")

    told = run("buy", *LEG, "PE", str(PUT.strike), "1")

    assert orders() == [("BUY", "CE", 130), ("BUY", "PE", 65)]
    for words in ("Worst price", "Utilization", "50.0 % -> ", "Cap left", "₹4.00", "Type yes within 30 seconds to buy"):
        assert words in told
    assert "Taken and on its way" in told


@pytest.mark.parametrize("typed", ["", "\n", "no\n", "y\n"])
def test_anything_but_yes_orders_nothing(place, types, typed):
    types(typed)

    with pytest.raises(CommandError, match="Nothing was ordered"):
        run("buy", *LEG)

    assert orders() == []


def test_without_a_terminal_it_orders_by_yes_alone(place, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))

    with pytest.raises(CommandError, match="add --yes"):
        run("buy", *LEG)
    assert orders() == []

    assert "Taken" in run("buy", *LEG, "--yes")
    assert orders() == [("BUY", "CE", 130)]


def test_json_never_asks_and_tells_what_was_claimed(place, types):
    types("yes\n")
    refused = run("buy", *LEG, "--json")
    assert json.loads(refused.removesuffix("exit code 1"))["code"] == "YES_NEEDED"

    seen = json.loads(run("buy", *LEG, "--json", "--preview"))
    assert (seen["preview"]["allowed"], seen["claimed"], orders()) == (True, None, [])

    done = json.loads(run("buy", *LEG, "--json", "--yes"))
    assert done["claimed"]["transactions"] == [HedgeTransaction.objects.get(origin=Origin.COMMAND).pk]


def test_an_exit_is_of_the_lots_that_are_named_or_of_all_that_is_held(place):
    assert "Received" in run("exit", "CE", str(CALL.strike), "--preview", "--even-so")
    both = json.loads(run("exit", "all", "--json", "--yes", "--even-so"))

    assert {(leg["side"], leg["lots"]) for leg in both["preview"]["legs"]} == {("SELL", 1)}
    assert sorted(orders()) == [("SELL", "CE", 65), ("SELL", "PE", 65)]


def test_a_refused_order_names_its_reason_and_its_fix_and_is_not_ordered(place):
    TradingSession.objects.update(trading_state=TradingState.HALTED)

    told = run("buy", *LEG, "--yes")

    assert "REFUSED: " in told
    assert "(DENY_TRADING_STATE)" in told
    assert told.endswith("exit code 1")
    assert orders() == []


@pytest.mark.parametrize(
    ("legs", "said"),
    [
        (("CE",), "'' is no strike"),
        (("CE", "NaN", "2"), "'NaN' is no strike"),
        (("CE", "26500"), "names at least one contract, and its lots"),
        (("CE", "26500", "0"), "lots must be at least 1"),
        ((*LEG, *LEG), "named twice"),
        (("all",), "'ALL' is no leg: write it like CE 24500 2"),
        (("RELIANCE", "2"), "'RELIANCE' is no leg"),
    ],
)
def test_what_is_no_order_is_refused_with_how_it_is_written(place, legs, said):
    with pytest.raises(CommandError, match=said):
        run("buy", *legs, "--yes")
    assert orders() == []


def test_without_an_open_session_the_command_names_what_opens_one(db):
    with pytest.raises(CommandError, match=r"`manage[.]py session open`"):
        run("exit", "all", "--preview")
