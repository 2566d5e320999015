"""What is asked of a database for one stream: rows of a table or query, all at once or chunk by chunk.

A chunk begins at the place where the one before ended, not behind it: rows that a database's collation or
clock holds for equal are then sent twice, and dropped, where they would be lost. Rows without a place, whose
cursor or key is NULL, are asked for by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    cast,
    collate,
    func,
    literal_column,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.types import NullType

from strandline.source.cursor import CursorValue
from strandline.source.sql import bound
from strandline.source.sql.column import Column

Position = tuple[Any, ...]
"""Where in the order a row stands: its cursor's and its key's values, as the database gives them."""

ROW: Final = "strandline_row"
"""What the table or query is called within a statement."""

COMPARES_ROWS: Final = ("postgresql", "sqlite")


@dataclass(frozen=True)
class Selection:
    """Rows of a table or query: those within the bounds, and those that have no cursor value."""

    rows: FromClause
    columns: Sequence[Column]
    dialect: Dialect
    is_postgresql: bool
    cursor: str | None = None
    key: tuple[str, ...] = ()
    zone: str | None = None
    """Of the cursor's times, where the database has none for them."""
    since: CursorValue | None = None
    until: CursorValue | None = None

    @cached_property
    def place(self) -> list[str]:
        """By which columns the rows are in order."""
        return list(dict.fromkeys([*([self.cursor] if self.cursor else []), *self.key]))

    @property
    def said(self) -> str:
        """The bounds, for people."""
        bounds = [(">=", self.since), ("<=", self.until)]
        return "".join(f", {self.cursor} {sign} {it}" for sign, it in bounds if it is not None)

    def everything(self) -> Select[Any]:
        """All rows, in the order of the query or in none."""
        if self.cursor is None or not self._bounds:
            return self._records([])
        return self._records([]).where(or_(and_(*self._bounds), self._of(self.cursor).is_(None)))

    def chunk(self, position: Position | None, size: int) -> Select[Any]:
        """So many rows from the position on, each with its own behind it."""
        order = [self._sorted_by(name) for name in self.place]
        placed = [it.is_not(None) for it in order]
        behind = [] if position is None else [self._from(order, position)]
        return self._records(self.place).where(*placed, *self._bounds, *behind).order_by(*order).limit(size)

    def placeless(self) -> Select[Any] | None:
        """The rows without a place; None where there can be none."""
        empty = [name for name in self.place if self._column(name).may_be_null]
        if not empty:
            return None
        keyless = [self._of(name).is_(None) for name in empty if name != self.cursor]
        unplaced = [and_(or_(*keyless), *self._bounds)] if keyless else []
        if self.cursor in empty:
            unplaced.append(self._of(self.cursor).is_(None))
        return self._records([]).where(or_(*unplaced))

    def _of(self, name: str) -> ColumnElement[Any]:
        # Without the type that a select may give it: values are compared as the database has sent them.
        return type_coerce(self.rows.c[name], NullType())

    @cached_property
    def _bounds(self) -> list[ColumnElement[bool]]:
        if self.cursor is None:
            return []
        return bound.within(
            self._sorted_by(self.cursor),
            self._column(self.cursor),
            since=self.since,
            until=self.until,
            zone=self.zone,
            is_sqlite=self.dialect.name == "sqlite",
        )

    def _column(self, name: str) -> Column:
        return next(it for it in self.columns if it.name == name)

    def _records(self, place: Sequence[str]) -> Select[Any]:
        if not self.is_postgresql:
            return select(
                *(self.rows.c[it.name] for it in self.columns),
                *(self._of(it).label(None) for it in place),
            )
        record = func.convert_to(cast(func.row_to_json(self._json_row()), Text), "UTF8")
        # As texts: exact whatever the type is, also for times that Python does not know.
        return select(record, *(cast(self._of(it), Text).label(None) for it in place)).select_from(self.rows)

    def _json_row(self) -> ColumnElement[Any]:
        """The row as it goes into JSON: in PostgreSQL's own spelling, except for bytes."""
        if not any(it.is_binary for it in self.columns):
            return literal_column(ROW)
        quote = self.dialect.identifier_preparer.quote
        parts = ", ".join(_part(quote(it.name), it) for it in self.columns)
        return literal_column(f"(SELECT {ROW}_ FROM (SELECT {parts}) AS {ROW}_)")  # noqa: S608  # quoted names

    def _sorted_by(self, name: str) -> ColumnElement[Any]:
        # A mark that is a text is compared in Python, code point by code point: so must the database.
        if name == self.cursor and self.is_postgresql and self._column(name).is_text:
            return collate(self._of(name), "C")
        return self._of(name)

    def _from(self, order: Sequence[ColumnElement[Any]], position: Position) -> ColumnElement[bool]:
        values = [bound.bound(value) for value in position]
        if self.dialect.name in COMPARES_ROWS:
            return tuple_(*order) >= tuple_(*values)
        *before, last = zip(order, values, strict=True)
        condition: ColumnElement[bool] = last[0] >= last[1]
        for column, value in reversed(before):
            condition = or_(column > value, and_(column == value, condition))
        return condition


def _part(name: str, column: Column) -> str:
    return f"encode({ROW}.{name}, 'hex') AS {name}" if column.is_binary else f"{ROW}.{name}"
