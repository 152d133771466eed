"""The day ahead, and a day's timetable as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent, Rupees


class ScheduledEntryOutput(Output):
    """One entry of a day's timetable."""

    portfolio = serializers.CharField()
    index = serializers.CharField()
    expiry = serializers.DateField()
    dte = serializers.IntegerField()
    entry_at = Moment()
    exit_at = Moment(allow_null=True)


class DayLineOutput(ScheduledEntryOutput):
    """One line of a day, due or left out. `state`: due, skipped (that day alone) or switched off.

    `stage`: later, in the book or over by the clock, "" where it is left out. `warnings`: what a person should know. Where the
    times hold on this day alone (`moved`), the usual ones are those of the timetable.
    """

    legs = serializers.CharField()
    active = serializers.BooleanField()
    state = serializers.CharField()
    stage = serializers.CharField()
    warnings = serializers.ListField(child=serializers.CharField())
    moved = serializers.BooleanField()
    usual_entry_at = Moment()
    usual_exit_at = Moment(allow_null=True)


class DayOutput(Output):
    """The entries that are due on one day, every line that falls on it, and the trading days beside it."""

    date = serializers.DateField()
    before = serializers.DateField(allow_null=True)
    after = serializers.DateField(allow_null=True)
    entries = ScheduledEntryOutput(many=True)
    lines = DayLineOutput(many=True)


class EntryDoneOutput(Output):
    """What a change did: whether anything was otherwise, and the entry's line on that day, null where it falls on another."""

    changed = serializers.BooleanField()
    date = serializers.DateField()
    line = DayLineOutput(allow_null=True)


class PlanFiguresOutput(Output):
    """Both figures: used once it is done (and in per cent of budget), and what the order asks on top of now's margin."""

    used_after = Rupees()
    used_after_pct = Percent()
    at_order = Rupees()


class PlanMomentOutput(Output):
    """One moment of the day ahead. `floor` is the least that hedging could reach."""

    kind = serializers.CharField()
    portfolio = serializers.CharField()
    at = Moment(allow_null=True)
    with_hedges = PlanFiguresOutput(source="held")
    without_hedges = PlanFiguresOutput(source="bare")
    floor = PlanFiguresOutput()
    beyond_saving = serializers.BooleanField()
    crosses = serializers.BooleanField(allow_null=True)


class PlanOutput(Output):
    """The rest of the day, drawn `at`, at the prices of then; `unknown` says why there is nothing."""

    session = serializers.IntegerField()
    at = Moment(allow_null=True)
    age_seconds = serializers.IntegerField(allow_null=True)
    spot = Rupees()
    budget = Rupees()
    free_margin = Rupees()
    trigger_pct = Percent()
    calibrated = serializers.BooleanField(allow_null=True)
    moments = PlanMomentOutput(many=True)
    kept_to_the_end = serializers.ListField(child=serializers.CharField())
    not_of_this_session = serializers.ListField(child=serializers.CharField())
    unknown = serializers.CharField()
