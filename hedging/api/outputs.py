"""Outputs of the API: selectors' values as JSON, every field named. Money is text, so that no reader rounds it."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers


class Rupees(serializers.DecimalField):
    """Rupees to the paisa, or null where unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=2, allow_null=True, **kwargs)


class Price(serializers.DecimalField):
    """Rupees a unit; an average may need four places."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=4, allow_null=True, normalize_output=True, **kwargs)


class Percent(serializers.DecimalField):
    """Per cent, or null where unknown."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_digits=None, decimal_places=2, allow_null=True, **kwargs)


class Output(serializers.Serializer[Any]):
    """Base: values in, never out."""


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
    baseline_at = serializers.DateTimeField()
    baseline_source = serializers.CharField()
    trigger_pct = Percent()
    target_pct = Percent()
    exit_trigger_pct = Percent()
    lookahead_minutes = serializers.IntegerField()
    opened_at = serializers.DateTimeField()
    closed_at = serializers.DateTimeField()


class MarginOutput(Output):
    """The latest reading of the margin."""

    at = serializers.DateTimeField()
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
    at = serializers.DateTimeField()
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
    at = serializers.DateTimeField(source="entry.at")
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
    entry_at = serializers.DateTimeField()
    exit_at = serializers.DateTimeField()
    seconds_away = serializers.IntegerField()


class ScheduledEntryOutput(Output):
    """One entry of a day's timetable."""

    portfolio = serializers.CharField()
    index = serializers.CharField()
    expiry = serializers.DateField()
    dte = serializers.IntegerField()
    entry_at = serializers.DateTimeField()
    exit_at = serializers.DateTimeField()


class ActiveHedgeOutput(Output):
    """A hedge that is held."""

    symbol = serializers.CharField()
    right = serializers.CharField()
    expiry = serializers.DateField()
    product = serializers.CharField()
    quantity = serializers.IntegerField()
    average_price = Price()
    cost = Rupees()
    since = serializers.DateTimeField()


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
    open_until = serializers.DateTimeField()
    failures = serializers.IntegerField()
    exits_open = serializers.BooleanField()
    exits_open_until = serializers.DateTimeField()


class InstallationOutput(Output):
    """The trading state of the whole installation; `halt_file`: a file halts it as well."""

    trading_state = serializers.CharField()
    reason = serializers.CharField()
    by = serializers.CharField()
    at = serializers.DateTimeField()
    halt_file = serializers.BooleanField()


class HaltOutput(Output):
    """What a halt or a resume did: whether it changed anything, and the states that are in force now."""

    changed = serializers.BooleanField()
    installation = InstallationOutput()
    session = SessionOutput(allow_null=True)


class MarginModelOutput(Output):
    """How well the margin model fits the broker; `amber`: it is not of today, or the safety buffer is doubled for it."""

    found_at = serializers.DateTimeField()
    found_by = serializers.CharField()
    basket = serializers.CharField()
    scan_pct = serializers.FloatField()
    elm_pct = serializers.FloatField()
    scale = serializers.CharField(allow_null=True)
    error_pct = Percent()
    amber = serializers.BooleanField()
    words = serializers.CharField()
    stale_since = serializers.DateField()


class BeatOutput(Output):
    """A worker's last sign of life."""

    name = serializers.CharField()
    wall_at = serializers.DateTimeField()
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
    since = serializers.DateTimeField()


class ForecastOutput(Output):
    """What an entry or a hedge was foretold to change of used margin, and what it did. A release is negative."""

    kind = serializers.CharField()
    subject = serializers.CharField()
    at = serializers.DateTimeField()
    forecast = Rupees()
    source = serializers.CharField()  # type: ignore[assignment] # the wire's word; DRF moves it away
    realized = Rupees()
    error_pct = Percent()
    measured_at = serializers.DateTimeField()
    note = serializers.CharField()


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
    at = serializers.DateTimeField()
    words = serializers.CharField()


class BooksOutput(Output):
    """The last comparison with the broker's books. `reconciled` false: nothing is decided meanwhile."""

    reconciled = serializers.BooleanField()
    read_at = serializers.DateTimeField(allow_null=True)
    error = serializers.CharField()
    requested = serializers.BooleanField()
    discrepancies = FindingOutput(many=True)
    foreign = FindingOutput(many=True)
    blocked = serializers.ListField(child=serializers.CharField())
    corrections = CorrectionOutput(many=True)


class StatusOutput(Output):
    """Where the session stands."""

    now = serializers.DateTimeField()
    session = SessionOutput()
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


class PlanFiguresOutput(Output):
    """Both figures: used once it is done (and in per cent of budget), and what the order asks on top of now's margin."""

    used_after = Rupees()
    used_after_pct = Percent()
    at_order = Rupees()


class PlanMomentOutput(Output):
    """One moment of the day ahead. `floor` is the least that hedging could reach."""

    kind = serializers.CharField()
    portfolio = serializers.CharField()
    at = serializers.DateTimeField()
    with_hedges = PlanFiguresOutput(source="held")
    without_hedges = PlanFiguresOutput(source="bare")
    floor = PlanFiguresOutput()
    beyond_saving = serializers.BooleanField()
    crosses = serializers.BooleanField(allow_null=True)


class PlanOutput(Output):
    """The rest of the day, drawn `at`, at the prices of then; `unknown` says why there is nothing."""

    session = serializers.IntegerField()
    at = serializers.DateTimeField()
    age_seconds = serializers.IntegerField()
    spot = Rupees()
    budget = Rupees()
    free_margin = Rupees()
    trigger_pct = Percent()
    calibrated = serializers.BooleanField(allow_null=True)
    moments = PlanMomentOutput(many=True)
    kept_to_the_end = serializers.ListField(child=serializers.CharField())
    not_of_this_session = serializers.ListField(child=serializers.CharField())
    unknown = serializers.CharField()


class OrderOutput(Output):
    """One slice at the broker."""

    id = serializers.IntegerField()
    slice = serializers.IntegerField()
    attempt = serializers.IntegerField()
    status = serializers.CharField()
    quantity = serializers.IntegerField()
    limit_price = Price()
    broker_order_id = serializers.CharField()
    sent_at = serializers.DateTimeField()
    message = serializers.CharField()


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
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField()
    orders = OrderOutput(many=True)


class TransactionsOutput(Output):
    """A page of the history; `next` is the cursor of the next page."""

    results = TransactionOutput(many=True)
    next = serializers.IntegerField(source="next_cursor")
