"""What is done around the revisions that Alembic applies: the lock, our schema, the version, the journal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from alembic import context
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema

from strandline.errors import WarehouseBusy
from strandline.model.base import OWN
from strandline.warehouse import ledger, lock, managed
from strandline.warehouse.database import Database, driver
from strandline.warehouse.migration import journal, rights
from strandline.warehouse.migration.work import Work, quote, run

LOSING: Final = re.compile(
    r"\bDROP\s+(TABLE|SCHEMA)\s+\S+(\s+EXISTS\s+\S+)?|\bDROP\s+COLUMN\s+\S+(\s+EXISTS\s+\S+)?"
    r"|\bTRUNCATE\s+(TABLE\s+)?\S+|\bDELETE\s+FROM\s+\S+",
    re.IGNORECASE,
)
"""Statements that take data away."""

WAIT: Final = "Wait until it has ended, then type the same again."


def write_down(work: Work) -> None:
    """Write the statements to where Alembic writes."""
    context.configure(
        dialect_name="postgresql",
        version_table=managed.VERSION_TABLE,
        version_table_schema=work.schemas.strandline,
        transactional_ddl=False,
        strandline=work,
    )
    _watch(work)
    say = context.get_context().impl.static_output
    say("-- For psql, outside of a transaction: psql -v ON_ERROR_STOP=1 -f FILE\n")
    say(f"SET lock_timeout = {work.patience.milliseconds // 2};\n")
    if context.get_starting_revision_argument() in (None, "base"):
        say(f"CREATE SCHEMA IF NOT EXISTS {quote(work.schemas.strandline)};\n")
    context.run_migrations()
    say(f"{rights.keep_own(work)};\n")


def carry_out(work: Work, database: Database) -> None:
    """Do what Alembic was asked for, while runs and other migrations are kept away."""
    with database.connect() as connection:
        _hold(database, connection)
        try:
            _begin(database, connection)
            _guard(work, connection)
            context.configure(
                connection=connection,
                version_table=managed.VERSION_TABLE,
                version_table_schema=database.schemas.strandline,
                transaction_per_migration=True,
                on_version_apply=lambda **_: _finish(work, connection),
                strandline=work,
            )
            _watch(work)
            with _in_time(work, connection), context.begin_transaction():
                context.run_migrations()
        finally:
            if not connection.invalidated:
                connection.rollback()
                with connection.begin():
                    run(connection, "RESET lock_timeout")
                    lock.release_all(connection)


@contextmanager
def _in_time(work: Work, connection: Connection) -> Iterator[None]:
    """Let what a revision types itself wait for a lock no longer than readers may have to wait for it."""
    with connection.begin():
        run(connection, f"SET lock_timeout = {work.patience.milliseconds // 2}")
    ours = driver(connection).info.backend_pid
    try:
        yield
    except DBAPIError as error:
        if not isinstance(error.orig, LockNotAvailable):
            raise
        raise WarehouseBusy(
            f"revision {work.revision}: what it changes is locked by {work.holders_in_our_schemas(ours)}",
            hint="Let it end, then type the same again.",
        ) from error


def _guard(work: Work, connection: Connection) -> None:
    """Refuse what a revision types itself and what takes data away; steps of ours say so themselves."""

    @event.listens_for(connection, "before_cursor_execute")
    def look(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found = LOSING.search(statement)
        if found and managed.VERSION_TABLE not in statement and journal.STEP.name not in statement:
            work.destroy(f"types {' '.join(found[0].split())}")


def _watch(work: Work) -> None:
    """Let the work know with which revision it begins."""
    running = context.get_context()
    steps = running._migrations_fn

    def watched(heads: Any, running: Any) -> Iterator[Any]:
        for it in steps(heads, running) if steps is not None else ():
            work.begin(it.revision.revision, is_upgrade=it.is_upgrade)
            yield it

    running._migrations_fn = watched


def _finish(work: Work, connection: Connection) -> None:
    """In the transaction that moves the version."""
    journal.forget(connection, work.revision)
    run(connection, rights.keep_own(work))
    work.done.append(work.revision)


def _begin(database: Database, connection: Connection) -> None:
    """Let our schema be there, with what is known of migrations."""
    with connection.begin():
        own = getattr(database.schemas, OWN)
        if not connection.scalar(
            text("SELECT count(*) FROM pg_namespace WHERE nspname = :own"), {"own": own}
        ):
            connection.execute(CreateSchema(own))
        journal.create(connection)


def _hold(database: Database, connection: Connection) -> None:
    """Keep runs away, and other migrations."""
    with connection.begin():
        if not lock.hold(connection, lock.MIGRATION):
            raise WarehouseBusy(
                f"{database.shown}: a run or another migration is going on"
                f"{lock.describe_holder(connection, lock.MIGRATION)}",
                hint=WAIT,
            )
        for it in ledger.running(database, connection):
            raise WarehouseBusy(
                f"{database.shown}: run {it['run_id']} of {it['pipeline']} is going on, since"
                f" {it['started_at']:%Y-%m-%d %H:%M:%S} UTC",
                hint=WAIT,
            )
