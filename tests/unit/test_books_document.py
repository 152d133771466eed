"""docs/books.md says what the commands do: its examples are run, its fields are the code's, its arithmetic is done again by hand."""

from __future__ import annotations

import io
import json
import re
from dataclasses import fields
from datetime import datetime
from math import erf, exp, log, sqrt
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from hedging.domain.charges import ChargeRates
from hedging.domain.instruments import ContractSpec
from hedging.domain.margin_profile import MarginProfile
from hedging.domain.policy import HedgePolicy
from hedging.management.books.facts import SETTINGS
from hedging.management.books.rows import FIELDS

PAGE = (Path(__file__).parents[2] / "docs" / "books.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```\w+ file=(\S+)\n(.*?)\n```", PAGE, flags=re.DOTALL))
RUNS = re.findall(r"```console\n\$ manage\.py (.+?)\n(.*?)\n```", PAGE, flags=re.DOTALL)


@pytest.fixture(autouse=True)
def _files(tmp_path, monkeypatch):
    """The files of the page in the working directory."""
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)


def said(command: str) -> str:
    """Return what a command line prints, its complaints last."""
    out, errors = io.StringIO(), io.StringIO()
    try:
        call_command(*command.split(), stdout=out, stderr=errors, no_color=True)
    except CommandError as error:
        errors.write(f"CommandError: {error}\n")
    return (out.getvalue() + errors.getvalue()).rstrip()


def test_the_page_shows_both_commands_both_forms_and_a_refusal():
    assert {"book.json", "book.csv", "wrong.json"} == FILES.keys()
    assert {command.split()[0] for command, _ in RUNS} == {"margin", "optimize"}


@pytest.mark.parametrize(("command", "printed"), RUNS, ids=[command for command, _ in RUNS])
def test_a_command_of_the_page_prints_what_the_page_says(command, printed):
    assert said(command) == printed


def test_both_forms_of_the_example_give_the_same_answers():
    for command in ("margin --json", "optimize --target 85 --json"):
        assert said(f"{command} --book book.json") == said(f"{command} --book book.csv")


def first_cells(of: str) -> set[str]:
    """Return the names in the first cells of the table whose header begins with `of`."""
    table = PAGE[PAGE.index(f"| {of} |") :].split("\n\n", 1)[0]
    return {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}


def test_every_field_and_setting_is_in_its_table():
    assert first_cells("field of a row") == {field for known in FIELDS.values() for field in known}
    assert first_cells("setting") == set(SETTINGS)


@pytest.mark.parametrize(
    ("setting", "kind", "all_named"),
    [("policy", HedgePolicy, False), ("contracts", ContractSpec, True), ("charges", ChargeRates, True), ("profile", MarginProfile, False)],
)  # fmt: skip
def test_the_fields_that_a_group_names_are_fields_of_the_code(setting, kind, all_named):
    row = next(line for line in PAGE.splitlines() if line.startswith(f"| `{setting}` |"))
    named = set(re.findall(r"`(\w+)`", row)) - {setting, "used_now", "index"}
    known = {field.name for field in fields(kind)} - {"index"}
    assert named
    assert named <= known
    assert named == known or not all_named


# --- by hand ----------------------------------------------------------------------------------------------------------


def by_hand(book, parameters):
    """A spreadsheet in plain Python: margin of one index and product, written from the page's words and nothing of ours."""
    now = datetime.fromisoformat(book["as_of"])
    spot, close = book["spot"], book.get("previous_close", book["spot"])
    scan_range = spot * parameters["price_scan_minimum_pct"] / 100
    rate = parameters["rate_pct"] / 100
    tiers: dict[bool, list[float]] = {}
    nov = elm = 0.0
    for row in book["rows"]:
        if not row["quantity"]:
            continue
        _, day, strike, right = re.findall(r"([A-Z]+)(\d\d[A-Z]{3}\d\d)(\d+)(CE|PE)", row["symbol"])[0]
        strike, quantity, call = float(strike), row["quantity"], right == "CE"
        expiry = datetime.strptime(day + " 15:30", "%d%b%y %H:%M")  # noqa: DTZ007 - the whole sheet is Indian time
        years = (expiry - now).total_seconds() / (365 * 86400)
        price = (
            (row["bid"] + row["ask"]) / 2
            if "bid" in row
            else max(0.05, round(value(spot, strike, years, row["iv"] / 100, rate, call=call), 2))
        )
        sigma = implied(price, spot, strike, years, rate, call=call)
        today = expiry.date() == now.date()
        ahead = 0.0 if today else years - 1 / 365
        losses = tiers.setdefault(today, [0.0] * 16)
        moves = [0, 0, *(sign * third / 3 for third in (1, 2, 3) for sign in (1, 1, -1, -1)), 2, -2]
        for number, move in enumerate(moves):
            shift = (
                0.0
                if number >= 14
                else (1 if number % 2 == 0 else -1) * parameters["volatility_scan_minimum_points"] / 100
            )
            after = value(spot + move * scan_range, strike, ahead, sigma + shift, rate, call=call)
            losses[number] += quantity * (price - after) * (0.35 if number >= 14 else 1)
        nov += quantity * price
        deep = (strike / close - 1 if call else 1 - strike / close) > 0.10
        elm += max(0, -quantity) * spot * ((0.03 if deep else 0.02) + (0.02 if today else 0))
    scan = sum(max(0.0, *losses) for losses in tiers.values())
    span = max(0.0, scan - nov)
    return {"scan": scan, "nov": nov, "span": span, "elm": elm, "total": span + elm}


def value(spot, strike, years, sigma, rate, *, call):
    if years <= 0:
        return max(0.0, spot - strike if call else strike - spot)
    d1 = (log(spot / strike) + (rate + sigma * sigma / 2) * years) / (sigma * sqrt(years))
    d2, sign = d1 - sigma * sqrt(years), 1 if call else -1
    return sign * (spot * normal(sign * d1) - strike * exp(-rate * years) * normal(sign * d2))


def normal(x):
    return (1 + erf(x / sqrt(2))) / 2


def implied(price, spot, strike, years, rate, *, call):
    low, high = 0.001, 5.0
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (low, middle) if value(spot, strike, years, middle, rate, call=call) > price else (middle, high)
    return middle


LATER = {
    "as_of": "2026-11-26T11:30:00", "spot": 24000, "previous_close": 24110, "budget": 1_000_000,
    "rows": [
        {"symbol": "NIFTY01DEC2624000CE", "quantity": -130, "bid": 188.0, "ask": 189.5},
        {"symbol": "NIFTY01DEC2624000PE", "quantity": -130, "iv": 13.5},
        {"symbol": "NIFTY01DEC2624600CE", "quantity": 65, "bid": 12.1, "ask": 12.4},
        {"symbol": "NIFTY01DEC2623300PE", "quantity": 65, "iv": 19},
        {"symbol": "NIFTY01DEC2626600CE", "quantity": -65, "iv": 24},
    ],
}  # fmt: skip


@pytest.mark.parametrize("book", [json.loads(FILES["book.json"]), LATER], ids=["expiry day", "three sessions earlier"])
def test_margin_done_by_hand_agrees_to_the_paisa(book):
    Path("by_hand.json").write_text(json.dumps(book), encoding="utf-8")
    ours = json.loads(said("margin --book by_hand.json --json"))
    hand = by_hand(book, ours["parameters"])
    assert {name: ours[name] for name in hand} == pytest.approx(hand, abs=0.011)


def test_the_risk_arrays_and_exposures_that_are_printed_add_up_to_the_margin_that_is_printed():
    Path("by_hand.json").write_text(json.dumps(LATER), encoding="utf-8")
    ours = json.loads(said("margin --book by_hand.json --json"))
    rows, (pool,) = ours["contracts"], ours["pools"]
    losses = [sum(row["quantity"] * row["risk_array"][s] for row in rows) for s in range(16)]
    assert pool["tiers"][0]["losses"] == pytest.approx(losses, abs=0.006)
    assert ours["scan"] == pytest.approx(max(losses), abs=0.006)
    assert ours["nov"] == pytest.approx(sum(row["quantity"] * row["price"] for row in rows), abs=0.006)
    assert ours["elm"] == pytest.approx(sum(row["elm"] for row in rows), abs=0.011)
    assert ours["total"] == pytest.approx(ours["scan"] - ours["nov"] + ours["elm"], abs=0.011)


def test_a_hedge_written_into_the_rows_has_the_margin_that_was_promised():
    book = json.loads(FILES["book.json"])
    hedge = json.loads(said("optimize --book book.json --target 85 --json"))
    for leg in hedge["legs"]:
        next(row for row in book["rows"] if row["symbol"] == leg["symbol"])["quantity"] = leg["quantity"]
    Path("hedged.json").write_text(json.dumps(book), encoding="utf-8")
    (after,) = json.loads(said("margin --book hedged.json --json"))["coming"]
    assert after["total"] == pytest.approx(hedge["used_after"], abs=0.01)
    assert after["utilization"] == pytest.approx(hedge["utilization_after"], abs=0.0001)
