"""The links of the OpenAPI document, followed at random for several steps: what one answer gives, the next question takes.

Each walk begins in the same morning, and what it claims is sent and filled. `API_EXAMPLES=200` walks longer, and then every
link must have been followed.
"""

from __future__ import annotations

import sys
from collections import Counter
from http import HTTPStatus
from typing import Any, ClassVar

import hypothesis
import pytest
from django.db import transaction
from hypothesis import HealthCheck, Phase
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import rule
from schemathesis.generation.stateful import control

from hedging.brokers.openalgo.symbols import format_symbol
from hedging.models import HedgeTransaction, Origin
from tests.integration.asked_day import (
    EXAMPLES,
    HEADERS,
    SECOND_ACCOUNT,
    Present,
    connection_kept,
    morning,
    schema_of_the_api,
)
from tests.integration.engine_world import CALL, PUT

pytestmark = pytest.mark.django_db
CONTRACTS = [format_symbol(CALL), format_symbol(PUT)]
LONG = 200  # from here on the walks are many enough to ask for everything
SCHEMA = schema_of_the_api()
# The whole document, then two corners of it that a walk through the whole seldom gets to the end of.
GROUNDS = {
    "Whole": "",
    "Orders": "/(manual/|status|transactions/|decisions/)",
    "Ledgers": "/(session|transactions|decisions)",
    "Day": "/(session|plan|status)",
}


class WithoutMemory(HypothesisProvider):
    """Hypothesis' own draws, without its memory of earlier walks.

    That memory takes for granted that equal questions get equal answers, for what may be asked next hangs on them. Ours number
    rows anew in each morning and tell the time, so it called walks inconsistent now and then.
    """


AVAILABLE_PROVIDERS["without memory"] = WithoutMemory


class Walk:
    """One walk: a morning of its own, which is taken back at its end. Mixed into a state machine of schemathesis."""

    recorder: Any

    present: ClassVar = Present()
    followed: ClassVar[Counter[str]] = Counter()
    seen: ClassVar[Counter[str]] = Counter()

    def setup(self) -> None:
        self._kept = transaction.atomic()
        self._kept.__enter__()
        self.present.place = morning()

    def teardown(self) -> None:
        self.seen["walks"] += 1
        self.seen["filled"] += HedgeTransaction.objects.filter(origin=Origin.API, filled_quantity__gt=0).count()
        transaction.set_rollback(True)
        self._kept.__exit__(None, None, None)

    @rule()
    def rest(self) -> None:
        """Ask nothing: the one step left where what was answered leads nowhere, and every beginning has been tried."""

    def before_call(self, case: Any) -> None:
        """Ask as a person of this morning would: accounts, days and contracts that exist, few lots. The rest is as it fell."""
        if not case.meta.generation.mode.is_positive:
            return
        session = self.present.place.session
        account = SECOND_ACCOUNT if case.operation.label == "POST /api/hedge/session" else session.account.name
        for named in (case.query, case.body):
            if isinstance(named, dict) and "account" in named:
                named["account"] = account
        if isinstance(case.query, dict) and "date" in case.query:
            case.query["date"] = session.trading_day.isoformat()
        if case.operation.path.endswith(("/transactions", "/decisions")):
            case.query["limit"] = 1 + case.query.get("limit", 0) % 2  # pages so short that there is a next one
        if "manual" in case.operation.label and isinstance(case.body, dict):
            _as_a_person_orders(case.body)

    def get_call_kwargs(self, case: Any) -> dict[str, Any]:
        return {"headers": HEADERS}

    def after_call(self, response: Any, case: Any) -> None:
        super().after_call(response, case)  # type: ignore[misc] # of the state machine
        status = response.status_code
        assert status != HTTPStatus.TOO_MANY_REQUESTS  # it would be no answer to what was asked
        self.seen["steps"] += 1
        self.seen[f"{case.operation.label} {status}"] += 1
        if status == HTTPStatus.ACCEPTED and "manual" in case.operation.label:
            self.seen["repeated"] += response.json()["repeated"]
            self.present.place.follow()
            self.present.place.reconcile(after=1)

    def validate_response(self, response: Any, case: Any, additional_checks: Any = None, **kwargs: Any) -> None:
        # The headers are told, or the check of ignored authentication takes our key for one that was made up.
        case.validate_response(response, headers=HEADERS, transport_kwargs=kwargs, recorder=self.recorder)

    def step(self, input: Any) -> Any:  # noqa: A002 - its form
        output = super().step(input)  # type: ignore[misc] # of the state machine
        if input.transition is not None and input.is_applied and output.response.status_code < HTTPStatus.BAD_REQUEST:
            self.followed[input.transition.id] += 1
        return output


def _as_a_person_orders(body: dict[str, Any]) -> None:
    if "token" in body:
        body["token"] = body["token"] or "none was offered"  # the preview was refused: there is nothing to confirm
        return
    body.setdefault("even_so", True)
    for number, leg in enumerate(body.get("legs", ())):
        leg["symbol"] = CONTRACTS[number % len(CONTRACTS)]
        leg["lots"] = 1 + leg.get("lots", 0) % 3


def _settings(examples: int) -> hypothesis.settings:
    return hypothesis.settings(
        max_examples=examples,
        stateful_step_count=20 if EXAMPLES >= LONG else 10,
        backend="without memory",
        phases=[Phase.generate],
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


def _machine(name: str) -> Any:
    within = SCHEMA.include(path_regex=GROUNDS[name]) if GROUNDS[name] else SCHEMA
    return type(name, (Walk, within.as_state_machine()), {})


def _links(machine: Any) -> set[str]:
    return {link.full_name for each in machine._transitions.operations.values() for link in each.outgoing}


@pytest.mark.slow
def test_what_one_answer_gives_the_next_question_takes(monkeypatch, settings):
    machines = [_machine(name) for name in GROUNDS]
    Walk.present.wire(monkeypatch, settings)
    monkeypatch.setattr(control, "MAX_ROOT_SOURCES", 1)  # few beginnings, so that a walk leads somewhere
    with connection_kept():
        for machine in machines:
            machine.run(settings=_settings(EXAMPLES if machine is machines[0] else max(1, EXAMPLES // 2)))
    for name, count in sorted((Walk.seen + Walk.followed).items()):
        sys.stdout.write(f"{count:6} {name}\n")  # shown with -s, and where the test fails
    assert Walk.followed
    if EXAMPLES >= LONG:
        assert set(Walk.followed) == _links(machines[0])
        # Orders by hand were claimed, sent and filled, and an answer was given again.
        assert all(Walk.seen[name] for name in ("filled", "repeated"))
        assert all(Walk.seen[f"POST /api/hedge/manual/{deed} 202"] for deed in ("buy", "exit"))
