"""The recorded requests sent to the simulator: what is the same, what differs, what is not modelled and why.

`python -m tests.contract.conformance` writes docs/simulator-conformance.md; tests/contract/test_simulator_conformance.py
fails when that page is out of date or a modelled case differs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from hedging.brokers.openalgo.client import READ_ENDPOINTS
from hedging.simulator.schemas import SCHEMAS
from tests.contract.conformance_cases import OTHER_WORDS, endpoint_of, preparation, reason_not_modelled
from tests.contract.recorded import names, recorded
from tests.contract.recorded_day import Server

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "simulator-conformance.md"
CALLED = READ_ENDPOINTS | {"placeorder", "cancelorder"}
"""Endpoints that the product's client calls: hedging/brokers/openalgo/client.py."""


def shape(value: Any) -> Any:
    """Keys and JSON types; a list is the set of the shapes of its items."""
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted({str(shape(item)) for item in value})
    return "number" if isinstance(value, (int, float)) and not isinstance(value, bool) else type(value).__name__


def is_error(status: int | None, body: Any) -> bool:
    return status != 200 or not isinstance(body, dict) or body.get("status") == "error"


def difference(name: str, status: int, body: Any) -> str:
    """How an answer differs from the recording; empty if it does not. Errors are compared word for word."""
    record = recorded(name)
    if status != record["status_code"]:
        return f"status {status} instead of {record['status_code']}: {str(body)[:150]}"
    if is_error(status, record["response"]) and name not in OTHER_WORDS:
        return "" if body == record["response"] else f"{body!r:.200} instead of {record['response']!r:.200}"
    ours, theirs = shape(body), shape(record["response"])
    return "" if ours == theirs else f"shape {ours!s:.300} instead of {theirs!s:.300}"


@dataclass(frozen=True)
class Result:
    name: str
    difference: str = ""
    not_modelled: str = ""

    @property
    def word(self) -> str:
        if self.not_modelled:
            return f"not modelled: {self.not_modelled}"
        if self.difference:
            return f"DIFFERENT: {self.difference}"
        return f"same (words differ: {OTHER_WORDS[self.name]})" if self.name in OTHER_WORDS else "same"


@cache
def result_of(name: str) -> Result:
    """Replay one recording."""
    reason = reason_not_modelled(name)
    if reason:
        return Result(name, not_modelled=reason)
    request = dict(recorded(name)["request"])
    server = Server()
    try:
        server = preparation(name)(server, request) or server
        return Result(name, difference(name, *server.send(request)))
    except RuntimeError as error:
        return Result(name, f"could not be prepared: {error}")


def all_cases() -> list[str]:
    return names("*/*")


# -- the page -------------------------------------------------------------------------------------------------------


@dataclass
class Total:
    cases: int = 0
    words: Counter[str] = field(default_factory=Counter)

    def add(self, result: Result) -> None:
        self.cases += 1
        self.words["not modelled" if result.not_modelled else "different" if result.difference else "same"] += 1

    def row(self, title: str) -> str:
        same, different, out = (self.words[word] for word in ("same", "different", "not modelled"))
        return (
            f"| {title} | {self.cases} | {same} | {different} | {out} | {100 * (same + different) / self.cases:.1f} % |"
        )


def page(results: list[Result]) -> str:
    """Return the conformance page."""
    by_endpoint: dict[str, list[Result]] = {}
    for result in results:
        by_endpoint.setdefault(endpoint_of(result.name), []).append(result)
    called = sorted(set(by_endpoint) & CALLED)
    offered = sorted(set(by_endpoint) & (set(SCHEMAS) | {"nosuchendpoint"}) - CALLED)
    others = sorted(set(by_endpoint) - CALLED - set(offered))
    return "\n".join(
        [*_head(by_endpoint, (called, offered, others)), *_tables(by_endpoint, called + offered + others), ""]
    )


def _head(by_endpoint: dict[str, list[Result]], groups: tuple[list[str], ...]) -> Iterator[str]:
    yield "# Conformance of the simulator"
    yield ""
    yield "Made by `python -m tests.contract.conformance`; a test fails when this page is out of date. Each of the recorded"
    yield "requests is sent to the simulator in the state that the recording was made in. *Same* means the same status code, keys"
    yield "and JSON types, and for errors the same words; numbers, ids and times are the simulator's own."
    yield ""
    yield "| endpoints | cases | same | different | not modelled | modelled |"
    yield "|---|---|---|---|---|---|"
    grand = Total()
    titles = ("that the product calls", "that it does not call", "that the simulator does not have")
    for title, group in zip(titles, groups, strict=True):
        total = Total()
        for endpoint in group:
            for result in by_endpoint[endpoint]:
                total.add(result)
                grand.add(result)
        yield total.row(title)
    yield grand.row("all")


def _tables(by_endpoint: dict[str, list[Result]], endpoints: list[str]) -> Iterator[str]:
    for endpoint in endpoints:
        yield ""
        yield f"## {endpoint}"
        yield ""
        yield "| case | result |"
        yield "|---|---|"
        for result in by_endpoint[endpoint]:
            yield f"| {result.name.split('/')[0]}: {result.name.split('__')[1]} | {result.word} |"


def main() -> None:
    """Write the page; say what differs."""
    results = [result_of(name) for name in all_cases()]
    PAGE.write_text(page(results), encoding="utf-8")
    for result in results:
        if result.difference:
            print(f"{result.name}: {result.difference}")  # noqa: T201


if __name__ == "__main__":
    main()
