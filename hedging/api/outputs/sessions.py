"""A session, its switches, and the state of the whole installation as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Moment, Output, Percent, Price, Rupees


class SessionOutput(Output):
    """A session as it stands."""

    id = serializers.IntegerField()
    account = serializers.CharField()
    trading_day = serializers.DateField()
    index = serializers.CharField()
    expiry = serializers.DateField()
    dte = serializers.IntegerField()
    mode = serializers.CharField()
    mode_words = serializers.CharField()
    world = serializers.CharField()
    trading_state = serializers.CharField()
    state_reason = serializers.CharField()
    enabled = serializers.BooleanField()
    lid_open = serializers.BooleanField()
    automatic = serializers.BooleanField()
    held_by = serializers.CharField(allow_blank=True)
    baskets = serializers.IntegerField()
    budget = Rupees()
    baseline = Rupees()
    baseline_at = Moment(allow_null=True)
    baseline_source = serializers.CharField()
    trigger_pct = Percent()
    target_pct = Percent()
    exit_trigger_pct = Percent()
    lookahead_minutes = serializers.IntegerField()
    opened_at = Moment()
    closed_at = Moment(allow_null=True)


class InstallationOutput(Output):
    """The trading state of the whole installation; `halt_file`: a file halts it as well."""

    trading_state = serializers.CharField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = Moment(allow_null=True)
    halt_file = serializers.BooleanField()


class HaltOutput(Output):
    """What a halt or a resume did: whether it changed anything, and the states that are in force now."""

    changed = serializers.BooleanField()
    installation = InstallationOutput()
    session = SessionOutput(allow_null=True)


class FigureOutput(Output):
    """One figure of the policy: in force, what of it is the session's own (null: nothing), and what the environment says."""

    name = serializers.CharField()
    in_force = Price()
    own = Price()
    everywhere = Price()


class OwnFiguresOutput(Output):
    """A session's budget, and its policy figure by figure."""

    session = serializers.IntegerField()
    baskets = serializers.IntegerField()
    budget_per_basket = Rupees()
    budget = Rupees()
    figures = FigureOutput(many=True)


class OfferedBaselineOutput(Output):
    """What would be taken for the baseline now: the broker's used margin, less that of the session's book by our engine."""

    used = Rupees()
    book = Rupees()
    offered = Rupees()
    note = serializers.CharField()


class BaselineOutput(Output):
    """The baseline as it is, and what is offered for it; `offer` is null where the broker could not be asked: `unknown`."""

    session = serializers.IntegerField()
    baseline = Rupees()
    baseline_at = Moment(allow_null=True)
    baseline_source = serializers.CharField()
    offer = OfferedBaselineOutput(allow_null=True)
    unknown = serializers.CharField()


class ModeOutput(Output):
    """In which mode an account trades now, and the session that is open, null when none is."""

    account = serializers.CharField()
    mode = serializers.CharField()
    session = SessionOutput(allow_null=True)
