"""Schedule: the strategy's timetable and the trading calendar."""

from django.apps import AppConfig


class ScheduleConfig(AppConfig):
    """Knows sessions and notifications."""

    name = "schedule"
    verbose_name = "Schedule"
