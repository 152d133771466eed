"""Inputs of the API: query parameters and bodies, each key named, bounded and typed."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.strict import Amount, BodySerializer, StrictSerializer
from hedging.domain.instruments import Index, Side
from hedging.domain.manual import MOST_LEGS
from hedging.domain.reasons import Reason
from hedging.manual_tokens import LONGEST
from hedging.models import Action, CycleKind, Origin
from hedging.selectors.outcomes import By
from sessions_app.models import Mode

_BIGGEST_ID = 2**63 - 1
_TIME = r"^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"
_SYMBOL = r"^(NIFTY|BANKNIFTY|SENSEX)[0-9]{2}[A-Z]{3}[0-9]{2}[0-9]{1,7}(\.[0-9]{1,2})?(CE|PE)$"


class NothingInput(StrictSerializer):
    """No parameters."""


class AccountInput(BodySerializer):
    """Which account: to be named where sessions of several are open."""

    account = serializers.CharField(required=False, max_length=60)


class AccountQuery(StrictSerializer):
    """Which account; the only one, or the one with the newest session, when it is not named."""

    account = serializers.CharField(required=False, max_length=60)


class StatusQuery(AccountQuery):
    """Whose status; and for the dashboard, as HTML, which `part` of its page: the banner alone, or the day."""

    format = serializers.ChoiceField(required=False, choices=["json", "html"])
    part = serializers.ChoiceField(required=False, choices=["banner", "day"], default="day")


class DrawnQuery(AccountQuery):
    """Whose; as JSON, or as HTML for the dashboard."""

    format = serializers.ChoiceField(required=False, choices=["json", "html"])


class CardQuery(StrictSerializer):
    """As JSON, or as HTML for the dashboard."""

    format = serializers.ChoiceField(required=False, choices=["json", "html"])


class ScheduleQuery(StrictSerializer):
    """Which day; today by the market clock when it is not named. As JSON, or as HTML for the dashboard."""

    date = serializers.DateField(required=False)
    format = serializers.ChoiceField(required=False, choices=["json", "html"])


class PageQuery(StrictSerializer):
    """Where a page begins, and how long it is."""

    session = serializers.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)
    day = serializers.DateField(required=False)
    cursor = serializers.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=200, default=50)


class TransactionsQuery(PageQuery):
    """Filters of the history, and where its page begins."""

    account = serializers.CharField(required=False, max_length=60)
    side = serializers.ChoiceField(required=False, choices=[side.value for side in Side])
    mode = serializers.ChoiceField(required=False, choices=[mode.value for mode in Mode])
    origin = serializers.ChoiceField(required=False, choices=[origin.value for origin in Origin])
    reason = serializers.ChoiceField(required=False, choices=[reason.value for reason in Reason])
    symbol = serializers.CharField(required=False, max_length=40)
    live = serializers.BooleanField(required=False)
    format = serializers.ChoiceField(required=False, choices=["json", "csv"])


class DecisionsQuery(PageQuery):
    """Filters of the decision cards, and where their page begins."""

    action = serializers.ChoiceField(required=False, choices=[action.value for action in Action])
    kind = serializers.ChoiceField(required=False, choices=[kind.value for kind in CycleKind])
    reason = serializers.ChoiceField(required=False, choices=[reason.value for reason in Reason])
    denied = serializers.BooleanField(required=False)


class AnalyticsQuery(StrictSerializer):
    """Which days (the last 90 when not named), by what they are added up, of which mode, account or index."""

    by = serializers.ChoiceField(required=False, choices=[by.value for by in By], default=By.DAY.value)
    first = serializers.DateField(required=False)
    last = serializers.DateField(required=False)
    mode = serializers.ChoiceField(required=False, choices=[mode.value for mode in Mode])
    account = serializers.CharField(required=False, max_length=60)
    index = serializers.ChoiceField(required=False, choices=[index.value for index in Index])
    format = serializers.ChoiceField(required=False, choices=["json", "csv"])


class PeriodQuery(StrictSerializer):
    """Which days (the last 90 when not named), of which mode, account or index."""

    first = serializers.DateField(required=False)
    last = serializers.DateField(required=False)
    mode = serializers.ChoiceField(required=False, choices=[mode.value for mode in Mode])
    account = serializers.CharField(required=False, max_length=60)
    index = serializers.ChoiceField(required=False, choices=[index.value for index in Index])


class WhatIfQuery(AccountQuery):
    """Figures of the policy to imagine otherwise; what is not named stays as the session has it.

    `scan_range_pct` is of the margin parameters, 3 to 30. `reach_minutes` changes nothing of the policy: how far ahead is
    looked for what would be bought, where that is farther than the lookahead.
    """

    baskets = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    trigger_pct = Amount(required=False, digits=3)
    target_pct = Amount(required=False, digits=3)
    exit_trigger_pct = Amount(required=False, digits=3)
    lookahead_minutes = serializers.IntegerField(required=False, min_value=1, max_value=400)
    min_premium = Amount(required=False, digits=4)
    max_premium = Amount(required=False, digits=4)
    max_cost_per_day = Amount(required=False, digits=9)
    scan_range_pct = Amount(required=False, digits=2, least=1)
    reach_minutes = serializers.IntegerField(required=False, min_value=0, max_value=400, default=0)


class LegInput(BodySerializer):
    """One option, by its symbol, and how many lots of it. Of an exit, no lots means all that is held."""

    symbol = serializers.RegexField(_SYMBOL)
    lots = serializers.IntegerField(required=False, min_value=1, max_value=10_000)


class ManualInput(BodySerializer):
    """What is wanted, to be previewed; or the `token` of a preview, alone, to be confirmed.

    `even_so` takes what the overridable refusals say into account and wants it all the same.
    """

    legs = serializers.ListField(child=LegInput(), required=False, max_length=MOST_LEGS)
    even_so = serializers.BooleanField(required=False, default=False)
    account = serializers.CharField(required=False, max_length=60)
    token = serializers.CharField(required=False, max_length=LONGEST)


class SessionInput(BodySerializer):
    """Today's session: index and expiry follow from the timetable unless `index` names another."""

    account = serializers.CharField(required=False, max_length=60)
    index = serializers.ChoiceField(required=False, choices=[index.value for index in Index])
    baskets = serializers.IntegerField(required=False, min_value=1, max_value=1000, default=1)
    budget_per_basket = Amount(required=False, digits=9, least=1)


class HaltInput(BodySerializer):
    """Halt, or only reduce: everything, or one session; and why."""

    reason = serializers.CharField(max_length=200)
    reduce = serializers.BooleanField(required=False, default=False)
    scope = serializers.ChoiceField(required=False, choices=["installation", "session"], default="installation")
    account = serializers.CharField(required=False, max_length=60)


class ResumeInput(BodySerializer):
    """Resume everything, or one session; and why it is safe now."""

    reason = serializers.CharField(max_length=200)
    scope = serializers.ChoiceField(required=False, choices=["installation", "session"], default="installation")
    account = serializers.CharField(required=False, max_length=60)


class ToggleInput(BodySerializer):
    """Automation on or off, and why."""

    enabled = serializers.BooleanField()
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    account = serializers.CharField(required=False, max_length=60)


class ReasonInput(BodySerializer):
    """Why, and of which account."""

    reason = serializers.CharField(max_length=150)
    account = serializers.CharField(required=False, max_length=60)


class BaselineInput(ReasonInput):
    """The margin used before today's first short, where the figure comes from, and the baseline that one was shown.

    `was` is left out, or null, where there was none: what has changed meanwhile is not written over.
    """

    used = Amount(digits=12)
    was = Amount(digits=12, required=False, allow_null=True)


class CloseInput(ReasonInput):
    """Close the session before its time, and why; `keep_hedges` although some are held, which nobody sells then."""

    keep_hedges = serializers.BooleanField(required=False, default=False)


class FiguresInput(BodySerializer):
    """The session's own figures; null gives one back to the environment, and what is not named stays as it is."""

    baskets = serializers.IntegerField(required=False, min_value=1, max_value=1000)
    budget_per_basket = Amount(required=False, digits=9, least=1)
    trigger_pct = Amount(required=False, allow_null=True, digits=3)
    target_pct = Amount(required=False, allow_null=True, digits=3)
    exit_trigger_pct = Amount(required=False, allow_null=True, digits=3)
    lookahead_minutes = serializers.IntegerField(required=False, allow_null=True, min_value=1, max_value=400)
    exit_buffer_minutes = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=400)
    min_premium = Amount(required=False, allow_null=True, digits=4)
    max_premium = Amount(required=False, allow_null=True, digits=4)
    max_cost_per_day = Amount(required=False, allow_null=True, digits=9)
    cooldown_seconds = serializers.IntegerField(required=False, allow_null=True, min_value=0, max_value=86_400)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    account = serializers.CharField(required=False, max_length=60)


class ModeInput(ReasonInput):
    """In which mode the account trades from now on, and why. `phrase` must be GO LIVE to go live."""

    to = serializers.ChoiceField(choices=[mode.value for mode in Mode])
    phrase = serializers.CharField(required=False, max_length=20)


class SkipInput(BodySerializer):
    """Leave an entry out of one day (today when it is not named), or let it be due again."""

    portfolio = serializers.CharField(max_length=60)
    date = serializers.DateField(required=False)
    skipped = serializers.BooleanField(required=False, default=True)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")


class EntryInput(BodySerializer):
    """An entry's times (IST) and switch from now on; what is not named stays. No exit (null): held to expiry.

    With `date` its times of that day alone, and no switch; those of every day take that back.
    """

    portfolio = serializers.CharField(max_length=60)
    entry_time = serializers.RegexField(_TIME, required=False)
    exit_time = serializers.RegexField(_TIME, required=False, allow_null=True)
    active = serializers.BooleanField(required=False)
    date = serializers.DateField(required=False)
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
