"""Addresses of the database and of Redis, for each world and for embedded or given servers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from config.env import SettingError
from config.local.places import DATABASE_USER, Places

SCHEMA = "auto_hedge"
SIMULATOR = "simulator"
REAL = "real"
SIMULATOR_DATABASE = "auto_hedge_sim"
REAL_DATABASE = "auto_hedge"
PREPARE_AFTER = 2  # times that a connection has sent the same statement


def database_config(*, given: dict[str, Any] | None, world: str, places: Places) -> dict[str, Any]:
    """Build Django's `default` database: the given server or the embedded one, in the database of this world.

    Our tables live in the schema `auto_hedge` by the search path, so a database may be shared with others.

    Raises:
        SettingError: a real account would write into the simulator's database.
    """
    # Without a password: the socket lies in a private folder.
    config: dict[str, Any] = (
        dict(given)
        if given
        else {"USER": DATABASE_USER, "PASSWORD": "", "HOST": str(places.postgres_sockets), "PORT": "5432"}  # nosec B105
    )
    if world == SIMULATOR:
        config["NAME"] = SIMULATOR_DATABASE
    elif given is None:
        config["NAME"] = REAL_DATABASE
    elif config["NAME"] == SIMULATOR_DATABASE:
        raise SettingError(
            f"DATABASE_URL names {SIMULATOR_DATABASE}, the simulator's own: name another database for a real account"
        )
    options: dict[str, Any] = {"connect_timeout": 5} | dict(config.get("OPTIONS") or {})
    # Statements are prepared by the server once and reused: a cycle asks the same few questions all day. Django prepares
    # none by itself; behind a pooler that cannot, DATABASE_URL may say `?prepare_threshold=1000000000`.
    options["server_side_binding"] = True
    options["prepare_threshold"] = int(options.get("prepare_threshold", PREPARE_AFTER))
    options["options"] = f"{options.get('options', '')} -c search_path={SCHEMA} -c jit=off".strip()
    return config | {
        "ENGINE": "django.db.backends.postgresql",
        "OPTIONS": options,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


@dataclass(frozen=True, slots=True)
class RedisAddresses:
    """One Redis under the two spellings that its clients want."""

    for_celery: str
    for_client: str


def redis_addresses(*, given: str | None, world: str, places: Places) -> RedisAddresses:
    """Spell Redis's address for Celery (`redis+socket://`) and redis-py (`unix://`), numbered by the world.

    The simulator's world uses the neighbour (0 ↔ 1, 2 ↔ 3, …) of the real world's database number.

    Raises:
        SettingError: the URL's database is not a number.
    """
    if given is None:
        path, number = str(places.redis_socket), 0
    else:
        parts = urlsplit(given)
        query = dict(parse_qsl(parts.query))
        is_socket = parts.scheme in {"unix", "redis+socket"}
        named = query.get("db") or query.get("virtual_host") or ("" if is_socket else parts.path.strip("/")) or "0"
        if not named.isdecimal():
            raise SettingError(f"REDIS_URL's database {named!r} is not a number: write it like redis://host:6379/0")
        path, number = (parts.path if is_socket else ""), int(named)
    if world == SIMULATOR:
        number ^= 1
    if path:
        quoted = quote(path)
        return RedisAddresses(
            for_celery=f"redis+socket://{quoted}?virtual_host={number}", for_client=f"unix://{quoted}?db={number}"
        )
    query_text = "&".join(f"{name}={value}" for name, value in query.items() if name != "db")
    address = urlunsplit((parts.scheme, parts.netloc, f"/{number}", query_text, ""))
    return RedisAddresses(for_celery=address, for_client=address)
