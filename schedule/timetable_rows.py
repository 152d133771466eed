"""Rows about the timetable: days on which an entry is skipped or sold at other times, and versions kept before a change."""

from __future__ import annotations

from django.db import models


class SkippedEntry(models.Model):
    """An entry that is left out on one day, and is due again on the next that it falls on. UNIQUE (entry, day)."""

    entry = models.ForeignKey("schedule.StrategyEntry", on_delete=models.CASCADE, related_name="skips")
    day = models.DateField()
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "skipped entries"
        constraints = [models.UniqueConstraint(fields=["entry", "day"], name="one_skip_per_entry_and_day")]

    def __str__(self) -> str:
        return f"{self.entry_id} on {self.day}"


class MovedEntry(models.Model):
    """Times of an entry that hold on one day alone, in IST; no exit: held to expiry. UNIQUE (entry, day)."""

    entry = models.ForeignKey("schedule.StrategyEntry", on_delete=models.CASCADE, related_name="moves")
    day = models.DateField()
    entry_time = models.TimeField()
    exit_time = models.TimeField(null=True, blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "moved entries"
        constraints = [
            models.UniqueConstraint(fields=["entry", "day"], name="one_move_per_entry_and_day"),
            models.CheckConstraint(
                condition=models.Q(exit_time=None) | models.Q(exit_time__gt=models.F("entry_time")),
                name="move_exits_after_entry",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entry_id} on {self.day} at {self.entry_time}"


class TimetableVersion(models.Model):
    """The whole timetable as it was before a change, as the CSV that an import reads. `at` is wall time. Never edited."""

    at = models.DateTimeField()
    by = models.CharField(max_length=150)
    before = models.CharField(max_length=200, help_text="The change that it was kept before.")
    entries = models.PositiveIntegerField()
    content = models.TextField()

    def __str__(self) -> str:
        return f"{self.entries} entries before {self.before}"
