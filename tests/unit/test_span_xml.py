"""SPAN files: read figure by figure as an independent reader does, and refused by line when anything is wrong."""

from __future__ import annotations

import io
import re
import tracemalloc
from datetime import date
from decimal import Decimal

import pytest
from marginism import Position, SpanCalculator
from marginism.parser import parse_spn

from hedging.domain.instruments import Index, Right
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_xml import parse_span
from tests.unit.span_files import BANKNIFTY, DAY, FAR, NEAR, NIFTY, RELIANCE, SENSEX, Underlying, losses_of, span_xml

GOOD = span_xml(RELIANCE, NIFTY, BANKNIFTY)


def parsed(text: str, *, size: int = 1 << 16):
    data = io.BytesIO(text.encode("latin-1"))
    return parse_span(iter(lambda: data.read(size), b""))


def refused(text: str) -> MarginFileRefused:
    with pytest.raises(MarginFileRefused) as error:
        parsed(text)
    return error.value


def line_of(text: str, fragment: str) -> int:
    return text[: text.index(fragment)].count("\n") + 1


# --- what is read ----------------------------------------------------------------------------------------------------


def test_the_day_and_our_indices_are_read_and_nothing_else():
    span = parsed(GOOD)
    assert (span.business_date, span.settlement, span.clearing_house) == (DAY, False, "NSCCL")
    assert span.look_ahead_years == 0.002739
    assert [part.index for part in span.indices] == [Index.BANKNIFTY, Index.NIFTY]
    nifty = span.indices[1]
    assert (nifty.price, nifty.price_scan, nifty.volatility_scan) == (
        Decimal("24050.35"),
        Decimal("2234.01"),
        Decimal("0.04"),
    )
    assert [series.expiry for series in nifty.series] == [DAY, NEAR, FAR]
    assert set(nifty.calendar_charges) == {Decimal(425)}
    assert len(nifty.calendar_charges) == 3


def test_every_option_s_price_and_array_are_those_of_the_file():
    nifty = parsed(GOOD).indices[1]
    for series in nifty.series:
        assert {(option.right, option.strike) for option in series.options} == {
            (right, Decimal(strike)) for right in Right for strike in NIFTY.strikes
        }
        for option in series.options:
            price, losses = losses_of(NIFTY, expiry=series.expiry, right=option.right, strike=float(option.strike))
            assert float(option.price) == pytest.approx(price, abs=1e-6)
            assert option.losses == pytest.approx(losses, abs=1e-4)


def test_an_independent_reader_finds_the_same_figures(tmp_path):
    path = tmp_path / "nsccl.20261201.i01.spn"
    path.write_text(GOOD, encoding="latin-1", newline="")
    theirs, ours = parse_spn(str(path)), parsed(GOOD)
    assert theirs.business_date == f"{ours.business_date:%Y%m%d}"
    for part in ours.indices:
        other = theirs.commodities[part.index.value]
        assert float(part.price) == other.underlying_price
        assert sorted(map(float, part.calendar_charges)) == sorted(spread.rate for spread in other.spreads)
        assert part.futures == tuple(tuple(future.risk_array.values) for future in other.futures)
        mine = {
            (f"{series.expiry:%Y%m%d}", option.right.value[0], float(option.strike)): (
                float(option.price), option.losses, option.delta,
            )
            for series in part.series for option in series.options
        }  # fmt: skip
        assert mine == {
            (o.expiry, o.option_type, o.strike): (
                o.price, tuple(o.risk_array.values), o.risk_array.composite_delta,
            )
            for o in other.options
        }  # fmt: skip


def test_the_scanning_risk_of_a_book_over_our_arrays_is_an_independent_calculator_s(tmp_path):
    path = tmp_path / "nsccl.20261201.i01.spn"
    path.write_text(GOOD, encoding="latin-1", newline="")
    book = {(NEAR, Right.CE, 24_000): -65, (NEAR, Right.PE, 24_000): -130, (NEAR, Right.PE, 22_800): 65}
    result = SpanCalculator.from_file(str(path)).calculate(
        [
            Position("NIFTY", right.value, units, expiry=day.isoformat(), strike=k)
            for (day, right, k), units in book.items()
        ]
    )
    [near] = [series for series in parsed(GOOD).indices[1].series if series.expiry == NEAR]
    arrays = {(option.right, int(option.strike)): option.losses for option in near.options}
    lost = [sum(units * arrays[right, k][s] for (_, right, k), units in book.items()) for s in range(16)]
    assert result.by_commodity["NIFTY"].scan_risk == pytest.approx(max(lost), rel=1e-12)
    assert max(lost) > 0


def test_bse_s_codes_are_sensex():
    span = parsed(span_xml(SENSEX, house="ICCL"))
    [sensex] = span.indices
    assert (sensex.index, sensex.price) == (Index.SENSEX, Decimal(78_000))
    assert [series.expiry for series in sensex.series] == [date(2026, 12, 3), date(2026, 12, 10)]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_the_size_of_the_pieces_changes_nothing(size):
    small = span_xml(RELIANCE, Underlying(strikes=(24_000,), expiries=(NEAR,)))
    assert parsed(small, size=size) == parsed(small)


def test_a_byte_order_mark_and_names_in_latin_1_do_no_harm():
    named = GOOD.replace("<name>RELIANCE</name>", "<name>CAF\xc9 RELIANCE</name>")
    assert parsed("\xef\xbb\xbf" + named) == parsed(GOOD)


def test_definitions_may_come_after_the_portfolios():
    definitions = re.findall(r"<ccDef>.*?</ccDef>", GOOD)
    moved = GOOD
    for definition in definitions:
        moved = moved.replace(definition + "\r\n", "")
    moved = moved.replace("</exchange>", "</exchange>" + "".join(definitions))
    assert parsed(moved) == parsed(GOOD)


def test_a_large_file_is_read_in_little_memory():
    """Six megabytes of strangers and one chain of ours: what is kept is the chain."""
    [portfolio] = re.findall(r"<oopPf>.*?</oopPf>", GOOD, re.DOTALL)[:1]
    assert "RELIANCE" in portfolio
    ours = Underlying(strikes=(24_000,), expiries=(NEAR,))
    before, after = span_xml(ours).split("</exchange>")
    pieces = [before.encode(), *[portfolio.encode()] * (6_000_000 // len(portfolio)), b"</exchange>" + after.encode()]
    tracemalloc.start()
    try:
        span = parse_span(pieces)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert span == parsed(span_xml(ours))
    assert peak < 1_000_000


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_is_cut_off_is_refused_in_its_last_line(share):
    cut = GOOD[: int(len(GOOD) * share)]
    error = refused(cut)
    assert error.line == cut.count("\n") + 1
    assert "cut off" in error.reason


@pytest.mark.parametrize(
    ("fragment", "instead", "reason"),
    [
        ("<p>24050.35</p>", "<p>0</p>", "<p> holds '0', not a number above 0"),
        ("<p>24050.35</p>", "<p>NaN</p>", "<p> holds 'NaN', not a number"),
        ("<p>24050.35</p>", "<p>1e999</p>", "<p> holds '1e999', not a number"),
        ("<p>24050.35</p>", "<p></p>", "<p> holds '', not a number"),
        ("<priceScan>2234.01</priceScan>", "<priceScan>-2234.01</priceScan>", "not a number above 0"),
        ("<date>20261201</date>", "<date>20261301</date>", "not a date like 20261201"),
        ("<fileFormat>4.00</fileFormat>", "<fileFormat>3.10</fileFormat>", "not the format 4.00"),
        ("<val>425.000000</val>", "<val>4 25</val>", "<val> holds '4 25', not a number"),
        ("<k>21600.00</k>", "<k>21,600.00</k>", "<k> holds '21,600.00', not a number"),
        ("<k>21600.00</k>", "<k>" + "9" * 300 + "</k>", "more text than any figure"),
        ("<t>0.002740</t>", "<t>soon</t>", "<t> holds 'soon', not a number"),
    ],
)  # fmt: skip
def test_a_figure_that_is_wrong_is_refused_in_its_line(fragment, instead, reason):
    text = span_xml(NIFTY)
    # Scan ranges stand in every portfolio; those of the options are the ones that are taken.
    start = text.index("<oopPf>") if fragment.startswith("<priceScan>") else 0
    bad = text[:start] + text[start:].replace(fragment, instead, 1)
    error = refused(bad)
    assert reason in error.reason
    assert error.line == line_of(bad, instead)


def test_an_array_of_fifteen_values_is_refused_in_its_line():
    text = span_xml(NIFTY)
    start = text.index("<ra>", text.index("<oopPf>"))
    bad = text[:start] + re.sub(r"<a>[^<]*</a>\r\n", "", text[start:], count=1)
    error = refused(bad)
    assert error.line == line_of(bad, bad[start : start + 40])
    assert error.reason == "a risk array has 15 values, not 16"


@pytest.mark.parametrize(
    ("pattern", "missing"),
    [
        (r"<phyPf>.*?</phyPf>", "no price of NIFTY itself"),
        (r"<oopPf>.*?</oopPf>", "no options of NIFTY"),
        (r"<scanRate>.*?</scanRate>", "no scan ranges of NIFTY"),
        (r"<date>.*?</date>", "no <date>"),
        (r"<ec>.*?</ec>", "no <ec>"),
        (r"<k>.*?</k>", "<opt> has no <k>"),
        (r"<pe>20261208</pe>", "<series> has no <pe>"),
    ],
)
def test_what_is_missing_is_named(pattern, missing):
    text = span_xml(Underlying(expiries=(NEAR,)))
    assert missing in refused(re.sub(pattern, "", text, flags=re.DOTALL)).reason


def test_a_file_without_our_indices_is_refused():
    assert "holds none of NIFTY, BANKNIFTY, SENSEX" in refused(span_xml(RELIANCE)).reason


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (GOOD.replace("<spanFile>", '<spanFile xmlns="urn:another">'), "in the namespace 'urn:another'"),
        (GOOD.replace("<spanFile>", '<x:spanFile xmlns:x="urn:x">').replace("</spanFile>", "</x:spanFile>"),
         "begins with <x:spanFile>"),
        ("<html><body>Access denied</body></html>", "begins with <html>"),
        ("{}", "not well-formed XML"),
        (GOOD.replace("</series>", "</serie>", 1), "not well-formed XML"),
        (GOOD.replace("</pointInTime>", "</pointInTime><pointInTime><date>20261202</date></pointInTime>"),
         "two points in time"),
        ("<spanFile>" + "<a>" * 50, "40 deep"),
    ],
    ids=["namespace", "prefix", "a web page", "not XML", "mismatched", "two days", "deep"],
)  # fmt: skip
def test_what_is_no_span_file_is_refused(bad, reason):
    assert reason in refused(bad).reason


@pytest.mark.parametrize(
    "declaration",
    [
        '<!DOCTYPE spanFile [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>',
        '<!DOCTYPE spanFile SYSTEM "file:///etc/passwd">',
        '<!DOCTYPE spanFile [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_declared_types_and_entities_are_refused_before_they_do_anything(declaration):
    error = refused(GOOD.replace("<spanFile>", f"{declaration}<spanFile>"))
    assert "declares a document type or entities" in error.reason
    assert error.line == 2
