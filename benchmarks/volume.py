"""Volume: an export of customers of any size, as a CSV, as NDJSON, as one JSON array and as NDJSON over HTTP,
loaded whole into a raw log and a dimension by `strandline run`; what is measured is memory.

The file is written, loaded and deleted, one kind after the other, in a quarter of the size and in the whole.
The command is a process of its own, with workers of its own; the peak is that of all of them together.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import text

from benchmarks import exported
from benchmarks.case import database
from benchmarks.memory import Watch
from benchmarks.timing import Outcome, Timing, at_most, note
from benchmarks.trial import STRANDLINE, timed
from strandline.warehouse.database import Database

LIMIT_MB: Final = 300
GROWTH: Final = 1.25
MEGABYTE: Final = 1024 * 1024
KINDS: Final = {"csv": "csv", "ndjson": "ndjson", "json": "json", "http": "ndjson"}
"""The pipelines, and the files that they read."""

LOADED: Final = """
    SELECT (SELECT count(*) FROM raw.{table}), count(*), count(DISTINCT source_id)
    FROM warehouse.dim_customer WHERE is_current AND customer_key > 0
"""
RAW: Final = {
    "csv": "export_lines",
    "ndjson": "export_documents",
    "json": "export_elements",
    "http": "download_documents",
}


@dataclass(frozen=True)
class Memory:
    """One load: its file, and the memory that its processes had at most, in MB."""

    contestant: str
    file_mb: float
    records: int
    seconds: float
    cpu_seconds: float
    largest_process_mb: float
    all_processes_mb: float
    """Of all at one moment; what they share is counted once."""


@dataclass(frozen=True)
class VolumeOutcome(Outcome):
    """What was measured, memory included."""

    memory: Sequence[Memory] = ()

    def as_json(self) -> dict[str, object]:
        """Everything, for the file that is kept."""
        return super().as_json() | {"memory": [asdict(it) for it in self.memory]}


def measure(server: str, *, megabytes: int, kinds: Sequence[str] = tuple(KINDS)) -> VolumeOutcome:
    """Load each kind in a quarter of the size, and in the whole."""
    found = list[Memory]()
    for kind in kinds:
        for size in (megabytes // 4, megabytes):
            found.append(_loaded(server, kind, megabytes=size))
    targets = []
    for small, large in zip(found[::2], found[1::2], strict=True):
        name = f"{large.contestant}, {large.file_mb:,.0f} MB: MB of memory of all processes"
        growth = large.all_processes_mb / small.all_processes_mb
        targets.append(at_most(name, LIMIT_MB, large.all_processes_mb))
        targets.append(at_most(f"the same, beside {small.file_mb:,.0f} MB", GROWTH, growth))
    timings = [Timing(it.contestant, it.records, it.seconds) for it in found]
    return VolumeOutcome("volume", "records", timings, targets, memory=found)


def _loaded(server: str, kind: str, *, megabytes: int) -> Memory:
    with (
        tempfile.TemporaryDirectory(prefix="strandline-volume-") as folder,
        _served(Path(folder)) as address,
        database(server, "volume") as made,
    ):
        file = Path(folder, f"customers.{KINDS[kind]}")
        records = exported.write(file, size=megabytes * MEGABYTE)
        environment = os.environ | {
            "STRANDLINE_EXPORT__ROOT": folder,
            "STRANDLINE_DOWNLOAD__BASE_URL": address,
            "STRANDLINE_DATABASE_URL": made.url.render_as_string(hide_password=False),
            "STRANDLINE_HOME": folder,
        }
        arguments = [STRANDLINE[0], "run", kind, "--app", "benchmarks.export"]
        watch = Watch()
        trial = timed(kind, arguments, environment=environment, records=records, watch=watch.over)
        _check(made, kind, records=records)
        note(Timing(kind, records, trial.seconds))
        return Memory(
            kind,
            file_mb=round(file.stat().st_size / MEGABYTE, 1),
            records=records,
            seconds=trial.seconds,
            cpu_seconds=trial.cpu_seconds,
            largest_process_mb=trial.peak_mb,
            all_processes_mb=watch.peak_mb or trial.peak_mb,
        )


@contextmanager
def _served(folder: Path) -> Iterator[str]:
    """The files over HTTP, from a process of its own: its address."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        try:
            yield f"http://127.0.0.1:{said.readline().split(' port ')[1].split()[0]}"
        finally:
            process.terminate()
            process.wait()


def _check(made: Database, kind: str, *, records: int) -> None:
    with made.connect() as connection:
        found = tuple(connection.execute(text(LOADED.format(table=RAW[kind]))).one())
    if found != (records, records, records):
        raise RuntimeError(f"{kind}: {found} were loaded of {records} records")
