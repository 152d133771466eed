"""The course of a day as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent
from hedging.api.outputs.plan import PlanMomentOutput


class ReadingsOutput(Output):
    """Utilization (null is unknown) by the seconds since 1970 at which it was read: two columns of one length."""

    at = serializers.ListField(child=serializers.IntegerField())
    used_pct = serializers.ListField(child=Percent())


class MarkOutput(Output):
    """An `entry` or `exit` of the timetable, a `buy` or `sell` that filled."""

    at = Moment()
    kind = serializers.CharField()
    words = serializers.CharField()


class CourseOutput(Output):
    """The day so far, what is scheduled, and `ahead`, the rest of the day as it was last drawn."""

    session = serializers.IntegerField()
    now = Moment()
    trigger_pct = Percent()
    target_pct = Percent()
    exit_trigger_pct = Percent()
    readings = ReadingsOutput()
    marks = MarkOutput(many=True)
    ahead = PlanMomentOutput(many=True)
