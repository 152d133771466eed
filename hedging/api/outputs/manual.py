"""Manual orders as JSON: the preview with its figures and refusals, and what a confirmation claimed."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent, Price, Rupees, Symbol


class ManualGateOutput(Output):
    """One condition of the order, in the order in which they are asked."""

    gate = serializers.CharField()
    passed = serializers.BooleanField()
    detail = serializers.CharField()
    reason = serializers.CharField()


class ManualLegOutput(Output):
    """One leg as it would be ordered now; prices a unit. `lots_at_hand` trade without passing `worst_price`."""

    symbol = Symbol()
    side = serializers.CharField()
    lots = serializers.IntegerField()
    quantity = serializers.IntegerField()
    slices = serializers.IntegerField()
    bid = Price()
    ask = Price()
    limit_price = Price()
    worst_price = Price()
    premium = Rupees()
    charges = Rupees()
    worst_cost = Rupees()
    lots_at_hand = serializers.IntegerField()
    held = serializers.IntegerField()


class MarginEffectOutput(Output):
    """Used margin before and after the order; `source` says who counted, null where it is not known."""

    used_before = Rupees()
    used_after = Rupees()
    before_pct = Percent()
    after_pct = Percent()
    projected_after_pct = Percent()
    source = serializers.CharField(allow_null=True)  # type: ignore[assignment] # the wire's word; DRF moves it away
    note = serializers.CharField()


class RefusalOutput(Output):
    """Why the order is not taken. `overridable`: `even_so` takes it all the same."""

    reason = serializers.CharField()
    text = serializers.CharField()
    fix = serializers.CharField()
    facts = serializers.DictField()
    overridable = serializers.BooleanField()


class PreviewOutput(Output):
    """What the order would cost and do now, and every reason why it would be refused.

    Of a purchase `cash` is what is paid, of an exit what is received, charges taken off.
    """

    session = serializers.IntegerField(source="session_id")
    mode = serializers.CharField()
    now = Moment()
    deed = serializers.CharField(source="wanted.deed.value")
    even_so = serializers.BooleanField(source="wanted.even_so")
    spot = Price()
    legs = ManualLegOutput(many=True)
    premium = Rupees()
    charges = Rupees()
    cash = Rupees()
    worst_cost = Rupees()
    cost_left = Rupees()
    free_margin = Rupees()
    margin = MarginEffectOutput()
    capacity_lots = serializers.DictField(child=serializers.IntegerField())
    allowed = serializers.BooleanField()
    refusals = RefusalOutput(many=True)
    warnings = serializers.ListField(child=serializers.CharField())
    why = ManualGateOutput(many=True, source="gates")
    policy_version = serializers.CharField()


class OfferOutput(Output):
    """A preview, and the token that confirms it within 30 seconds; null where the order is refused."""

    preview = PreviewOutput()
    token = serializers.CharField(allow_null=True)
    valid_seconds = serializers.IntegerField()


class ClaimedOutput(Output):
    """An order that was taken and is on its way. `repeated`: this is the answer to an earlier, equal request."""

    decision = serializers.IntegerField()
    transactions = serializers.ListField(child=serializers.IntegerField())
    repeated = serializers.BooleanField()
    see = serializers.ListField(child=serializers.CharField())


class OfferedOutput(Output):
    """One option on the board. Prices a unit, null where nobody quotes; `away` in points of the index.

    `in_band`: the ask lies within the premium band. `held` are units of ours, less what is being sold; `net` is the
    account's own figure, negative when short.
    """

    symbol = serializers.CharField()
    strike = Price(source="contract.strike")
    right = serializers.CharField(source="contract.right.value")
    bid = Price()
    ask = Price()
    away = Price()
    in_band = serializers.BooleanField()
    held = serializers.IntegerField()
    net = serializers.IntegerField()


class HeldOutput(Output):
    """A hedge of ours that can be sold: units, lots, rupees a unit and in all. `gain` is against the bid, before charges."""

    symbol = serializers.CharField()
    quantity = serializers.IntegerField()
    lots = serializers.IntegerField()
    average_price = Price()
    cost = Rupees()
    price = Price()
    gain = Rupees()


class BoardOutput(Output):
    """What may be bought on each side, nearest strike first, and what the account has in the index.

    `uncovered_lots`: lots that are short on each side beyond its longs. `unknown` says what the broker did not answer.
    """

    now = Moment()
    index = serializers.CharField()
    expiry = serializers.DateField()
    mode = serializers.CharField()
    spot = Price()
    lot = serializers.IntegerField()
    band = serializers.ListField(child=Price())
    calls = OfferedOutput(many=True)
    puts = OfferedOutput(many=True)
    lines = OfferedOutput(many=True)
    held = HeldOutput(many=True)
    uncovered_lots = serializers.DictField(child=serializers.IntegerField())
    unknown = serializers.CharField()
