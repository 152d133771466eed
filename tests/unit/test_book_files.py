"""Book files: what is wrong is named with its row and fix, all of it at once; what is right is computed without any server."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from dataclasses import fields
from datetime import datetime
from pathlib import Path

import hypothesis
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from hypothesis import given
from hypothesis import strategies as st

from hedging.domain.instruments import Index, Product
from hedging.domain.policy import Relaxation
from hedging.domain.risk import MarginParameters
from hedging.management.books.cells import BookRefused
from hedging.management.books.margin_report import margin_report
from hedging.management.books.optimize_report import optimize_report
from hedging.management.books.reader import read_book
from hedging.management.books.tables import as_json

CALL, PUT = "NIFTY01DEC2624000CE", "NIFTY01DEC2624000PE"
HIGH, LOW = "NIFTY01DEC2624350CE", "NIFTY01DEC2623650PE"
SENSEX = "SENSEX03DEC2678000PE"
AS_OF = "2026-12-01T10:12:00"
MARGIN_FIELDS = {field.name for field in fields(MarginParameters)}
NAN, INFINITY = float("nan"), float("inf")


def short(symbol=CALL, **cells):
    return {"symbol": symbol, "quantity": -260, "bid": 60.0, "ask": 60.4} | cells


def offered(symbol=HIGH, **cells):
    return {"symbol": symbol, "quantity": 0, "bid": 2.9, "ask": 3.0} | cells


STRADDLE = [short(), short(PUT)]
WINGS = [offered(), offered(LOW)]


def book(*rows, **settings):
    """A straddle of four lots and a wing on each side, or these rows instead."""
    return {"as_of": AS_OF, "spot": 24000, "budget": 1_000_000, "rows": list(rows) or [*STRADDLE, *WINGS]} | settings


def read(document, *, for_hedging=True, flags=None):
    data = document if isinstance(document, bytes) else json.dumps(document).encode()
    return read_book(data, flags=flags, for_hedging=for_hedging)


def problems_of(document, *, for_hedging=True, flags=None):
    with pytest.raises(BookRefused) as refused:
        read(document, for_hedging=for_hedging, flags=flags)
    return [str(problem) for problem in refused.value.problems]


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (short("NIFTY01DEC2624000XX"), "symbol: 'NIFTY01DEC2624000XX' is no symbol"),
        (short("RELIANCE24DEC253000CE"), "is no symbol that we know"),
        (short("NIFTY31NOV2624000CE"), "is no symbol that we know"),
        (short("nifty01dec2624000ce"), "is no symbol that we know"),
        (short(24000), "symbol: 24000 is no symbol"),
        (short("NIFTY01DEC2624010CE"), "there is no such strike; strikes of NIFTY are multiples of 50"),
        (short(f"NIFTY01DEC26{'9' * 40}CE"), "there is no such strike"),
        (short("NIFTY24NOV2624000CE"), "expired before 2026-12-01 10:12:00 IST"),
        (short(bid=60.5), "bid: 60.5 is above the ask 60.4: a crossed quote"),
        (short(bid=0), "bid: is 0; write a number above 0"),
        (short(bid=-1), "bid: is -1"),
        (short(ask=NAN), "ask: is NaN; write a finite number"),
        (short(ask=INFINITY), "ask: is Infinity"),
        (short(ask="60.4"), "ask: '60.4' is no number; write the number without quotes"),
        (short(ask=True), "ask: true is no number"),
        (short(ask=[1]), "ask: a list is no number"),
        (short(last=0), "last: is 0"),
        (short(iv=-14), "iv: is -14; write percent a year"),
        (short(iv=0.14), "iv: is 0.14; write percent a year, 1 to 500, like 14 for 14 %"),
        (short(bid=None, ask=None), "has no price; give bid and ask, last, or iv"),
        (short(ask=None), "bid: stands alone: a bid is no price"),
        (short(bid=24100, ask=24200), "a price of 24200 is not below the index itself (24000)"),
        (short("NIFTY01DEC2626000PE", bid=26000, ask=26001), "is not below the strike (26000)"),
        (short(quantity=-261), "quantity: -261 units are no whole lots; write a multiple of 65"),
        (short(quantity=-0.5), "quantity: is -0.5; write a whole number"),
        (short(quantity="-260"), "quantity: '-260' is no number"),
        (short(quantity=None), "quantity: is missing"),
        (short(quantity=1e300), "quantity: is 1E+300; write a finite number"),
        (short(product="CNC"), "product: is 'CNC'; write one of MIS, NRML"),
        (short(ours=True), "ours: is yes for what is not held long"),
        (short(ours="maybe"), "ours: is 'maybe'"),
        (short(price=60), "'price': is no field that we know"),
        (offered(ask=None), "bid: stands alone"),
        (offered(ask=None, last=3), "ask: is missing; give the ask or the iv"),
        (offered(ask_quantity=0), "ask_quantity: is 0"),
        (offered(product="MIS"), "product: is MIS, what is hedged is NRML"),
    ],
)
def test_a_row_that_is_wrong_is_named_with_its_fix(row, said):
    wrong = book(short(PUT), row)
    (problem,) = problems_of(wrong)
    assert problem.startswith("rows[1]")
    assert said in problem
    assert "; " in problem


def test_zero_prices_are_two_problems_of_one_row():
    assert len(problems_of(book(short(PUT), offered(bid=0, ask=0)))) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"as_of": None}, "as_of: is missing"),
        ({"as_of": "2026-12-01"}, "as_of: '2026-12-01' is no date-time"),
        ({"as_of": "0001-01-01T00:00:00+14:00"}, "is no date-time"),
        ({"as_of": 5}, "as_of: 5 is no date-time"),
        ({"read_at": "2026-12-01T10:11:54"}, "read_at: the prices are 6 s older than as_of"),
        ({"read_at": "2026-12-01T10:12:01"}, "read_at: the prices are of a moment after as_of"),
        ({"spot": None}, "spot: there is none for NIFTY"),
        ({"spot": 0}, "spot: is 0"),
        ({"spot": NAN}, "spot: is NaN"),
        ({"spot": {"SENSEX": 78000}}, "spot: there is none for NIFTY"),
        ({"spot": {"NIFTY": 24000, "DAX": 1}}, "spot, 'DAX': is no field that we know"),
        ({"budget": None}, "budget: is missing"),
        ({"budget": 0}, "budget: is 0"),
        ({"budget": "a lot"}, "budget: 'a lot' is no number"),
        ({"target": 85}, "'target': is no field that we know"),
        ({"parameters": {"scan_range": 9}}, "parameters, 'scan_range': is no field that we know"),
        ({"parameters": {"elm_pct": "2"}}, "parameters.elm_pct: '2' is no number"),
        ({"parameters": {"price_scan_minimum_pct": 0}}, "parameters.price_scan_minimum_pct: is 0"),
        ({"parameters": {"rate_pct": 100000}}, "parameters.rate_pct: is 100000; write at most 1000"),
        ({"parameters": 9.3}, "parameters: is 9.3; write a group"),
        ({"policy": {"utilization_target_pct": 99, "utilization_trigger_pct": 95}}, "target 99 %, trigger 95 %"),
        ({"policy": {"utilization_target_pct": 101}}, "target 101 %"),
        ({"policy": {"min_premium": 7}}, "min_premium 7 is above max_premium 6"),
        ({"policy": {"relaxations": ["otm_bound"]}}, "policy.relaxations: do not begin with none"),
        ({"policy": {"relaxations": ["none", "luck"]}}, "policy.relaxations: is 'luck'"),
        ({"profile": {"premium_counted": True}}, "used_now: is missing"),
        ({"contracts": {"NIFTY": {"lot": 0}}}, "contracts.NIFTY.lot: is 0"),
        ({"contracts": {"NIFTY": {"freeze_quantity": 64}}}, "freeze_quantity is below one lot"),
        ({"contracts": {"DAX": {}}}, "contracts, 'DAX'"),
        ({"charges": {"NFO": {"gst": 18}}}, "charges.NFO, 'gst'"),
        ({"hedge": {"index": "SENSEX"}}, "there is no such short; the shorts are NIFTY 2026-12-01 NRML"),
        ({"hedge": {"expiry": "tomorrow"}}, "hedge.expiry: 'tomorrow' is no date"),
        ({"expiry_close": "late"}, "expiry_close: 'late' is no time of day"),
        ({"rows": []}, "rows: the book is empty"),
        ({"rows": None, "candidates": [offered(quantity=65)]}, "quantity: is 65; write 0 or nothing"),
        ({"coming": [short(quantity=0)]}, "coming[0] NIFTY01DEC2624000CE, quantity: is 0"),
        ({"coming": [{"symbol": "NIFTY01DEC2624100CE", "quantity": -65}]}, "coming[0] NIFTY01DEC2624100CE: has no price"),
        ({"coming": [short(at="2026-12-01T10:11:00")]}, "at: 2026-12-01 10:11:00 IST is before as_of"),
        ({"coming": [short(), short(PUT, product="MIS")]}, "does not go with coming[0]"),
        ({"coming": [short(bid=50, ask=51)]}, "has other prices than rows[0]"),
    ],
)  # fmt: skip
def test_a_setting_that_is_wrong_is_named_with_its_fix(changes, said):
    document = {name: value for name, value in book(**changes).items() if value is not None}
    (problem,) = problems_of(document)
    assert said in problem
    assert "; " in problem


def test_a_book_of_two_indices_needs_a_spot_for_each_and_is_told_which():
    two = book(short(), short(SENSEX, quantity=-20))
    assert problems_of(two, for_hedging=False) == [
        "spot: is one number for a book in NIFTY and SENSEX; write spot.NIFTY, spot.SENSEX"
    ]
    assert problems_of(two | {"spot": {"NIFTY": 24000}}, for_hedging=False) == [
        "spot: there is none for SENSEX; write spot.SENSEX"
    ]
    both = two | {"spot": {"NIFTY": 24000, "SENSEX": 78000}}
    assert {pool["index"] for pool in margin_report(read(both, for_hedging=False))["pools"]} == {"NIFTY", "SENSEX"}
    (which,) = problems_of(both)
    assert "shorts of NIFTY 2026-12-01 NRML | SENSEX 2026-12-03 NRML; name one" in which
    assert read(both | {"hedge": {"index": "SENSEX"}}).hedged.index is Index.SENSEX


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([short(), short()], "rows[1] NIFTY01DEC2624000CE: the same contract as rows[0]"),
        ([short(), offered(), offered()], "rows[2] NIFTY01DEC2624350CE: the same contract as rows[1]"),
        ([short(quantity=65), offered(CALL, bid=60.0, ask=60.4)], "the same contract as the candidate rows[1]"),
    ],
)
def test_a_contract_stands_once(rows, said):
    (problem,) = problems_of(book(*rows))
    assert said in problem


def test_the_same_contract_in_two_products_is_two_positions():
    lines = read(book(short(), short(product="MIS")), for_hedging=False).lines
    assert {line.product for line in lines} == {Product.NRML, Product.MIS}


def test_all_problems_of_a_file_are_told_at_once_in_the_order_of_its_rows():
    wrong = book(short(bid=70), short("NIFTY"), offered(quantity=1), 7, spot="x", budgett=1)
    told = problems_of(wrong)
    assert [problem.split(":")[0].split(" ")[0].split(",")[0] for problem in told] == [
        "rows[3]", "'budgett'", "spot", "rows[0]", "rows[1]", "rows[2]",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"as_of": "x",\n "rows": [}', "line 2, column 11: broken JSON"),
        (b'{"spot": 1, "spot": 2}', "'spot' stands twice in one object"),
        (b"[1, 2]", "the file: is a list"),
        (b'{"rows": 5}', "rows: is 5; write a list of rows"),
        (b"[" * 100_000, "nested too deeply"),
        (b"symbol,quantity\nNIFTY\xff", "line 2: is not UTF-8 text"),
        (b"", "no line has a cell `symbol`"),
        (b"as_of,2026-12-01T10:12:00\n", "no line has a cell `symbol`"),
        (b"symbol;quantity\n", "no line has a cell `symbol`"),
        (b'symbol,quantity\n"NIFTY', "line 2: broken CSV"),
        (b"symbol,quantity\nNIFTY01DEC2624000CE\n", "line 2: 1 cells under 2 columns"),
        (b"symbol,quantity,bid,bid\n", "line 1, 'bid': stands twice in the header"),
        (b"spot,1\nspot,2\nsymbol,quantity\n", "line 2, spot: stands twice"),
        (b"spot,1\nspot.NIFTY,2\nsymbol,quantity\n", "line 2, spot.NIFTY: spot has a value of its own already"),
        (b"spot,1,2\nsymbol,quantity\n", "line 1: 3 cells before the header"),
        (b"symbol,quantity,part\nNIFTY01DEC2624000CE,-65,sold\n", "line 2 NIFTY01DEC2624000CE, part: is 'sold'"),
        (b"symbol,quantity,ask\nNIFTY01DEC2624000CE,1 000,nan\n", "ask: 'nan' is no number"),
        (b"symbol,quantity\n" * 2_002, "has 2001 rows; write at most 2000"),
        (b" " * 2_000_001, "is larger than 2000000 bytes"),
    ],
)
def test_a_file_without_form_is_refused_with_its_line(data, said):
    assert any(said in problem for problem in problems_of(data))


def test_a_day_before_the_shipped_facts_needs_facts_of_its_own():
    rows = [short("NIFTY30DEC2524000CE", quantity=-75)]
    told = problems_of(book(*rows, as_of="2025-12-30T10:00:00"), for_hedging=False)
    assert [problem.split(":")[0] for problem in told] == ["contracts.NIFTY", "parameters"]
    assert "nothing shipped is in force on that day; give freeze_quantity, lot" in told[0]
    own = {"lot": 75, "strike_step": 50, "tick": 0.05, "freeze_quantity": 1800, "lots_per_basket": 1, "otm_min": 200, "otm_max": 1000}  # fmt: skip
    now = margin_report(read(book(), for_hedging=False))["parameters"]
    given = book(
        *rows, as_of="2025-12-30T10:00:00", contracts={"NIFTY": own}, parameters=now | {"daily_volatility_pct": 1}
    )
    assert [line.quantity for line in read(given, for_hedging=False).lines] == [-75]


_BAD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=2),
)  # fmt: skip


@given(
    field=st.sampled_from(["as_of", "read_at", "spot", "budget", "rows", "coming", "policy", "parameters", "hedge", "contracts"]),
    row=st.dictionaries(st.sampled_from(["symbol", "quantity", "bid", "ask", "iv", "last", "product", "ours"]), _BAD),
    value=_BAD,
)  # fmt: skip
def test_whatever_stands_in_a_file_it_is_read_or_refused_and_nothing_else(field, row, value):
    try:
        read(book(*STRADDLE, *WINGS, short() | row, **{field: value}))
    except BookRefused as refused:
        assert refused.problems  # noqa: PT017 - a file that is read is as good


_LEVEL = st.one_of(st.floats(min_value=1e-9, max_value=1e11), st.integers(20_000, 30_000))


@hypothesis.settings(max_examples=40)  # each is a solve with its alternatives
@given(
    spot=_LEVEL,
    close=_LEVEL,
    price=st.floats(min_value=0.01, max_value=30_000),
    iv=st.integers(1, 500),
    parameters=st.dictionaries(st.sampled_from(sorted(MARGIN_FIELDS)), st.integers(1, 1000), max_size=4),
    as_of=st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 2)),
)
def test_whatever_is_read_is_computed_in_finite_figures(*, spot, close, price, iv, parameters, as_of):
    rows = [short(bid=None, ask=price), short(PUT, bid=None, ask=None, iv=iv), *WINGS]
    document = book(*rows, spot=spot, previous_close=close, parameters=parameters, as_of=as_of.isoformat())
    try:
        known = read(document)
    except BookRefused:
        return
    assert as_json(margin_report(known))
    assert as_json(optimize_report(known))


@given(st.binary(max_size=200))
def test_whatever_bytes_a_file_has_they_are_read_or_refused_and_nothing_else(data):
    with pytest.raises(BookRefused):
        read(data)


# --- what is computed -------------------------------------------------------------------------------------------------


def test_flags_come_before_the_file():
    flags = {"spot": "24010", "policy.utilization_target_pct": "80", "policy.max_cost_per_day": "100"}
    known = read(book(spot={"NIFTY": 1}, policy={"utilization_target_pct": 70, "min_premium": 1}), flags=flags)
    assert known.market.spots == {Index.NIFTY: 24010}
    assert (known.policy.utilization_target_pct, known.policy.max_cost_per_day, known.policy.min_premium) == (
        80,
        100,
        1,
    )


def test_a_target_alone_is_what_must_be_reached_and_a_trigger_is_what_asks_for_it():
    roomy = book(budget=1_150_000)  # 93.9 % used
    assert optimize_report(read(roomy))["status"] == "NOT_NEEDED"  # trigger 95, target 85
    alone = optimize_report(read(roomy, flags={"policy.utilization_target_pct": "85"}))
    assert (alone["status"], alone["aim"]) == ("SOLVED", "target")
    assert alone["utilization_after"] <= 85
    both = {"policy.utilization_target_pct": "85", "policy.utilization_trigger_pct": "95"}
    assert optimize_report(read(roomy, flags=both))["status"] == "NOT_NEEDED"


@pytest.mark.parametrize(
    ("changes", "status", "binding"),
    [
        ({"policy": {"utilization_target_pct": 85, "max_cost_per_day": 50}}, "UNREACHABLE", "cost_cap"),
        ({"cash": 50, "policy": {"utilization_target_pct": 85}}, "UNREACHABLE", "cash"),
        ({"budget": 300_000, "policy": {"utilization_target_pct": 85}}, "UNREACHABLE", "budget"),
        ({"rows": STRADDLE}, "NO_CANDIDATE_IN_BAND", "budget"),
    ],
)
def test_what_cannot_be_reached_says_what_binds_and_the_floor(changes, status, binding):
    report = optimize_report(read(book(**changes)))
    assert (report["status"], report["binding"], report["legs"], report["cost"]) == (status, binding, [], 0)
    assert 0 < report["floor"] <= report["utilization_before"]
    assert report["relaxations"] == ["otm_bound", "lower_premium"]  # in vain


def test_what_was_given_up_is_named_and_a_strike_beyond_the_band_would_do():
    near = book(
        *STRADDLE, offered("NIFTY01DEC2624100CE", bid=5.0, ask=5.1), offered("NIFTY01DEC2623900PE", bid=5.0, ask=5.1)
    )
    report = optimize_report(read(near, flags={"policy.utilization_target_pct": "85"}))
    assert report["relaxations"] == [Relaxation.OTM_BOUND]
    dear = book(*STRADDLE, offered(bid=19.0, ask=20.0), offered(LOW, bid=19.0, ask=20.0))
    report = optimize_report(read(dear, flags={"policy.utilization_target_pct": "85"}))
    assert (report["status"], set(report["would_do"])) == ("NO_CANDIDATE_IN_BAND", {HIGH, LOW})


def test_a_wing_of_ours_may_be_replaced_and_one_of_somebody_else_never():
    far = [
        short("NIFTY01DEC2626500CE", quantity=260, bid=1.0, ask=1.1),
        short("NIFTY01DEC2621500PE", quantity=260, bid=1.0, ask=1.1),
    ]
    flags = {"policy.utilization_target_pct": "85"}
    theirs = optimize_report(read(book(*STRADDLE, *WINGS, *far), flags=flags))
    assert theirs["status"] == "UNREACHABLE"
    assert theirs["binding"] == "capacity"
    ours = optimize_report(read(book(*STRADDLE, *WINGS, *(row | {"ours": True} for row in far)), flags=flags))
    assert ours["status"] == "SOLVED"
    assert {leg["side"] for leg in ours["legs"]} == {"BUY", "SELL"}


def test_a_free_margin_that_does_not_cover_a_coming_order_is_a_need():
    coming = [short(quantity=-65), short(PUT, quantity=-65)]
    report = optimize_report(read(book(coming=coming, budget=2_000_000, free_margin=100_000)))
    assert report["utilization_before"] < 95
    assert report["at_order_before"] > 100_000 >= report["at_order_after"]
    assert report["legs"]


def test_a_depth_that_is_given_limits_what_is_bought_there():
    flags = {"policy.utilization_target_pct": "85"}
    assert {leg["lots"] for leg in optimize_report(read(book(), flags=flags))["legs"]} == {2}
    shallow = book(*STRADDLE, offered(ask_quantity=65), offered(LOW))
    assert optimize_report(read(shallow, flags=flags))["binding"] in {"depth", None}
    assert all(leg["lots"] < 2 for leg in optimize_report(read(shallow, flags=flags))["legs"] if leg["symbol"] == HIGH)


def test_prices_given_by_volatility_are_whole_paise_and_at_least_a_tick():
    far = read(book(short(), {"symbol": "NIFTY01DEC2626000CE", "quantity": 0, "iv": 12}))
    (candidate,) = far.candidates
    assert str(candidate.ask) == "0.05"


def test_shares_of_a_book_in_a_long_only_account_need_nothing():
    assert optimize_report(read(book(short(quantity=65))))["status"] == "NOT_NEEDED"


# --- the commands -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["margin", "optimize"])
def test_a_bad_file_prints_its_problems_one_a_line_and_no_answer(command, tmp_path):
    file = tmp_path / "bad.json"
    file.write_text(json.dumps(book(short(bid=70), short(PUT, iv=-1), budget=1)), encoding="utf-8")
    out, errors = io.StringIO(), io.StringIO()
    with pytest.raises(CommandError, match=r"2 problems in .*: nothing was computed"):
        call_command(command, book=str(file), as_json=True, stdout=out, stderr=errors)
    assert out.getvalue() == ""
    assert [line.split(" ")[0] for line in errors.getvalue().splitlines()] == ["rows[0]", "rows[1]"]


@pytest.mark.parametrize("command", ["margin", "optimize"])
def test_a_file_that_is_not_there_is_one_line(command):
    with pytest.raises(CommandError, match="cannot be read"):
        call_command(command, book="/nowhere/book.json")


@pytest.mark.parametrize(("content", "code"), [(book(), 0), (book(spot=0), 1)])
def test_without_any_server_the_command_line_answers_or_exits_with_1(content, code, tmp_path):
    file = tmp_path / "book.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    environment = {
        "AUTO_HEDGE_ENV_FILE": "", "VAR_DIR": str(tmp_path / "var"), "SECRET_KEY": "only-for-tests", "PATH": "",
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nothing", "REDIS_URL": "redis://127.0.0.1:9/0",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), "optimize", "--book", str(file), "--target", "85", "--json"],
        capture_output=True, text=True, env=environment, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert (json.loads(done.stdout)["status"] if not code else done.stdout) == ("SOLVED" if not code else "")
    assert "Traceback" not in done.stderr
