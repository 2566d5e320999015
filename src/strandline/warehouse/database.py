"""The warehouse's database: connections in UTC, schemas under the names that settings give, errors by our
names.

Everything that talks to PostgreSQL goes through `Database.connect`, so a full disk, a missing permission or a
wrong password is told in one way, wherever it happens.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import psycopg
from psycopg import errors as reason
from sqlalchemy import Connection, Engine, Table, create_engine, make_url
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from strandline.errors import (
    DeclarationError,
    PermissionMissing,
    WarehouseBusy,
    WarehouseError,
    WarehouseFull,
    WarehouseUnreachable,
)
from strandline.settings import Schemas

WORK_MEM = "256MB"
"""Merges sort and hash whole batches; with PostgreSQL's default of 4 MB the plans get quadratic."""


class Database:
    """A PostgreSQL database that holds, or is to hold, a warehouse."""

    def __init__(self, url: str | URL, schemas: Schemas | None = None) -> None:
        self.url = _driver(url)
        self.schemas = schemas or Schemas()

    def __repr__(self) -> str:
        return f"Database({self.shown!r})"

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return self.url.render_as_string(hide_password=True)

    @cached_property
    def engine(self) -> Engine:
        """The engine, with the layers' schemas translated and the session in UTC."""
        return create_engine(
            self.url,
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
        with self._translated(), self.engine.connect() as connection:
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
        schema = self.schemas.model_dump().get(table.schema, table.schema) if table.schema else None
        return f"{quote(schema)}.{quote(table.name)}" if schema else quote(table.name)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            known = self._name(error.orig)
            raise (known or WarehouseError(f"{self.shown}: {_first_lines(error.orig)}")) from error
        except psycopg.Error as error:
            known = self._name(error)
            raise (known or WarehouseError(f"{self.shown}: {_first_lines(error)}")) from error

    def _name(self, error: BaseException | None) -> WarehouseError | None:
        what = f"{self.shown}: {_first_lines(error)}"
        match error:
            case reason.DiskFull() | reason.OutOfMemory():
                return WarehouseFull(
                    what,
                    hint="Free some space and run again: what was read is kept, and nothing is read twice.",
                )
            case reason.InsufficientPrivilege():
                return PermissionMissing(
                    what,
                    hint=f"GRANT it to {self.url.username!r}, or connect as a user who may: --database-url.",
                )
            case reason.LockNotAvailable():
                return WarehouseBusy(
                    what, hint="Another session holds the table. Wait for it, then run again."
                )
            case psycopg.OperationalError() if error.sqlstate is None or error.sqlstate.startswith(
                ("08", "28", "3D", "57P")
            ):
                return WarehouseUnreachable(
                    what,
                    hint="Check host, port, user, password and database of --database-url, and that it runs.",
                )
        return None


def _driver(url: str | URL) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise DeclarationError(
            "The database URL cannot be read",
            hint="It looks like postgresql://user:password@host:5432/database.",
        ) from error
    if parsed.drivername in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername != "postgresql+psycopg":
        raise DeclarationError(
            f"{parsed.drivername} is no PostgreSQL", hint="The warehouse is a PostgreSQL: postgresql://…"
        )
    return parsed


def _first_lines(error: BaseException | None) -> str:
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split("\n")[:2])


def driver(connection: Connection) -> psycopg.Connection[Any]:
    """The psycopg connection under this one, in the same transaction."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, psycopg.Connection)
    return raw
