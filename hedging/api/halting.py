"""The kill switch over HTTP: halt, reduce and resume, the whole installation or one session. Works without a market clock."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.describe import tells
from hedging.api.errors import session_meant
from hedging.api.outputs.sessions import HaltOutput
from hedging.engine import clock
from hedging.engine.states import (
    Act,
    restrict_installation,
    restrict_session,
    resume_installation,
    resume_session,
)
from sessions_app.models import TradingSession, TradingState


class HaltView(Endpoint):
    """POST: no new order (or sells only); working orders are cancelled by the next reconcile, positions are kept."""

    needs = Scope.OPERATE
    group = "Switches"
    throttle_classes: list[type[BaseThrottle]] = []  # nobody waits for the kill switch

    @tells(
        "The states that are in force now",
        answer=HaltOutput,
        example="halt",
        body=inputs.HaltInput,
        sent={"reason": "news"},
        refusals=["NO_SESSION", "ACCOUNT_NEEDED"],
    )
    def post(self, request: Request) -> Response:
        """Tighten the trading state; what is tighter already stays so."""
        wanted = self.body(request, inputs.HaltInput)
        state = TradingState.REDUCING if wanted["reduce"] else TradingState.HALTED
        act = _act(request, wanted)
        session = _session(wanted, act)
        if session is None:
            changed = restrict_installation(state=state, act=act)
        else:
            changed = restrict_session(session=session, state=state, act=act)
        return _answer(session, changed=changed)


class ResumeView(Endpoint):
    """POST: ACTIVE again, with a reason, by a trader or an administrator."""

    needs = Scope.TRADE
    group = "Switches"

    @tells(
        "The states that are in force now",
        answer=HaltOutput,
        example="halt",
        body=inputs.ResumeInput,
        sent={"reason": "the feed is back"},
        refusals=["NO_SESSION", "ACCOUNT_NEEDED"],
    )
    def post(self, request: Request) -> Response:
        """Resume; a session's own halt outlives that of the installation, and the other way round."""
        wanted = self.body(request, inputs.ResumeInput)
        act = _act(request, wanted)
        session = _session(wanted, act)
        changed = resume_installation(act=act) if session is None else resume_session(session=session, act=act)
        return _answer(session, changed=changed)


def _act(request: Request, wanted: dict[str, Any]) -> Act:
    wall = clock.wall_now()
    return Act(actor=actor_of(request), reason=wanted["reason"], now=clock.market_time_or(wall), wall_now=wall)


def _session(wanted: dict[str, Any], act: Act) -> TradingSession | None:
    """Return the session that is meant, `None` for the whole installation."""
    if wanted["scope"] == "installation":
        return None
    return session_meant(wanted.get("account"), now=act.now)


def _answer(session: TradingSession | None, *, changed: bool) -> Response:
    done = {
        "changed": changed,
        "installation": selectors.installation(),
        "session": None if session is None else selectors.session_facts(session),
    }
    return Response(HaltOutput.of(done))
