"""The hash chain: equal content has one digest, and whatever is changed, removed or put in is found."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from hedging.domain.audit_chain import GENESIS, AuditLine, ChainedLine, Verifier, digest_of, linked

AT = datetime(2026, 12, 1, 4, 42, 5, 123456, tzinfo=UTC)


def line(number: int = 1, **fields: Any) -> AuditLine:
    known: dict[str, Any] = {
        "account_id": 1,
        "session_id": 2,
        "at": AT + timedelta(seconds=number),
        "wall_at": AT,
        "actor": "engine",
        "event": "order_filled",
        "subject_kind": "hedgeorder",
        "subject_id": number,
        "facts": {"filled_quantity": 130, "price": "4.05"},
    }
    return AuditLine(**(known | fields))


def chain(count: int) -> list[ChainedLine]:
    lines, previous = [], GENESIS
    for number in range(1, count + 1):
        digest = digest_of(line(number))
        previous = linked(previous, digest)
        lines.append(ChainedLine(100 + number, line(number), digest, number, previous))
    return lines


def breaks(lines: list[ChainedLine]) -> list[int]:
    return [found.event_id for found in Verifier().follow(lines)]


def test_a_trail_that_nobody_touched_has_no_break_and_ends_in_its_head():
    verifier = Verifier()
    assert list(verifier.follow(chain(5))) == []
    assert (verifier.head.sequence, verifier.head.hash) == (5, chain(5)[-1].hash)
    assert verifier.lines == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"actor": "operator"},
        {"event": "order_lost"},
        {"subject_id": 9},
        {"subject_kind": "tradingsession"},
        {"account_id": None},
        {"session_id": 3},
        {"at": AT},
        {"wall_at": AT + timedelta(microseconds=1)},
        {"facts": {"filled_quantity": 131, "price": "4.05"}},
        {"facts": {"filled_quantity": "130", "price": "4.05"}},
        {"facts": {"filled_quantity": 130}},
    ],
)
def test_any_change_of_a_line_is_found_at_that_line(changed):
    lines = chain(4)
    lines[2] = replace(lines[2], line=replace(lines[2].line, **changed))
    assert breaks(lines) == [103]


def test_a_change_with_its_digest_made_to_fit_is_found_by_the_chain():
    lines = chain(4)
    forged = replace(lines[1].line, actor="nobody")
    lines[1] = replace(lines[1], line=forged, digest=digest_of(forged))
    assert breaks(lines) == [102]


def test_a_change_with_digest_and_hash_made_to_fit_is_found_at_the_next_line():
    lines = chain(4)
    forged = replace(lines[1].line, actor="nobody")
    digest = digest_of(forged)
    lines[1] = replace(lines[1], line=forged, digest=digest, hash=linked(lines[0].hash or "", digest))
    assert breaks(lines) == [103]


def test_a_line_that_was_removed_or_put_in_or_has_no_place_is_found():
    lines = chain(4)
    assert breaks([*lines[:1], *lines[2:]]) == [103]
    assert breaks([*lines, replace(lines[0], event_id=999, sequence=None, hash=None)]) == [999]
    assert breaks([lines[0], *lines]) == [101]


def test_the_same_content_has_the_same_digest_however_it_is_written():
    east = timezone(timedelta(hours=5, minutes=30))
    assert digest_of(line(at=AT)) == digest_of(line(at=AT.astimezone(east)))
    assert digest_of(line(facts={"a": 1.0, "b": [1e22]})) == digest_of(line(facts={"b": [10**22], "a": 1}))
    assert digest_of(line(facts={"a": True})) != digest_of(line(facts={"a": 1}))
    assert digest_of(line(facts={"a": None})) != digest_of(line(facts={"a": ""}))
    assert digest_of(line(facts={"a": 0})) != digest_of(line(facts={"a": "0"}))
