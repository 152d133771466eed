"""The embedded servers survive what people and machines do to them, and leave nothing behind."""

import errno
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest
import redis as redis_client

from config.local import postgres, redis
from config.local.places import Places, places_of
from config.local.processes import LocalServerError, Lock, Program, listener_pid, members
from config.local.supervisor import Supervisor, claimed

BASE = Path(__file__).parents[2]


@pytest.fixture
def places(tmp_path):
    """An installation in a path with a space, longer than a socket's path may be."""
    made = places_of(tmp_path / "a folder" / ("x" * 150) / "var")
    yield made
    shutil.rmtree(made.runtime, ignore_errors=True)


@pytest.fixture
def supervisor(places):
    made = Supervisor(say=lambda _line: None)
    yield made
    made.stop_all()
    for family in (postgres.family(places), redis.family(places)):
        assert members(family) == [], "a server outlived its supervisor"


def ask(places: Places, statement: str) -> object:
    with psycopg.connect(postgres.address(places), autocommit=True) as connection:
        cursor = connection.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def server_pid(places: Places) -> int:
    pid = listener_pid(places.postgres_sockets / postgres.SOCKET_NAME)
    assert pid is not None
    return pid


def until(condition, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def asleep(folder: Path) -> Program:
    """A program that does nothing for a minute."""
    family = folder / "lock" / "children"
    return Program(name="asleep", argv=["/bin/sleep", "60"], log=folder / "asleep.log", family=family, cwd=folder)


def test_data_survive_a_killed_server_and_a_pid_file_with_a_reused_pid(places, supervisor):
    supervisor.start(postgres.program(places))
    ask(places, "CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server_pid(places), signal.SIGKILL)
    until(lambda: not members(postgres.family(places)))
    # The file names a living process now, which is no server: its first line is trusted by nobody.
    pid_file = places.postgres_data / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        supervisor.stop_all()
        supervisor.start(postgres.program(places))
        assert ask(places, "SELECT answer FROM kept") == 42
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_server_that_outlived_its_supervisor_is_ended_before_the_next_one_starts(places, supervisor):
    supervisor.start(postgres.program(places), redis.program(places))
    ask(places, "CREATE TABLE kept AS SELECT 42 AS answer")
    earlier = server_pid(places)
    for lock in supervisor._locks.values():
        lock.release()  # as if its process had ended: the servers alone hold the locks now
    following = Supervisor(say=lambda _line: None)
    try:
        following.start(postgres.program(places), redis.program(places))
        assert server_pid(places) != earlier
        assert ask(places, "SELECT answer FROM kept") == 42
    finally:
        following.stop_all()


def test_killing_the_supervisor_ends_its_servers_too(places):
    script = (
        "import sys, time; from pathlib import Path\n"
        "from config.local import postgres, redis\n"
        "from config.local.places import places_of\n"
        "from config.local.supervisor import Supervisor\n"
        "places = places_of(Path(sys.argv[1])); supervisor = Supervisor(say=print)\n"
        "supervisor.start(postgres.program(places), redis.program(places)); print('up', flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(places.var)], cwd=BASE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert members(postgres.family(places))
        process.kill()
    until(lambda: not members(postgres.family(places)) and not members(redis.family(places)))


def test_a_server_that_dies_is_started_again_and_said_so(places):
    said: list[str] = []
    supervisor = Supervisor(say=said.append)
    try:
        supervisor.start(postgres.program(places), redis.program(places))
        for child in supervisor._children:
            child.process.kill()
            child.process.wait()

        def both_answer() -> bool:
            supervisor._tend()
            return postgres.answers(places) and redis.answers(places)

        until(both_answer)
    finally:
        supervisor.stop_all()
    assert sorted(line.split(" (")[0] for line in said) == [
        "postgres was killed by SIGKILL",
        "redis was killed by SIGKILL",
    ]


def test_what_dies_is_started_again_although_nobody_can_be_told(tmp_path):
    def say(_line: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    supervisor = Supervisor(say=say)
    try:
        supervisor.start(asleep(tmp_path))
        (child,) = supervisor._children
        first = child.process
        first.kill()
        first.wait()

        def runs_again() -> bool:
            supervisor._tend()
            return child.process is not first and child.process.poll() is None

        until(runs_again)
    finally:
        supervisor.stop_all()


@pytest.mark.parametrize(("came_in", "signals_seen"), [("SIG_DFL", 1), ("SIG_IGN", 2)], ids=["terminal", "nohup"])
def test_the_end_of_the_terminal_ends_everything_unless_it_was_started_with_nohup(came_in, signals_seen):
    script = (
        "import os, signal, threading\n"
        f"signal.signal(signal.SIGHUP, signal.{came_in})\n"  # whatever these tests themselves were started with
        "from config.local.supervisor import Supervisor\n"
        "sent = []\n"
        "def send(number): sent.append(number); os.kill(os.getpid(), number)\n"
        "threading.Timer(1, send, [signal.SIGHUP]).start()\n"
        "timer = threading.Timer(3, send, [signal.SIGTERM]); timer.start()\n"
        "Supervisor(say=print).watch(); timer.cancel(); print(len(sent))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=BASE, capture_output=True, text=True, check=True)
    assert int(done.stdout) == signals_seen


def test_redis_keeps_nothing_on_disk_and_listens_on_its_socket_only(places, supervisor):
    supervisor.start(redis.program(places))
    client = redis_client.Redis(unix_socket_path=str(places.redis_socket))
    client.set("key", "value")
    assert client.config_get("port") == {"port": "0"}
    client.close()
    supervisor.stop_all()
    assert [path.name for path in places.runtime.rglob("*") if path.is_file()] == []


def test_postgresql_listens_on_its_socket_only(places, supervisor):
    supervisor.start(postgres.program(places))
    assert ask(places, "SHOW listen_addresses") == ""
    assert stat.S_IMODE(places.postgres_sockets.stat().st_mode) == 0o700


def test_two_projects_run_beside_each_other(tmp_path):
    both = [places_of(tmp_path / name / "var") for name in ("one", "two")]
    supervisor = Supervisor(say=lambda _line: None)
    try:
        for places in both:
            supervisor.start(postgres.program(places), redis.program(places))
            ask(places, f"CREATE TABLE mine AS SELECT '{places.var}' AS whose")
        assert [ask(places, "SELECT whose FROM mine") for places in both] == [str(places.var) for places in both]
    finally:
        supervisor.stop_all()
        for places in both:
            shutil.rmtree(places.runtime)


def test_no_permission_outside_var_changes(tmp_path, places, supervisor):
    closed = tmp_path / "a folder"
    closed.mkdir(mode=0o700)
    outside = [*tmp_path.parents, tmp_path, closed, BASE, BASE / "config"]

    def rights() -> list[tuple[int, int, int]]:
        return [(seen.st_mode, seen.st_uid, seen.st_gid) for seen in (folder.stat() for folder in outside)]

    before = rights()
    supervisor.start(postgres.program(places), redis.program(places))
    assert rights() == before


def test_an_interrupted_first_start_leaves_nothing_half_made(places, supervisor):
    half_made = places.var / "postgres.new"
    half_made.mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    supervisor.start(postgres.program(places))
    assert ask(places, "SELECT 1") == 1
    assert not half_made.exists()


def test_a_second_supervisor_is_refused_in_one_line(places):
    with (
        claimed(places),
        pytest.raises(LocalServerError, match=r"^Auto-Hedge is running already with [^\n]+$"),
        claimed(places),
    ):
        pytest.fail("two supervisors hold the same var")


def test_a_var_of_another_layout_is_refused_in_one_line_and_kept(places):
    places.var.mkdir(parents=True)
    (places.var / "layout").write_text("99\n")
    with (
        pytest.raises(LocalServerError, match=r"layout 99, this one reads 1.*move it away, or set VAR_DIR"),
        claimed(places),
    ):
        pytest.fail("files of another layout were taken over")
    assert (places.var / "layout").read_text() == "99\n"


def test_a_planted_socket_folder_is_refused(places):
    places.runtime.symlink_to("/nowhere")
    try:
        with pytest.raises(LocalServerError, match="belongs to another user"):
            redis.program(places).prepare()
    finally:
        places.runtime.unlink()


def test_a_lock_is_held_as_long_as_anybody_who_inherited_it_lives(tmp_path):
    lock = Lock(tmp_path / "lock")
    assert lock.take()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock.fileno(),)) as child:
        lock.release()
        assert not Lock(tmp_path / "lock").take()
        assert members(tmp_path / "lock") == [child.pid]
        assert child.stdin is not None
        child.stdin.close()
        child.wait()
    after = Lock(tmp_path / "lock")
    assert after.take()
    after.release()


def test_a_program_that_cannot_start_is_one_line_with_its_reason(places, supervisor):
    program = redis.program(places)
    broken = type(program)(
        **{field: getattr(program, field) for field in program.__slots__}
        | {"argv": [program.argv[0], "--no-such-option", "1"]}
    )
    with pytest.raises(LocalServerError, match=r"^redis ended at once: [^\n]*redis\.log\)$"):
        supervisor.start(broken)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has somebody to step down to")
@pytest.mark.parametrize("closed", [False, True], ids=["open path", "closed path"])
def test_root_without_user_namespaces_runs_as_nobody_and_opens_no_closed_folder(monkeypatch, closed):
    """Where `nobody` cannot reach var, its files move within reach; the closed folder stays closed."""
    runs = postgres._runs
    monkeypatch.setattr(postgres, "_runs", lambda programs, who: "--namespace" not in who and runs(programs, who))
    base = Path(tempfile.mkdtemp(prefix="auto-hedge-nobody-"))
    base.chmod(0o755)
    monkeypatch.setattr(postgres, "_TRUSTED_PREFIX", base)
    project = base / "project"
    project.mkdir(mode=0o700 if closed else 0o755)
    places = places_of(project / "var")
    supervisor = Supervisor(say=lambda _line: None)
    try:
        supervisor.start(postgres.program(places))
        ask(places, "CREATE TABLE kept AS SELECT 42 AS answer")
        assert Path(f"/proc/{server_pid(places)}").stat().st_uid == pwd.getpwnam("nobody").pw_uid
        assert stat.S_IMODE(project.stat().st_mode) == (0o700 if closed else 0o755)
        supervisor.stop_all()
        # Later inside a namespace again: the same data, whoever owned them meanwhile.
        monkeypatch.setattr(postgres, "_runs", runs)
        supervisor.start(postgres.program(places))
        assert ask(places, "SELECT answer FROM kept") == 42
    finally:
        supervisor.stop_all()
        shutil.rmtree(base, ignore_errors=True)
        shutil.rmtree(places.runtime, ignore_errors=True)


def test_what_died_before_the_watch_began_is_started_again(tmp_path):
    """A worker that was ready and ended while later ones came up: no signal tells of it any more."""
    dies_once = "echo x >> starts; [ $(wc -l < starts) -gt 1 ] && sleep 60; exit 1"
    script = (
        "import os, signal, sys, threading, time; from pathlib import Path\n"
        "from config.local.processes import Program\n"
        "from config.local.supervisor import Supervisor\n"
        "folder = Path(sys.argv[1])\n"
        "program = Program(name='short', argv=['/bin/sh', '-c', sys.argv[2]], log=folder / 'short.log',\n"
        "                  family=folder / 'lock' / 'children', cwd=folder)\n"
        "supervisor = Supervisor(say=print); supervisor.start(program)\n"
        "while supervisor._children[0].process.poll() is None: time.sleep(0.05)\n"
        "def until_started_again():\n"
        "    while len((folder / 'starts').read_text()) < 4: time.sleep(0.05)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "threading.Thread(target=until_started_again, daemon=True).start()\n"
        "supervisor.watch(); supervisor.stop_all()\n"
    )
    words = [sys.executable, "-c", script, str(tmp_path), dies_once]
    done = subprocess.run(words, cwd=BASE, timeout=60, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "starts").read_text() == "x\nx\n"
