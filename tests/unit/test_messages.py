"""Words of alerts: figures as people read them, everything escaped, every kind sensible."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.figures import figure, label, rupees
from notifications.messages import MOST_FACTS, render
from notifications.models import Severity
from tests.factories import AlertFactory, ist

TEMPLATES = Path(settings.BASE_DIR) / "templates" / "notifications"
KINDS = (
    "session_started", "session_stopped", "hedge_bought", "hedge_sold", "order_failed", "order_unknown",
    "order_rejected", "order_lost", "order_review", "mode_mismatch", "entry_unreachable", "entry_beyond_saving", "data_unknown",
    "breaker_open", "breaker_closed", "trading_state", "trading_resumed", "no_candidate", "no_preflight", "watchdog_blind", "nothing_released", "forecast_missed", "worker_silent", "day_summary", "never_heard_of", "../base",
)  # fmt: skip


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "₹0.00"),
        ("4.05", "₹4.05"),
        ("999.995", "₹1,000.00"),
        ("1234", "₹1,234.00"),
        ("99999", "₹99,999.00"),
        ("100000", "₹1,00,000.00"),
        ("1234567", "₹12,34,567.00"),
        ("1234567890.1", "₹1,23,45,67,890.10"),
        ("-1950.5", "−₹1,950.50"),
        ("-0.001", "₹0.00"),
    ],
)
def test_rupees_are_grouped_as_in_india(amount, text):
    assert rupees(Decimal(amount)) == text


@given(st.decimals(-(10**15), 10**15, places=2))
def test_grouping_never_changes_the_amount(amount):
    assert Decimal(rupees(amount).replace("₹", "").replace(",", "").replace("−", "-")) == amount


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("budget", "1000000.00", "₹10,00,000.00"),
        ("worst_cost_rupees", 12345, "₹12,345.00"),
        ("price", "", ""),
        ("price", "NaN", "NaN"),
        ("price", "1e999999", "1e999999"),
        ("projected_pct", "97.3456", "97.3 %"),
        ("peak_utilization", "104", "104.0 %"),
        ("cooldown_seconds", 120, "120 s"),
        ("used", None, "unknown"),
        ("automation", False, "no"),
        ("expiry", "2026-12-01", "01-Dec-2026"),
        ("entry_at", "2026-12-01T04:46:30+00:00", "10:16:30 IST, Tue 01-Dec-2026"),
        ("note", "2026-99-99", "2026-99-99"),
        ("quantity", 130, "130"),
        ("legs", [{"symbol": "A", "price": "4"}, {"symbol": "B", "price": "5"}],
         "symbol A, price ₹4.00; symbol B, price ₹5.00"),
        ("entries", [], "none"),
        ("detail", "x" * 500, "x" * 179 + "…"),
    ],
)  # fmt: skip
def test_a_fact_is_written_in_the_unit_of_its_name(name, value, text):
    assert figure(name, value) == text


@pytest.mark.parametrize(
    ("name", "text"), [("peak_utilization_pct", "Peak utilization"), ("dte", "DTE"), ("entry_at", "Entry"), ("", "")]
)
def test_the_name_of_a_fact_becomes_words(name, text):
    assert label(name) == text


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("severity", list(Severity))
def test_every_kind_says_title_facts_time_and_mode(kind, severity):
    alert = AlertFactory.build(
        kind=kind,
        severity=severity,
        title="Bought 130 NIFTY01DEC2626500CE",
        facts={"mode": "dry_run", "charges": "1234567.5"},
        happened_at=ist(10, 11, 30),
    )
    message = render(alert)
    assert "<b>Bought 130 NIFTY01DEC2626500CE</b>" in message.html
    assert "Charges: ₹12,34,567.50" in message.text
    assert message.text.splitlines()[-1] == "10:11:30 IST, Tue 01-Dec-2026 · dry run"
    assert "\n\n\n" not in message.html
    assert message.severity == severity


@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.html")), ids=lambda p: p.stem)
def test_every_template_is_the_one_of_a_kind_and_adds_something(path):
    plain = AlertFactory.build(kind="never_heard_of", severity=Severity.CRITICAL, title="T")
    own = AlertFactory.build(kind=path.stem, severity=Severity.CRITICAL, title="T")
    if path.stem != "alert":
        assert render(own).html != render(plain).html


def test_what_comes_from_data_is_escaped_and_read_back_in_plain_text():
    nasty = '<a href="tg://x">&amp;</a> <script>'
    message = render(AlertFactory.build(title=nasty, facts={"detail": nasty, nasty: nasty, "mode": "<b>"}))
    assert set(re.findall(r"<[^>]*>", message.html)) == {"<b>", "</b>", "<i>", "</i>"}
    assert f"Detail: {nasty}" in message.text


@given(
    st.dictionaries(
        st.text(max_size=50),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=400),
            lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
            max_leaves=10,
        ),
        max_size=40,
    )
)
def test_facts_of_any_shape_become_a_message_that_telegram_accepts(facts):
    message = render(AlertFactory.build(title="T" * 200, facts=facts, kind="data_unknown"))
    assert len(message.text) <= 4096
    assert set(re.findall(r"<[^>]*>", message.html)) == {"<b>", "</b>", "<i>", "</i>"}


def test_facts_beyond_the_most_are_counted_not_shown():
    text = render(AlertFactory.build(facts={f"fact_{n}": n for n in range(MOST_FACTS + 7)})).text
    assert "… and 7 more" in text
    assert f"Fact {MOST_FACTS}:" not in text


def test_an_empty_fact_is_left_out_and_an_unknown_one_is_not():
    text = render(AlertFactory.build(facts={"price": "", "used": None})).text
    assert "Price" not in text
    assert "Used: unknown" in text
