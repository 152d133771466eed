"""Celery tasks of the schedule: read the clock, call one function, log the result."""

from __future__ import annotations

import logging

from celery import shared_task
from django.utils import timezone

from schedule.margin_files.uploads import read_upload

log = logging.getLogger(__name__)


@shared_task(name="schedule.tasks.import_margin_file")
def import_margin_file(file_id: int) -> None:
    """Read an uploaded margin file."""
    now = timezone.now()
    done = read_upload(file_id, now=now, today=timezone.localdate(now))
    log.info("margin file %s: %s", file_id, done)
