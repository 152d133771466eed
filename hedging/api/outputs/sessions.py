"""A session, its switches, and the state of the whole installation as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.fields import Output, Percent, Rupees


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
    baskets = serializers.IntegerField()
    budget = Rupees()
    baseline = Rupees()
    baseline_at = serializers.DateTimeField(allow_null=True)
    baseline_source = serializers.CharField()
    trigger_pct = Percent()
    target_pct = Percent()
    exit_trigger_pct = Percent()
    lookahead_minutes = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField(allow_null=True)


class InstallationOutput(Output):
    """The trading state of the whole installation; `halt_file`: a file halts it as well."""

    trading_state = serializers.CharField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    halt_file = serializers.BooleanField()


class HaltOutput(Output):
    """What a halt or a resume did: whether it changed anything, and the states that are in force now."""

    changed = serializers.BooleanField()
    installation = InstallationOutput()
    session = SessionOutput(allow_null=True)
