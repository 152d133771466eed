"""The HTTP client of OpenAlgo: one POST in, one answer or one typed error out, inside a deadline, the key kept secret.

Two classes on purpose: `OpenAlgoClient` knows read endpoints only, `OpenAlgoOrderClient` adds the two writes. A dry run is
built on the first, so that it holds nothing that could reach an order endpoint.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from requests.structures import CaseInsensitiveDict

from hedging.brokers.base import BrokerUnavailable, NotSent, OutcomeUnknown
from hedging.brokers.openalgo.deadline import MAX_ANSWER_BYTES, DeadlineConnection, HttpAnswer, NotConnected
from hedging.brokers.openalgo.limits import Retries, RetryBudget, TokenBucket
from hedging.brokers.openalgo.wire import Answer

READ_ENDPOINTS = frozenset(
    {
        "analyzer",
        "depth",
        "expiry",
        "funds",
        "margin",
        "market/timings",
        "optionchain",
        "orderbook",
        "ping",
        "positionbook",
        "quotes",
        "symbol",
        "tradebook",
    }
)
CONNECT_SECONDS = 2.0
READ_SECONDS = 8.0
ORDER_SECONDS = 35.0
MAX_RETRIES = 2

_HEADERS = (("Content-Type", "application/json"), ("Accept", "application/json"), ("Accept-Encoding", "identity"))
_JSON = json.JSONEncoder(allow_nan=False)
_RETRYABLE = frozenset({502, 503, 504})
_TRANSPORT_ERRORS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    OSError,
    ValueError,
)
# Our transport says `NotConnected`; the others come from a session that was given: the simulator's in process, a test's.
_BEFORE_SENDING = (
    NotConnected,
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
)
_SHORTEST_SECRET = 8
_PLAIN = re.compile(r"[!-~]*")


class OpenAlgoClient:
    """Reads of one OpenAlgo server for one API key. Safe to share between threads and to carry over a fork.

    `retries` is the budget of repeated reads, by default one of this process alone. `clock` gives wall time (aware UTC);
    `sleep`, `monotonic` and `jitter` (0 to 1) are seams for tests and for the simulator in process, where waiting for a
    rate limit would be waiting for nobody.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        read_seconds: float = READ_SECONDS,
        retries: Retries | None = None,
    ) -> None:
        self._root = _root(base_url)
        self._key = api_key
        self._given_session = None if session is None else _harden(session)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clock = clock
        self._sleep = sleep
        self._monotonic = monotonic
        self._jitter = jitter
        self._read_seconds = read_seconds
        # 40/s under OpenAlgo's 50/s for each endpoint; burst + rate stays within its one-second window.
        self._read_bucket = TokenBucket(rate_per_second=40, burst=10)
        self._retries: Retries = retries or RetryBudget()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._root!r}, api_key='***')"

    def read(self, endpoint: str, payload: Mapping[str, object] | None = None) -> Answer:
        """POST to a read endpoint and return its answer, whatever the status; `BrokerUnavailable` when none came.

        At most two repeats, for lost connections and 502 to 504, inside the same total deadline and a budget of 10 %.
        """
        if endpoint not in READ_ENDPOINTS:
            raise ValueError(f"{endpoint!r} is no read endpoint")
        with self._lock:
            wait = self._read_bucket.reserve(self._monotonic())
            self._retries.earn()
        self._pause(wait)
        ends = self._monotonic() + self._read_seconds
        attempt = 0
        while True:
            outcome = self._attempt(endpoint, payload or {}, max(0.05, ends - self._monotonic()))
            failed = not isinstance(outcome, Answer) or outcome.status in _RETRYABLE
            if failed and attempt < MAX_RETRIES:
                delay = 0.1 * 2**attempt * (0.5 + self._jitter())
                if ends - self._monotonic() > delay + 0.5 and self._may_retry():
                    attempt += 1
                    self._pause(delay)
                    continue
            if isinstance(outcome, Answer):
                return outcome
            raise BrokerUnavailable(
                f"/{endpoint}: {outcome.text}. OpenAlgo at {self._root} gave no answer; will try again."
            )

    def redact(self, text: str) -> str:
        """Return `text` without the API key."""
        return text.replace(self._key, "***") if len(self._key) >= _SHORTEST_SECRET else text

    def _attempt(self, endpoint: str, payload: Mapping[str, object], seconds: float) -> Answer | _Lost:
        """Make exactly one HTTP request; return the answer, or what is known about its loss."""
        body = _JSON.encode({"apikey": self._key, **payload}).encode()
        asked_at = self._clock()
        try:
            status, content, date = self._exchange(f"{self._root}/api/v1/{endpoint}", body, seconds)
        except _TRANSPORT_ERRORS as error:
            # Raised anew by the caller, outside of this handler: what led to the error holds the body, and so the key.
            return _Lost(before_sending=_never_sent(error), text=self.redact(_shown(error)))
        if len(self._key) >= _SHORTEST_SECRET:
            content = content.replace(self._key.encode(), b"***")
        return Answer(status, content, asked_at, _skew(date, asked_at, self._clock()))

    def _exchange(self, url: str, body: bytes, seconds: float) -> tuple[int, bytes, str | None]:
        timeout = (min(CONNECT_SECONDS, seconds), seconds)
        if self._given_session is None:
            answer = self._connection().post(url, _HEADERS, body, timeout=timeout)
        else:
            answer = _over(self._given_session, url, body, timeout=timeout)
        if len(answer.body) > MAX_ANSWER_BYTES:
            raise requests.exceptions.ContentDecodingError(f"an answer of more than {MAX_ANSWER_BYTES} bytes")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise requests.exceptions.ContentDecodingError("a compressed answer, which was not asked for")
        return answer.status, answer.body, answer.headers.get("date")

    def _connection(self) -> DeadlineConnection:
        # One for each thread and process: a connection shared over a fork would mix up two conversations.
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.connection, self._local.pid = DeadlineConnection(), os.getpid()
        kept: DeadlineConnection = self._local.connection
        return kept

    def _may_retry(self) -> bool:
        with self._lock:
            return self._retries.spend()

    def _pause(self, seconds: float) -> None:
        if seconds > 0:
            self._sleep(seconds)


class OpenAlgoOrderClient(OpenAlgoClient):
    """Reads and the two writes. Nothing here is ever repeated: OpenAlgo has no idempotency key."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        session: requests.Session | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
        read_seconds: float = READ_SECONDS,
        order_seconds: float = ORDER_SECONDS,
        retries: Retries | None = None,
    ) -> None:
        super().__init__(
            base_url,
            api_key,
            session=session,
            clock=clock,
            sleep=sleep,
            monotonic=monotonic,
            jitter=jitter,
            read_seconds=read_seconds,
            retries=retries,
        )
        self._order_seconds = order_seconds
        # 8/s sustained under OpenAlgo's 10/s for each endpoint; burst + rate stays within its one-second window.
        self._order_bucket = TokenBucket(rate_per_second=8, burst=2)

    def place_order(self, payload: Mapping[str, object]) -> Answer:
        """Send one order once; raise `NotSent` when no byte of it left, `OutcomeUnknown` when nobody can say."""
        return self._post_order(payload)

    def cancel_order(self, payload: Mapping[str, object]) -> Answer:
        """Ask once for a cancel; raises as `place_order`. The books decide, so it waits no longer than a read."""
        return self._write("cancelorder", payload, self._read_seconds)

    def _post_order(self, payload: Mapping[str, object]) -> Answer:
        # The one line of this code base that sends an order; tests/unit/test_client_requests.py counts it.
        return self._write("placeorder", payload, self._order_seconds)

    def _write(self, endpoint: str, payload: Mapping[str, object], seconds: float) -> Answer:
        with self._lock:
            wait = self._order_bucket.reserve(self._monotonic())
        self._pause(wait)
        outcome = self._attempt(endpoint, payload, seconds)
        if isinstance(outcome, Answer):
            return outcome
        if outcome.before_sending:
            raise NotSent(f"/{endpoint}: {outcome.text}. Nothing was sent.")
        raise OutcomeUnknown(
            f"/{endpoint}: {outcome.text}. It may have been accepted: observe the books, do not repeat."
        )


@dataclass(frozen=True, slots=True)
class _Lost:
    before_sending: bool
    text: str


def _root(base_url: str) -> str:
    parts = urlsplit(base_url.strip())
    strange = parts.username or parts.query or parts.fragment or not _PLAIN.fullmatch(f"{parts.netloc}{parts.path}")
    if parts.scheme not in {"http", "https"} or not parts.hostname or strange:
        raise ValueError("OPENALGO_BASE_URL must look like http://127.0.0.1:5000, without user, query or fragment")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/api/v1')}"


def _harden(session: requests.Session) -> requests.Session:
    session.trust_env = False  # no proxy, no .netrc and no CA bundle from the environment
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return session


def _over(session: requests.Session, url: str, body: bytes, *, timeout: tuple[float, float]) -> HttpAnswer:
    # Straight to its transport: what a `Session` adds (cookies, redirects, authentication, proxies) is not wanted here.
    request = requests.PreparedRequest()
    request.method, request.url, request.body = "POST", url, body
    request.headers = CaseInsensitiveDict([*_HEADERS, ("Content-Length", str(len(body)))])
    found = session.get_adapter(url).send(request, stream=False, timeout=timeout, proxies={})
    return HttpAnswer(found.status_code, {name.lower(): value for name, value in found.headers.items()}, found.content)


def _skew(date: str | None, asked_at: datetime, answered_at: datetime) -> float | None:
    """Return the seconds by which a `Date` header is surely ahead of our clock, negative behind; 0 is no proof of either.

    The header has whole seconds, and was written at some moment between the request and the end of the answer.
    """
    server = _moment(date or "")
    if server is None:
        return None
    ahead = (server - answered_at).total_seconds()
    behind = (server + timedelta(seconds=1) - asked_at).total_seconds()
    return ahead if ahead > 0 else min(0.0, behind)


@lru_cache(maxsize=16)
def _moment(date: str) -> datetime | None:
    try:
        return parsedate_to_datetime(date).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _never_sent(error: BaseException) -> bool:
    """Return whether the cause beneath says that no byte of the request left. Anything doubtful is no."""
    waiting: list[object] = [error]
    for _ in range(20):
        if not waiting:
            return False
        one = waiting.pop()
        if isinstance(one, _BEFORE_SENDING):
            return True
        if isinstance(one, BaseException):
            waiting += [getattr(one, "reason", None), one.__cause__, *one.args]
    return False


def _shown(error: BaseException) -> str:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return f"{type(error).__name__}: {reason or error}"[:300]
