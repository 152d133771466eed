"""The session and its switches: create today's, automation on or off, compare the books with the broker's."""

from __future__ import annotations

from django.conf import settings
from django.http.response import HttpResponseBase
from rest_framework import status
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import access, selectors
from hedging.access import Scope
from hedging.api import inputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.describe import tells
from hedging.api.errors import Refused, session_meant, session_of
from hedging.api.fragments import FragmentRenderer, fragment, wants_fragment
from hedging.api.fresh import unless_known
from hedging.api.outputs.books import BooksOutput
from hedging.api.outputs.sessions import SessionOutput
from hedging.domain.instruments import Index
from hedging.engine import clock, discrepancies
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import open_session, set_automation
from hedging.pages.base import scopes_of
from hedging.pages.session import facts_of
from hedging.selectors.versions import session_version, status_seen
from sessions_app.models import Account


class SessionView(Endpoint):
    """GET: today's session. POST: create it."""

    needs = {"GET": Scope.READ, "POST": Scope.TRADE}
    renderer_classes = [JSONRenderer, FragmentRenderer]

    @tells(
        "Today's session",
        answer=SessionOutput,
        example="session",
        query=inputs.DrawnQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
        polled=True,
        fragment=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return the open session, else today's last one, with the policy in force and what is switched on."""
        wanted = self.query(request, inputs.DrawnQuery)
        now, wall_now = clock.market_clock().now(), clock.wall_now()
        session = session_of(wanted.get("account"), now=now)
        if wants_fragment(request):
            scopes = scopes_of(request._request)
            version = session_version(session=session, now=now, wall_now=wall_now)

            def draw() -> HttpResponseBase:
                state = status_seen(version, session=session, now=now, wall_now=wall_now)
                return fragment("hedging/_session.html", facts_of(session, state, now=now, scopes=scopes))

            return unless_known(request, f"{version} {scopes}", draw)
        drawn = SessionOutput.of(selectors.session_facts(session))
        return unless_known(request, repr(drawn), lambda: Response(drawn))

    @tells(
        "The session that was created",
        answer=SessionOutput,
        example="session",
        status=201,
        body=inputs.SessionInput,
        sent={"baskets": 2},
        refusals=["SESSION_EXISTS", "CALENDAR_UNKNOWN", "ACCOUNT_NEEDED", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Create today's session; index, expiry and DTE follow from the timetable unless `index` names another.

        One that stands open for another expiry, and in which nothing was ordered yet, is moved to this one: its figures stay.
        """
        wanted = self.body(request, inputs.SessionInput)
        now = clock.market_clock().now()
        session = open_session(
            account=account_named(wanted.get("account")),
            day=trading_day_of(now),
            now=now,
            wall_now=clock.wall_now(),
            actor=actor_of(request),
            index=Index(wanted["index"]) if "index" in wanted else None,
            baskets=wanted["baskets"],
            budget_per_basket=wanted.get("budget_per_basket"),
        )
        return Response(SessionOutput.of(selectors.session_facts(session)), status=status.HTTP_201_CREATED)


class ToggleView(Endpoint):
    """POST: switch the session's automation on or off."""

    needs = Scope.OPERATE
    group = "Switches"

    @tells(
        "The session with its toggle set",
        answer=SessionOutput,
        example="session",
        body=inputs.ToggleInput,
        sent={"enabled": False, "reason": "news"},
        refusals=["NO_SESSION", "LID_CLOSED", "SESSION_CLOSED", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Switch the session's automation on or off; the environment's lid and the trading state still apply."""
        wanted = self.body(request, inputs.ToggleInput)
        if not settings.AUTO_HEDGE_ENABLED:
            raise Refused("LID_CLOSED", access.LID_CLOSED, {"AUTO_HEDGE_ENABLED": False})
        now = clock.market_clock().now()
        changed = set_automation(
            session=session_meant(wanted.get("account"), now=now),
            on=wanted["enabled"],
            now=now,
            wall_now=clock.wall_now(),
            actor=actor_of(request),
            reason=wanted["reason"],
        )
        return Response(SessionOutput.of(selectors.session_facts(changed)))


class ReconcileView(Endpoint):
    """GET: the last comparison with the broker's books. POST: ask for another; a worker makes it within seconds."""

    needs = {"GET": Scope.READ, "POST": Scope.OPERATE}

    @tells(
        "The last comparison",
        answer=BooksOutput,
        example="books",
        query=inputs.AccountQuery,
        refusals=["NO_SESSION", "CLOCK_UNAVAILABLE"],
        polled=True,
    )
    def get(self, request: Request) -> HttpResponseBase:
        """Return how our ledger compares with the broker's books, as last read. Nothing is asked of the broker here."""
        wanted = self.query(request, inputs.AccountQuery)
        drawn = BooksOutput.of(selectors.books(session_of(wanted.get("account"), now=clock.market_clock().now())))
        return unless_known(request, repr(drawn), lambda: Response(drawn))

    @tells(
        "The last comparison, with another asked for",
        answer=BooksOutput,
        example="books",
        status=202,
        body=inputs.AccountInput,
        sent={},
        refusals=["NO_SESSION", "SESSION_CLOSED", "WORKER_DOWN", "CLOCK_UNAVAILABLE"],
    )
    def post(self, request: Request) -> Response:
        """Ask for a comparison, which a worker makes within seconds; refused while no worker lives that could make it."""
        account = self.body(request, inputs.AccountInput).get("account")
        session = session_meant(account, now=clock.market_clock().now())
        wall_now = clock.wall_now()
        if not session.is_open:
            raise Refused("SESSION_CLOSED", "The session is closed: its books are not compared any more.")
        if not any(beat.alive for beat in selectors.heartbeats(wall_now=wall_now)):
            raise Refused(
                "WORKER_DOWN",
                "No worker gives a sign of life: nothing was asked for. Start the service, then try again.",
                status_code=status.HTTP_503_SERVICE_UNAVAILABLE,
            )
        discrepancies.request(session=session, wall_now=wall_now)
        return Response(BooksOutput.of(selectors.books(session)), status=status.HTTP_202_ACCEPTED)


def account_named(name: str | None) -> Account:
    """Return the account of this name, the only one where none is named. Raises `Refused` (NO_ACCOUNT, ACCOUNT_NEEDED)."""
    accounts = Account.objects.order_by("id")
    found = list(accounts.filter(name=name) if name is not None else accounts[:2])
    if not found:
        raise Refused("NO_ACCOUNT", "No such account: add one in the admin.", {"account": name})
    if len(found) > 1:
        raise Refused("ACCOUNT_NEEDED", "There are several accounts: name one as `account`.")
    return found[0]
