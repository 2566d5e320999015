"""The warehouse's database: connections in UTC, schemas under the names that settings give, errors by our
names.

Everything that talks to it goes through `Database.connect`, so a full disk, a missing permission or a wrong
password is told in one way, wherever it happens.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import psycopg
from sqlalchemy import Connection, Engine, Table, create_engine, inspect, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from strandline.errors import DeclarationError
from strandline.secrecy import KNOWN
from strandline.settings import Schemas
from strandline.warehouse import diagnosis, dialect, document

WORK_MEM = "256MB"
"""Merges sort and hash whole batches; with PostgreSQL's default of 4 MB the plans get quadratic."""


LOOKS_LIKE = (
    f"Correct {diagnosis.SETTING}; it looks like postgresql://user:password@host:5432/database,"
    " special characters of the password written as %40 for @, %2F for /, %3A for :."
)


class Model(Protocol):
    """Whatever has a table."""

    def table(self) -> Table:
        """Its table."""


M = TypeVar("M", bound=Model)


class Database:
    """A database that holds, or is to hold, a warehouse: PostgreSQL, or SQLite for unit tests.

    `Database("sqlite://")` lives in memory and in one connection, as long as the object does.
    """

    def __init__(
        self, url: str | URL, schemas: Schemas | None = None, *, migrations: Path | None = None
    ) -> None:
        """`migrations` is the folder whose migrations alone make the tables; without it a run makes those
        that are missing, unless the warehouse was ever migrated.
        """
        self.url = _parse(url)
        KNOWN.hide([it for it in (self.url.password, self.url.query.get("password")) if isinstance(it, str)])
        self.schemas = schemas or Schemas()
        self.migrations = migrations

    def __repr__(self) -> str:
        return f"Database({self.shown!r})"

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return diagnosis.shown(self.url)

    @cached_property
    def engine(self) -> Engine:
        """The engine, with the layers' schemas translated and the session in UTC."""
        if self.url.drivername == dialect.SQLITE_DRIVER:
            from strandline.warehouse import sqlite  # a run on PostgreSQL need not wait for it

            return sqlite.create(self.url, schemas=self.schemas.model_dump())
        return create_engine(
            self.url,
            json_serializer=document.write,
            hide_parameters=True,  # they are what sources have sent, and would stand in the log
            max_overflow=-1,  # a run has as many connections as it reads streams at once
            execution_options={"schema_translate_map": self.schemas.model_dump()},
            connect_args={
                "options": f"-c timezone=UTC -c work_mem={WORK_MEM} -c client_min_messages=warning",
                "application_name": "strandline",
                "connect_timeout": 10,
            },
        )

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """A connection; the caller begins and ends its transactions. Raises the WarehouseError that fits."""
        with self.named_errors(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """A connection with one transaction, committed at the end and rolled back on an error."""
        with self.connect() as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Give every connection back."""
        self.engine.dispose()

    def qualified(self, table: Table) -> str:
        """The table as it is called in this database, quoted, for statements that SQLAlchemy does not
        write.
        """
        quote = self.engine.dialect.identifier_preparer.quote
        schema = self.schema_of(table)
        return f"{quote(schema)}.{quote(table.name)}" if schema else quote(table.name)

    def schema_of(self, table: Table) -> str | None:
        """What the schema of the table is called in this database."""
        return self.schemas.model_dump().get(table.schema, table.schema) if table.schema else None

    def present(self, connection: Connection, models: Iterable[M]) -> list[M]:
        """Those of these models whose tables are there: one may be declared that no pipeline of this
        warehouse fills.
        """
        there = inspect(connection)
        return [it for it in models if there.has_table(it.table().name, schema=self.schema_of(it.table()))]

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Whatever PostgreSQL refuses within is raised as the WarehouseError that fits."""
        try:
            yield
        except DBAPIError as error:
            raise diagnosis.name(error.orig, url=self.url, schemas=self.schemas) from error
        except psycopg.Error as error:
            raise diagnosis.name(error, url=self.url, schemas=self.schemas) from error


def _parse(url: str | URL) -> URL:
    """The URL with our driver. No error shows it: where it ends up wrong, so does the password."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:  # a port that is no number is a ValueError
        raise DeclarationError("database URL: it cannot be read", hint=LOOKS_LIKE) from error
    if "@" in f"{parsed.host}{parsed.database}":
        raise DeclarationError("database URL: it has more than one @", hint=LOOKS_LIKE)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return parsed.set(drivername=dialect.SQLITE_DRIVER)
    if backend not in ("postgresql", "postgres"):
        raise DeclarationError(
            f"database URL: {backend} is neither PostgreSQL nor, for tests, SQLite", hint=LOOKS_LIKE
        )
    return parsed.set(drivername="postgresql+psycopg")


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under this one, in the same transaction."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw
