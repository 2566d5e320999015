"""What PostgreSQL's refusals mean to whoever runs a pipeline: one of our errors, with what to type next.

A refused connection has no SQLSTATE, only libpq's text, so those are told apart by their words. A server that
speaks another language than English still gets the right error, with the general hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import psycopg
from psycopg import errors as reason
from sqlalchemy.engine import URL

from strandline.errors import (
    PermissionMissing,
    SchemaOutOfDate,
    WarehouseBusy,
    WarehouseError,
    WarehouseFull,
    WarehouseUnreachable,
)
from strandline.settings import Schemas

SETTING: Final = "--database-url (STRANDLINE_DATABASE_URL)"

LOST: Final = "What was stored is kept: when the server is up again, run again, and it goes on from there."

CONNECTION_HINTS: Final[Mapping[str, str]] = {
    r"password authentication failed|no password supplied": f"Correct user and password in {SETTING};"
    " special characters in them are written as %40 for @, %2F for /, %3A for :.",
    r'database "(?P<name>.*)" does not exist': f"createdb {{name}}, or correct the name in {SETTING}.",
    r"no pg_hba.conf entry|peer authentication failed": "Let the user in, in pg_hba.conf of the server,"
    f" or give another user in {SETTING}.",
    r"too many (clients|connections)|remaining connection slots": "Wait until others have gone,"
    " or raise max_connections of the server.",
    r"starting up|shutting down|recovery": "Wait a moment, then run again.",
    r"server closed the connection|terminating connection|connection is (closed|lost)|consuming input": LOST,
    r"refused|timeout expired|timed out|resolve|translate host|No such file|unreachable": "Check host and"
    f" port in {SETTING}, and that PostgreSQL is running there.",
}

CANNOT_CONNECT: Final = f"Check host, port, user, password and database in {SETTING}, and that it is running."

NO_SPACE: Final = "Free some space on the database's disk, then run again: nothing is lost or done twice."


OLDER: Final = "The tables are from before: strandline run NAME tells the ALTER TABLE to type in psql."


def name(error: BaseException | None, *, url: URL, schemas: Schemas) -> WarehouseError:
    """The error of ours that says what happened, where, and what to do about it."""
    what = f"{shown(url)}: {_told(error)}"
    match error:
        case reason.DiskFull() | reason.OutOfMemory() | reason.ConfigurationLimitExceeded():
            return WarehouseFull(what, hint=NO_SPACE)
        case reason.InternalError_() if re.search("could not (extend|write)", str(error)):
            # A quota on the server's files ("File too large") has no SQLSTATE of its own.
            return WarehouseFull(what, hint=NO_SPACE)
        case reason.InsufficientPrivilege():
            return PermissionMissing(what, hint=_grant(str(error), url, schemas))
        case reason.ReadOnlySqlTransaction():
            return PermissionMissing(
                what, hint=f"It only reads, as a replica does: give the server that writes in {SETTING}."
            )
        case reason.UndefinedColumn():
            return SchemaOutOfDate(what, hint=OLDER)
        case reason.LockNotAvailable() | reason.QueryCanceled() | reason.DeadlockDetected():
            return WarehouseBusy(what, hint="Another session was in the way. Wait for it, then run again.")
        case psycopg.OperationalError() if _is_about_connection(error):
            return WarehouseUnreachable(what, hint=_connection_hint(str(error)))
    import sqlite3  # rarely asked for

    return _on_sqlite(error, what) if isinstance(error, sqlite3.Error) else WarehouseError(what)


def _on_sqlite(error: Exception, what: str) -> WarehouseError:
    match getattr(error, "sqlite_errorname", "").split("_")[1:2]:
        case ["FULL" | "IOERR"]:
            return WarehouseFull(what, hint=NO_SPACE)
        case ["BUSY" | "LOCKED"]:
            return WarehouseBusy(what, hint="SQLite has one writer. Wait for it, then run again.")
        case ["CANTOPEN"]:
            return WarehouseUnreachable(what, hint=f"Give a file in a folder that is there in {SETTING}.")
        case ["READONLY" | "PERM" | "AUTH"]:
            return PermissionMissing(what, hint=f"Give a file that may be written in {SETTING}.")
    if "within a transaction" in str(error):
        return WarehouseBusy(
            what, hint="In memory SQLite has one connection: end what was begun on it, then run."
        )
    return WarehouseError(what)


def shown(url: URL) -> str:
    """The URL without its passwords; libpq also takes them as parameters."""
    query = {key: value for key, value in url.query.items() if "password" not in key}
    return url.set(query=query).render_as_string(hide_password=True)


def _told(error: BaseException | None) -> str:
    """What the server said, without the statement and the row that follow."""
    lines = [" ".join(line.split()) for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


def _is_about_connection(error: psycopg.OperationalError) -> bool:
    return error.sqlstate is None or error.sqlstate.startswith(("08", "28", "3D", "57P"))


def _connection_hint(text: str) -> str:
    for pattern, hint in CONNECTION_HINTS.items():
        if found := re.search(pattern, text):
            return hint.format(**found.groupdict())
    return CANNOT_CONNECT


def _grant(text: str, url: URL, schemas: Schemas) -> str:
    """The statement that gives what is missing; all of them where the server names it in another language."""
    if "must be owner" in text:
        return f"Give the user who owns it in {SETTING}."
    if re.search(r"create role|alter role|grant role|admin option", text, re.IGNORECASE):
        return f"Give a superuser in {SETTING}, or a user with CREATEROLE who owns the tables."
    user = f'"{url.username}"'
    ours = ", ".join(dict.fromkeys(schemas.model_dump().values()))
    on_database = f'GRANT CREATE ON DATABASE "{url.database}" TO {user};'
    on_schemas = f"GRANT USAGE, CREATE ON SCHEMA {ours} TO {user};"
    on_contents = " ".join(
        f"GRANT ALL ON ALL {kind} IN SCHEMA {ours} TO {user};" for kind in ("TABLES", "SEQUENCES")
    )
    by_kind = {"database": on_database, "schema": on_schemas, "table": on_contents, "sequence": on_contents}
    found = re.search(r"permission denied for (\w+)", text)
    statements = by_kind.get(found[1]) if found else None
    return (
        f"Give a user who may in {SETTING}, or type in psql as its owner:"
        f" {statements or f'{on_database} {on_schemas} {on_contents}'}"
    )
