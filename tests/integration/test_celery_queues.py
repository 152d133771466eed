"""Tasks reach the queue that is meant for them, are handed out once, and never run longer than Redis waits."""

import gc
import weakref

import pytest
import redis as redis_client
from celery.signals import task_postrun

from config.celery import QUEUES, TASKS, VISIBILITY_TIMEOUT_SECONDS, app, collect_garbage, settle_memory
from config.local.stack import WORKERS


@pytest.fixture
def queue_client(redis_server, settings):
    client = redis_client.Redis.from_url(settings.REDIS_URL)
    client.flushdb()
    yield client
    client.flushdb()
    client.close()


def test_every_task_of_ours_has_its_queue_and_limits():
    app.loader.import_default_modules()
    ours = {name for name in app.tasks if name.startswith(("hedging.", "notifications.", "schedule.", "sessions_app."))}
    assert ours == set(TASKS)


@pytest.mark.parametrize("name", sorted(TASKS))
def test_a_task_waits_in_the_queue_that_its_name_gives(name, redis_server, queue_client):
    with app.connection_for_write(url=redis_server) as connection:
        app.send_task(name, connection=connection)
    waiting = {queue for queue in QUEUES if queue_client.llen(f"auto_hedge:{queue}")}
    assert waiting == {TASKS[name][0]}


@pytest.mark.parametrize("name", sorted(TASKS))
def test_no_task_may_run_so_long_that_redis_hands_it_out_again(name):
    _, soft, hard = TASKS[name]
    assert soft < hard < VISIBILITY_TIMEOUT_SECONDS / 10


def test_nothing_is_retried_or_acknowledged_late():
    app.loader.import_default_modules()
    for name in TASKS:
        task = app.tasks[name]
        assert (task.max_retries, task.acks_late) == (0, False), name
    assert app.conf.worker_prefetch_multiplier == 1
    assert app.conf.accept_content == ["json"]


def test_every_queue_has_a_worker_and_orders_have_four_places_at_least():
    served = [queue for _, queues, _, _ in WORKERS for queue in queues.split(",")]
    assert sorted(served) == sorted(QUEUES)
    assert {name: places for name, _, _, places in WORKERS}["worker-orders"] >= 4


@pytest.fixture
def settled_memory():
    thresholds = gc.get_threshold()
    settle_memory()
    yield
    task_postrun.disconnect(collect_garbage)
    gc.set_threshold(*thresholds)
    gc.unfreeze()


class Ring:
    """Something that only the garbage collector can free."""

    def __init__(self):
        self.itself = self


def test_what_a_task_leaves_is_collected_before_the_next_one_begins(settled_memory):
    left = []

    @app.task(name="test.leave_a_ring")
    def leave_a_ring():
        left.append(weakref.ref(Ring()))

    try:
        leave_a_ring.apply()
    finally:
        app.tasks.unregister("test.leave_a_ring")
    assert left[0]() is None
