"""dbt after a load: how it is run, and what it says of its models and tests.

dbt is a program of its own, in an environment of its own. It is told of the warehouse by the variables that
libpq reads, PGHOST and so on, and what it writes into run_results.json goes into the ledger. What it finds
wrong makes a run partial, and never takes back what was merged.
"""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from strandline import log
from strandline.errors import DbtFailed
from strandline.pipeline.dbt import Dbt
from strandline.pipeline.report import DbtReport, Progress, RunReport
from strandline.secrecy import KNOWN
from strandline.warehouse import followup
from strandline.warehouse.database import Database

RESULTS: Final = "run_results.json"
LAST_WORDS: Final = 10
"""So many lines of what dbt said last stand in an error."""

PATIENCE: Final = 10.0
"""Seconds that dbt gets to end when somebody stops the run."""


def follow(
    wanted: Iterable[Dbt], database: Database, connection: Connection, report: RunReport, progress: Progress
) -> None:
    """Run dbt as it is declared, unless the run has failed; what it says goes into report and ledger."""
    report.conclude()
    if report.status == "failed":
        return
    if connection.in_transaction():
        connection.rollback()
    for step, it in enumerate(wanted, 1):
        progress.merging("dbt", " ".join(it.words[len(it.program) :]))
        found = invoke(it, database.url)
        with connection.begin():
            followup.note(connection, report.run_id, step, [told.as_row() for told in found])
        report.dbt += found


def invoke(wanted: Dbt, url: URL) -> list[DbtReport]:
    """What dbt says of its models and tests; where it has failed itself, that."""
    began = time.monotonic()
    try:
        return _invoke(wanted, url)
    except DbtFailed as error:
        seconds = round(time.monotonic() - began, 3)
        return [DbtReport(wanted.name, "error", message=error.message, hint=error.hint, seconds=seconds)]


def _invoke(wanted: Dbt, url: URL) -> list[DbtReport]:
    if not wanted.project.is_dir():
        raise DbtFailed(
            f"{wanted.name}: there is no folder {str(wanted.project)!r}",
            hint="Name the folder of dbt_project.yml: then_dbt(project=…), as seen from where you run.",
        )
    if url.password:
        KNOWN.hide([url.password])
    environment = {"DBT_USE_COLORS": "false", **os.environ, **of_libpq(url)}
    folder = wanted.project / environment.setdefault("DBT_TARGET_PATH", "target")
    results = folder / RESULTS
    results.unlink(missing_ok=True)  # what is there afterwards is of this time
    last, code = _run(wanted, environment)
    said = "".join(f"\n    {line}" for line in last)
    if not results.exists():
        raise DbtFailed(
            f"{wanted.name}: it ended with {code} and left no {RESULTS}{said}",
            hint=f"Look at what it says: cd {wanted.project} && {shlex.join(wanted.words)}",
        )
    found = _read(results, wanted)
    if code and not any(it.has_failed for it in found):
        raise DbtFailed(
            f"{wanted.name}: it ended with {code}{said}", hint=f"Read {folder / 'dbt.log'} or {results}."
        )
    return found


def _run(wanted: Dbt, environment: Mapping[str, str]) -> tuple[Sequence[str], int]:
    """The last lines that it said, and its exit code."""
    last: deque[str] = deque(maxlen=LAST_WORDS)
    with _started(wanted, environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if text := KNOWN.scrub(line.rstrip()):
                last.append(text)
                log.say("dbt", says=text)
    return last, process.returncode


@contextmanager
def _started(wanted: Dbt, environment: Mapping[str, str]) -> Iterator[subprocess.Popen[str]]:
    """dbt, while it runs; it ends with the block."""
    try:
        process = subprocess.Popen(
            wanted.words,
            cwd=wanted.project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        )
    except OSError as error:
        raise DbtFailed(
            f"{wanted.name}: {wanted.program[0]} cannot be started: {error.strerror}",
            hint="Install it in an environment of its own: uv tool install dbt-core --with dbt-postgres; or"
            ' say where it is: then_dbt(program="…/bin/dbt").',
        ) from error
    with process:
        try:
            yield process
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                _await_end(process)


def _await_end(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def of_libpq(url: URL) -> dict[str, str]:
    """The database, as libpq's variables say it."""
    if url.get_backend_name() != "postgresql":
        return {}
    query = {name: value if isinstance(value, str) else value[0] for name, value in url.query.items()}
    found = {
        "PGHOST": query.get("host") or url.host or "localhost",
        "PGPORT": query.get("port") or str(url.port or 5432),
        "PGUSER": url.username or "",
        "PGPASSWORD": url.password or "",
        "PGDATABASE": url.database or "",
        "PGSSLMODE": query.get("sslmode", ""),
    }
    return {name: str(value) for name, value in found.items() if value}


def _read(results: Path, wanted: Dbt) -> list[DbtReport]:
    try:
        told = json.loads(results.read_bytes())["results"]
        return [
            DbtReport(
                node=it["unique_id"],
                status=it["status"],
                failures=it.get("failures"),
                message=it.get("message"),
                seconds=round(it.get("execution_time") or 0.0, 3),
            )
            for it in told
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise DbtFailed(
            f"{wanted.name}: {results} is nothing that dbt writes: {type(error).__name__}: {error}",
            hint="Use dbt-core 1.8 or later, and let nobody else write there.",
        ) from error
