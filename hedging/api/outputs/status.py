"""Where a session stands as JSON."""

from __future__ import annotations

from rest_framework import serializers

from hedging.api.outputs.books import BooksOutput
from hedging.api.outputs.fields import Moment, Output, Percent, Price, Rupees
from hedging.api.outputs.sessions import InstallationOutput, SessionOutput


class MarginOutput(Output):
    """The latest reading of the margin."""

    at = Moment()
    age_seconds = serializers.IntegerField()
    used = Rupees()
    budget = Rupees()
    utilization_pct = Percent()
    headroom = Rupees()
    free_margin = Rupees()
    spot = Rupees()
    unknown_reason = serializers.CharField()


class GateOutput(Output):
    """One line of "why"."""

    gate = serializers.CharField(source="name")
    passed = serializers.BooleanField()
    detail = serializers.CharField()


class DecisionOutput(Output):
    """A decision and its reason."""

    id = serializers.IntegerField()
    kind = serializers.CharField()
    at = Moment()
    action = serializers.CharField()
    reason = serializers.CharField()
    text = serializers.CharField()
    projected_pct = Percent()
    floor_pct = Percent()
    binding = serializers.CharField()
    unknown = serializers.CharField()


class ProjectionOutput(Output):
    """One coming entry, and what follows from it."""

    portfolio = serializers.CharField(source="entry.portfolio")
    at = Moment(source="entry.at", allow_null=True)
    at_order = Rupees(source="entry.at_order")
    used_after = Rupees(source="entry.used_after")
    used_after_pct = Percent(source="entry.used_after_pct")
    source = serializers.CharField(source="entry.source")  # type: ignore[assignment] # the wire's word; DRF moves it away
    crosses = serializers.BooleanField()
    verdict = serializers.CharField()


class NextEntryOutput(Output):
    """The next entry of the timetable."""

    portfolio = serializers.CharField()
    index = serializers.CharField()
    expiry = serializers.DateField()
    dte = serializers.IntegerField()
    entry_at = Moment()
    exit_at = Moment(allow_null=True)
    seconds_away = serializers.IntegerField()


class ActiveHedgeOutput(Output):
    """A hedge that is held."""

    symbol = serializers.CharField()
    right = serializers.CharField()
    expiry = serializers.DateField()
    product = serializers.CharField()
    quantity = serializers.IntegerField()
    average_price = Price()
    cost = Rupees()
    since = Moment()
    shorts = serializers.IntegerField(allow_null=True)
    covers = serializers.IntegerField(allow_null=True)
    price = Price()
    price_is = serializers.CharField()
    gain = Rupees()


class CostOutput(Output):
    """Cost of the day against the cap."""

    cap = Rupees()
    spent = Rupees()
    reserved = Rupees()
    left = Rupees()
    paid = Rupees()
    recovered = Rupees()
    charges = Rupees()
    net = Rupees()


class BreakerOutput(Output):
    """The circuit breakers: of purchases, and of exits."""

    is_open = serializers.BooleanField()
    open_until = Moment(allow_null=True)
    failures = serializers.IntegerField()
    exits_open = serializers.BooleanField()
    exits_open_until = Moment(allow_null=True)


class MarginModelOutput(Output):
    """How well the margin model fits the broker; `amber`: it is not of today, or the safety buffer is doubled for it."""

    found_at = Moment(allow_null=True)
    found_by = serializers.CharField()
    basket = serializers.CharField()
    scan_pct = serializers.FloatField(allow_null=True)
    elm_pct = serializers.FloatField(allow_null=True)
    scale = serializers.CharField(allow_null=True)
    error_pct = Percent()
    amber = serializers.BooleanField()
    words = serializers.CharField()
    stale_since = serializers.DateField(allow_null=True)


class BeatOutput(Output):
    """A worker's last sign of life."""

    name = serializers.CharField()
    wall_at = Moment()
    age_seconds = serializers.IntegerField()
    alive = serializers.BooleanField()


class LiveOrderOutput(Output):
    """A slice that may still fill."""

    id = serializers.IntegerField()
    transaction = serializers.IntegerField(source="transaction_id")
    symbol = serializers.CharField()
    side = serializers.CharField()
    quantity = serializers.IntegerField()
    limit_price = Price()
    status = serializers.CharField()
    uncertain = serializers.BooleanField()
    since = Moment()


class ForecastOutput(Output):
    """What an entry or a hedge was foretold to change of used margin, and what it did. A release is negative."""

    kind = serializers.CharField()
    subject = serializers.CharField()
    at = Moment()
    forecast = Rupees()
    source = serializers.CharField()  # type: ignore[assignment] # the wire's word; DRF moves it away
    realized = Rupees()
    error_pct = Percent()
    measured_at = Moment(allow_null=True)
    note = serializers.CharField()


class DataAgesOutput(Output):
    """How old the last reading, decision and comparison are, in market seconds; null where there is none yet."""

    margin_seconds = serializers.IntegerField(allow_null=True)
    decision_seconds = serializers.IntegerField(allow_null=True)
    books_seconds = serializers.IntegerField(allow_null=True)


class StatusOutput(Output):
    """Where the session stands."""

    now = Moment()
    session = SessionOutput()
    ages = DataAgesOutput()
    margin = MarginOutput(allow_null=True)
    decision = DecisionOutput(allow_null=True)
    why = GateOutput(many=True)
    projection = ProjectionOutput(many=True, source="projections")
    next_entry = NextEntryOutput(allow_null=True)
    calendar_unknown = serializers.CharField()
    active_hedges = ActiveHedgeOutput(many=True)
    cost = CostOutput()
    margin_model = MarginModelOutput()
    breaker = BreakerOutput()
    installation = InstallationOutput()
    heartbeats = BeatOutput(many=True)
    live_orders = LiveOrderOutput(many=True)
    forecasts = ForecastOutput(many=True)
    books = BooksOutput()
    summary = serializers.DictField()
