"""Ask, before anything starts, whether the servers that a person named can be used; say in one line what to do if not."""

from __future__ import annotations

import redis
from django.conf import settings
from django.core.management.base import CommandError

from hedging.brokers.base import BrokerError
from hedging.brokers.openalgo.client import OpenAlgoClient


def check_redis() -> None:
    """Ask the Redis of REDIS_URL for a sign of life.

    Raises:
        CommandError: there is none.
    """
    client = redis.Redis.from_url(settings.REDIS_URL, socket_connect_timeout=5, socket_timeout=5)
    try:
        client.ping()
    except (redis.RedisError, OSError) as error:
        reason = type(error).__name__ if str(settings.REDIS_URL) in str(error) else str(error)
        raise CommandError(
            f"REDIS_URL: no Redis answers ({reason}): correct it, or remove the line to use the embedded one"
        ) from None
    finally:
        client.close()


def check_openalgo() -> None:
    """Ask the OpenAlgo server whether it is there and takes our key.

    Raises:
        CommandError: it does not answer, or refuses the key.
    """
    where, key = settings.OPENALGO_BASE_URL, settings.OPENALGO_API_KEY
    try:
        answer = OpenAlgoClient(where, key).read("ping")
    except BrokerError:
        raise CommandError(
            f"OPENALGO_BASE_URL: no OpenAlgo answers at {where}: start it and log in, or correct the address"
        ) from None
    if answer.status in {401, 403}:
        raise CommandError(
            f"OPENALGO_API_KEY is refused by {where}: copy it anew from OpenAlgo's API Key page, and log in to the broker there"
        )
    if answer.status != 200:
        raise CommandError(
            f"OPENALGO_BASE_URL: {where} answers {answer.status}, not like an OpenAlgo server: correct the address"
        )
