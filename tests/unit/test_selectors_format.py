"""Figures as they are written on the pages and in messages."""

from decimal import Decimal

import pytest

from hedging.templatetags.hedging_format import duration, percent, rupees, units


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (0, 0, "₹0"),
        (999, 0, "₹999"),
        (1000, 0, "₹1,000"),
        (99999, 0, "₹99,999"),
        (100000, 0, "₹1,00,000"),
        (1234567, 0, "₹12,34,567"),
        (Decimal("123456789.5"), 0, "₹12,34,56,790"),
        (Decimal("-1250.40"), 0, "−₹1,250"),
        (Decimal("-0.4"), 0, "₹0"),
        ("4.05", 2, "₹4.05"),
        (Decimal("2.65E+4"), 0, "₹26,500"),
        (None, 0, "unknown"),
        ("n/a", 0, "unknown"),
        (float("nan"), 0, "unknown"),
    ],
)
def test_rupees_are_grouped_as_in_india(value, places, text):
    assert rupees(value, places) == text


@pytest.mark.parametrize(("value", "text"), [(65, "65"), (1755, "1,755"), (-65, "−65"), (None, "unknown")])
def test_units_are_whole(value, text):
    assert units(value) == text


@pytest.mark.parametrize(("value", "text"), [("107.649", "107.6 %"), (95, "95.0 %"), (None, "unknown")])
def test_percentages_have_one_decimal(value, text):
    assert percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_durations_are_said_as_people_say_them(seconds, text):
    assert duration(seconds) == text
