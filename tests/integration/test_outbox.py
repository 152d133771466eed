"""The outbox: at least once, oldest first, one timeout for a dead transport, and no lock across the sending."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection, transaction

from notifications.delivery import CLAIM, DeliveryCounts, deliver_due
from notifications.messages import Message
from notifications.models import Alert, Severity, queue_alert
from notifications.transports import TransportFailed
from tests.factories import OPEN, AlertFactory

NOW = OPEN


class FakeTransport:
    """Keeps what it is given; `before` runs first and may raise."""

    def __init__(self, before: Callable[[int], object] | None = None) -> None:
        self.before = before
        self.sent: list[str] = []
        self.attempts = 0

    def send(self, message: Message) -> None:
        self.attempts += 1
        if self.before is not None:
            self.before(self.attempts)
        self.sent.append(message.text)


def failing(**how: object) -> Callable[[int], None]:
    def fail(_attempt: int) -> None:
        raise TransportFailed("down", **how)  # type: ignore[arg-type]

    return fail


@pytest.mark.django_db
def test_due_alerts_are_sent_oldest_first_and_only_once():
    for title in ("first", "second", "third"):
        queue_alert(kind="hedge_bought", severity=Severity.INFO, title=title, happened_at=NOW, wall_now=NOW)
    transport = FakeTransport()
    assert deliver_due(wall_now=NOW, transport=transport) == DeliveryCounts(sent=3, failed=0)
    assert [text.splitlines()[0].split()[-1] for text in transport.sent] == ["first", "second", "third"]
    assert deliver_due(wall_now=NOW + timedelta(days=1), transport=transport) == DeliveryCounts(sent=0, failed=0)
    assert set(Alert.objects.values_list("delivered_at", flat=True)) == {NOW}


@pytest.mark.django_db
@pytest.mark.parametrize(("seconds", "sent"), [(-3601, 1), (-3600, 0), (-1, 0), (0, 1), (1, 1)])
def test_an_alert_is_sent_when_its_attempt_is_due_not_before(seconds, sent):
    AlertFactory(next_attempt_at=NOW)
    assert deliver_due(wall_now=NOW + timedelta(seconds=seconds), transport=FakeTransport()).sent == sent


@pytest.mark.django_db
def test_the_wait_after_a_failure_doubles_up_to_ten_minutes():
    alert = AlertFactory()
    waits = []
    now = NOW
    for _ in range(9):
        deliver_due(wall_now=now, transport=FakeTransport(failing()))
        alert.refresh_from_db()
        waits.append(int((alert.next_attempt_at - now).total_seconds()))
        now = alert.next_attempt_at
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    assert (alert.attempts, alert.last_error, alert.delivered_at) == (9, "down", None)
    assert deliver_due(wall_now=now, transport=FakeTransport()).sent == 1
    alert.refresh_from_db()
    assert (alert.delivered_at, alert.last_error) == (now, "")


@pytest.mark.django_db
def test_a_dead_transport_costs_one_attempt_a_call_and_loses_nothing():
    AlertFactory.create_batch(5)
    dead = FakeTransport(failing())
    assert deliver_due(wall_now=NOW, transport=dead) == DeliveryCounts(sent=0, failed=1)
    assert dead.attempts == 1
    assert deliver_due(wall_now=NOW + timedelta(hours=1), transport=FakeTransport()).sent == 5


@pytest.mark.django_db
def test_a_message_that_is_refused_does_not_hold_up_the_next():
    AlertFactory.create_batch(2)

    def refuse_first(attempt: int) -> None:
        if attempt == 1:
            raise TransportFailed("bad", everything=False)

    assert deliver_due(wall_now=NOW, transport=FakeTransport(refuse_first)) == DeliveryCounts(sent=1, failed=1)


@pytest.mark.django_db
def test_a_wait_that_the_transport_asks_for_is_kept_for_every_alert():
    AlertFactory.create_batch(3)
    limited = FakeTransport(failing(retry_after=timedelta(seconds=17)))
    deliver_due(wall_now=NOW, transport=limited)
    transport = FakeTransport()
    assert deliver_due(wall_now=NOW + timedelta(seconds=16), transport=transport).sent == 0
    assert deliver_due(wall_now=NOW + timedelta(seconds=17), transport=transport).sent == 3


@pytest.mark.django_db
def test_a_wait_shorter_than_the_own_backoff_does_not_shorten_it():
    alert = AlertFactory(attempts=6)
    deliver_due(wall_now=NOW, transport=FakeTransport(failing(retry_after=timedelta(seconds=3))))
    alert.refresh_from_db()
    assert alert.next_attempt_at == NOW + timedelta(seconds=320)


@pytest.mark.django_db
def test_a_crash_between_sending_and_marking_sends_again_after_the_claim():
    AlertFactory()
    crashed = FakeTransport()

    def sent_then_killed(_attempt: int) -> None:
        crashed.sent.append("out")
        raise SystemExit

    crashed.before = sent_then_killed
    with pytest.raises(SystemExit):
        deliver_due(wall_now=NOW, transport=crashed)
    assert crashed.sent == ["out"]
    again = FakeTransport()
    assert deliver_due(wall_now=NOW + CLAIM - timedelta(seconds=1), transport=again).sent == 0
    assert deliver_due(wall_now=NOW + CLAIM, transport=again).sent == 1


@pytest.mark.django_db
def test_a_call_sends_no_more_than_its_limit():
    AlertFactory.create_batch(4)
    assert deliver_due(wall_now=NOW, transport=FakeTransport(), limit=3) == DeliveryCounts(sent=3, failed=0)
    assert Alert.objects.filter(delivered_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_a_message_is_sent():
    AlertFactory()
    states = []
    deliver_due(wall_now=NOW, transport=FakeTransport(lambda _: states.append(connection.in_atomic_block)))
    assert states == [False]


@pytest.mark.django_db(transaction=True)
def test_a_second_worker_takes_the_next_alert_while_one_is_being_sent():
    AlertFactory(title="one")
    AlertFactory(title="two")
    other = FakeTransport()
    busy = FakeTransport(lambda _: deliver_due(wall_now=NOW, transport=other))
    assert deliver_due(wall_now=NOW, transport=busy) == DeliveryCounts(sent=1, failed=0)
    assert [len(busy.sent), len(other.sent)] == [1, 1]
    assert "two" in other.sent[0]


@pytest.mark.django_db(transaction=True)
def test_an_alert_whose_row_is_locked_elsewhere_is_skipped_not_waited_for():
    locked, free = AlertFactory(title="locked"), AlertFactory(title="free")
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT 1 FROM notifications_alert WHERE id = %s FOR UPDATE", [locked.pk])
            transport = FakeTransport()
            assert deliver_due(wall_now=NOW, transport=transport).sent == 1
            cursor.execute("ROLLBACK")
    finally:
        other.close()
    free.refresh_from_db()
    assert free.delivered_at == NOW
    assert "free" in transport.sent[0]


@pytest.mark.django_db
def test_an_alert_disappears_with_the_change_that_it_was_to_tell():
    with transaction.atomic():
        queue_alert(kind="hedge_bought", severity=Severity.INFO, title="t" * 300, happened_at=NOW, wall_now=NOW)
        assert len(Alert.objects.get().title) == 200
        transaction.set_rollback(True)
    assert not Alert.objects.exists()


@pytest.mark.django_db
def test_a_call_costs_a_constant_number_of_queries_for_each_alert(django_assert_max_num_queries):
    AlertFactory.create_batch(4)
    with django_assert_max_num_queries(4 * 6 + 4):
        assert deliver_due(wall_now=NOW, transport=FakeTransport()).sent == 4
