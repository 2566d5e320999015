"""The connections to one database that is read: read-only, in UTC, patient, and discreet.

What the database refuses is told as the SourceError that fits, without user and password. What may pass,
a lost connection or a deadlock, is tried again as the source's Retry says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Engine, create_engine, func, literal, make_url, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError, StatementError
from sqlalchemy.pool import QueuePool

from strandline.errors import CredentialsRejected, DeclarationError, SourceUnavailable, UnexpectedResponse
from strandline.source import retry
from strandline.source.redaction import Redaction
from strandline.source.retry import Retry, Transient

T = TypeVar("T")

# What rows look like must not depend on how a server, a database or a role is set up.
SETTINGS: Final = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
}

MAY_PASS: Final = re.compile(
    r"deadlock|lock|busy|timeout|timed out|refused|closed|gone away|lost connection|too many connections"
    r"|starting up|shutting down|terminat",
    re.IGNORECASE,
)
REFUSED: Final = re.compile(
    r"authentication failed|no password supplied|no pg_hba.conf entry|access denied|login failed"
    r"|role .* does not exist",
    re.IGNORECASE,
)
PASSING: Final = ("08", "40", "53", "55", "57")
"""Classes of SQLSTATE: no connection, a conflict, no resources, in use, stopped."""

_HINT: Final = "Correct the name or the query where the stream is declared."


class Session:
    """The connections to the database of one source. Safe to share between threads."""

    def __init__(self, url: str, *, policy: Retry, setting: str, secrets: Iterable[str] = ()) -> None:
        self._setting = setting
        self.url = _parse(url, setting)
        self._policy = policy
        self._redaction = Redaction(secrets=[*secrets, *_secrets_of(self.url)])
        self.engine = self._create()

    @property
    def is_postgresql(self) -> bool:
        """Whether it is a PostgreSQL that we know how to speak to."""
        return self.url.drivername == "postgresql+psycopg"

    @property
    def shown(self) -> str:
        """Where the database is, without user, password and options."""
        url = self.url
        bare = URL.create(url.get_backend_name(), host=url.host, port=url.port, database=url.database)
        return self.scrub(bare.render_as_string())

    def scrub(self, text: str) -> str:
        """The text without what is secret."""
        return self._redaction.scrub(text)

    def close(self) -> None:
        """Close the connections."""
        self.engine.dispose()

    def attempt(self, ask: Callable[[Connection], T], *, where: str) -> T:
        """What `ask` makes of a connection in a transaction of its own, tried again while it may help."""

        def once() -> T:
            with self._connected(where) as connection, connection.begin():
                self._settle(connection)
                return ask(connection)

        return retry.run(once, policy=self._policy, where=where)

    @contextmanager
    def snapshot(self, *, where: str) -> Iterator[Connection]:
        """A connection that sees the database as it is now for as long as it is open."""
        options: dict[str, Any] = {"isolation_level": "REPEATABLE READ"} if self.is_postgresql else {}
        try:
            with self._connected(where, **options) as connection, connection.begin():
                self._settle(connection)
                yield connection
        except Transient as error:  # what was sent cannot be gone on with, for nobody else sees the same
            raise SourceUnavailable(
                f"{where}: {error.reason}", hint=error.hint or "Run again: the stream is then read anew."
            ) from error

    @contextmanager
    def _connected(self, where: str, **options: Any) -> Iterator[Connection]:
        options |= {"postgresql_readonly": True} if self.is_postgresql else {}
        try:
            with self._open(where).execution_options(**options) as connection:
                yield connection
        except DBAPIError as error:
            raise self._named(error, where, hint=_HINT) from error
        except StatementError as error:  # which no database has seen
            raise DeclarationError(
                f"{where}: {self.scrub(_first(error.orig))}",
                hint="Each :name in SQL is one of the parameters; a colon that means none is written \\:.",
            ) from error

    def _open(self, where: str) -> Connection:
        if self.url.get_backend_name() == "sqlite":
            self._check_file(where)
        try:
            return self.engine.connect()
        except DBAPIError as error:
            hint = f"Correct {self._setting}, then run again."
            raise self._named(error, where, hint=hint) from error

    def _check_file(self, where: str) -> None:
        """SQLite would make a file that is not there, and a URI says itself whether it may."""
        name = str(self.url.database)
        if not name.startswith("file:") and not Path(name).exists():
            raise SourceUnavailable(
                f"{where}: there is no file {self.scrub(name)}",
                hint=f"Check {self._setting}, then run again.",
            )

    def _settle(self, connection: Connection) -> None:
        if self.is_postgresql:
            local = literal(True)
            connection.execute(select(*(func.set_config(*it, local) for it in SETTINGS.items())))
        elif self.url.get_backend_name() == "sqlite":
            connection.execute(text("PRAGMA query_only = ON"))

    def _create(self) -> Engine:
        try:
            engine = create_engine(self.url, hide_parameters=True)
            if isinstance(engine.pool, QueuePool):
                # A connection for each who reads at once: whoever waits for one is told of a timeout.
                engine = create_engine(self.url, hide_parameters=True, max_overflow=-1)
            return engine
        except ModuleNotFoundError as error:
            raise DeclarationError(
                f"{self._setting}: {self.url.drivername} needs the package {error.name}, which is not there",
                hint=f"pip install {error.name}, or name another driver: …+driver://…",
            ) from error
        except ArgumentError as error:
            raise DeclarationError(
                f"{self._setting}: SQLAlchemy does not know {self.url.drivername}",
                hint="Install the package that brings its dialect, or correct the URL.",
            ) from error

    def _named(self, error: DBAPIError, where: str, *, hint: str) -> Exception:
        said = self.scrub(" ".join(str(error.orig).split()))
        state = str(getattr(error.orig, "sqlstate", None) or "")
        what = f"{where}: {said}"
        if state.startswith("28") or REFUSED.search(said):
            return CredentialsRejected(what, hint=f"Correct user and password in {self._setting}.")
        if state == "42501":
            return CredentialsRejected(what, hint="Let the user read it: GRANT SELECT ON … TO …")
        if error.connection_invalidated or state[:2] in PASSING or (not state and MAY_PASS.search(said)):
            return Transient(
                said, hint=f"Check {self._setting}, and that the database is up, then run again."
            )
        return UnexpectedResponse(what, hint=hint)


def _first(error: BaseException | None) -> str:
    """What SQLAlchemy says, without the page where it says more."""
    return str(error.args[0]) if error is not None and error.args else str(error)


def _parse(url: str, setting: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        # Without the URL: where it ends up wrong, so does the password.
        raise DeclarationError(
            f"{setting}: it is no URL of a database",
            hint="It looks like postgresql://user:password@host:5432/database, special characters of the"
            " password written as %40 for @, %2F for /, %3A for :.",
        ) from error
    if parsed.get_backend_name() == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise DeclarationError(
            f"{setting}: {parsed} is a database in memory, in which there is nothing",
            hint="Name its file: sqlite:///erp.db, or with its whole path sqlite:////var/data/erp.db.",
        )
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _secrets_of(url: URL) -> list[str]:
    options = [it for name, it in url.query.items() if "password" in name.lower() or name.lower() == "pwd"]
    return [str(it) for it in (url.password, *options) if it]
