"""The Celery app: five queues, JSON only, no retries. A task is a nudge; the database row is the truth."""

from __future__ import annotations

import gc
import logging.config
import os
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_postrun, worker_process_init, worker_ready
from kombu import Queue

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

HEDGE, ORDERS, EXITS, BOOKS, IO = "hedge", "orders", "exits", "books", "io"
QUEUES = (HEDGE, ORDERS, EXITS, BOOKS, IO)

# task: (queue, soft limit, hard limit) in seconds of wall time. The POST of an order may take 35 s beside its reads.
TASKS = {
    "hedging.tasks.check_margin": (HEDGE, 20, 25),
    "hedging.tasks.project_entries": (HEDGE, 20, 25),
    "hedging.tasks.send_order": (ORDERS, 90, 100),
    "hedging.tasks.send_exit": (EXITS, 90, 100),
    "hedging.tasks.reconcile_books": (BOOKS, 60, 70),
    "hedging.tasks.calibrate": (IO, 60, 70),
    "hedging.tasks.deliver_alerts": (IO, 60, 70),
    "hedging.tasks.heartbeat": (IO, 10, 15),
    "hedging.tasks.heartbeat_orders": (ORDERS, 10, 15),
    "hedging.tasks.heartbeat_exits": (EXITS, 10, 15),
    "hedging.tasks.heartbeat_books": (BOOKS, 10, 15),
    "hedging.tasks.run_preflights": (IO, 60, 70),
    "schedule.tasks.import_margin_file": (IO, 240, 300),
}
# Far above every limit: Redis hands a task out again after this time, and nothing here may run twice for that reason.
VISIBILITY_TIMEOUT_SECONDS = 3600

app = Celery("auto_hedge")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.update(
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue=IO,
    task_create_missing_queues=False,
    task_routes={name: {"queue": queue} for name, (queue, _, _) in TASKS.items()},
    task_annotations={"*": {"max_retries": 0}}
    | {
        name: {"soft_time_limit": soft, "time_limit": hard, "max_retries": 0} for name, (_, soft, hard) in TASKS.items()
    },
    task_acks_late=False,
    task_ignore_result=True,
    result_expires=None,  # there are no results, and so no nightly clean-up of them in the beat table
    task_store_errors_even_if_ignored=False,
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_publish_retry=False,  # the sweep of the next tick finds what a lost nudge left behind
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={
        "visibility_timeout": VISIBILITY_TIMEOUT_SECONDS,
        "global_keyprefix": "auto_hedge:",
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
    },
    beat_scheduler="config.scheduler:Scheduler",
    beat_max_loop_interval=5,
    timezone="UTC",
    enable_utc=True,
)
app.autodiscover_tasks()


@setup_logging.connect
def configure_logging(**_kwargs: Any) -> None:
    """Give workers and beat the project's own logging, so redaction holds there too."""
    from django.conf import settings  # noqa: PLC0415 - settings load when a worker starts, not when this module is read

    logging.config.dictConfig(settings.LOGGING)


@worker_process_init.connect
@worker_ready.connect
def settle_memory(**_kwargs: Any) -> None:
    """Let the garbage collector pass over what lives as long as the process: looking through all of it takes some 50 ms.

    A chain of quotes is some thousand objects, none of them in a circle: it need not look once for every 700. What a task
    leaves is collected after it: within the next one it would take some 5 ms of an order's way to the broker.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    task_postrun.connect(collect_garbage)


def collect_garbage(**_kwargs: Any) -> None:
    """Collect what the task that has just ended left."""
    gc.collect()


@worker_ready.connect
def tell_ready(**_kwargs: Any) -> None:
    """Leave a mark for whoever started this worker and waits for it."""
    mark = os.environ.get("AUTO_HEDGE_READY_FILE")
    if mark:
        Path(mark).touch()
