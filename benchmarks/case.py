"""One stream and its target in a warehouse of their own, ready for a merge that is timed and taken back.

A merge is what a run does once everything is staged: `pipeline.merge.merge` in one transaction. It is rolled
back, and what it left is vacuumed away, so that every round finds the same tables.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Table, func, make_url, select, text

from strandline import Pipeline
from strandline.model.conversion import compile_mapper
from strandline.pipeline import merge
from strandline.pipeline.definition import Reading
from strandline.pipeline.figures import Figures
from strandline.pipeline.load import Load
from strandline.pipeline.target import Target
from strandline.warehouse import dialect, embedded, mark, schema, staging
from strandline.warehouse.database import Database

SETTINGS: Final = {
    "shared_buffers": "2GB",
    "max_wal_size": "8GB",
    "autovacuum": "off",
    "checkpoint_timeout": "1h",
}
"""As a warehouse would be set up; nothing runs in the background while the clock does."""

Work = Callable[[Connection], object]


@contextmanager
def server() -> Iterator[str]:
    """An embedded PostgreSQL in a temporary folder: its URL."""
    with tempfile.TemporaryDirectory(prefix="strandline-bench-") as folder:
        started = embedded.start(Path(folder, "warehouse"), settings=SETTINGS)
        try:
            yield started.url
        finally:
            started.stop()


def address(server_url: str) -> str:
    """The URL as psycopg takes it."""
    return make_url(server_url).set(drivername="postgresql").render_as_string(hide_password=False)


@contextmanager
def database(server_url: str, name: str) -> Iterator[Database]:
    """A new database of that server, gone afterwards."""
    own = Database(server_url)
    with own.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        made = Database(make_url(server_url).set(database=name))
        try:
            yield made
        finally:
            made.close()
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
    own.close()


@dataclass(frozen=True)
class Case:
    """A pipeline of one sync, with its tables made."""

    database: Database
    reading: Reading
    target: Target

    @property
    def table(self) -> Table:
        """The target's."""
        return self.target.sync.model.table()

    @property
    def raw(self) -> Table:
        """The stream's raw log."""
        return self.reading.raw

    def qualified(self, table: Table) -> str:
        """What the table is called in SQL."""
        return self.database.qualified(table)

    def execute(self, *statements: str) -> None:
        """Run the statements, in one transaction."""
        with self.database.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def apply(self, raw_id: int) -> None:
        """Move the applied mark, as if everything up to there had been merged."""
        sync = self.target.sync
        with self.database.begin() as connection:
            mark.move_applied(
                connection,
                sync.stream.qualified_name,
                sync.target,
                raw_id=raw_id,
                columns=self.target.fillable,
                run_id=1,
            )
            latest = connection.scalar(select(func.max(self.raw.c.effective_at)))
            mark.note_latest(connection, sync.stream.qualified_name, sync.target, latest_at=latest)
        self.target.applied = raw_id

    def vacuum(self, *others: str) -> None:
        """Leave nothing for later: dead rows away, statistics up to date.

        There is no checkpoint: the first change of a page after one is logged with the whole page, which
        costs more than the change, and tells of the server's settings and nothing of the merge.
        """
        own = (self.table, self.raw, self.target.staged)
        tables = ", ".join([*map(self.qualified, own), *others])
        with self.database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text(f"VACUUM ANALYZE {tables}"))

    def merge(self, connection: Connection, *, last_raw_id: int) -> dict[str, int]:
        """Merge what is staged, as a run does."""
        load = Load(
            self.database,
            connection,
            reading=self.reading,
            targets=[self.target],
            run_id=2,
            report=_say_nothing,
        )
        load.last_raw_id = last_raw_id
        return merge.merge(self.database, connection, load=load, target=self.target, run_id=2)


def _say_nothing(_: Figures) -> None:
    pass


def prepare(database: Database, pipeline: Pipeline) -> Case:
    """Make the tables of the pipeline, which has one sync."""
    (sync,) = pipeline.syncs
    conversion = compile_mapper(sync.mapper, dialect.of_rows(database.engine))
    staged = staging.staging_table(sync.staging_name, conversion.columns)
    case = Case(database, pipeline.readings[0], Target(sync, conversion, staged, applied=0))
    with database.begin() as connection:
        schema.prepare(database, connection, models=pipeline.models, others=[case.raw, staged])
    return case


def timed(
    database: Database,
    work: Work,
    *,
    check: Work | None = None,
) -> tuple[float, object]:
    """Seconds that the work takes in a transaction, which is then taken back; what the work says, or the
    check of it, while it is there.
    """
    with database.connect() as connection:
        began = time.perf_counter()
        said = work(connection)
        seconds = time.perf_counter() - began
        if check is not None:
            said = check(connection)
        connection.rollback()
    return round(seconds, 4), said


def statements(*all_of_them: str) -> Work:
    """Work that is written by hand."""

    def work(connection: Connection) -> None:
        for statement in all_of_them:
            connection.execute(text(statement))

    return work


def columns(names: Sequence[str], *, of: str = "") -> str:
    """The names, quoted, for a list in SQL."""
    prefix = f"{of}." if of else ""
    return ", ".join(f'{prefix}"{name}"' for name in names)
