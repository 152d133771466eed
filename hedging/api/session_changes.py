"""Changes of a session over HTTP: its own figures, its baseline, the account's mode, and its close before time."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.board import ReadsTheBroker
from hedging.api.describe import tells
from hedging.api.errors import Refused, session_meant, session_of
from hedging.api.outputs.sessions import BaselineOutput, ModeOutput, OwnFiguresOutput, SessionOutput
from hedging.api.sessions import account_named
from hedging.brokers.base import BrokerError
from hedging.engine import clock
from hedging.engine.baseline_offer import OfferedBaseline, offer_baseline
from hedging.engine.day_end import close_early
from hedging.engine.modes import go_live, switch_mode
from hedging.engine.own_figures import CHANGEABLE, change_figures
from hedging.engine.plan import ReferenceMissing
from hedging.engine.sessions import SessionRefused, capture_baseline, correct_baseline
from hedging.engine.states import Act
from hedging.selectors.figures import figures_of
from hedging.wiring import rules
from sessions_app.models import Mode, TradingSession

GO_LIVE: Final = "GO LIVE"
"""What a person types to let an account trade live."""


class FiguresView(Endpoint):
    """GET: the session's policy figure by figure. PATCH: change its own figures."""

    needs = {"GET": Scope.READ, "PATCH": Scope.ADMIN}

    @tells(
        "The policy, figure by figure",
        answer=OwnFiguresOutput,
        example="figures",
        query=inputs.AccountQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
    )
    def get(self, request: Request) -> Response:
        """Return the budget, and each figure: in force, the session's own, and what the environment says."""
        wanted = self.query(request, inputs.AccountQuery)
        session = session_of(wanted.get("account"), now=clock.market_clock().now())
        return Response(OwnFiguresOutput.of(figures_of(session)))

    @tells(
        "The policy as it is now",
        answer=OwnFiguresOutput,
        example="figures",
        body=inputs.FiguresInput,
        sent={"trigger_pct": "92", "max_cost_per_day": None, "reason": "expiry day"},
        refusals=["NO_SESSION", "SESSION_CLOSED", "POLICY_CONTRADICTS", "CLOCK_UNAVAILABLE"],
    )
    def patch(self, request: Request) -> Response:
        """Change the session's own figures and its budget: what is named alone; the next cycle decides by them."""
        wanted = self.body(request, inputs.FiguresInput)
        now = clock.market_clock().now()
        changed = change_figures(
            session=session_meant(wanted.get("account"), now=now),
            figures={name: value for name, value in wanted.items() if name in CHANGEABLE},
            now=now,
            wall_now=clock.wall_now(),
            actor=actor_of(request),
            reason=wanted["reason"],
        )
        return Response(OwnFiguresOutput.of(figures_of(changed)))


class BaselineView(Endpoint):
    """GET: the baseline, and what it would be now. POST: set or correct it."""

    needs = {"GET": Scope.READ, "POST": Scope.TRADE}
    throttle_classes = [ReadsTheBroker]

    @tells(
        "The baseline, and what is offered for it",
        answer=BaselineOutput,
        example="baseline",
        query=inputs.AccountQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
    )
    def get(self, request: Request) -> Response:
        """Read funds, positions and prices, and return what the baseline of a session that was opened late would be."""
        wanted = self.query(request, inputs.AccountQuery)
        session = session_of(wanted.get("account"), now=clock.market_clock().now())
        offer, unknown = _offer(session)
        return _baseline(session, offer, unknown)

    @tells(
        "The baseline that holds from now on",
        answer=BaselineOutput,
        example="baseline",
        body=inputs.BaselineInput,
        sent={"used": "592178.63", "was": "0", "reason": "the broker's screen at 09:15"},
        refusals=["NO_SESSION", "SESSION_CLOSED", "BASELINE_CHANGED", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Set the baseline, or correct the one that was shown (`was`): both with where the figure comes from.

        The same again is no error: what it already is stays.
        """
        wanted = self.body(request, inputs.BaselineInput)
        now = clock.market_clock().now()
        session = session_meant(wanted.get("account"), now=now)
        if not session.is_open:
            raise Refused("SESSION_CLOSED", "The session is closed: its baseline stays.")
        who: dict[str, Any] = {"now": now, "wall_now": clock.wall_now(), "actor": actor_of(request)}
        used, was, reason = wanted["used"], wanted.get("was"), wanted["reason"]
        if was is None:
            done = capture_baseline(session=session, used=used, source=f"by hand: {reason}", **who)
        else:
            done = correct_baseline(session=session, was=was, used=used, reason=reason, **who)
        session.refresh_from_db()
        if not done and session.baseline != used:
            now_is = {"baseline": None if session.baseline is None else str(session.baseline)}
            words = "Nothing was changed: the baseline is another than the one you were shown. Look at it again."
            raise Refused("BASELINE_CHANGED", words, now_is)
        return _baseline(session, None, "")


class CloseView(Endpoint):
    """POST: close the session before its time."""

    needs = Scope.TRADE

    @tells(
        "The session, closed",
        answer=SessionOutput,
        example="session",
        body=inputs.CloseInput,
        sent={"reason": "done for today"},
        refusals=["NO_SESSION", "SESSION_CLOSED", "ORDERS_LIVE", "HEDGES_HELD", "BOOKS_UNREAD", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Close the session after a last look at the books; today's cannot be opened again in this mode.

        Refused while an order may still fill, and while hedges are held, unless they shall be kept.
        """
        wanted = self.body(request, inputs.CloseInput)
        act = _act(request, wanted)
        session = session_meant(wanted.get("account"), now=act.now)
        if not session.is_open:
            raise Refused("SESSION_CLOSED", "The session is closed already.")
        ports = rules().ports_for(session)
        close_early(session=session, act=act, ports=ports, keep_hedges=wanted["keep_hedges"])
        session.refresh_from_db()
        return Response(SessionOutput.of(selectors.session_facts(session)))


class ModeView(Endpoint):
    """POST: let an account trade in another mode."""

    needs = Scope.ADMIN
    group = "Switches"

    @tells(
        "The account's mode, and the session that is open in it",
        answer=ModeOutput,
        example="mode",
        body=inputs.ModeInput,
        sent={"to": "live", "phrase": GO_LIVE, "reason": "five dry days as I would have decided"},
        refusals=[
            "ACCOUNT_NEEDED",
            "PHRASE_NEEDED",
            "LID_CLOSED",
            "DENY_PREFLIGHT",
            "ORDERS_LIVE",
            "CLOCK_UNAVAILABLE",
        ],
    )
    def post(self, request: Request) -> Response:
        """Take the account to dry run, or, with the phrase GO LIVE, to live; today's session follows at once.

        Going live is refused under the environment's lid and past a pre-flight that is red or not of today; afterwards the
        live session wants a pre-flight of its own before anything is sent. In the mode that it has already nothing happens.
        """
        wanted = self.body(request, inputs.ModeInput)
        account, to = account_named(wanted.get("account")), Mode(wanted["to"])
        if to is Mode.LIVE and wanted.get("phrase") != GO_LIVE:
            raise Refused("PHRASE_NEEDED", f"Type {GO_LIVE} to go live: nothing was changed.", {"phrase": GO_LIVE})
        act = _act(request, wanted)
        who: dict[str, Any] = {
            "account": account,
            "now": act.now,
            "wall_now": act.wall_now,
            "actor": act.actor,
            "reason": act.reason,
        }
        session = go_live(**who) if to is Mode.LIVE else switch_mode(to=to, **who)
        body = {
            "account": account.name,
            "mode": to.value,
            "session": None if session is None else selectors.session_facts(session),
        }
        return Response(ModeOutput.of(body), status=status.HTTP_200_OK)


def _act(request: Request, wanted: dict[str, Any]) -> Act:
    now = clock.market_clock().now()
    return Act(actor=actor_of(request), reason=wanted["reason"], now=now, wall_now=clock.wall_now())


def _offer(session: TradingSession) -> tuple[OfferedBaseline | None, str]:
    if not session.is_open:
        return None, "The session is closed: its baseline stays."
    try:
        return offer_baseline(session=session, rules=rules()), ""
    except (BrokerError, ReferenceMissing, SessionRefused) as error:
        return None, f"What is used now could not be read: {error}"


def _baseline(session: TradingSession, offer: OfferedBaseline | None, unknown: str) -> Response:
    body = {
        "session": session.pk,
        "baseline": session.baseline,
        "baseline_at": session.baseline_at,
        "baseline_source": session.baseline_source,
        "offer": offer,
        "unknown": unknown,
    }
    return Response(BaselineOutput.of(body))
