"""What the figures of margin files mean: columns of a row, the comparison with our engine, and the ELM rule."""

from __future__ import annotations

import io
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from hedging.domain.instruments import Index, Right
from hedging.domain.risk import MarginParameters
from schedule.margin_files.elm_csv import ElmRate, day_in_name, parse_elm
from schedule.margin_files.elm_rule import rule_of
from schedule.margin_files.refusal import MarginFileRefused
from schedule.margin_files.span_check import check_arrays
from schedule.margin_files.span_facts import extreme_share_pct, parameters_of, uneven_scan_ranges
from schedule.margin_files.span_xml import parse_span
from tests.unit.span_files import BANKNIFTY, DAY, FAR, NEAR, NIFTY, elm_csv, span_xml

KNOWN = {
    name: Decimal(value)
    for name, value in {
        "price_scan_pct": "9.3", "volatility_scan_points": "4", "base_volatility_pct": "14", "rate_pct": "6.6",
        "calendar_pct": "1.75", "look_ahead_days": "1", "extreme_share_pct": "35", "elm_pct": "2", "elm_deep_pct": "3",
        "deep_otm_pct": "10", "elm_expiry_extra_pct": "2", "elm_long_dated_pct": "5", "long_dated_days": "270",
    }.items()
}  # fmt: skip


def span_of(text: str):
    return parse_span([text.encode("latin-1")])


@pytest.fixture(scope="module")
def begin_of_day():
    return span_of(span_xml(NIFTY))


def columns(span, **known: str):
    part = span.indices[0]
    changed = KNOWN | {name: Decimal(value) for name, value in known.items()}
    return parameters_of(part, day=span.business_date, look_ahead_years=span.look_ahead_years, known=changed)


# --- columns of a SPAN file ------------------------------------------------------------------------------------------


def test_ranges_and_charges_are_percentages_of_the_index_level(begin_of_day):
    assert columns(begin_of_day) == {
        "price_scan_pct": Decimal("9.289"),  # 2234.01 of 24050.35
        "volatility_scan_points": Decimal("4.000"),
        "rate_pct": Decimal("6.600"),
        "calendar_pct": Decimal("1.767"),  # 425 of 24050.35
        "look_ahead_days": Decimal("1.000"),
        "extreme_share_pct": Decimal("35.000"),
        "base_volatility_pct": Decimal("13.457"),  # of the ten nearest the middle ones are those of 23,700
    }


@pytest.mark.parametrize(
    ("known", "shown", "taken"),
    [("6.6", "0.07", "6.600"), ("7.4", "0.07", "7.400"), ("7.6", "0.07", "7.000"), ("6.6", "0.065", "6.500")],
)
def test_a_rate_that_the_file_shows_in_fewer_digits_is_kept(known, shown, taken):
    span = span_of(span_xml(NIFTY, shown_rate=shown))
    assert columns(span, rate_pct=known)["rate_pct"] == Decimal(taken)


def test_the_extreme_share_is_that_of_the_arrays_and_not_of_the_definitions(begin_of_day):
    assert b"<weight>0.3</weight>" in span_xml(NIFTY).encode()
    assert extreme_share_pct(begin_of_day.indices[0]) == Decimal("35.0")
    published = (8.72, 8.72, -736.49, -736.49, 753.93, 753.93, -1481.70, -1481.70, 1499.14, 1499.14,
                 -2226.91, -2226.91, 2244.36, 2244.36, -1561.89, 1568.00)  # fmt: skip
    assert extreme_share_pct(replace(begin_of_day.indices[0], futures=(published,))) == Decimal("35.0")


def test_what_the_file_does_not_say_stays_as_it_is(begin_of_day):
    bare = replace(
        begin_of_day.indices[0],
        futures=(),
        calendar_charges=(),
        series=tuple(
            replace(s, rate=None, options=tuple(replace(o, price=Decimal(0)) for o in s.options))
            for s in begin_of_day.indices[0].series
        ),
    )
    found = parameters_of(bare, day=DAY, look_ahead_years=None, known=KNOWN)
    assert set(found) == {"price_scan_pct", "volatility_scan_points"}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"price_scan": Decimal("9.3")}, "price scan pct would be 0.039"),
        ({"price_scan": Decimal(20_000)}, "price scan pct would be 83.159"),
        ({"volatility_scan": Decimal(4)}, "volatility scan points would be 400"),
        ({"calendar_charges": (Decimal(27_625),)}, "calendar pct would be 114.863"),
    ],
)
def test_figures_in_other_units_are_refused(begin_of_day, change, named):
    with pytest.raises(MarginFileRefused, match=named):
        parameters_of(replace(begin_of_day.indices[0], **change), day=DAY, look_ahead_years=None, known=KNOWN)


def test_expiries_with_other_ranges_are_told(begin_of_day):
    part = begin_of_day.indices[0]
    assert uneven_scan_ranges(part) == []
    wider = replace(part.series[2], price_scan=Decimal(3_000))
    assert uneven_scan_ranges(replace(part, series=(*part.series[:2], wider))) == [FAR]


# --- our engine beside the file's arrays -----------------------------------------------------------------------------


@pytest.mark.parametrize("settlement", [False, True], ids=["begin of day", "settlement"])
def test_our_arrays_are_a_textbook_s_for_the_file_s_own_prices(settlement):
    """Expiry morning, a week and a month: within what six decimals of `t` and two of the level leave."""
    span = span_of(span_xml(NIFTY, settlement=settlement))
    check = check_arrays(span.indices[0], day=DAY, parameters=MarginParameters())
    assert check is not None
    assert 80 < check.contracts <= 3 * 2 * len(NIFTY.strikes)  # the farthest of the last day cost nothing
    assert check.median_pct < 0.001
    assert check.worst_pct < 0.01
    assert check.worst_delta < 0.001


def test_an_array_that_differs_is_found_and_named(begin_of_day):
    part = begin_of_day.indices[0]
    near = part.series[1]
    options = list(near.options)
    options[0] = replace(
        options[0], losses=(*options[0].losses[:12], options[0].losses[12] + 223.401, *options[0].losses[13:])
    )
    spoiled = replace(part, series=(part.series[0], replace(near, options=tuple(options)), part.series[2]))
    check = check_arrays(spoiled, day=DAY, parameters=MarginParameters())
    assert check is not None
    assert check.worst_pct == pytest.approx(10, abs=0.02)
    assert (check.worst_scenario, check.worst_contract) == (
        13,
        f"NIFTY 08Dec26 {options[0].strike:.0f} {options[0].right}",
    )
    assert check.median_pct < 0.001


def test_the_scenarios_of_another_model_are_not_called_ours(begin_of_day):
    right = check_arrays(begin_of_day.indices[0], day=DAY, parameters=MarginParameters())
    wrong = check_arrays(begin_of_day.indices[0], day=DAY, parameters=MarginParameters(extreme_move_share_pct=30))
    assert right is not None
    assert wrong is not None
    assert wrong.worst_pct > 5 > right.worst_pct


def test_far_expiries_far_strikes_and_unpriced_options_are_not_compared(begin_of_day):
    part = begin_of_day.indices[0]
    assert check_arrays(part, day=date(2026, 10, 1), parameters=MarginParameters()) is None
    unpriced = tuple(replace(s, options=tuple(replace(o, price=Decimal(0)) for o in s.options)) for s in part.series)
    assert check_arrays(replace(part, series=unpriced), day=DAY, parameters=MarginParameters()) is None
    distant = tuple(
        replace(s, options=tuple(replace(o, strike=Decimal(40_000)) for o in s.options)) for s in part.series
    )
    assert check_arrays(replace(part, series=distant), day=DAY, parameters=MarginParameters()) is None


# --- the ELM of each contract ----------------------------------------------------------------------------------------


def rates_of(text: str, *, size: int = 1 << 16) -> dict[Index, list[ElmRate]]:
    data = io.BytesIO(text.encode())
    return parse_elm(iter(lambda: data.read(size), b""))


def rule(text: str, **known: str):
    [(_, rates)] = rates_of(text).items()
    return rule_of(rates, day=DAY, known=KNOWN | {name: Decimal(value) for name, value in known.items()})


def test_a_file_that_says_what_we_know_changes_nothing():
    found = rule(elm_csv())
    assert {name: value for name, value in found.columns.items() if value != KNOWN[name]} == {}
    assert set(found.columns) == {
        name for name in KNOWN if "elm" in name or name in {"deep_otm_pct", "long_dated_days"}
    }
    assert found.different == 0
    assert found.contracts > 1_000


@pytest.mark.parametrize(
    ("file", "column", "expected"),
    [
        ({"base": 2.5}, "elm_pct", "2.5"),
        ({"deep": 4}, "elm_deep_pct", "4"),
        ({"extra": 3}, "elm_expiry_extra_pct", "3"),
        ({"extra": 0}, "elm_expiry_extra_pct", "0"),
        ({"long_dated": 6}, "elm_long_dated_pct", "6"),
        ({"threshold_pct": 8}, "deep_otm_pct", "8.0"),
    ],
)
def test_a_rate_that_differs_is_derived(file, column, expected):
    found = rule(elm_csv(**file))
    assert found.columns[column] == Decimal(expected)
    changed = {name for name, value in found.columns.items() if value != KNOWN[name]}
    assert changed == ({column} - ({column} if Decimal(expected) == KNOWN[column] else set()))
    assert found.different == 0


@pytest.mark.parametrize("close", [19_873.4, 24_000.0, 26_101.1])
@pytest.mark.parametrize("threshold", [7.0, 10.0, 12.5])
def test_the_threshold_is_found_without_the_index_level(close, threshold):
    found = rule(elm_csv(close=close, threshold_pct=threshold), deep_otm_pct="9")
    assert float(found.columns["deep_otm_pct"]) == pytest.approx(threshold, abs=0.25)


def test_what_the_file_cannot_tell_is_kept():
    found = rule(elm_csv(expiries=(NEAR,), deep=2))
    assert found.columns == {"elm_pct": Decimal(2)}


def test_contracts_that_no_rule_gives_are_counted_and_named():
    lines = elm_csv().splitlines()
    spot = next(place for place, line in enumerate(lines) if ",08-DEC-2026,24000,CE," in line)
    lines[spot] = lines[spot].rsplit(",", 1)[0] + ",4.5"
    found = rule("\n".join(lines))
    assert found.different == 1
    assert found.examples == ("08Dec26 24000 CE at 4.5 %",)
    assert found.columns["elm_pct"] == 2


def test_a_header_names_the_columns_and_the_total_is_what_is_charged():
    header = (
        "Sr No,Instrument Type,Symbol,Expiry Date,Strike Price,Option Type,Normal ELM %,Additional ELM %,Total ELM %"
    )
    rows = [header]
    for number, strike in enumerate(range(23_000, 25_000, 100)):
        rows += [f"{number},OPTIDX,NIFTY,08-Dec-2026,{strike},{right},2,0,2.5" for right in Right]
    assert {rate.pct for rate in rates_of("\r\n".join(rows))[Index.NIFTY]} == {Decimal("2.5")}


@pytest.mark.parametrize("size", [1, 13])
def test_the_size_of_the_pieces_changes_no_rate(size):
    text = elm_csv(step=1000)
    assert rates_of(text, size=size) == rates_of(text)


OPTION = "OPTIDX,NIFTY,08-DEC-2026,24000,CE,0,2"


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEC-2026,24000,PE,0,0.02", 2, "an ELM of 0.02 %, outside 0.5 to 50"),
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEC-2026,24000,PE,0,two", 2, "'two' is not an ELM in per cent"),
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEC-2026,24000,PE,0,nan", 2, "'nan' is not an ELM in per cent"),
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEZ-2026,24000,PE,0,2", 2, "is not an expiry like 01-DEC-2026"),
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEC-2026,0,PE,0,2", 2, "'0' is not a strike"),
        (f"{OPTION}\nOPTIDX,NIFTY,08-DEC-20", 2, "3 cells, the lines before have 7: it is cut off"),
        (f"{OPTION}\n{OPTION}", None, "calls or puts of NIFTY, not both"),
        ("OPTSTK,RELIANCE,29-DEC-2026,1400,CE,0,3.5", None, "holds no option of NIFTY, BANKNIFTY, SENSEX"),
        ("Sr No,Symbol,Instrument Type,Normal ELM%,Total ELM%\n1,NIFTY,OTH,2,2", 1, "no column for expiry, strike, option"),
        (f"{OPTION},7", 1, "8 cells and no header"),
        (f'{OPTION}\n"OPTIDX', 2, "not CSV"),
        ("x" * 5_000, None, "a line has more than 1,000 characters"),
    ],
)  # fmt: skip
def test_an_elm_file_that_is_wrong_is_refused_by_line(text, line, reason):
    with pytest.raises(MarginFileRefused) as refused:
        rates_of(text)
    assert reason in refused.value.reason
    assert refused.value.line == line


@pytest.mark.parametrize(
    ("rates", "reason"),
    [
        (elm_csv(expiries=(DAY,)), "every contract expires by 2026-12-01"),
        (elm_csv() + "OPTIDX,NIFTY,08-DEC-2026,24000,PE,0,9\n", "is in it twice, at 2 and 9 %"),
        (elm_csv() + "OPTIDX,NIFTY,15-DEC-2026,24000,PE,0,2\n", "of 2026-12-15 it holds no CE"),
    ],
)
def test_rates_that_make_no_rule_are_refused(rates, reason):
    with pytest.raises(MarginFileRefused, match=reason):
        rule(rates)


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("F_AEL_OPT_CONTRACTS_01122026.CSV", DAY),
        ("F_AEL_OPT_CONTRACTS_01122026.csv.gz", DAY),
        ("F_AEL_OPT_CONTRACTS_31022026.csv", None),
        ("rates.csv", None),
    ],
)
def test_the_day_of_an_elm_file_is_in_its_name(name, day):
    assert day_in_name(name) == day


def test_two_indices_of_a_file_are_read_side_by_side():
    span = span_of(span_xml(NIFTY, BANKNIFTY))
    assert [columns_of["price_scan_pct"] for columns_of in (
        parameters_of(part, day=DAY, look_ahead_years=None, known=KNOWN) for part in span.indices
    )] == [Decimal("9.302"), Decimal("9.289")]  # fmt: skip
