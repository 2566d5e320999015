"""PostgreSQL for tests: one server per session, a template built once, a copy of it per test.

Every test has a database of its own and may commit. Measured on two cores: a copy takes 10 ms in memory, and
300 ms on a disk; so the server's folder lies in memory where the machine has enough of it.
"""

import atexit
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import URL, Connection, Engine, create_engine, make_url, text

from strandline.warehouse import cluster, embedded

PREFIX = "strandline_test"
MEMORY_BYTES = 4 << 30  # free in /dev/shm; a test's database has some 10 MB, and what the test loads

# Copying files needs checkpoints, which are free without fsync: then it is ten times as fast as by the log.
STRATEGY = """
    SELECT CASE WHEN current_setting('fsync') = 'off' AND current_setting('server_version_num')::int >= 150000
           THEN 'STRATEGY file_copy' ELSE '' END
"""

# Nothing here outlives the session, so nothing has to reach the disk.
SETTINGS = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_connections": "100",
}


@contextmanager
def temporary_server() -> Iterator[URL]:
    """Run an embedded PostgreSQL in a temporary folder; it also ends when this process is killed."""
    folder = Path(tempfile.mkdtemp(prefix="strandline-test-", dir=folder_in_memory()))
    command = [sys.executable, "-m", "strandline.testing.guard", str(folder)]
    guard = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)
    try:  # not `with`, which on Ctrl-C does not wait for the guard to finish
        yield make_url(embedded.start(folder, settings=SETTINGS).url)
    finally:
        guard.communicate()


def folder_in_memory() -> Path | None:
    """Find a place for files that need not outlive the machine's next start; None where memory is short."""
    folder = Path("/dev/shm")
    is_fit = folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > MEMORY_BYTES
    return folder if is_fit else None


def version(url: URL) -> str:
    """Ask a server which PostgreSQL it is."""
    with _administer(url) as connection:
        return str(connection.scalar(text("SHOW server_version")))


@contextmanager
def template(server: URL, build: Callable[[URL], None]) -> Iterator[str]:
    """Make a database once and let `build` fill it; its name is what `copy` copies."""
    name = f"{PREFIX}_{os.getpid()}_template_{next(_numbers)}"
    with _database(server, name):
        build(server.set(database=name))
        with _administer(server) as connection:  # a session left open would make every copy fail
            connection.execute(text(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'))
        yield name


@contextmanager
def copy(server: URL, template: str) -> Iterator[URL]:
    """Make a copy of the template; it is dropped afterwards, whoever is still connected."""
    name = f"{PREFIX}_{os.getpid()}_{next(_numbers)}"
    with _database(server, name, template):
        yield server.set(database=name)


_numbers = itertools.count(1)


@contextmanager
def _database(server: URL, name: str, template: str = "template0") -> Iterator[None]:
    with _administer(server) as connection:
        connection.execute(
            text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        )  # of a session that was killed
        strategy = connection.scalar(text(STRATEGY))
        connection.execute(text(f'CREATE DATABASE "{name}" TEMPLATE "{template}" {strategy}'))
    try:
        yield
    finally:
        with _administer(server) as connection:
            connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))


@contextmanager
def _administer(server: URL) -> Iterator[Connection]:
    with _administration(server).connect() as connection:
        yield connection


@cache
def _administration(server: URL) -> Engine:
    """One connection for all copies, for to connect anew takes as long as to copy."""
    engine = create_engine(server, isolation_level="AUTOCOMMIT", pool_pre_ping=True)
    atexit.register(engine.dispose)
    return engine


def embedded_version() -> str:
    """The version of the embedded server's programs, which need not run for it."""
    answer = subprocess.check_output([cluster.binaries() / "postgres", "--version"], text=True)
    return answer.split()[-1]
