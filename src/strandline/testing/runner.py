"""The process in which a pipeline is run and killed, as a test sees it: what both tell each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self

from sqlalchemy import text

from strandline.errors import DeclarationError
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

Remains = Mapping[str, Mapping[str, Mapping[str, str]]]
"""What there is afterwards: the rows of each table by column, as text."""

KILLED: Final = 9
"""The number of the signal that nobody can catch."""

PATIENCE_SECONDS: Final = 60.0
SESSIONS: Final = text("""
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
""")


@dataclass(frozen=True)
class Ending:
    """How a run has ended."""

    code: int
    error: str | None = None
    points: Sequence[tuple[str, str]] = ()
    """Kind and words of each point at which it could have been killed."""
    is_killed: bool = False


class Runner:
    """Runs a pipeline, or a function, in a process that forks a child for each run; use it in a `with`."""

    def __init__(self, what: str) -> None:
        if not hasattr(os, "fork"):
            raise DeclarationError(
                f"crash_anywhere: {sys.platform} has no fork, by which a run is begun",
                hint="Let this test run on Linux or macOS: @pytest.mark.skipif(sys.platform == 'win32', …)",
            )
        self.what = what
        self._process = subprocess.Popen(
            [sys.executable, "-m", "strandline.testing.victim"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        told = self._ask({"path": [os.getcwd(), *sys.path], "what": self.what})
        if told.get("error"):
            self.close()
            raise DeclarationError(f"crash_anywhere: {told['error']}")
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Nothing more to run."""
        self._process.communicate()

    def run(
        self,
        warehouse: Database,
        environment: Mapping[str, str],
        *,
        chunk_records: int,
        burns_at: tuple[str, int] | None = None,
    ) -> Ending:
        """Make a run, and kill it there."""
        line = {"do": "run", "chunk_records": chunk_records, "burns_at": burns_at}
        told = self._ask({**line, **_where(warehouse, environment)})
        signal = told.get("signal")
        unsaid = f"signal {signal} has ended it" if signal else "its standard error tells why"
        error = told.get("error") or unsaid
        points = [(kind, words) for kind, words in told.get("points", ())]
        return Ending(told["code"], error, points, is_killed=signal == KILLED)

    def look(
        self,
        warehouse: Database,
        environment: Mapping[str, str],
        *,
        began: datetime,
        queries: Mapping[str, str],
    ) -> Remains:
        """What there is in a warehouse."""
        line = {"do": "look", "began": began.isoformat(), "queries": dict(queries)}
        told = self._ask({**line, **_where(warehouse, environment)})
        if "remains" not in told:
            raise AssertionError(f"{self.what}: nobody can see what is left: {told.get('error')}")
        remains: Remains = told["remains"]
        return remains

    def wait_until_gone(self, warehouse: Database) -> None:
        """A session whose client was killed ends when PostgreSQL notices, and holds its locks until then."""
        if is_sqlite(warehouse.engine):
            return
        until = time.monotonic() + PATIENCE_SECONDS
        with warehouse.connect() as connection:
            while connection.scalar(SESSIONS):
                connection.rollback()
                if time.monotonic() > until:
                    raise AssertionError(f"{self.what}: somebody is still connected to {warehouse.shown}")
                time.sleep(0.01)
        warehouse.close()

    def _ask(self, line: Mapping[str, Any]) -> Mapping[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(line)}\n")
        self._process.stdin.flush()
        told = self._process.stdout.readline()
        if not told:
            raise AssertionError(
                f"{self.what}: the process that runs it has ended; what it said stands above"
            )
        answer: Mapping[str, Any] = json.loads(told)
        return answer


def _where(warehouse: Database, environment: Mapping[str, str]) -> Mapping[str, Any]:
    return {
        "url": warehouse.url.render_as_string(hide_password=False),
        "schemas": warehouse.schemas.model_dump(),
        "environment": dict(environment),
        "seconds": PATIENCE_SECONDS,
    }
