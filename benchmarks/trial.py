"""One trial: a contestant as a process of its own, on a new database, timed from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql

PROJECT: Final = Path(__file__).parent.parent
STRANDLINE: Final = [str(Path(sys.executable).parent / "strandline"), "run", "customers", "--app", "benchmarks.pipeline"]

LOADED: Final = {
    "strandline": """
        SELECT (SELECT count(*) FROM raw.erp_customers), count(*), count(DISTINCT source_id), sum(credit_limit)
        FROM warehouse.dim_customer WHERE is_current AND customer_key > 0
    """,
    "handwritten": """
        SELECT (SELECT count(*) FROM raw_customer), count(*), count(DISTINCT source_id), sum(credit_limit) FROM customer
    """,
}
"""What both must agree on afterwards."""


@dataclass(frozen=True)
class Trial:
    """What one process cost: wall and processor time in seconds, memory at its peak in MB."""

    contestant: str
    records: int
    seconds: float
    cpu_seconds: float
    peak_mb: float


def command(contestant: str, *, url: str, database: str) -> tuple[list[str], dict[str, str]]:
    """What to start, and with which environment, to load the customers at this URL."""
    if contestant == "handwritten":
        return [sys.executable, "-m", "benchmarks.handwritten", url, database], {}
    settings = {"STRANDLINE_ERP__BASE_URL": url, "STRANDLINE_DATABASE_URL": database}
    return STRANDLINE, settings


def measure(contestant: str, *, records: int, url: str, database: str) -> Trial:
    """Run the contestant once and see what it took. Raises RuntimeError when it fails."""
    arguments, settings = command(contestant, url=url, database=database)
    began = time.perf_counter()
    process, usage = _run(arguments, {**os.environ, **settings})
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        raise RuntimeError(f"{contestant} ended with {process.returncode}: {' '.join(arguments)}")
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kB elsewhere
    return Trial(
        contestant,
        records,
        seconds=round(seconds, 3),
        cpu_seconds=round(usage.ru_utime + usage.ru_stime, 3),
        peak_mb=round(usage.ru_maxrss * unit / 1e6, 1),
    )


def _run(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], os.struct_rusage]:
    process = subprocess.Popen(arguments, cwd=PROJECT, env=environment, stdout=subprocess.DEVNULL)
    # Not process.wait(): only the kernel's own account holds this one child's peak and nobody else's.
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process, usage


def check(contestant: str, *, records: int, database: str) -> object:
    """A sum over what was loaded. Raises RuntimeError unless every record is there once."""
    with psycopg.connect(database) as connection:
        found = connection.execute(LOADED[contestant].encode()).fetchone()
    if found is None or found[:3] != (records, records, records):
        raise RuntimeError(f"{contestant} loaded {found} of {records} records")
    return found[3]


def renew(server: str, name: str) -> None:
    """An empty database of this name, and no work of the last trial left to do."""
    drop(server, name)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(name)))
        connection.execute("CHECKPOINT")


def drop(server: str, name: str) -> None:
    """Remove the database."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
