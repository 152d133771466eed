"""Alerts: a worker dies between sending and marking, then Telegram is down for an hour; every alert comes, at least once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from notifications.delivery import deliver_due
from notifications.messages import Message
from notifications.models import Alert
from notifications.transports import TransportFailed
from tests.reliability import points
from tests.reliability.cells import Ground
from tests.reliability.processes import KILLED, Shared, fork


@dataclass(frozen=True, slots=True)
class Told:
    """How many alerts there were; how many messages left, before the worker died and after the hour; how many never."""

    alerts: int
    died: bool
    sent_before: int
    sent_while_down: int
    sent_after: int
    lost: int


@dataclass(slots=True)
class _Telegram:
    """A transport that does one thing with every message, after it has counted it."""

    then: Callable[[], None] = lambda: None
    came: list[str] = field(default_factory=list)

    def send(self, message: Message) -> None:
        """Take the message."""
        self.then()
        self.came.append(message.text)


def run_alerts(ground: Ground) -> Told:
    """Let an order make alerts, lose the worker while it sends the first, and Telegram for an hour after that."""
    Alert.objects.filter(delivered_at=None).update(delivered_at=ground.exchange.now)  # those of other trials
    trial = ground.trial("alerts")
    with trial.gateway:
        trial.run(lambda broker: trial.buy(broker, legs=2))
        trial.run(trial.settle)
    waiting = Alert.objects.filter(delivered_at=None)
    alerts, wall = waiting.count(), max(waiting.values_list("next_attempt_at", flat=True))
    left = Shared(1)

    def send_and_die() -> None:
        left[0] = left[0] + 1
        points.end()

    dying = fork(lambda: _deliver(wall, _Telegram(send_and_die)))
    dying.result()
    down = fork(lambda: [_deliver(wall + timedelta(seconds=n), _Telegram(_unreachable)) for n in range(0, 3600, 60)])
    while_down = sum(down.result())
    after = fork(lambda: sum(_deliver(wall + timedelta(hours=1, minutes=n), _Telegram()) for n in range(0, 30, 5)))
    sent_after = after.result()
    lost = Alert.objects.filter(delivered_at=None).count()
    return Told(alerts, dying.code == KILLED, int(left[0]), while_down, sent_after, lost)


def _unreachable() -> None:
    raise TransportFailed("no route to host")


def _deliver(now: datetime, telegram: _Telegram) -> int:
    deliver_due(wall_now=now, transport=telegram)
    return len(telegram.came)
