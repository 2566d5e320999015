"""What a stream asks of a database, a table or a query, and the columns that it turns out to have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Connection, FromClause, Select, TextClause, column, select, table, text
from sqlalchemy.exc import ArgumentError

from strandline.errors import DeclarationError
from strandline.source.sql.column import Column, of_query, of_table
from strandline.source.sql.selection import ROW

Found = tuple[FromClause, list[Column]]
"""What is read, under the name of ROW, and its columns."""


class Asked(Protocol):
    """A table or a query."""

    @property
    def shown(self) -> str:
        """As it is called in messages."""

    def look(self, connection: Connection, *, is_postgresql: bool, where: str) -> Found:
        """Look at it in its database. Raises UnexpectedResponse if it is not there."""


@dataclass(frozen=True)
class Table:
    """A table or view, all of it or some columns, some rows."""

    given: str | tuple[str, str]
    """"customers", "sales.customers", or both names apart."""
    columns: Sequence[str] | None
    where: str | ColumnElement[bool] | None
    is_wanted: ColumnElement[bool] | None = None
    """What must hold for a row besides."""

    @property
    def parts(self) -> tuple[str | None, str]:
        """Its schema, where one is named, and its name."""
        if isinstance(self.given, tuple):
            return self.given
        schema, _, name = self.given.rpartition(".")
        return schema or None, name

    @property
    def shown(self) -> str:
        """As it is called in messages."""
        return ".".join(part for part in self.parts if part)

    def look(self, connection: Connection, *, is_postgresql: bool, where: str) -> Found:
        """Look which columns it has."""
        schema, name = self.parts
        found = of_table(connection, name, schema=schema, is_postgresql=is_postgresql, where=where)
        wanted = [it.name for it in found] if self.columns is None else self.columns
        rows = select(table(name, *[column(it) for it in wanted], schema=schema))
        for condition in (self.where, self.is_wanted):
            if condition is not None:
                rows = rows.where(text(condition) if isinstance(condition, str) else condition)
        return rows.subquery(ROW), [it for it in found if it.name in wanted]


@dataclass(frozen=True)
class Query:
    """A query in SQL, with its parameters, or a SQLAlchemy select."""

    statement: str | Select[Any]
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def _text(self) -> TextClause:
        given = text(str(self.statement).strip().rstrip(";"))
        try:
            return given.bindparams(**self.parameters)
        except ArgumentError as error:
            raise DeclarationError(
                f"query({self.shown!r}, parameters=…): {error.args[0]}",
                hint="Each of the parameters stands as :name in the query.",
            ) from error

    @property
    def shown(self) -> str:
        """As it is called in messages."""
        return " ".join(str(self.statement).split())

    def look(self, connection: Connection, *, is_postgresql: bool, where: str) -> Found:
        """Ask for no row of it, to see its columns."""
        if isinstance(self.statement, Select):
            rows = self.statement.subquery(ROW)
            return rows, of_query(connection, rows, is_postgresql=is_postgresql)
        bare = self._text.columns().subquery(ROW)
        found = of_query(connection, bare, is_postgresql=is_postgresql)
        return self._text.columns(*(column(it.name) for it in found)).subquery(ROW), found
