"""A shipyard for the tests of migrations: a folder of them, and the tables that are wanted."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import Column, Connection, MetaData, Table, insert

from strandline.model.base import NAMING
from strandline.pipeline import migration
from strandline.pipeline.migration import Moved, State, Written
from strandline.warehouse.database import Database
from strandline.warehouse.migration.compare import Hints
from strandline.warehouse.migration.wanted import Fills, View, Wanted
from strandline.warehouse.migration.work import Patience

HASTY = Patience(lock_timeout=0.5, attempts=3, batch=2, longest_pause=0.05)


def tables(*declared: tuple[Any, ...], schema: str = "warehouse") -> list[Table]:
    """Tables of names, columns and constraints, named by our convention."""
    metadata = MetaData(schema=schema, naming_convention=NAMING)
    return [Table(name, metadata, *parts) for name, *parts in declared]


def of(*parts: Any, comment: str | None = None) -> list[Table]:
    """One table, fact_ship, with these columns and constraints."""
    metadata = MetaData(schema="warehouse", naming_convention=NAMING)
    return [Table("fact_ship", metadata, *parts, comment=comment)]


class Yard:
    """A project's folder with migrations, and its warehouse."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        migration.init(folder)

    def revise(
        self,
        wanted: Sequence[Table],
        *,
        views: Sequence[View] = (),
        known: dict[Table, Fills] | None = None,
        **hints: Any,
    ) -> Written:
        """Write a revision to what is wanted."""
        needed = Wanted(wanted, views, known or {})
        return migration.revision(
            self.folder, self.database, needed, message="what is new", hints=Hints(**hints)
        )

    def upgrade(self, to: str = "head", *, patience: Patience = HASTY, **options: Any) -> Moved:
        """Apply revisions."""
        return migration.upgrade(self.folder, self.database, to=to, patience=patience, **options)

    def downgrade(self, to: str = "-1", *, patience: Patience = HASTY, **options: Any) -> Moved:
        """Take revisions back."""
        return migration.downgrade(self.folder, self.database, to=to, patience=patience, **options)

    def status(self, wanted: Sequence[Table], *, views: Sequence[View] = ()) -> State:
        """Where the warehouse stands."""
        return migration.status(self.folder, self.database, Wanted(wanted, views))

    def read(self, written: Written) -> str:
        """The revision."""
        assert written.file is not None
        return written.file.read_text()

    def put(self, table: Table, *rows: dict[str, Any]) -> None:
        """Insert rows."""
        with self.database.begin() as connection:
            put(connection, table, *rows)


def put(connection: Connection, table: Table, *rows: dict[str, Any]) -> None:
    """Insert rows."""
    connection.execute(insert(table), list(rows))


def column(name: str, *parts: Any, **arguments: Any) -> Column[Any]:
    """A column."""
    return Column(name, *parts, **arguments)


@contextmanager
def session(database: Database, name: str = "report") -> Iterator[psycopg.Connection[Any]]:
    """Somebody else, in psql say."""
    url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, application_name=name) as connection:
        yield connection


@contextmanager
def reading(database: Database, *tables: str, patience: float) -> Iterator[list[int]]:
    """Meanwhile somebody reads these tables again and again, where they are there; at the end nothing was
    ever waited for longer than these seconds. How often it was read is appended.
    """
    over, begun = threading.Event(), threading.Event()
    wrong: list[str] = []
    times: list[int] = []

    def read() -> None:
        count = 0
        with session(database) as connection:
            connection.autocommit = True
            connection.execute(f"SET lock_timeout = {int(patience * 1000)}")
            while not over.is_set():
                for table in tables:
                    try:
                        connection.execute(f"SELECT count(*) FROM {table}").fetchone()
                        count += 1
                    except psycopg.errors.UndefinedTable:
                        pass
                    except psycopg.errors.LockNotAvailable as error:
                        wrong.append(str(error))
                begun.set()
        times.append(count)

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(30)
    try:
        yield times
    finally:
        over.set()
        reader.join()
    assert wrong == []
