"""Opening today's session in one screen: what trades today by timetable, calendar and OpenAlgo, the budget, and own figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from django import forms
from django.conf import settings

from config.edits import ChangesForm
from hedging import wiring
from hedging.brokers.base import BrokerError
from hedging.domain.instruments import Index
from hedging.engine import clock
from hedging.engine.hours import trading_day_of
from hedging.engine.plan import ReferenceMissing
from hedging.engine.sessions import effective_mode
from schedule.calendar import CalendarUnknown, CurrentExpiry, TradingCalendar, load_calendar
from schedule.entries import ScheduledEntry, entries_on
from sessions_app.models import Account, TradingSession
from sessions_app.policy import OVERRIDES, contradictions, policy_of

OPENING = ("account", "trades", "baskets", "budget_per_basket")
SAY_WHICH = (
    "Calendar and OpenAlgo disagree about the expiry. Look at the exchange's circular: where the calendar is wrong, correct "
    "its days or the contract spec first, since the timetable goes by it; else wait until OpenAlgo has loaded its contracts."
)


@dataclass(frozen=True, slots=True)
class Trades:
    """Something that a session of today may be of. `by_calendar`: the calendar says so; `sure`: nobody says otherwise."""

    index: Index
    expiry: date
    dte: int
    words: str
    by_calendar: bool
    sure: bool

    @property
    def value(self) -> str:
        """Return the choice as a form carries it."""
        return f"{self.index}:{self.expiry.isoformat()}"


@dataclass(frozen=True, slots=True)
class Today:
    """What could be opened today, what the timetable makes of it, and what could not be found out."""

    choices: tuple[Trades, ...] = ()
    initial: str = ""
    troubles: tuple[str, ...] = ()


def today(account: Account | None) -> Today:
    """Return what trades today: each index with its next expiry by the calendar, and by OpenAlgo where that differs.

    The timetable's first index is chosen already, unless calendar and OpenAlgo disagree about it. What cannot be read is
    told in `troubles`; nothing is raised.
    """
    try:
        day = trading_day_of(clock.market_clock().now())
        calendar = load_calendar()
        if not calendar.is_trading_day(day):
            return Today(troubles=(f"{day:%A %d-%b-%Y} is not a trading day by the calendar.",))
        known, entries = calendar.resolve(day), entries_on(day, calendar)
    except (clock.ClockUnavailable, CalendarUnknown) as error:
        return Today(troubles=(str(error),))
    listed, troubles = _listed(account, day, known)
    troubles += [f"Not hedged: {entry.trouble}." for entry in entries if entry.trouble]
    choices: list[Trades] = []
    for each in known:
        choices += _choices(each, listed.get(each.index), entries, calendar, day)
    sure = {choice.index: choice.value for choice in choices if choice.sure}
    initial = sure.get(entries[0].index, "") if entries else ""
    if any(not choice.sure for choice in choices):
        troubles.append(SAY_WHICH)
    return Today(tuple(choices), initial, tuple(troubles))


def _listed(
    account: Account | None, day: date, known: tuple[CurrentExpiry, ...]
) -> tuple[dict[Index, date], list[str]]:
    """Return the next expiry of each index that OpenAlgo lists; after a first failure no more is asked."""
    found: dict[Index, date] = {}
    if account is None:
        return found, ["There is no account yet: add one first."]
    for each in known:
        # The broker is wired for a session; this one is never saved.
        asked = TradingSession(account=account, trading_day=day, mode=effective_mode(account), index=each.index)
        try:
            expiries = wiring.rules().ports_for(asked).broker.expiries(each.index)
        except (BrokerError, ReferenceMissing) as error:
            return found, [f"OpenAlgo was not asked for expiries, the calendar stands alone: {error}"]
        coming = [expiry for expiry in expiries if expiry >= day]
        if coming:
            found[each.index] = min(coming)
    return found, []


def _choices(
    each: CurrentExpiry,
    listed: date | None,
    entries: tuple[ScheduledEntry, ...],
    calendar: TradingCalendar,
    day: date,
) -> list[Trades]:
    due = sum((entry.index, entry.expiry) == (each.index, each.expiry) for entry in entries)
    agree = listed is None or listed == each.expiry
    who = "the calendar" if listed is None or not agree else "calendar and OpenAlgo"
    words = f"{each.index} {each.expiry:%d-%b-%Y}, {each.dte} DTE, by {who}; {due} entries of the timetable"
    found = [Trades(each.index, each.expiry, each.dte, words, by_calendar=True, sure=agree)]
    if listed is not None and not agree:
        try:
            dte = calendar.trading_days_between(day, listed)
        except CalendarUnknown:
            return found
        words = f"{each.index} {listed:%d-%b-%Y}, {dte} DTE, by OpenAlgo alone; no entry of the timetable is hedged"
        found.append(Trades(each.index, listed, dte, words, by_calendar=False, sure=False))
    return found


class PolicyForm(ChangesForm):
    """Any form of a session with its own figures: they must make sense together with those of the environment."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for column, name in OVERRIDES.items():
            if column in self.fields:
                self.fields[column].help_text = f"Empty: {getattr(settings.HEDGE_POLICY, name)}, by the environment."

    def clean(self) -> dict[str, Any]:
        """Refuse figures that contradict each other, each at its field."""
        cleaned = super().clean() or self.cleaned_data
        own = {column: cleaned.get(column) for column in OVERRIDES}
        for column, words in contradictions(policy_of(TradingSession(**own), settings.HEDGE_POLICY)).items():
            if set(self.changed_data) & set(OVERRIDES):
                self.add_error(column if column in self.fields else None, words)
        return cleaned


class OpenSessionForm(PolicyForm):
    """What a person says to open today's session; the rest is known. `like` carries an earlier session's own figures."""

    like = forms.ModelChoiceField(
        TradingSession.objects.order_by("id"), required=False, widget=forms.HiddenInput, label=""
    )

    class Meta:
        model = TradingSession
        fields = ("account", "baskets", "budget_per_basket", *OVERRIDES)

    def chosen(self, known: Today) -> Trades:
        """Return the choice of what trades."""
        return next(each for each in known.choices if each.value == self.cleaned_data["trades"])

    def figures(self) -> Mapping[str, Any]:
        """Return the session's own figures: as typed, or as on the day that is repeated where this person may not type them."""
        like = self.cleaned_data.get("like")
        typed = {column: self.cleaned_data[column] for column in OVERRIDES if column in self.cleaned_data}
        return typed or ({} if like is None else own_figures(like))


def form_of(known: Today) -> type[OpenSessionForm]:
    """Return the form with what trades today as a choice."""
    asked = "Choose what the session is of." if known.choices else "Nothing can be opened now: the reasons are above."
    gone = "This cannot be chosen any more: choose again." if known.choices else asked
    trades = forms.ChoiceField(
        label="What trades",
        choices=[(each.value, each.words) for each in known.choices],
        initial=known.initial,
        widget=forms.RadioSelect,
        error_messages={"required": asked, "invalid_choice": gone},
    )
    return type("OpenTodayForm", (OpenSessionForm,), {"trades": trades, "Meta": OpenSessionForm.Meta, "known": known})


def own_figures(session: TradingSession) -> dict[str, Any]:
    """Return the figures that a session overrides, by column."""
    return {column: getattr(session, column) for column in OVERRIDES if getattr(session, column) is not None}


def repeated(like: TradingSession) -> dict[str, Any]:
    """Return what a new session takes from an earlier one: account, budget and own figures; never what the day counted."""
    kept = {"account": like.account_id, "baskets": like.baskets, "budget_per_basket": like.budget_per_basket}
    return kept | own_figures(like) | {"like": like.pk}
