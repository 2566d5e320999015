"""A source that is a database: any that SQLAlchemy has a URL for, its tables and queries read as streams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, Self

from pydantic import SecretStr
from sqlalchemy import ColumnElement, Select

from strandline.errors import DeclarationError, UnexpectedResponse
from strandline.source.contract import Record, Zone
from strandline.source.cursor import CursorValue
from strandline.source.page import Pages
from strandline.source.retry import Retry
from strandline.source.row import refuse_twins
from strandline.source.settings import env_prefix
from strandline.source.sql import change
from strandline.source.sql.asked import Asked, Found, Query, Table
from strandline.source.sql.bound import moment_of
from strandline.source.sql.landed import LAYOUTS, Landed, Tool
from strandline.source.sql.selection import Selection
from strandline.source.sql.session import Session
from strandline.source.sql.walk import Walk
from strandline.source.stream import Source, Stream, reading
from strandline.source.tombstone import alias_of


class SqlSource(Source):
    """A database that is read as streams.

    Its URL comes from the settings' field `url`, a SecretStr, unless the class sets it. A stream's method
    returns `self.table(…)` or `self.query(…)`. Nothing is ever written to it.
    """

    url: ClassVar[str] = ""
    retry: ClassVar[Retry] = Retry()

    def table(
        self,
        name: str | tuple[str, str],
        *,
        since: CursorValue | None = None,
        until: CursorValue | None = None,
        columns: Sequence[str] | None = None,
        where: str | ColumnElement[bool] | None = None,
        at_once: bool = False,
        size: int = 10_000,
    ) -> Pages:
        """The rows of a table or view, "customers" or "sales.customers", whose cursor lies from `since` to
        `until`, and those that have none.

        They come in the order of cursor and key, at most `size` in a chunk, and each chunk is a statement of
        its own; with `at_once` one statement reads them all, as they were when it began. `columns` leaves out
        the others, `where` is a condition in SQL.
        """
        asked = Table(name, columns, where)
        walk = self._walk(asked, since=since, until=until, size=size, is_ordered=not at_once)
        yield from walk.at_once() if at_once else walk.by_chunk()

    def changes(
        self,
        name: str | tuple[str, str],
        *,
        since: str | None,
        columns: Sequence[str] | None = None,
        where: str | ColumnElement[bool] | None = None,
        size: int = 10_000,
    ) -> Pages:
        """The rows of a PostgreSQL table that have been written since a state, which goes with the pages:
        none is missed, however late its transaction ended.

        The stream has no cursor, and takes `since`. The rows are read by one statement, which looks at the
        whole table: no index knows which transaction wrote a row.
        """
        if not self.session.is_postgresql:
            raise DeclarationError(
                f"{self.name}: changes({name!r}) is asked of {self.session.url.get_backend_name()}, and only"
                " PostgreSQL can tell them",
                hint="Declare a cursor, and return self.table(…).",
            )
        asked = Table(name, columns, where, change.IS_CHANGED)
        yield from self._walk(asked, size=size).changes(asked.parts, since)

    def landed(
        self,
        name: str | tuple[str, str],
        *,
        by: Tool,
        since: str | None,
        columns: Sequence[str] | None = None,
        where: str | ColumnElement[bool] | None = None,
        nested: Mapping[str, str] | None = None,
        size: int = 10_000,
    ) -> Pages:
        """The rows of a table that another tool lands in a PostgreSQL, written since a state, as `changes`
        has them, and only of loads that are whole.

        The tool's own columns are left out, but for those that the contract names. `nested` says which field
        of a record is kept in which other table, where dlt has taken it apart.
        """
        asked = Table(name, columns, where)
        landed = self._landed(asked, by, nested=nested or {})
        yield from self._walk(landed, size=size).changes(asked.parts, since)

    def landed_keys(
        self,
        name: str | tuple[str, str],
        *,
        by: Tool,
        where: str | ColumnElement[bool] | None = None,
        size: int = 10_000,
    ) -> Pages:
        """The keys that are in such a table, and not gone: for `Deletes.by_ids`."""
        landed = self._landed(Table(name, None, where), by, has_keys_only=True)
        yield from self._walk(landed, size=size).at_once()

    def query(
        self,
        statement: str | Select[Any],
        *,
        parameters: Mapping[str, Any] | None = None,
        since: CursorValue | None = None,
        until: CursorValue | None = None,
        at_once: bool = True,
        size: int = 10_000,
    ) -> Pages:
        """The rows of a query: SQL with `:name` for each of the `parameters`, or a SQLAlchemy select.

        One statement reads them all, as they were when it began, in the query's own order; without `at_once`
        they come in chunks, as those of a table. Of a cursor's column only what lies from `since` to
        `until`, or has no value, is asked for.
        """
        asked = Query(statement, parameters or {})
        walk = self._walk(asked, since=since, until=until, size=size, is_ordered=not at_once)
        yield from walk.at_once() if at_once else walk.by_chunk()

    @cached_property
    def session(self) -> Session:
        """The connections; made when first needed."""
        return Session(
            self.url or self._url_of_settings(),
            policy=self.retry,
            setting=f"{type(self).__name__}.url" if self.url else f"{env_prefix(self.name)}URL",
            secrets=[it for it in self.settings.secrets() if it != self._url_of_settings()],
        )

    def __enter__(self) -> Self:
        """Have a session, so that a URL that cannot be one is told before anything is read."""
        _ = self.session
        return super().__enter__()

    def close(self) -> None:
        """Close the connections."""
        # Only if there are any: looking at the session would make it.
        if "session" in self.__dict__:
            self.session.close()

    def _url_of_settings(self) -> str:
        url = getattr(self.settings, "url", None)
        if not url and not self.url:
            raise DeclarationError(
                f"{type(self).__name__}: has no url",
                hint="Declare url: SecretStr on its settings, or set it on the class.",
            )
        return url.get_secret_value() if isinstance(url, SecretStr) else str(url or "")

    def _walk(
        self,
        asked: Asked,
        *,
        since: CursorValue | None = None,
        until: CursorValue | None = None,
        size: int,
        is_ordered: bool = False,
    ) -> Walk:
        """The way through what is asked, once the database has said which columns it has."""
        asked_by, is_postgresql = self._asking(), self.session.is_postgresql
        request = f"{self.session.shown}: {self.session.scrub(asked.shown)}"
        where = f"{asked_by.qualified_name}: {request}"
        found = self.session.attempt(
            lambda it: asked.look(it, is_postgresql=is_postgresql, where=where), where=where
        )
        refuse_twins([it.name for it in found[1]], where=where)
        selection = self._selection(asked_by, found, since, until)
        _check(selection, is_ordered=is_ordered, where=where)
        return Walk(self.session, selection, where=where, request=request, size=size)

    def _selection(
        self, asked_by: Stream, found: Found, since: CursorValue | None, until: CursorValue | None
    ) -> Selection:
        """What is read of it: between the bounds of the stream's cursor, in the order of cursor and key."""
        rows, columns = found
        contract, cursor = asked_by.contract, asked_by.cursor
        if cursor and asked_by.cursor_type is datetime:
            since, until = moment_of(since, cursor.zone), moment_of(until, cursor.zone)
        return Selection(
            rows,
            columns,
            dialect=self.session.engine.dialect,
            is_postgresql=self.session.is_postgresql,
            cursor=alias_of(contract, cursor.field) if cursor else None,
            key=tuple(alias_of(contract, it) for it in asked_by.key),
            zone=_zone_of(contract, cursor.field) if cursor else None,
            since=since,
            until=until,
        )

    def _landed(self, asked: Table, tool: Tool, **options: Any) -> Landed:
        """The table as the tool has landed it, for the stream that is read."""
        stream, contract = self._asking(), self._asking().contract
        if tool not in LAYOUTS:
            raise DeclarationError(
                f"{stream.qualified_name}: by={tool!r} is no tool whose tables are known",
                hint=f"Name one of {', '.join(LAYOUTS)}, or return self.changes(…).",
            )
        if not self.session.is_postgresql:
            raise DeclarationError(
                f"{stream.qualified_name}: tables that {tool} has landed are read from a PostgreSQL, not from"
                f" {self.session.url.get_backend_name()}",
                hint="Declare a cursor with a lag on the tool's own time, and return self.table(…).",
            )
        names = {name: alias_of(contract, name) for name in contract.model_fields}
        key = tuple(names[it] for it in stream.key)
        flag = names.get(stream.deleted or "", stream.deleted)
        at = names.get(stream.effective_at or "")
        return Landed(asked, tool, frozenset(names.values()), key, str(flag) if flag else None, at, **options)

    def _asking(self) -> Stream:
        asked_by = reading.get()
        if asked_by is None:
            raise DeclarationError(
                f"{type(self).__name__}: rows are read for a stream, and nobody knows for which",
                hint="Return self.table(…) or self.query(…) from a method under @stream(…).",
            )
        return asked_by


def _zone_of(contract: type[Record], field: str) -> str | None:
    """The zone that the contract declares for a field's naive times."""
    return next((it.name for it in contract.model_fields[field].metadata if isinstance(it, Zone)), None)


def _check(selection: Selection, *, is_ordered: bool, where: str) -> None:
    there = [it.name for it in selection.columns]
    needed = {
        "cursor": [selection.cursor] if selection.cursor else [],
        "key": selection.key if is_ordered else (),
    }
    for role, names in needed.items():
        for name in names:
            if name not in there:
                raise UnexpectedResponse(
                    f"{where}: has no column {name!r}, which is the stream's {role}",
                    hint=f"Its columns are {', '.join(there)}: name it in the contract by alias=….",
                )
