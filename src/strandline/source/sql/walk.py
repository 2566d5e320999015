"""The pages of a selection: by one statement or chunk by chunk, none of them larger than memory likes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

from sqlalchemy import Connection, Select
from xxhash import xxh3_128_digest

from strandline.source.page import Page, Pages
from strandline.source.row import compile_writer
from strandline.source.sql import change
from strandline.source.sql.column import quoted
from strandline.source.sql.selection import Position, Selection
from strandline.source.sql.session import Session

FIRST: Final = 500
"""So many rows are asked for before it is known how large they are."""

MOST_BYTES: Final = 4 * 1024 * 1024
"""A page of large rows ends about here."""

Rows = Sequence[Sequence[Any]]
Batch = tuple[list[bytes], str]
"""Records, and what was asked for them."""


@dataclass(frozen=True)
class Walk:
    """A way through a selection's rows, at most `size` of them in a page."""

    session: Session
    selection: Selection
    where: str
    """Stream, database and table, for messages."""
    request: str
    """Database and table, for the ledger."""
    size: int

    def at_once(self) -> Pages:
        """All rows by one statement, which sees the database as it is when it begins."""
        return self._paged(self._streamed(self.selection.everything(), self._asked))

    def by_chunk(self) -> Pages:
        """The rows in order, each chunk by a statement of its own; then those without a place."""
        return self._paged(self._chunks())

    def changes(self, table: tuple[str | None, str], since: str | None) -> Pages:
        """The rows of that table which were written since that state; the last page carries the new one."""
        with self.session.snapshot(where=self.where) as connection:
            moment = change.look(connection, quoted(connection, table), where=self.where)
            reached = moment.since(since, where=self.where)
            request = f"{self.request}, from transaction {reached.transaction} on"
            rows = self.selection.everything()
            held: Page | None = None
            for page in self._paged(self._batches(connection, rows, request, moment.parameters(reached))):
                if held is not None:
                    yield held
                held = page
            assert held is not None
            held.state = moment.state
            yield held

    def _paged(self, batches: Iterator[Batch]) -> Pages:
        number = 0
        for number, (records, request) in enumerate(batches, 1):
            yield self._page(records, number, request)
        if not number:
            yield self._page([], 1, self._asked)

    def _page(self, records: list[bytes], number: int, request: str) -> Page:
        size = sum(map(len, records))
        return Page(records, number, request, status=200, fetched_at=datetime.now(UTC), size=size)

    @property
    def _asked(self) -> str:
        return self.request + self.selection.said

    def _chunks(self) -> Iterator[Batch]:
        position: Position | None = None
        known: set[bytes] = set()
        size = min(FIRST, self.size)
        while True:
            rows = self.session.attempt(lambda it: self._fetch(it, position, size), where=self.where)  # noqa: B023
            records = self._write(rows)
            hashes = [xxh3_128_digest(it) for it in records]
            new = [it for it, digest in zip(records, hashes, strict=True) if digest not in known]
            if new:
                yield new, self._asked + self._behind(position)
            if len(rows) < size:
                break
            reached = self._position(rows[-1])
            # Where a whole chunk has one place, the next one is larger, or it would be the same for ever.
            size = self._fitting(records) if new else size * 2
            known = known.union(hashes) if reached == position else set(hashes)
            position = reached
        placeless = self.selection.placeless()
        if placeless is not None:
            yield from self._streamed(placeless, f"{self.request}, those without cursor or key")

    def _fetch(self, connection: Connection, position: Position | None, size: int) -> Rows:
        return connection.execute(self.selection.chunk(position, size)).all()

    def _streamed(self, statement: Select[Any], request: str) -> Iterator[Batch]:
        with self.session.snapshot(where=self.where) as connection:
            yield from self._batches(connection, statement, request)

    def _batches(
        self,
        connection: Connection,
        statement: Select[Any],
        request: str,
        parameters: Mapping[str, Any] | None = None,
    ) -> Iterator[Batch]:
        options = {"stream_results": True, "max_row_buffer": 1}
        with closing(connection.execute(statement, parameters, execution_options=options)) as result:
            size, first = min(FIRST, self.size), 1
            while rows := result.fetchmany(size):
                records = self._write(rows)
                yield records, f"{request}, rows {first} to {first + len(records) - 1}"
                size, first = self._fitting(records), first + len(records)

    def _fitting(self, records: Sequence[bytes]) -> int:
        """How many rows like these are a page."""
        return max(1, min(self.size, MOST_BYTES * len(records) // max(1, sum(map(len, records)))))

    def _write(self, rows: Rows) -> list[bytes]:
        if self.selection.is_postgresql:
            return [bytes(row[0]) for row in rows]
        width = len(self.selection.columns)
        return self._writer([row[:width] for row in rows]) if rows else []

    @cached_property
    def _writer(self) -> Any:
        return compile_writer([it.name for it in self.selection.columns], where=self.where)

    def _position(self, row: Sequence[Any]) -> Position:
        return tuple(row[-len(self.selection.place) :])

    def _behind(self, position: Position | None) -> str:
        if position is None:
            return ""
        return f", from {' '.join(self.session.scrub(_shown(it)) for it in position)} on"


def _shown(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)
