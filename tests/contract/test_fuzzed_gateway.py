"""Ten thousand spoilt answers: the client raises nothing but its own typed errors, and never returns a guess.

A guess is a reading that differs from that of the unspoilt answer although nobody sent what it says: every figure or word
that is new in it must be what the spoilt field held, or a plain "unknown". The harmless differences are therefore those
that no client could tell from the truth: another number where a number stood.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from hedging.brokers.base import BrokerError, BrokerStatus, CancelReply, PlaceReply, ReplyClass
from hedging.brokers.openalgo.client import OpenAlgoOrderClient
from hedging.brokers.openalgo.symbols import UnknownSymbol, parse_expiry, parse_symbol
from hedging.brokers.openalgo.wire import PositionRows, parse_object
from hedging.domain.instruments import Contract
from hedging.domain.snapshot import Level, Position
from tests.contract.reading import READERS
from tests.contract.recorded import RecordedAdapter, made, names, recorded, session_over

MUTATIONS = 10_000
NOT_A_NUMBER = "\0not a number\0"
SPOILT: tuple[object, ...] = (
    None, True, False, 0, -1, 7.5, 65, "", " ", "x", "\x00", "\ud800", "NaN", "Infinity", "1e400", "1_000", "٣", "65",
    "65.0", "0x41", "success", "error", 10**30, -(10**18), 1e300, -0.0, 5e-324, "9" * 5000, [], {}, [[]], [None],
    {"a": 1}, "nifty01dec2626000ce", "NIFTY99ZZZ9926000CE", "NIFTY01DEC2626000CE", "<html>", "analyze", NOT_A_NUMBER,
)  # fmt: skip
GARBAGE = (
    b"", b" ", b"null", b"[]", b"<html>502 Bad Gateway</html>", b"{", b"\xff\xfe{\x00", b"[" * 100_000, b'{"a":' * 50_000,
    b'{"status":"success"}', b'{"status":"success","data":null}', b'"success"', b"1" * 100_000, b"\x1f\x8b\x08\x00",
)  # fmt: skip


def endpoint_of(name: str) -> str:
    return name.split("/")[1].split("__", maxsplit=1)[0]


@dataclasses.dataclass(frozen=True)
class Source:
    """A recording, with what the product reads in it and the paths of its fields."""

    name: str
    status: int
    body: Any
    asked: dict[str, Any]
    paths: tuple[tuple[str | int, ...], ...]

    @property
    def endpoint(self) -> str:
        return endpoint_of(self.name)


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*([path] if path else []), *(p for key, child in children for p in paths_of(child, (*path, key)))]


def sources() -> dict[str, list[Source]]:
    found: dict[str, list[Source]] = {endpoint: [] for endpoint in READERS}
    for name in names("*/*"):
        record = recorded(name)
        # The two chains of all strikes hold nothing that the small ones do not, and cost a hundred times the time.
        if endpoint_of(name) not in READERS or record["status_code"] is None or "all_strikes" in name:
            continue
        asked = record["request"].get("json")
        asked = asked if isinstance(asked, dict) else {"positions": [], "symbol": "", "underlying": "NIFTY"}
        body = record["response"]
        found[endpoint_of(name)].append(Source(name, record["status_code"], body, asked, tuple(paths_of(body))))
    return found


SOURCES = sources()
ENDPOINTS = sorted(SOURCES)
NOT_NEEDED = {
    "span_margin": "parts of the total, which many brokers leave out or set to 0",
    "exposure_margin": "parts of the total, which many brokers leave out or set to 0",
    "average_price": "of a position: shown to people, no decision looks at it; of a trade it must be there",
}
"""Fields that read 0 where they are missing."""


class Gateway:
    """The product's client before a server that answers whatever it is told to."""

    def __init__(self) -> None:
        self.adapter = RecordedAdapter({})
        self.client = OpenAlgoOrderClient(
            "http://gateway.test", "k" * 64, session=session_over(self.adapter), sleep=lambda _: None
        )

    def ask(self, source: Source, status: int, body: bytes) -> Any:
        endpoint = source.endpoint.removesuffix("_status")
        self.adapter.answers[endpoint] = made(status, body)
        self.adapter.sent.clear()
        if source.endpoint == "placeorder":
            got = self.client.place_order({})
        elif source.endpoint == "cancelorder":
            got = self.client.cancel_order({})
        else:
            got = self.client.read(endpoint)
        return READERS[source.endpoint](got, source.asked)

    def outcome(self, source: Source, status: int, body: bytes) -> Any:
        """The reading, or the typed error; anything else that is raised fails the test."""
        try:
            return self.ask(source, status, body)
        except BrokerError as error:
            return error


def changed(value: Any, path: tuple[str | int, ...], change: Any) -> Any:
    """A copy in which `change(container, key)` was applied at the path; what is beside the path is shared."""
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    if len(path) == 1:
        change(copy, path[0])
    else:
        copy[path[0]] = changed(value[path[0]], path[1:], change)
    return copy


def dumped(body: Any) -> bytes:
    return json.dumps(body).replace(json.dumps(NOT_A_NUMBER), "NaN").encode()


@dataclasses.dataclass(frozen=True)
class Spoilt:
    kind: str
    status: int
    body: bytes
    sent: tuple[object, ...] = ()
    path: tuple[str | int, ...] = ()


def spoil(source: Source, rng: random.Random) -> Spoilt:
    """One answer, spoilt in one way."""
    kind = rng.choice(["dropped", "retyped", "retyped", "retyped", "status", "truncated", "bytes", "garbage"])
    fields = [path for path in source.paths if isinstance(path[-1], str)]
    if kind == "status":
        status = rng.choice([100, 201, 204, 206, 301, 302, 307, 400, 401, 403, 404, 408, 418, 429, 500, 501, 502, 503])
        return Spoilt(kind, status, dumped(source.body))
    if kind in {"dropped", "retyped"} and fields:
        # Shallow fields are few and matter most; all rows of a book look alike.
        path = rng.choice(fields if rng.random() < 0.7 else [p for p in fields if len(p) <= 2])
        if kind == "dropped":
            return Spoilt(kind, source.status, dumped(changed(source.body, path, dict.pop)), (None,), path)
        value = rng.choice(SPOILT)
        body = dumped(changed(source.body, path, lambda holder, key: holder.__setitem__(key, value)))
        return Spoilt("nan" if value == NOT_A_NUMBER else kind, source.status, body, (value,), path)
    raw = dumped(source.body)
    if kind == "truncated":
        return Spoilt(kind, source.status, raw[: rng.randrange(len(raw))])
    if kind == "bytes":
        at = rng.randrange(len(raw))
        return Spoilt(kind, source.status, raw[:at] + bytes([rng.randrange(0xF8, 0x100)]) + raw[at + 1 :])
    return Spoilt("garbage", source.status, rng.choice(GARBAGE))


def facts(value: Any, place: str = "") -> dict[str, str]:
    """What a reading says, figure by figure and word by word, with the place of each.

    The time of the request and the number of other instruments' rows are the client's own.
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, (type, Contract)):
        fields = [field.name for field in dataclasses.fields(value) if field.name not in {"read_at", "foreign"}]
        rows = {name: getattr(value, name) for name in fields}
    elif isinstance(value, dict):
        rows = {str(key): inner for key, inner in value.items()}
    elif isinstance(value, (tuple, list)):
        rows = {row_name(number, row): row for number, row in enumerate(value)}
    else:
        return {place: plain(value)}
    return {at: leaf for name, inner in rows.items() for at, leaf in facts(inner, f"{place}/{name}").items()}


def row_name(number: int, row: object) -> str:
    """What stays the same about a row when rows before it go missing; books keep all of theirs."""
    if isinstance(row, Position):
        return f"{row.contract} {row.product}"
    return plain(row.price) if isinstance(row, Level) else str(row) if isinstance(row, date) else str(number)


def plain(value: object) -> str:
    if isinstance(value, (int, float, Decimal, str)) and not isinstance(value, bool):
        try:
            number = Decimal(str(value).strip())
        except InvalidOperation:
            return " ".join(str(value).split())
        if number.is_finite() and abs(number.adjusted()) < 50:
            return str(number.normalize() if number else 0)
    return str(value).upper()


def as_sent(spoilt: Spoilt) -> set[str]:
    """Every way in which the spoilt field may rightly show; "NONE" and "" are unknown."""
    ways = {plain(None), plain(BrokerStatus.WORKING), ""}
    for value in spoilt.sent:
        line = " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
        ways |= {plain(value), *(plain(line[:longest]) for longest in (20, 40, 60, 300))}
        for read in (parse_symbol, parse_expiry):
            try:
                ways.add(str(read(str(value))))
            except UnknownSymbol:
                continue
    return ways | ({"0"} if spoilt.path and spoilt.path[-1] in NOT_NEEDED else set())


def guesses(before: Any, after: Any, spoilt: Spoilt) -> dict[str, str]:
    """What the reading of a spoilt answer says that nobody sent."""
    old, sent = facts(before), as_sent(spoilt)
    return {
        place: leaf
        for place, leaf in facts(after).items()
        if old.get(place) != leaf and leaf not in sent and not any(f"/{name}" in place for name in sent if name)
    }


def lost_positions(before: Any, after: Any, spoilt: Spoilt) -> bool:
    """Whether a position went missing, unless the answer itself named another instrument or said 0."""
    if not isinstance(before, PositionRows) or len(after.positions) >= len(before.positions):
        return False
    renamed = spoilt.path[-1] == "symbol" and isinstance(spoilt.sent[0], str) and spoilt.sent[0].strip() != ""
    zeroed = spoilt.path[-1] == "quantity" and plain(spoilt.sent[0]) == "0"
    return not renamed and not zeroed


def hides_the_mode(source: Source, spoilt: Spoilt) -> bool:
    """Whether the word that gives the analyzer away was dropped: such an answer is one of live mode."""
    return source.body.get("mode") == "analyze" and spoilt.path == ("mode",) and spoilt.sent == (None,)


def check_read(source: Source, spoilt: Spoilt, before: Any, after: Any) -> None:
    assert spoilt.status == 200, "only a 200 is a reading"
    assert spoilt.kind not in {"truncated", "bytes", "garbage", "nan", "status"}, "what is no JSON object says nothing"
    if isinstance(before, BrokerError):
        assert hides_the_mode(source, spoilt) or spoilt.sent == ("success",), "an error became a reading"
    else:
        assert not guesses(before, after, spoilt)
        assert not lost_positions(before, after, spoilt)


def check_place(source: Source, spoilt: Spoilt, before: PlaceReply, after: PlaceReply) -> None:
    body = parse_object(spoilt.body)
    if body is None or spoilt.status >= 500:
        assert after.outcome is ReplyClass.UNKNOWN
    elif after.outcome is ReplyClass.ACKED:
        assert (spoilt.status, body["status"], after.order_id) == (200, "success", str(body["orderid"]).strip())
        assert before.outcome is ReplyClass.ACKED or hides_the_mode(source, spoilt)
    elif after.outcome is ReplyClass.REJECTED:
        assert before.outcome is not ReplyClass.ACKED, "an order that may be live is not rejected"


def check_cancel(source: Source, spoilt: Spoilt, before: CancelReply, after: CancelReply) -> None:
    body = parse_object(spoilt.body)
    if body is None or spoilt.status >= 500:
        assert after.accepted is None
    elif after.accepted:
        assert (spoilt.status, body["status"]) == (200, "success")
        assert before.accepted or hides_the_mode(source, spoilt)


CHECKS: dict[str, Callable[[Source, Spoilt, Any, Any], None]] = {
    "placeorder": check_place,
    "cancelorder": check_cancel,
}


def test_ten_thousand_spoilt_answers_give_typed_errors_and_no_guess():
    rng, gateway = random.Random("a fuzzed gateway"), Gateway()
    unspoilt = {s.name: gateway.outcome(s, s.status, dumped(s.body)) for group in SOURCES.values() for s in group}
    seen: Counter[str] = Counter()
    for n in range(MUTATIONS):
        source = rng.choice(SOURCES[ENDPOINTS[n % len(ENDPOINTS)]])
        spoilt = spoil(source, rng)
        after = gateway.outcome(source, spoilt.status, spoilt.body)
        seen[spoilt.kind] += 1
        if isinstance(after, BrokerError):
            seen["errors"] += 1
            # What is shown and stored must survive a log and a database.
            assert "\0" not in str(after)
            str(after).encode()
            continue
        seen["readings"] += 1
        check = CHECKS.get(source.endpoint, check_read)
        try:
            check(source, spoilt, unspoilt[source.name], after)
        except AssertionError as error:
            note = f"{source.name}, {spoilt.kind} at {spoilt.path}: {str(spoilt.sent)[:60]} gave {str(after)[:300]}"
            raise AssertionError(note) from error
    assert min(seen.values()) > 50, seen
    assert seen["readings"] > 1000, seen


def test_the_oracle_sees_a_guess():
    """A field that goes missing and comes back as another figure is what the check is for."""
    [source] = [s for s in SOURCES["funds"] if s.name == "live/funds__with_positions"]
    funds = Gateway().outcome(source, 200, dumped(source.body))
    dropped = Spoilt("dropped", 200, b"", (None,), ("data", "availablecash"))
    assert guesses(funds, dataclasses.replace(funds, available_cash=Decimal(0)), dropped) == {"/available_cash": "0"}
    assert not guesses(funds, dataclasses.replace(funds, available_cash=None), dropped)
    sent = Spoilt("retyped", 200, b"", (7.5,), ("data", "availablecash"))
    assert not guesses(funds, dataclasses.replace(funds, available_cash=Decimal("7.5")), sent)
