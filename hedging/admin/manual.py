"""Buying and selling by hand in the admin: choose on live prices, look at the preview, confirm. Every step may be repeated.

Choosing leads by a redirect to a preview that has an address of its own and stores nothing, so that reload and back only
look again; confirming the same preview twice gives the first answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import path, reverse

from hedging import manual_board, manual_orders
from hedging.access import Scope, needing
from hedging.brokers.openalgo.symbols import UnknownSymbol, format_symbol, parse_symbol
from hedging.domain.instruments import Right
from hedging.domain.manual import MOST_LEGS, Deed, WantedLeg
from hedging.engine.clock import ClockUnavailable
from hedging.engine.plan import ReferenceMissing
from hedging.manual_board import Board, Offered
from hedging.manual_orders import By, ManualRefused, TokenRefused
from hedging.manual_tokens import VALID_FOR
from hedging.models import Origin
from hedging.selectors.moment import mode_words
from sessions_app.models import TradingSession

if TYPE_CHECKING:
    _Pages = admin.ModelAdmin[TradingSession]
else:  # at run time a mixin beside a ModelAdmin
    _Pages = object

TITLES = {Deed.BUY: "Buy a hedge", Deed.EXIT: "Exit hedges"}
NOTHING_CHOSEN = {
    Deed.BUY: "Write lots beside at least one strike.",
    Deed.EXIT: "Tick at least one hedge, or choose all.",
}
_MOST_DIGITS = 6


class ChoiceRefused(Exception):
    """What was chosen is no order. Correct each of `problems`."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


@dataclass(frozen=True, slots=True)
class Choice:
    """What a person chose, as it is carried in an address: legs (none of an exit: all), and "even so"."""

    legs: tuple[WantedLeg, ...]
    even_so: bool = False

    def query(self) -> str:
        """Return the choice as the query of an address."""
        pairs = [("leg", _leg_text(leg)) for leg in self.legs] or [("all", "1")]
        return urlencode(pairs + ([("even_so", "1")] if self.even_so else []), safe=":")

    def typed(self) -> dict[str, str]:
        """Return the lots by symbol, "" where all of a hedge is meant."""
        return {format_symbol(leg.contract): "" if leg.lots is None else str(leg.lots) for leg in self.legs}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the board with what a person wrote beside it."""

    offered: Offered
    typed: str
    ticked: bool


class ManualPages(_Pages):
    """Mixin of the session's admin: its pages "Buy a hedge" and "Exit hedges"."""

    def get_urls(self) -> Any:
        """Return Django's routes, and the two pages of a session."""
        wrap = self.admin_site.admin_view
        own = [
            path("<int:session_id>/buy/", wrap(self.buy_view), name="sessions_app_tradingsession_buy"),
            path("<int:session_id>/exit/", wrap(self.exit_view), name="sessions_app_tradingsession_exit"),
        ]
        return [*own, *super().get_urls()]

    @needing(Scope.TRADE)
    def buy_view(self, request: HttpRequest, session_id: int) -> HttpResponse:
        """Choose strikes and lots, look at what they cost and do, and confirm."""
        return self._manual(request, session_id, Deed.BUY)

    @needing(Scope.OPERATE)
    def exit_view(self, request: HttpRequest, session_id: int) -> HttpResponse:
        """Choose hedges of ours, whole or in part, look at what they bring and uncover, and confirm."""
        return self._manual(request, session_id, Deed.EXIT)

    def _manual(self, request: HttpRequest, session_id: int, deed: Deed) -> HttpResponse:
        session = TradingSession.objects.select_related("account", "calibration").filter(pk=session_id).first()
        if session is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(session_id))  # type: ignore[attr-defined, no-any-return]
        if request.method == "POST":
            return self._posted(request, session, deed)
        if not {"leg", "all"} & set(request.GET):
            return self._board(request, session, deed)
        try:
            choice = choice_in(request.GET, deed)
        except ChoiceRefused as refused:
            return self._board(request, session, deed, problems=refused.problems)
        if "change" in request.GET:
            return self._board(request, session, deed, typed=choice.typed())
        return self._preview(request, session, deed, choice)

    def _posted(self, request: HttpRequest, session: TradingSession, deed: Deed) -> HttpResponse:
        if "token" in request.POST:
            return self._confirm(request, session, deed)
        try:
            choice = choice_on_board(request.POST, deed)
        except ChoiceRefused as refused:
            typed = _typed(request.POST, deed)
            return self._board(request, session, deed, typed=typed, problems=refused.problems)
        return HttpResponseRedirect(f"{request.path}?{choice.query()}")

    def _board(
        self,
        request: HttpRequest,
        session: TradingSession,
        deed: Deed,
        *,
        typed: dict[str, str] | None = None,
        problems: Iterable[str] = (),
    ) -> HttpResponse:
        board, trouble = _read_board(session)
        said = typed or {}

        def rows(offers: Iterable[Offered]) -> list[Row]:
            return [Row(each, said.get(each.symbol, ""), each.symbol in said) for each in offers]

        context = {
            "board": board,
            "problems": [*problems, *([trouble] if trouble else [])],
            "wings": [] if board is None else [(right, rows(board.wings[right])) for right in Right],
            "hedges": [] if board is None else rows(board.hedges),
        }
        return self._answer(request, session, deed, "board", context)

    def _preview(self, request: HttpRequest, session: TradingSession, deed: Deed, choice: Choice) -> HttpResponse:
        preview = manual_orders.preview_buy if deed is Deed.BUY else manual_orders.preview_exit
        try:
            offer = preview(session=session, legs=choice.legs, by=_by(request), even_so=choice.even_so)
        except (ValueError, ReferenceMissing, ClockUnavailable) as error:
            return self._board(request, session, deed, typed=choice.typed(), problems=[_sentence(error)])
        # Some way to say "even so" where that is all that is missing, and to take it back where it was said.
        overridable = [refusal for refusal in offer.preview.refusals if refusal.overridable]
        context = {
            "preview": offer.preview,
            "token": offer.token,
            "choice": choice.query(),
            "even_so_helps": bool(overridable) and len(overridable) == len(offer.preview.refusals),
            "with_even_so": Choice(choice.legs, even_so=True).query(),
            "without_even_so": Choice(choice.legs).query() if choice.even_so else "",
            "valid_seconds": int(VALID_FOR.total_seconds()),
        }
        return self._answer(request, session, deed, "preview", context)

    def _confirm(self, request: HttpRequest, session: TradingSession, deed: Deed) -> HttpResponse:
        try:
            again = f"{request.path}?{choice_in(QueryDict(request.POST.get('choice', '')), deed).query()}"
        except ChoiceRefused:
            again = request.path
        try:
            claimed = manual_orders.confirm(token=request.POST["token"], by=_by(request))
        except TokenRefused as refused:
            self.message_user(request, f"Nothing was sent. {refused.message} Below is one.", messages.ERROR)
            return HttpResponseRedirect(again)
        except ManualRefused as refused:
            self.message_user(request, _refusal(refused), messages.ERROR)
            return HttpResponseRedirect(again)
        except (ReferenceMissing, ClockUnavailable) as error:
            self.message_user(request, f"Nothing was sent. {_sentence(error)}", messages.ERROR)
            return HttpResponseRedirect(again)
        count = len(claimed.transaction_ids)
        words = (
            f"Taken: {count} leg{'' if count == 1 else 's'}, sent by a worker now. Reload this list to see the fills."
        )
        if claimed.repeated:
            words = "This preview was confirmed before: these are its orders, and nothing was sent twice."
        self.message_user(request, words, messages.WARNING if claimed.repeated else messages.SUCCESS)
        ledger = reverse("admin:hedging_hedgetransaction_changelist")
        return HttpResponseRedirect(f"{ledger}?decision__id__exact={claimed.decision_id}")

    def _answer(
        self, request: HttpRequest, session: TradingSession, deed: Deed, page: str, context: dict[str, Any]
    ) -> HttpResponse:
        title = TITLES[deed] if page == "board" else f"{TITLES[deed]}: preview"
        known = {"title": title, "opts": self.opts, "session": session, "deed": deed.value}
        known["mode_words"] = mode_words(mode=session.mode)
        full = self.admin_site.each_context(request) | known | context
        return TemplateResponse(request, f"admin/manual/{page}.html", full)


def choice_in(query: QueryDict, deed: Deed) -> Choice:
    """Return the choice that an address carries: `leg=SYMBOL:LOTS`, of an exit also `leg=SYMBOL` and `all=1`.

    Raises `ChoiceRefused`.
    """
    legs, problems = [], []
    for text in query.getlist("leg")[: MOST_LEGS + 1]:
        symbol, _, lots = text.partition(":")
        try:
            legs.append(_leg(symbol, lots, deed))
        except ValueError as error:
            problems.append(str(error))
    return _checked(legs, problems, deed, every="all" in query, even_so="even_so" in query)


def choice_on_board(posted: QueryDict, deed: Deed) -> Choice:
    """Return what was chosen on the board. Raises `ChoiceRefused` that names every field that is wrong."""
    legs, problems = [], []
    for symbol, lots in _typed(posted, deed).items():
        try:
            legs.append(_leg(symbol, lots, deed))
        except ValueError as error:
            problems.append(str(error))
    return _checked(legs, problems, deed, every="all" in posted, even_so=False)


def _checked(legs: list[WantedLeg], problems: list[str], deed: Deed, *, every: bool, even_so: bool) -> Choice:
    if deed is Deed.EXIT and every:
        return Choice((), even_so)
    if len(legs) > MOST_LEGS:
        problems.append(f"At most {MOST_LEGS} strikes in one action.")
    if not legs and not problems:
        problems.append(NOTHING_CHOSEN[deed])
    if problems:
        raise ChoiceRefused(problems)
    return Choice(tuple(legs), even_so)


def _typed(posted: QueryDict, deed: Deed) -> dict[str, str]:
    """Return what stands in the board's fields by symbol: of a purchase where lots were written, of an exit what is ticked."""
    if deed is Deed.EXIT:
        return {symbol: posted.get(f"lots {symbol}", "").strip() for symbol in posted.getlist("sell")}
    fields = ((name.partition(" ")[2], str(text).strip()) for name, text in posted.items() if name.startswith("lots "))
    return {symbol: text for symbol, text in fields if text}


def _leg(symbol: str, lots: str, deed: Deed) -> WantedLeg:
    try:
        contract = parse_symbol(symbol)
    except UnknownSymbol as error:
        raise ValueError(f"{symbol[:40]} is no option that we know: choose one from the table.") from error
    if not lots and deed is Deed.EXIT:
        return WantedLeg(contract, None)
    if not (lots.isascii() and lots.isdigit() and len(lots) <= _MOST_DIGITS and int(lots) >= 1):
        raise ValueError(f"{symbol}: {lots[:20]!r} is no number of lots: write a whole number, 1 or more.")
    return WantedLeg(contract, int(lots))


def _read_board(session: TradingSession) -> tuple[Board | None, str]:
    try:
        board = manual_board.read_board(session=session)
    except (ReferenceMissing, ClockUnavailable) as error:
        return None, _sentence(error)
    return board, f"Could not be read: {board.unknown}. Reload the page to try again." if board.unknown else ""


def _by(request: HttpRequest) -> By:
    return By(request.user.get_username(), Origin.ADMIN)


def _refusal(refused: ManualRefused) -> str:
    if refused.code == "PREVIEW_USED":
        return f"Nothing was sent by this. {refused.message} Its orders are in the ledger of transactions."
    words = f"Nothing was sent ({refused.code}). {refused.message}"
    return f"{words} The same may be tried again in a moment." if refused.unavailable else words


def _sentence(error: Exception) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]


def _leg_text(leg: WantedLeg) -> str:
    symbol = format_symbol(leg.contract)
    return symbol if leg.lots is None else f"{symbol}:{leg.lots}"
