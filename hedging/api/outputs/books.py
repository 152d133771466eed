"""The last comparison with the broker's books as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output


class FindingOutput(Output):
    """A difference between our ledger and the broker's books."""

    kind = serializers.CharField()
    symbol = serializers.CharField()
    product = serializers.CharField()
    quantity = serializers.IntegerField()
    ours = serializers.IntegerField()
    broker = serializers.IntegerField()
    detail = serializers.CharField()
    words = serializers.CharField()


class CorrectionOutput(Output):
    """Units that left our holdings without an order of ours."""

    kind = serializers.CharField()
    symbol = serializers.CharField()
    quantity = serializers.IntegerField()
    detail = serializers.CharField()
    at = Moment()
    words = serializers.CharField()


class BooksOutput(Output):
    """The last comparison with the broker's books. `reconciled` false: nothing is decided meanwhile."""

    reconciled = serializers.BooleanField()
    read_at = Moment(allow_null=True)
    error = serializers.CharField()
    requested = serializers.BooleanField()
    discrepancies = FindingOutput(many=True)
    foreign = FindingOutput(many=True)
    blocked = serializers.ListField(child=serializers.CharField())
    corrections = CorrectionOutput(many=True)
