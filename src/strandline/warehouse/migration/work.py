"""A migration that is going on: its database, its patience with others, and which of its steps are done.

Every step takes transactions of its own, as short as they can be. Whatever keeps readers out waits for its
lock, and then holds it, for no longer than the patience says; else it lets the others pass, and tries again.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from alembic import op
from psycopg import errors as reason
from sqlalchemy import Connection, CursorResult, text
from sqlalchemy.dialects.postgresql import psycopg as driver
from sqlalchemy.exc import DBAPIError

from strandline.errors import DataWouldBeLost, DeclarationError, WarehouseBusy, WarehouseError
from strandline.model.base import SCHEMAS
from strandline.settings import Schemas
from strandline.warehouse.database import Database
from strandline.warehouse.migration import journal

OPTION: Final = "strandline"
"""Where Alembic's context keeps the work."""

HOLDERS: Final = text("""
    SELECT a.pid, a.usename, a.application_name, a.state, a.xact_start
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND EXISTS (
        SELECT FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype = 'relation'
            AND l.relation = to_regclass(:table))
    ORDER BY a.xact_start NULLS LAST, a.pid
""")

HOLDERS_IN: Final = text("""
    SELECT a.pid, a.usename, a.application_name, a.state, a.xact_start
    FROM pg_stat_activity a
    WHERE a.datname = current_database() AND a.pid NOT IN (pg_backend_pid(), :ours) AND EXISTS (
        SELECT FROM pg_locks l
        JOIN pg_class c ON c.oid = l.relation JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE l.pid = a.pid AND l.granted AND n.nspname = ANY(:schemas))
    ORDER BY a.xact_start NULLS LAST, a.pid
""")

DIALECT: Final = driver.dialect()  # type: ignore[no-untyped-call]

T = TypeVar("T")


@dataclass(frozen=True)
class Patience:
    """How long a migration lets others wait, how often it tries, and how many rows it changes at once."""

    lock_timeout: float = 2.0
    """Seconds for which somebody who only reads may have to wait."""
    attempts: int = 20
    batch: int = 10_000
    longest_pause: float = 5.0
    """Seconds between two attempts."""
    small: int = 8 << 20
    """Bytes: a table up to that size is written anew at once, where that is needed."""

    @property
    def milliseconds(self) -> int:
        """The timeout as PostgreSQL takes it; 0 would mean none."""
        return max(int(self.lock_timeout * 1000), 2)


@dataclass(frozen=True)
class Place:
    """A table, or what else is in a schema: quoted, and as people read it."""

    schema: str
    name: str

    @property
    def sql(self) -> str:
        """As it stands in a statement."""
        return f"{quote(self.schema)}.{quote(self.name)}"

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"


def quote(name: str) -> str:
    """The name as it stands in a statement."""
    return DIALECT.identifier_preparer.quote(name)


def literal(value: str) -> str:
    """The text as it stands in a statement."""
    return "'" + value.replace("'", "''") + "'"


def twin(name: str) -> str:
    """What is built beside something of that name, to take its place."""
    return f"{name.encode()[:56].decode(errors='ignore')}__new"


def current() -> Work:
    """The work that is going on. Raises DeclarationError where the environment is not ours."""
    found = op.get_context().opts.get(OPTION)
    if not isinstance(found, Work):
        raise DeclarationError(
            "migrations/env.py does not call strandline, which would know the database and its schemas",
            hint="Make it: from strandline.pipeline.migration import run_migrations; run_migrations()",
        )
    return found


class Work:
    """A migration that is going on; without a database its statements are written and not run."""

    def __init__(
        self,
        schemas: Schemas,
        database: Database | None,
        *,
        patience: Patience | None = None,
        allow_destructive: bool = False,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.schemas = schemas
        self.database = database
        self.patience = patience or Patience()
        self.allow_destructive = allow_destructive
        self.note = note
        self.revision = ""
        self.is_upgrade = True
        self.number = 0
        self.done: list[str] = []
        """The revisions that are through."""

    def begin(self, revision: str, *, is_upgrade: bool) -> None:
        """Begin with a revision."""
        self.revision, self.is_upgrade, self.number = revision, is_upgrade, 0

    def named(self, written: str) -> str:
        """The text with schemas in the place of {raw}, {warehouse} and so on."""
        for layer in SCHEMAS:
            written = written.replace(f"{{{layer}}}", quote(getattr(self.schemas, layer)))
        return written

    @contextmanager
    def step(self, what: str) -> Iterator[bool]:
        """A step of the revision; False: it was done before the revision was broken off."""
        self.number += 1
        if self.database is None:
            op.get_context().impl.static_output(f"-- {what}")
            yield True
            return
        with op.get_context().autocommit_block():  # what stands before it in the revision is done
            with self.database.begin() as connection:
                known = journal.find(connection, self.revision, self.number, what=what)
                if known is None:
                    journal.begin(
                        connection, self.revision, self.number, what=what, is_upgrade=self.is_upgrade
                    )
            if known is not None and known.ended_at is not None:
                yield False
                return
            self.note(what)
            yield True
            with self.database.begin() as connection:
                journal.end(connection, self.revision, self.number)

    def ask(self, query: str, **parameters: Any) -> Sequence[Any]:
        """What the catalog says; nothing where there is no database."""
        if self.database is None:
            return []
        with self.database.begin() as connection:
            return connection.execute(text(query), parameters).all()

    def short(self, *statements: str, on: Place) -> None:
        """Run these in one transaction that keeps readers out of the table for as long as they may wait."""
        limits = {
            "lock_timeout": self.patience.milliseconds // 2,
            # A process that is stopped between two statements must not keep the lock.
            "idle_in_transaction_session_timeout": self.patience.milliseconds,
        }
        self._run(statements, on=on, limits=limits, within=self.patience.milliseconds)

    def slow(self, statement: str, *, on: Place) -> None:
        """Run one that takes its time and keeps nobody out who reads or writes."""
        self._run([statement], on=on, limits={"lock_timeout": self.patience.milliseconds // 2})

    def alone(self, statement: str, *, on: Place) -> None:
        """Run one that cannot be in a transaction, and keeps nobody out who reads or writes."""
        # It waits for transactions to end, and nobody waits for it meanwhile.
        limits = {"lock_timeout": self.patience.milliseconds * 10}
        self._run([statement], on=on, limits=limits, in_transaction=False)

    def write(self, act: Callable[[Connection], T], *, on: Place) -> T:
        """Do this in one transaction that changes rows."""
        return self._try(act, on=on, limits={"lock_timeout": self.patience.milliseconds * 10})

    def glance(self, act: Callable[[Connection], T], *, on: Place) -> T:
        """What this finds out by changing something, which is then taken back."""

        def look(connection: Connection) -> T:
            with connection.begin_nested() as changes:
                found = act(connection)
                changes.rollback()
            return found

        return self._try(look, on=on, limits={"lock_timeout": self.patience.milliseconds // 2})

    def _run(
        self,
        statements: Sequence[str],
        *,
        on: Place,
        limits: Mapping[str, int],
        within: int | None = None,
        in_transaction: bool = True,
    ) -> None:
        if self.database is None:
            for it in statements:
                op.get_context().impl.static_output(f"{it};\n")
            return

        def act(connection: Connection) -> None:
            began = time.monotonic()
            for it in statements:
                if within is not None:  # together, for whoever waits for the first waits for all of them
                    left = within - int((time.monotonic() - began) * 1000)
                    run(connection, f"SET LOCAL statement_timeout = {max(left, 1)}")
                run(connection, it)

        self._try(act, on=on, limits=limits, in_transaction=in_transaction)

    def _try(
        self,
        act: Callable[[Connection], T],
        *,
        on: Place,
        limits: Mapping[str, int],
        in_transaction: bool = True,
    ) -> T:
        holders = ""
        for attempt in range(self.patience.attempts):
            try:
                with self._connected(limits, in_transaction=in_transaction) as connection:
                    return act(connection)
            except DBAPIError as error:
                self._weigh(error.orig, on)
                holders = self._holders(on)
            pause = min(0.05 * 2**attempt, self.patience.longest_pause)
            time.sleep(pause * random.uniform(0.5, 1))
        raise WarehouseBusy(
            f"{on} is locked by {holders}; it was waited for {self.patience.attempts} times",
            hint="Let it end, then type the same again: it goes on where it stopped.",
        )

    @contextmanager
    def _connected(self, limits: Mapping[str, int], *, in_transaction: bool) -> Iterator[Connection]:
        assert self.database is not None
        with self.database.engine.connect() as connection:
            if in_transaction:
                with connection.begin():
                    for name, value in limits.items():
                        run(connection, f"SET LOCAL {name} = {value}")
                    yield connection
                return
            alone = connection.execution_options(isolation_level="AUTOCOMMIT")
            for name, value in limits.items():
                run(alone, f"SET {name} = {value}")
            try:
                yield alone
            finally:
                for name in () if alone.invalidated else limits:
                    run(alone, f"RESET {name}")

    def _weigh(self, error: BaseException | None, on: Place) -> None:
        """Go on where somebody else was in the way; raise what is wrong otherwise."""
        if isinstance(error, reason.LockNotAvailable | reason.DeadlockDetected):
            return
        if isinstance(error, reason.QueryCanceled):
            raise WarehouseBusy(
                f"{on}: to change it takes longer than the {self.patience.lock_timeout:g} s for which readers"
                " may wait",
                hint="At a quiet time let them wait longer, with --lock-timeout.",
            ) from error
        if isinstance(error, reason.DependentObjectsStillExist | reason.FeatureNotSupported):
            detail = getattr(error, "diag", None) and error.diag.message_detail
            raise WarehouseError(
                f"{on}: {str(error).splitlines()[0]}" + (f": {' '.join(detail.split())}" if detail else ""),
                hint="Drop what stands on it, type the same again, and make it anew.",
            ) from error
        if error is not None:
            raise error

    def _holders(self, on: Place) -> str:
        return _described(self.ask(HOLDERS.text, table=on.sql))

    def holders_in_our_schemas(self, ours: int) -> str:
        """Who has locks there, other than our session of this number."""
        schemas = list(self.schemas.model_dump().values())
        return _described(self.ask(HOLDERS_IN.text, schemas=schemas, ours=ours))

    def destroy(self, what: str) -> None:
        """Refuse to lose data unless somebody has said that it may be lost."""
        if not self.allow_destructive and self.database is not None:
            raise DataWouldBeLost(
                f"revision {self.revision} {what}", hint="If that is meant: --allow-destructive"
            )


def run(connection: Connection, statement: str) -> CursorResult[Any]:
    """Run a statement as it is written."""
    return connection.exec_driver_sql(statement.replace("%", "%%"))


def _described(holders: Sequence[Any]) -> str:
    return " and by ".join(map(_describe, holders[:3])) or "another session, which has just ended"


def _describe(holder: Any) -> str:
    who = f"user {holder.usename}" + (f", {holder.application_name}" if holder.application_name else "")
    since = f", in a transaction since {holder.xact_start:%H:%M:%S} UTC" if holder.xact_start else ""
    return f"session {holder.pid} ({who}{since})"
