"""Tasks reach the queue that is meant for them, are handed out once, and never run longer than Redis waits."""

import pytest
import redis as redis_client

from config.celery import QUEUES, TASKS, VISIBILITY_TIMEOUT_SECONDS, app
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
