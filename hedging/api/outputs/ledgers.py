"""Transactions with their orders and fills, and decision cards, as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent, Price, Rupees, Symbol
from hedging.api.outputs.status import GateOutput


class OrderOutput(Output):
    """One slice at the broker."""

    id = serializers.IntegerField()
    slice = serializers.IntegerField()
    attempt = serializers.IntegerField()
    status = serializers.CharField()
    quantity = serializers.IntegerField()
    limit_price = Price()
    broker_order_id = serializers.CharField(allow_null=True)
    sent_at = Moment(allow_null=True)
    message = serializers.CharField()


class FillOutput(Output):
    """One trade of an order: units, and rupees a unit."""

    id = serializers.IntegerField()
    quantity = serializers.IntegerField()
    price = Price()
    at = Moment()


class FilledOrderOutput(OrderOutput):
    """One slice at the broker, with its fills."""

    fills = FillOutput(many=True)


class TransactionOutput(Output):
    """An intent and what became of it."""

    id = serializers.IntegerField()
    session = serializers.IntegerField()
    trading_day = serializers.DateField()
    mode = serializers.CharField()
    decision = serializers.IntegerField()
    symbol = serializers.CharField()
    side = serializers.CharField()
    quantity = serializers.IntegerField()
    filled_quantity = serializers.IntegerField()
    average_price = Price()
    worst_price = Price()
    reserve = Rupees()
    charges = Rupees()
    reason = serializers.CharField()
    text = serializers.CharField()
    origin = serializers.CharField()
    outcome = serializers.CharField()
    live = serializers.BooleanField()
    created_at = Moment()
    ended_at = Moment(allow_null=True)
    orders = OrderOutput(many=True)


class TransactionDetailOutput(TransactionOutput):
    """An intent, and what became of it to the last fill."""

    orders = FilledOrderOutput(many=True)


class TransactionsOutput(Output):
    """A page of the history; `next` is the cursor of the next page."""

    results = TransactionOutput(many=True)
    next = serializers.IntegerField(source="next_cursor", allow_null=True)


class ChosenLegOutput(Output):
    """One contract of a chosen set: units, and rupees a unit."""

    symbol = Symbol()
    quantity = serializers.IntegerField(allow_null=True)
    price = Price()


class ChosenOutput(Output):
    """The set that was chosen, at what cost, and whether it is proven to be the cheapest."""

    aim = serializers.CharField()
    relaxation = serializers.CharField()
    proven = serializers.BooleanField(allow_null=True)
    cost = Rupees()
    charges = Rupees()
    utilization_after_pct = Percent()
    buys = ChosenLegOutput(many=True)
    sells = ChosenLegOutput(many=True)


class ProjectedEntryOutput(Output):
    """What one coming entry would do to the margin."""

    portfolio = serializers.CharField()
    at = Moment(allow_null=True)
    at_order = Rupees()
    used_after = Rupees()
    used_after_pct = Percent()
    source = serializers.CharField()  # type: ignore[assignment] # the wire's word; DRF moves it away


class DecisionRowOutput(Output):
    """A decision card, and the transactions that came of it. `denied`: something was wanted, and refused."""

    id = serializers.IntegerField(source="card.id")
    session = serializers.IntegerField()
    trading_day = serializers.DateField()
    mode = serializers.CharField()
    kind = serializers.CharField(source="card.kind")
    at = Moment(source="card.at")
    action = serializers.CharField(source="card.action")
    reason = serializers.CharField(source="card.reason")
    text = serializers.CharField(source="card.text")
    denied = serializers.BooleanField()
    projected_pct = Percent(source="card.projected_pct")
    floor_pct = Percent(source="card.floor_pct")
    binding = serializers.CharField(source="card.binding")
    unknown = serializers.CharField(source="card.unknown")
    chosen = ChosenOutput(source="card.chosen", allow_null=True)
    transactions = serializers.ListField(child=serializers.IntegerField())


class DecisionDetailOutput(DecisionRowOutput):
    """A decision card whole: its ordered gates, what it projected, and facts and policy as they are stored."""

    why = GateOutput(many=True, source="card.gates")
    projection = ProjectedEntryOutput(many=True, source="card.projection")
    facts = serializers.DictField()
    policy = serializers.DictField()


class DecisionsOutput(Output):
    """A page of decision cards; `next` is the cursor of the next page."""

    results = DecisionRowOutput(many=True)
    next = serializers.IntegerField(source="next_cursor", allow_null=True)
