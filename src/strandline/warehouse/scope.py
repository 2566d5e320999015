"""What a replay is of: all records of a stream, those of some natural keys, or those read since a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import Column, ColumnElement, Connection, Select, Table, insert, inspect, select, text, true

from strandline.model.dimension import Dimension
from strandline.warehouse import state, temporary
from strandline.warehouse.late import Log

Naming = Mapping[type[Dimension], Sequence[Column[Any]]]

SCOPE: Final = temporary.members("replay_scope")
"""The natural keys that are replayed, where it is not all of them."""

HELD_SCOPE: Final = temporary.members("replay_scope", on_commit="PRESERVE ROWS")
"""The same, for as long as a replay takes that is many transactions; SQLite drops it all the same."""


class Scope(Struct, frozen=True):
    """Which records are replayed: all, those of these natural keys, or of those that were read since then."""

    keys: Sequence[str] | None = None
    since: datetime | None = None
    naming: Naming = {}
    """The dimensions whose orphans are looked for, as `Orphans` has them."""

    @property
    def is_whole(self) -> bool:
        """All of them."""
        return self.keys is None and self.since is None

    def holds(self, source_id: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a natural key is among them."""
        return true() if self.is_whole else source_id.in_(select(SCOPE.c.source_id))

    def pruned(self, stream: str) -> Select[Any]:
        """The natural keys among them of which the raw log lacks entries."""
        p = state.pruned_key.c
        return select(p.source_id).where(p.stream == stream, self.holds(p.source_id))

    def hold(self, connection: Connection, log: Log) -> None:
        """Note whose records are replayed, for all transactions to come until `release`."""
        HELD_SCOPE.drop(connection, checkfirst=True)
        self._fill(connection, HELD_SCOPE, log)

    def release(self, connection: Connection) -> None:
        """Forget whose records are replayed."""
        HELD_SCOPE.drop(connection, checkfirst=True)

    def choose(self, connection: Connection, log: Log) -> None:
        """Note whose records are replayed, for this transaction, unless that is held."""
        if not inspect(connection).has_table(SCOPE.name):
            self._fill(connection, SCOPE, log)

    def _fill(self, connection: Connection, table: Table, log: Log) -> None:
        table.create(connection, checkfirst=False)
        if self.keys is not None:
            keys = [{"source_id": it} for it in dict.fromkeys(self.keys)]
            connection.execute(insert(table), keys)
        elif self.since is not None:
            entry = log.raw.c
            read = select(entry.source_id).where(entry.fetched_at >= self.since, entry.source_id.is_not(None))
            connection.execute(insert(table).from_select(["source_id"], read.distinct()))
        connection.execute(text("ANALYZE replay_scope"))
