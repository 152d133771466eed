"""Inputs of the API: query parameters and bodies, each key named, bounded and typed."""

from __future__ import annotations

from decimal import Decimal

from rest_framework import serializers

from hedging.api.base import StrictSerializer
from hedging.domain.instruments import Index, Side
from sessions_app.models import Mode

_BIGGEST_ID = 2**63 - 1


class NothingInput(StrictSerializer):
    """No parameters."""


class AccountQuery(StrictSerializer):
    """Which account; the only one, or the one with the newest session, when it is not named."""

    account = serializers.CharField(required=False, max_length=60)


class ScheduleQuery(StrictSerializer):
    """Which day; today by the market clock when it is not named."""

    date = serializers.DateField(required=False)


class TransactionsQuery(StrictSerializer):
    """Filters of the history, and where its page begins."""

    session = serializers.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)
    day = serializers.DateField(required=False)
    side = serializers.ChoiceField(required=False, choices=[side.value for side in Side])
    mode = serializers.ChoiceField(required=False, choices=[mode.value for mode in Mode])
    live = serializers.BooleanField(required=False, allow_null=True, default=None)
    cursor = serializers.IntegerField(required=False, min_value=1, max_value=_BIGGEST_ID)
    limit = serializers.IntegerField(required=False, min_value=1, max_value=200, default=50)


class SessionInput(StrictSerializer):
    """Today's session: index and expiry follow from the timetable unless `index` names another."""

    account = serializers.CharField(required=False, max_length=60)
    index = serializers.ChoiceField(required=False, choices=[index.value for index in Index])
    baskets = serializers.IntegerField(required=False, min_value=1, max_value=1000, default=1)
    budget_per_basket = serializers.DecimalField(required=False, max_digits=14, decimal_places=2, min_value=Decimal(1))


class HaltInput(StrictSerializer):
    """Halt, or only reduce: everything, or one session; and why."""

    reason = serializers.CharField(max_length=200)
    reduce = serializers.BooleanField(required=False, default=False)
    scope = serializers.ChoiceField(required=False, choices=["installation", "session"], default="installation")
    account = serializers.CharField(required=False, max_length=60)


class ResumeInput(StrictSerializer):
    """Resume everything, or one session; and why it is safe now."""

    reason = serializers.CharField(max_length=200)
    scope = serializers.ChoiceField(required=False, choices=["installation", "session"], default="installation")
    account = serializers.CharField(required=False, max_length=60)


class ToggleInput(StrictSerializer):
    """Automation on or off, and why."""

    enabled = serializers.BooleanField()
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200, default="")
    account = serializers.CharField(required=False, max_length=60)
