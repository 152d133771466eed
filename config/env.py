"""Read settings from the environment and `.env`, and fail loudly: one line that names the setting and the fix."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured

TRUE_WORDS = frozenset({"1", "true", "yes", "on", "y", "t"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", "n", "f"})
# What people leave in a copied .env. Such a value is never used as a key.
_PLACEHOLDER = re.compile(
    r"your[-_ ].*|.*[-_ ]here|<.*>|\[.*\]|change[-_ ]?me.*|replace[-_ ].*|x{3,}|placeholder|todo|none|null|.*\.\.\.",
    re.IGNORECASE,
)
_ENV_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*\Z")
_QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\.)*)")\s*(?:\#.*)?\Z""")


class SettingError(ImproperlyConfigured):
    """A setting cannot be used. The message is one line: the name, what is wrong, what to write instead."""


def parse_env_file(text: str, *, name: str = ".env") -> dict[str, str]:
    """Parse the lines of a `.env` file. Inline comments (` # …`) are stripped, `#` inside a word or quotes is kept.

    Raises:
        SettingError: a line is neither a comment nor `NAME=value`; it is named by its number.
    """
    values: dict[str, str] = {}
    for number, line in enumerate(text.lstrip("\ufeff").splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ENV_LINE.match(line)
        if match is None:
            raise SettingError(f"{name} line {number} is not NAME=value: correct it or start it with #")
        values[match[1]] = _bare_value(match[2])
    return values


def _bare_value(raw: str) -> str:
    quoted = _QUOTED.match(raw)
    if quoted is None:
        return re.split(r"(?:\A|\s)#", raw, maxsplit=1)[0].strip()
    if quoted[1] is not None:
        return quoted[1]
    return re.sub(r"\\(.)", r"\1", quoted[2])


def read_environment(env_file: Path | None) -> Environment:
    """Join `.env` (if there is one) and the process environment; the process environment wins."""
    from_file: dict[str, str] = {}
    if env_file is not None and env_file.is_file():
        try:
            from_file = parse_env_file(env_file.read_text(encoding="utf-8"), name=env_file.name)
        except (OSError, UnicodeDecodeError) as error:
            raise SettingError(
                f"{env_file.name} cannot be read as UTF-8 text ({error}): correct its rights or encoding"
            ) from None
    return Environment({**from_file, **os.environ})


def is_placeholder(value: str) -> bool:
    """Say whether a value is an example's filler (`your_api_key_here`, `<token>`, `changeme`) and not a real one."""
    return _PLACEHOLDER.fullmatch(value.strip()) is not None


class Environment:
    """Typed readers over name → text. Empty text counts as unset; every reader raises `SettingError` on nonsense.

    `notices` collects lines a person should see at start-up; `asked` the names of all settings that were read.
    """

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.notices: list[str] = []
        self.asked: set[str] = set()

    def text(self, name: str, default: str) -> str:
        """Read free text, stripped."""
        return self._raw(name) or default

    def flag(self, name: str, *, default: bool) -> bool:
        """Read a switch: true/false, yes/no, on/off, 1/0. A typing error is never taken for either."""
        raw = self._raw(name)
        if raw is None:
            return default
        if raw.lower() in TRUE_WORDS:
            return True
        if raw.lower() in FALSE_WORDS:
            return False
        raise SettingError(f"{name}={raw!r} is neither true nor false: write {name}=true or {name}=false")

    def whole(self, name: str, default: int, *, least: int, most: int) -> int:
        """Read a whole number within bounds, both included."""
        number = self.decimal(name, Decimal(default), least=Decimal(least), most=Decimal(most))
        if number != int(number):
            raise SettingError(f"{name}={number} is not a whole number: write one from {least} to {most}")
        return int(number)

    def decimal(self, name: str, default: Decimal, *, least: Decimal, most: Decimal) -> Decimal:
        """Read a number within bounds, both included. `1_00_000` and `1,00,000` are read as people mean them."""
        raw = self._raw(name)
        if raw is None:
            return default
        try:
            number = Decimal(raw.replace(",", "").replace("_", "").removesuffix("%").strip())
        except InvalidOperation:
            raise SettingError(f"{name}={raw!r} is not a number: write one from {least} to {most}") from None
        if not number.is_finite() or not least <= number <= most:
            raise SettingError(f"{name}={raw} is out of bounds: write a number from {least} to {most}")
        return number

    def words(self, name: str, default: tuple[str, ...]) -> list[str]:
        """Read a comma-separated list."""
        raw = self._raw(name)
        return [word.strip() for word in raw.split(",") if word.strip()] if raw else list(default)

    def key(self, name: str, *, without: str) -> str | None:
        """Read a secret. A placeholder is not a key: it is left out, and a notice says so and what happens `without` it."""
        raw = self._raw(name)
        if raw is not None and is_placeholder(raw):
            self.notices.append(f"{name} is a placeholder, not a key: {without}")
            return None
        return raw

    def url(self, name: str, default: str, *, schemes: tuple[str, ...]) -> str:
        """Read a URL with a host (or, for socket schemes, a path), without a trailing slash."""
        raw = self._raw(name)
        if raw is None:
            return default
        try:
            parts = urlsplit(raw)
            usable = parts.scheme in schemes and bool(parts.hostname or parts.path.strip("/"))
            _ = parts.port  # raises ValueError on a port that is none
        except ValueError:
            usable = False
        if not usable:
            raise SettingError(f"{name} is not a usable URL: write it like {schemes[0]}://host:port")
        return raw.rstrip("/")

    def database(self, name: str) -> dict[str, Any] | None:
        """Read a PostgreSQL URL into Django's words; None if unset. The `+asyncpg` of an older installation is accepted."""
        raw = self._raw(name)
        if raw is None:
            return None
        example = (
            "write it like postgresql://user:password@host:5432/name, or remove the line to use the embedded server"
        )
        scheme, separator, rest = raw.partition("://")
        if not separator or scheme.split("+")[0] not in {"postgres", "postgresql"}:
            raise SettingError(f"{name} is not a PostgreSQL URL: {example}")
        try:
            config: dict[str, Any] = environ.Env.db_url_config(f"postgresql://{rest}")
        except (ValueError, ImproperlyConfigured):
            raise SettingError(f"{name} cannot be read (percent-encode special characters): {example}") from None
        if not config.get("NAME"):
            raise SettingError(f"{name} names no database: {example}")
        options: dict[str, Any] = config.setdefault("OPTIONS", {})
        for word in ("host", "port"):  # libpq's way to name a socket folder: postgresql://user@/name?host=/folder
            if word in options:
                config[word.upper()] = options.pop(word)
        if "ssl" in options:  # asyncpg's word for libpq's sslmode
            asked = str(options.pop("ssl")).lower()
            options["sslmode"] = {"true": "require", "false": "disable"}.get(asked, asked)
        return config

    def _raw(self, name: str) -> str | None:
        self.asked.add(name)
        return self._values.get(name, "").strip() or None


def lasting_secret(path: Path) -> str:
    """Return the secret kept in `path`, making it on first use: mode 0600, whole or not at all, one winner of a race.

    Raises:
        SettingError: the file or its folder cannot be written.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(fresh, path)  # never replaces: the first of two processes wins
            except FileExistsError:
                pass
            finally:
                fresh.unlink()
        return path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingError(
            f"SECRET_KEY cannot be kept in {path} ({error.strerror}): make VAR_DIR writable or set SECRET_KEY"
        ) from None
