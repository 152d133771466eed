"""Where the embedded servers live: names computed from `VAR_DIR` alone, so every command finds a running server."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DATABASE_USER = "auto_hedge"


@dataclass(frozen=True, slots=True)
class Places:
    """Paths of one installation. Sockets lie outside `var`, because a socket path over 107 bytes does not work.

    `runtime` is private (0700) and named after the user and a hash of `var`, so projects and users never meet.
    """

    var: Path
    runtime: Path

    @property
    def postgres_data(self) -> Path:
        """Database files."""
        return self.var / "postgres"

    @property
    def logs(self) -> Path:
        """One log file for each process."""
        return self.var / "log"

    @property
    def halt(self) -> Path:
        """A file whose mere existence halts all trading: for when nothing else answers any more."""
        return self.var / "HALT"

    @property
    def postgres_sockets(self) -> Path:
        """Folder of PostgreSQL's socket; libpq calls it the host."""
        return self.runtime / "pg"

    @property
    def redis_socket(self) -> Path:
        """Redis's socket file."""
        return self.runtime / "redis.sock"


def places_of(var: Path) -> Places:
    """Name the places of the installation whose state is in `var`. Touches nothing."""
    where = var.absolute()
    mark = hashlib.sha256(os.fsencode(where)).hexdigest()[:12]
    return Places(var=where, runtime=Path("/tmp") / f"auto-hedge-{os.getuid()}-{mark}")  # nosec B108 # noqa: S108 - short; owner and mode are checked before use
