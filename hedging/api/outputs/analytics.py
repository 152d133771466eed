"""What hedging cost and brought, and what would be bought under another policy, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent, Price, Rupees
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
    projected_pct = Percent()
    reason = serializers.CharField()
    text = serializers.CharField()
    why = GateOutput(many=True, source="gates")
    chosen = ChosenOutput(allow_null=True)
    floor_pct = Percent()
    binding = serializers.CharField()


class FiguresOutput(Output):
    """The figures that the answer was decided by."""

    baskets = serializers.IntegerField()
    trigger_pct = Percent()
    target_pct = Percent()
    exit_trigger_pct = Percent()
    lookahead_minutes = serializers.IntegerField()
    min_premium = Rupees()
    max_premium = Rupees()
    scan_range_pct = Percent()


class ScenarioLossOutput(Output):
    """One of SPAN's 16 scenarios: its name, where the index would be, and the loss there in rupees; a gain is negative."""

    label = serializers.CharField()  # type: ignore[assignment] # the wire's word; DRF moves it away
    level = Rupees()
    without = Rupees()
    held = Rupees()
    after = Rupees()


class TierLossesOutput(Output):
    """The 16 losses of one index, product and scan tier."""

    name = serializers.CharField()
    losses = ScenarioLossOutput(many=True)


class BookRiskOutput(Output):
    """Scan risk, the worst loss of each tier added up, and the whole margin by our engine."""

    scan = Rupees()
    total = Rupees()


class ScenariosOutput(Output):
    """Losses of the book with `entries` in it: without our hedges, with those held, and after what would be done."""

    entries = serializers.ListField(child=serializers.CharField())
    tiers = TierLossesOutput(many=True)
    without = BookRiskOutput()
    held = BookRiskOutput()
    after = BookRiskOutput(allow_null=True)


class StrikeSideOutput(Output):
    """One option: bid and ask in rupees a unit, and units of the account in it; `allowed` to be chosen, null if unknown."""

    bid = Price()
    ask = Price()
    short = serializers.IntegerField()
    coming = serializers.IntegerField()
    held = serializers.IntegerField()
    other = serializers.IntegerField()
    bought = serializers.IntegerField()
    sold = serializers.IntegerField()
    allowed = serializers.BooleanField(allow_null=True)


class StrikeRowOutput(Output):
    """Both options of one strike."""

    strike = Price()
    call = StrikeSideOutput(allow_null=True)
    put = StrikeSideOutput(allow_null=True)


class StrikeTableOutput(Output):
    """The chain as the decision saw it, with the preferred premium band and what of the preference was given up."""

    spot = Rupees()
    min_premium = Rupees()
    max_premium = Rupees()
    relaxation = serializers.CharField(source="relaxation.value")
    rows = StrikeRowOutput(many=True)


class WhatIfOutput(Output):
    """What would be decided now, and what would be bought if nothing but the need counted. No order is made."""

    session = serializers.IntegerField()
    now = Moment()
    budget = Rupees()
    used = Rupees()
    utilization_pct = Percent()
    projected_pct = Percent()
    projection = ProjectedEntryOutput(many=True)
    unknown = serializers.CharField()
    changed = serializers.DictField()
    now_decided = WouldOutput()
    if_needed = WouldOutput()
    at_present = WouldOutput(allow_null=True)
    policy = FiguresOutput()
    scenarios = ScenariosOutput(allow_null=True)
    chain = StrikeTableOutput(allow_null=True)
