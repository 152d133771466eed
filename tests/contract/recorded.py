"""Recorded answers of a real OpenAlgo server, and a requests adapter that serves them."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests
from requests.adapters import BaseAdapter

from hedging.brokers.openalgo.wire import Answer

PAYLOADS = Path(__file__).resolve().parent.parent / "payloads"
ASKED_AT = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)


def recorded(name: str) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text(encoding="utf-8"))
    return record


def body_of(name: str) -> Any:
    return recorded(name)["response"]


def answer(name: str) -> Answer:
    record = recorded(name)
    return made(record["status_code"], record["response"])


def made(status: int, body: object) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, raw, ASKED_AT)


def names(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(PAYLOADS).with_suffix("")) for path in PAYLOADS.glob(f"{pattern}.json"))


class RecordedAdapter(BaseAdapter):
    """Answer each endpoint with its recording; remember every request. A callable or an exception may stand for one."""

    def __init__(self, answers: Mapping[str, object]) -> None:
        super().__init__()
        self.answers = dict(answers)
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def endpoints(self) -> list[str]:
        return [endpoint for endpoint, _ in self.sent]

    def bodies(self, endpoint: str) -> Iterable[dict[str, Any]]:
        return [body for name, body in self.sent if name == endpoint]

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        endpoint = str(request.url).rsplit("/api/v1/", 1)[1]
        body = json.loads(request.body or b"null")
        self.sent.append((endpoint, body))
        planned = self.answers[endpoint]
        if isinstance(planned, list):
            planned = planned.pop(0)
        if callable(planned):
            planned = planned(body)
        if isinstance(planned, Exception):
            raise planned
        given = answer(planned) if isinstance(planned, str) else planned
        assert isinstance(given, Answer)
        response = requests.Response()
        response.status_code = given.status
        response.raw = io.BytesIO(given.body)
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        return


def session_over(adapter: BaseAdapter) -> requests.Session:
    session = requests.Session()
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
