"""docs/reasons.md is the table of reason codes: equal to the code, in its order."""

from __future__ import annotations

import re

from django.conf import settings

from hedging.domain.reasons import REASON_TEXT, Reason

ROW = re.compile(r"^\| `(?P<code>[A-Z_]+)` \| (?P<text>.+) \|$", re.MULTILINE)


def test_the_documented_reasons_are_those_of_the_code():
    page = (settings.BASE_DIR / "docs" / "reasons.md").read_text(encoding="utf-8")
    documented = [(row["code"], row["text"]) for row in ROW.finditer(page)]
    assert documented == [(reason.value, REASON_TEXT[reason]) for reason in Reason]


def test_a_code_is_its_category_and_its_condition():
    assert {reason.value.split("_", 1)[0] for reason in Reason} == {"HOLD", "ADD", "UNWIND", "DENY"}
    assert all(reason.name == reason.value for reason in Reason)
