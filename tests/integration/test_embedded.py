"""The embedded PostgreSQL keeps what `strandline.warehouse.embedded` promises, for root and for others."""

import os
import pwd
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

import strandline
from strandline.errors import WarehouseUnreachable
from strandline.testing import postgres
from strandline.warehouse import account, cluster, embedded
from strandline.warehouse.account import Account
from strandline.warehouse.cluster import Cluster

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or not account.can_use_setpriv(), reason="only root can act as two users, with setpriv"
)

START = "from pathlib import Path; from strandline.warehouse import embedded; import sys; "
START += "print(embedded.start(Path(sys.argv[1])).pid, flush=True)"


@pytest.fixture
def fresh() -> Iterator[Path]:
    """A folder to be, whose name has everything but length, and whose parent is closed to others."""
    parent = Path(tempfile.mkdtemp(prefix="strandline-", dir=postgres.folder_in_memory()))
    path = parent / "it's ünï  $HOME"
    yield path
    embedded.stop(path, at_once=True)
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which initdb was run once, to be copied, since that takes its time."""
    folder = tmp_path_factory.mktemp("prepared")
    embedded.start(folder).stop()
    return folder


@pytest.fixture
def folder(fresh: Path, prepared: Path) -> Path:
    """Such a folder in which a server ran before."""
    subprocess.run(["cp", "-a", prepared, fresh], check=True)
    return fresh


def query(server: embedded.Server, statement: LiteralString) -> object:
    with psycopg.connect(host=str(server.socket), user=cluster.USER, dbname=embedded.DATABASE) as connection:
        row = connection.execute(statement).fetchone()
    return row and row[0]


def await_end(folder: Path) -> None:
    """Wait until the children of a killed server have noticed."""
    deadline = time.monotonic() + 20
    while Cluster(folder).is_alive() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_started_server_has_the_database_and_listens_on_no_tcp_port(fresh: Path) -> None:
    server = embedded.start(fresh)

    assert query(server, "SELECT current_database()") == "strandline"
    assert query(server, "SHOW listen_addresses") == ""
    assert query(server, "SHOW timezone") == "UTC"
    assert query(server, "SHOW wal_compression") == "off"
    assert query(server, "SHOW random_page_cost") == "1.1"
    assert query(server, "SHOW server_encoding") == "UTF8"
    assert query(server, "SELECT upper('äé')") == "ÄÉ"
    assert server.url.startswith("postgresql+psycopg://strandline@/strandline?host=")


def test_a_second_start_finds_the_first_server_and_another_process_does_too(folder: Path) -> None:
    first = embedded.start(folder)

    again = embedded.start(folder)
    elsewhere = subprocess.check_output([sys.executable, "-c", START, str(folder)], text=True)

    assert again == first == embedded.running(folder)
    assert int(elsewhere) == first.pid


def test_two_processes_that_start_at_once_get_one_server(fresh: Path) -> None:
    command = [sys.executable, "-c", START, str(fresh)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as one,
        subprocess.Popen(command, stdout=subprocess.PIPE) as other,
    ):
        pids = {one.communicate()[0], other.communicate()[0]}

    assert pids == {f"{Cluster(fresh).pid()}\n".encode()}


def test_the_server_outlives_a_killed_caller_and_is_found_again(folder: Path) -> None:
    sleeper = f"{START}; import time; time.sleep(600)"
    with subprocess.Popen([sys.executable, "-c", sleeper, str(folder)], stdout=subprocess.PIPE) as caller:
        assert caller.stdout is not None
        pid = int(caller.stdout.readline())
        caller.kill()

    assert embedded.start(folder).pid == pid


def test_a_ctrl_c_for_the_caller_does_not_reach_the_server(folder: Path) -> None:
    server = embedded.start(folder)

    assert os.getsid(server.pid) != os.getsid(0)


def test_a_killed_server_is_started_again_with_its_committed_data(folder: Path) -> None:
    server = embedded.start(folder)
    with psycopg.connect(host=str(server.socket), user=cluster.USER, dbname="strandline") as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    os.kill(server.pid, signal.SIGKILL)

    again = embedded.start(folder)

    assert again.pid != server.pid
    assert query(again, "SELECT answer FROM kept") == 42


def test_a_pid_file_whose_pid_is_now_another_process_is_not_believed(folder: Path) -> None:
    """PostgreSQL itself refuses to start then, as long as the other process belongs to the same user."""
    server = embedded.start(folder)
    pid_file = Cluster(folder).data / "postmaster.pid"
    text = pid_file.read_text()
    os.kill(server.pid, signal.SIGKILL)
    await_end(folder)
    stranger = os.getppid()
    pid_file.write_text(text.replace(str(server.pid), str(stranger), 1))

    assert embedded.running(folder) is None
    assert not embedded.stop(folder)
    assert embedded.start(folder).pid != stranger


def test_a_socket_that_a_cleaner_removed_comes_back(folder: Path) -> None:
    server = embedded.start(folder)
    for path in server.socket.iterdir():
        path.unlink()

    assert query(embedded.start(folder), "SELECT 1") == 1


def test_a_path_too_long_for_a_socket_gets_a_short_private_folder(folder: Path) -> None:
    deep = folder / ("a folder's long name " * 5) / ("and another " * 10)
    server = embedded.start(deep)
    try:
        assert query(server, "SELECT 1") == 1
        assert not server.socket.is_relative_to(folder)
        assert server.socket.stat().st_mode & 0o777 == 0o700
        assert embedded.start(deep) == server
    finally:
        server.stop()
    assert not server.socket.exists()


def test_a_path_with_a_comma_which_libpq_takes_for_two_hosts_works(folder: Path) -> None:
    path = folder / "a,b:c"
    server = embedded.start(path)
    try:
        assert query(server, "SELECT 1") == 1
    finally:
        server.stop()


def test_a_copy_of_a_folder_gets_a_server_of_its_own(folder: Path) -> None:
    original, duplicate = folder / "original, long", folder / "duplicate, long"
    first = embedded.start(original)
    first.stop()
    shutil.copytree(original, duplicate, symlinks=True)
    if os.geteuid() == 0:
        subprocess.run(
            ["chown", "-R", "--reference", Cluster(original).data, Cluster(duplicate).data], check=True
        )
    first = embedded.start(original)
    second = embedded.start(duplicate)
    try:
        assert first.pid != second.pid
        assert query(second, "SHOW data_directory") == str(Cluster(duplicate).data)
    finally:
        first.stop()
        second.stop()


def test_a_half_done_initdb_is_not_taken_for_a_whole(fresh: Path) -> None:
    unfinished = Cluster(fresh).home / "data.new"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")

    assert query(embedded.start(fresh), "SELECT 1") == 1
    assert not unfinished.exists()


def test_a_stopped_server_says_so_and_a_stopped_folder_says_that_too(folder: Path) -> None:
    embedded.start(folder)

    assert embedded.stop(folder)
    assert not embedded.stop(folder)
    assert embedded.running(folder) is None


def test_a_server_that_cannot_start_quotes_its_log(folder: Path) -> None:
    with pytest.raises(
        WarehouseUnreachable, match=r"(?s)ended while it was starting.*shared_buffers"
    ) as caught:
        embedded.start(folder, settings={"shared_buffers": "a lot"})

    assert str(Cluster(folder).log) in str(caught.value.hint)


def test_a_large_log_is_put_aside_at_the_next_start(folder: Path) -> None:
    embedded.start(folder).stop()
    log = Cluster(folder).log
    log.write_bytes(b"x" * (cluster.LOG_BYTES + 1))

    embedded.start(folder)

    assert log.stat().st_size < cluster.LOG_BYTES
    assert log.with_name("server.log.1").exists()


def test_the_values_of_a_failed_statement_do_not_reach_the_log(folder: Path) -> None:
    server = embedded.start(folder)
    with pytest.raises(psycopg.DataError):
        query(server, "SELECT 'a secret'::int")

    assert "a secret" not in Cluster(folder).log.read_text()


def test_the_psql_line_opens_the_database(folder: Path) -> None:
    line = embedded.start(folder).psql

    answer = subprocess.check_output([*shlex.split(line), "-Atc", "SELECT 6 * 7"], text=True)

    assert answer.strip() == "42"


def test_a_second_start_takes_less_than_two_seconds(folder: Path) -> None:
    embedded.start(folder).stop()
    began = time.monotonic()

    embedded.start(folder)

    assert time.monotonic() - began < 2


@as_root
def test_root_changes_no_permission_on_the_way(folder: Path) -> None:
    before = [(path, path.stat().st_mode) for path in folder.parents]

    server = embedded.start(folder)

    assert [(path, path.stat().st_mode) for path in folder.parents] == before
    assert Path(f"/proc/{server.pid}").stat().st_uid == pwd.getpwnam("nobody").pw_uid


@as_root
def test_roots_server_refuses_every_other_user_even_the_one_that_it_runs_as(folder: Path) -> None:
    """Whatever else runs as nobody could else read, through the server, what only root may read."""
    server = embedded.start(folder)
    for path in (folder.parent, folder):
        path.chmod(0o755)

    outsider = subprocess.run(
        [cluster.binaries() / "psql", "-U", cluster.USER, "-c", "SELECT 1", "postgres"],
        user="nobody",
        env={"PGHOST": str(server.socket)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert outsider.returncode != 0
    assert "Peer authentication failed" in outsider.stderr


@pytest.fixture
def ordinary(fresh: Path) -> pwd.struct_passwd:
    """An ordinary user of this machine, who owns the folder's parent."""
    user = next(each for each in pwd.getpwall() if each.pw_uid not in (0, pwd.getpwnam("nobody").pw_uid))
    os.chown(fresh.parent, user.pw_uid, user.pw_gid)
    return user


def start_as(user: pwd.struct_passwd, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Start as this user, who may need help to reach a Python that lies under /root."""
    command = [sys.executable, "-c", START, str(folder)]
    python = Path(sys.executable)
    words = Account(user.pw_uid, user.pw_gid).command(command, reaching=[python, python.resolve()])
    environment = {"HOME": str(folder.parent), "PATH": os.environ["PATH"]}
    return subprocess.run(words, env=environment, cwd="/", capture_output=True, text=True, check=False)


@as_root
def test_an_ordinary_user_starts_a_server_that_root_then_finds(
    fresh: Path, ordinary: pwd.struct_passwd
) -> None:
    started = start_as(ordinary, fresh)

    assert started.stderr == ""
    assert Path(f"/proc/{int(started.stdout)}").stat().st_uid == ordinary.pw_uid
    assert embedded.start(fresh).pid == int(started.stdout)


@as_root
def test_a_server_that_root_started_in_a_users_folder_is_the_users(
    fresh: Path, ordinary: pwd.struct_passwd
) -> None:
    fresh.mkdir()
    os.chown(fresh, ordinary.pw_uid, ordinary.pw_gid)
    server = embedded.start(fresh)
    assert Path(f"/proc/{server.pid}").stat().st_uid == ordinary.pw_uid

    assert start_as(ordinary, fresh).stdout.strip() == str(server.pid)
    server.stop()
    restarted = start_as(ordinary, fresh)

    assert restarted.stderr == ""
    assert query(embedded.start(fresh), "SELECT 1") == 1


@as_root
def test_an_ordinary_user_in_roots_folder_is_told_whose_it_is(
    folder: Path, ordinary: pwd.struct_passwd
) -> None:
    embedded.start(folder).stop()
    folder.parent.chmod(0o755)

    refused = start_as(ordinary, folder)

    assert "WarehouseUnreachable" in refused.stderr
    assert "it belongs to user 0" in refused.stderr


def test_missing_programs_are_told_with_what_to_install(tmp_path: Path) -> None:
    """Run with all installed packages but the wheel."""
    installed = Path(sysconfig.get_path("platlib"))
    for path in installed.iterdir():
        if not path.name.startswith("pixeltable"):
            (tmp_path / path.name).symlink_to(path)
    search = os.pathsep.join([str(tmp_path), str(Path(strandline.__file__).parents[1])])
    program = "from strandline.warehouse import cluster as c; c.binaries()"

    failed = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={"PYTHONPATH": search},
        capture_output=True,
        text=True,
        check=False,
    )

    assert "WarehouseUnreachable: embedded PostgreSQL: its programs are not installed" in failed.stderr
