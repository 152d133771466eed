"""Ports: the effects that an engine function may cause, handed in from the edge.

Production hands in Celery and HTTP, a simulated day hands in the same broker over an in-process transport and calls
the follow-up directly. The engine cannot tell the difference.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from hedging.brokers.base import Broker
from hedging.engine.clock import MarketClock


@dataclass(frozen=True, slots=True)
class Ports:
    """One account's broker, the two clocks, and the nudge that gets a committed order sent.

    `nudge_send` takes a HedgeOrder id; it may be lost or repeated, since the row is the truth. `pause` sleeps some seconds
    of wall time, where an order must wait for its turn.
    """

    broker: Broker
    clock: MarketClock
    wall: Callable[[], datetime]
    nudge_send: Callable[[int], None]
    pause: Callable[[float], None] = time.sleep
