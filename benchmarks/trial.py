"""One trial: a contestant as a process of its own, on a new database, timed from outside."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import conninfo, sql

PROJECT: Final = Path(__file__).parent.parent
STRANDLINE: Final = [
    str(Path(sys.executable).parent / "strandline"),
    "run",
    "customers",
    "--app",
    "benchmarks.pipeline",
]

LOADED: Final = {
    "strandline": """
        SELECT (SELECT count(*) FROM raw.erp_customers),
               count(*), count(DISTINCT source_id), sum(credit_limit)
        FROM warehouse.dim_customer WHERE is_current AND customer_key > 0
    """,
    "handwritten": """
        SELECT (SELECT count(*) FROM raw_customer),
               count(*), count(DISTINCT source_id), sum(credit_limit)
        FROM customer
    """,
}
"""What both must agree on afterwards."""


@dataclass(frozen=True)
class Ground:
    """Where trials take place, the same for everyone."""

    server: str
    """URL of a database of the PostgreSQL server that stays."""
    database: str
    """URL of the one that is made anew for each trial."""
    api: str
    bytecode: Path
    """Where Python keeps what it has compiled, so that nobody's imports are compiled while the clock runs."""

    def renew(self) -> None:
        """An empty database, and no work of the last trial left to do."""
        self.drop()
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(self._name))
            connection.execute("CHECKPOINT")

    def settle(self) -> None:
        """Have done at once what the server would do behind the next trial's back, after a large load."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")
            connection.execute("CHECKPOINT")
        if hasattr(os, "sync"):
            os.sync()  # a commit waits for the disk, and would for whatever the kernel still has to write

    def drop(self) -> None:
        """Remove the database."""
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(self._name))

    @property
    def _name(self) -> sql.Identifier:
        return sql.Identifier(str(conninfo.conninfo_to_dict(self.database)["dbname"]))


@dataclass(frozen=True)
class Trial:
    """What one process cost: wall and processor time in seconds, memory at its peak in MB."""

    contestant: str
    records: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def surroundings(ground: Ground) -> dict[str, str]:
    """The environment of every contestant: no import is compiled while the clock runs."""
    settings = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return settings | {"PYTHONPYCACHEPREFIX": str(ground.bytecode)}


def command(contestant: str, ground: Ground, *, url: str) -> tuple[list[str], dict[str, str]]:
    """What to start, and with which environment, to load the customers at this URL."""
    settings = surroundings(ground)
    if contestant == "handwritten":
        return [sys.executable, "-m", "benchmarks.handwritten", url, ground.database], settings
    if contestant == "bare":
        return [sys.executable, "-m", "benchmarks.bare", ground.database], settings
    settings |= {"STRANDLINE_ERP__BASE_URL": url, "STRANDLINE_DATABASE_URL": ground.database}
    return STRANDLINE, settings


def measure(contestant: str, ground: Ground, *, records: int, new: bool = True) -> Trial:
    """Let the contestant load that many customers and see what it took. Raises RuntimeError when it fails."""
    arguments, environment = command(contestant, ground, url=f"{ground.api}/{records}")
    return timed(contestant, arguments, environment=environment, records=records if new else 0)


def timed(
    contestant: str,
    arguments: Sequence[str],
    *,
    environment: Mapping[str, str],
    records: int,
    watch: Callable[[int], AbstractContextManager[object]] = nullcontext,
) -> Trial:
    """Start the contestant and see what it took until it ended, under the eyes of `watch(pid)`. Raises
    RuntimeError when it fails.
    """
    began = time.perf_counter()
    code, usage = _run(arguments, environment, watch)
    seconds = time.perf_counter() - began
    if code != 0:
        raise RuntimeError(f"{contestant} ended with {code}: {' '.join(arguments)}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kB elsewhere
    return Trial(
        contestant,
        records,
        seconds=round(seconds, 3),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
        peak_mb=round(usage.ru_maxrss * unit / 1e6, 1),
    )


def _run(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    watch: Callable[[int], AbstractContextManager[object]],
) -> tuple[int, resource.struct_rusage]:
    process = subprocess.Popen(
        arguments, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    assert process.stderr is not None
    with watch(process.pid), process.stderr as stderr:
        said = stderr.read()
    # Not process.wait(): only the kernel's own account holds this one child's peak and nobody else's.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.stderr.buffer.write(said)
    return process.returncode, usage


def check(contestant: str, ground: Ground, *, records: int) -> object:
    """A sum over what was loaded. Raises RuntimeError unless every record is there once."""
    return checked(contestant, ground, records=records, statement=LOADED[contestant])


def checked(contestant: str, ground: Ground, *, records: int, statement: str) -> object:
    """The same of whoever loaded, by a statement that says raw records, rows, keys and the sum."""
    with psycopg.connect(ground.database) as connection:
        found = connection.execute(statement.encode()).fetchone()
    if found is None or found[:3] != (records, records, records):
        raise RuntimeError(f"{contestant} loaded {found} of {records} records")
    return found[3]
