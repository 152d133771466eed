"""The API as a stranger's tool asks it: the document as schemathesis reads it, a key, and a morning to ask about."""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from config.wsgi import application
from hedging import manual_board, manual_orders
from hedging.access import lockout
from hedging.api import analytics, session_changes
from hedging.api.document import openapi_document
from hedging.engine import clock
from tests import factories as make
from tests.integration.engine_world import CALL, NOW, World, intent
from tests.integration.manual_world import manual_world, rules

EXAMPLES = int(os.environ.get("API_EXAMPLES", "8"))
KEY = "a-key-that-only-tests-know"
HEADERS = {"X-API-Key": KEY, "Accept-Encoding": "identity"}
"""What every request brings: the key, and the wish for plain text, which the checks read."""
SECOND_ACCOUNT = "without a session"


def schema_of_the_api() -> Any:
    """Return the document as schemathesis reads it, over the application in this process."""
    schema = schemathesis.openapi.from_dict(_with_bodies_sent_alone(copy.deepcopy(openapi_document())))
    schema.app = application
    schema.config.generation.update(allow_x00=False)
    return schema


def _with_bodies_sent_alone(document: dict[str, Any]) -> dict[str, Any]:
    """A token and a repeated body are whole as they are: nothing that was made up goes with them."""
    for methods in document["paths"].values():
        for operation in methods.values():
            for answer in operation["responses"].values():
                for name in {"confirm", "repeat"} & set(answer.get("links", ())):
                    answer["links"][name]["x-schemathesis"] = {"merge_body": False}
    return document


def morning() -> World:
    """Write a morning with shorts, hedges held, an order on its way, a green pre-flight, workers alive, and a second account."""
    place = manual_world(held=1, preflight="green", cleared_at=NOW)
    place.exchange.used = Decimal(960_000)  # over the trigger: the what-if chooses a hedge
    intent(place, contract=replace(CALL, strike=Decimal(27000)))
    make.AccountFactory.create(name=SECOND_ACCOUNT)
    return place


class Present:
    """Which morning the application lives in now."""

    place: World

    def wire(self, monkeypatch: Any, settings: Any) -> None:
        """Let clocks, brokers and settings of the application be those of the present morning."""
        settings.HEDGE_API_KEY = KEY
        settings.AUTO_HEDGE_ENABLED = True
        settings.WORLD = "real"  # where nothing is open to strangers
        # Wrong keys are tried at every step: locked out for them, nobody would be asked anything any more.
        monkeypatch.setattr(lockout, "MOST_FAILURES", 10**9)
        monkeypatch.setattr(clock, "market_clock", lambda: self.place.clock)
        monkeypatch.setattr(clock, "wall_now", lambda: self.place.wall.now())  # noqa: PLW0108 - the place changes
        for module in (manual_board, manual_orders, analytics, session_changes):
            monkeypatch.setattr(module, "rules", lambda: rules(self.place))


@contextmanager
def connection_kept() -> Iterator[None]:
    """Keep requests from closing the connection in which the test's transaction is."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    try:
        yield
    finally:
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)
