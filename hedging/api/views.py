"""The endpoints: read the clocks, check the input, call one selector or engine function, answer."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from hedging import access, selectors
from hedging.access import Scope
from hedging.api import inputs, outputs
from hedging.api.base import Endpoint, actor_of
from hedging.api.errors import Refused, no_session
from hedging.domain.instruments import Index
from hedging.engine import clock, discrepancies
from hedging.engine.hours import trading_day_of
from hedging.engine.sessions import open_session, set_automation
from sessions_app.models import Account, TradingSession


class StatusView(Endpoint):
    """GET: utilization, projection, hedges, next entry, cost, breaker, why, ages, mode."""

    needs = Scope.READ

    def get(self, request: Request) -> Response:
        """Return where the session stands."""
        wanted = self.query(request, inputs.AccountQuery)
        now = clock.market_clock().now()
        session = selectors.current_session(now=now, account=wanted.get("account"))
        if session is None:
            raise no_session()
        return Response(
            outputs.StatusOutput(selectors.status(session=session, now=now, wall_now=clock.wall_now())).data
        )


class SessionView(Endpoint):
    """GET: today's session. POST: create it."""

    needs = {"GET": Scope.READ, "POST": Scope.TRADE}

    def get(self, request: Request) -> Response:
        """Return the open session, else today's last one."""
        wanted = self.query(request, inputs.AccountQuery)
        session = selectors.current_session(now=clock.market_clock().now(), account=wanted.get("account"))
        if session is None:
            raise no_session()
        return Response(outputs.SessionOutput(selectors.session_facts(session)).data)

    def post(self, request: Request) -> Response:
        """Create today's session; index, expiry and DTE follow from the timetable."""
        wanted = self.body(request, inputs.SessionInput)
        now = clock.market_clock().now()
        session = open_session(
            account=_account(wanted.get("account")),
            day=trading_day_of(now),
            now=now,
            wall_now=clock.wall_now(),
            actor=actor_of(request),
            index=Index(wanted["index"]) if "index" in wanted else None,
            baskets=wanted["baskets"],
            budget_per_basket=wanted.get("budget_per_basket"),
        )
        return Response(outputs.SessionOutput(selectors.session_facts(session)).data, status=status.HTTP_201_CREATED)


class ToggleView(Endpoint):
    """POST: switch the session's automation on or off."""

    needs = Scope.OPERATE

    def post(self, request: Request) -> Response:
        """Set the toggle; the environment's lid and the trading state still apply."""
        wanted = self.body(request, inputs.ToggleInput)
        if not settings.AUTO_HEDGE_ENABLED:
            raise Refused("LID_CLOSED", access.LID_CLOSED, {"AUTO_HEDGE_ENABLED": False})
        now = clock.market_clock().now()
        session = selectors.current_session(now=now, account=wanted.get("account"))
        if session is None:
            raise no_session()
        changed = set_automation(
            session=session,
            on=wanted["enabled"],
            now=now,
            wall_now=clock.wall_now(),
            actor=actor_of(request),
            reason=wanted["reason"],
        )
        return Response(outputs.SessionOutput(selectors.session_facts(changed)).data)


class PlanView(Endpoint):
    """GET: the rest of the day, with the hedges held, without them, and the floor."""

    needs = Scope.READ

    def get(self, request: Request) -> Response:
        """Return the day as it was last drawn; nothing is asked of the broker here."""
        wanted = self.query(request, inputs.AccountQuery)
        now = clock.market_clock().now()
        session = selectors.current_session(now=now, account=wanted.get("account"))
        if session is None:
            raise no_session()
        return Response(outputs.PlanOutput(selectors.day_ahead(session=session, now=now)).data)


class ReconcileView(Endpoint):
    """GET: the last comparison with the broker's books. POST: ask for another; a worker makes it within seconds."""

    needs = {"GET": Scope.READ, "POST": Scope.OPERATE}

    def get(self, request: Request) -> Response:
        """Return the last comparison; nothing is asked of the broker here."""
        wanted = self.query(request, inputs.AccountQuery)
        return Response(outputs.BooksOutput(selectors.books(_session(wanted.get("account")))).data)

    def post(self, request: Request) -> Response:
        """Ask for a comparison; refused while no worker lives that could make it."""
        session = _session(self.body(request, inputs.AccountQuery).get("account"))
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
        return Response(outputs.BooksOutput(selectors.books(session)).data, status=status.HTTP_202_ACCEPTED)


class ScheduleView(Endpoint):
    """GET: the entries of a day."""

    needs = Scope.READ

    def get(self, request: Request) -> Response:
        """Return the timetable of `date`, today when it is not given."""
        wanted = self.query(request, inputs.ScheduleQuery)
        day = wanted.get("date") or trading_day_of(clock.market_clock().now())
        entries, unknown = selectors.day_entries(day=day)
        if unknown:
            raise Refused("CALENDAR_UNKNOWN", unknown, {"date": day.isoformat()})
        return Response({"date": day.isoformat(), "entries": outputs.ScheduledEntryOutput(entries, many=True).data})


class TransactionsView(Endpoint):
    """GET: the history of intents, newest first."""

    needs = Scope.READ

    def get(self, request: Request) -> Response:
        """Return one page."""
        wanted = self.query(request, inputs.TransactionsQuery)
        page = selectors.transactions(
            session_id=wanted.get("session"),
            day=wanted.get("day"),
            side=wanted.get("side"),
            mode=wanted.get("mode"),
            live=wanted["live"],
            before=wanted.get("cursor"),
            limit=wanted["limit"],
        )
        return Response(outputs.TransactionsOutput(page).data)


class NoSuchEndpoint(Endpoint):
    """Every other address under /api/: the same shape of error, and no hint to strangers."""

    needs = Scope.READ

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Answer 404 to every method, once the caller may look at all."""
        super().initial(request, *args, **kwargs)
        raise NotFound("There is nothing at this address.")


def _session(account: str | None) -> TradingSession:
    session = selectors.current_session(now=clock.market_clock().now(), account=account)
    if session is None:
        raise no_session()
    return session


def _account(name: str | None) -> Account:
    accounts = Account.objects.order_by("id")
    found = list(accounts.filter(name=name) if name is not None else accounts[:2])
    if not found:
        raise Refused("NO_ACCOUNT", "No such account: add one in the admin.", {"account": name})
    if len(found) > 1:
        raise Refused("ACCOUNT_NEEDED", "There are several accounts: name one as `account`.")
    return found[0]
