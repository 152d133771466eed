"""What hedging cost and brought, and what would be bought under another policy, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Output, Percent, Rupees
from hedging.api.outputs.ledgers import ChosenOutput, ProjectedEntryOutput
from hedging.api.outputs.status import GateOutput


class OutcomeOutput(Output):
    """Rupees of one group of sessions in one mode; real and paper money are never added up.

    `benefit_per_rupee`: rupees of margin released for each rupee of net expense, null where hedging cost nothing.
    """

    key = serializers.CharField()
    mode = serializers.CharField()
    sessions = serializers.IntegerField()
    cost = Rupees()
    recovery = Rupees()
    charges = Rupees()
    net = Rupees()
    released = Rupees()
    benefit_per_rupee = Rupees()
    peak_utilization_pct = Percent()


class AnalyticsOutput(Output):
    """The groups of a period in order of their key, and a total for each mode."""

    by = serializers.CharField(source="by.value")
    first = serializers.DateField()
    last = serializers.DateField()
    rows = OutcomeOutput(many=True)
    totals = OutcomeOutput(many=True)


class AccuracyOutput(Output):
    """The forecasts of one kind (`entry`, `hedge`) and source in one mode; errors in per cent of the day's budget.

    An error is realized less forecast: `bias_pct` is its mean, the others are of its size. Null where nothing was measured.
    """

    kind = serializers.CharField()
    source = serializers.CharField()  # type: ignore[assignment] # the wire's word; DRF moves it away
    mode = serializers.CharField()
    measured = serializers.IntegerField()
    unmeasured = serializers.IntegerField()
    bias_pct = Percent()
    p50_pct = Percent()
    p95_pct = Percent()
    worst_pct = Percent()


class AccuraciesOutput(Output):
    """How true the forecasts of a period were."""

    first = serializers.DateField()
    last = serializers.DateField()
    rows = AccuracyOutput(many=True)


class StaticCostOutput(Output):
    """A bot that always hedges: one day (null: all days) in one mode of ours; `_net` is negative for an expense.

    `static_net` and `our_net` are of `whole` sessions alone, of which every entry is known: only those compare.
    """

    day = serializers.DateField(allow_null=True)
    mode = serializers.CharField()
    closed = serializers.IntegerField()
    recorded = serializers.IntegerField()
    whole = serializers.IntegerField()
    entries = serializers.IntegerField()
    known = serializers.IntegerField()
    no_strike = serializers.IntegerField()
    no_price = serializers.IntegerField()
    no_end = serializers.IntegerField()
    paid = Rupees()
    static_net = Rupees()
    our_net = Rupees()


class StaticHedgeOutput(Output):
    """What always hedging would have cost in a period, as far as prices were stored, and a total for each mode."""

    first = serializers.DateField()
    last = serializers.DateField()
    rows = StaticCostOutput(many=True)
    totals = StaticCostOutput(many=True)


class WouldOutput(Output):
    """A decision that was not stored: its reason, its ordered gates, and the set that it chose."""

    action = serializers.CharField()
    reason = serializers.CharField()
    text = serializers.CharField()
    why = GateOutput(many=True, source="gates")
    chosen = ChosenOutput(allow_null=True)
    floor_pct = Percent()
    binding = serializers.CharField()


class WhatIfOutput(Output):
    """What would be decided now, and what would be bought if nothing but the need counted. No order is made."""

    session = serializers.IntegerField()
    now = serializers.DateTimeField()
    budget = Rupees()
    used = Rupees()
    utilization_pct = Percent()
    projected_pct = Percent()
    projection = ProjectedEntryOutput(many=True)
    unknown = serializers.CharField()
    changed = serializers.DictField()
    now_decided = WouldOutput()
    if_needed = WouldOutput()
