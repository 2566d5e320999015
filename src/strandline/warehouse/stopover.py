"""Stopovers: what a replay has staged already is kept, so that one that was stopped is gone on with.

A replay stages into tables of its own, chunk by chunk, and each chunk moves the row of `strandline.stopover`
in the same transaction. Records that are refused now stand beside the stage until the merge: before it nobody
is to find them in the quarantine. Whoever goes on looks first at what the raw log has become since. What left
it, or has gone to the quarantine, leaves the stage; what came into it behind the stopover, or is not staged
for another reason, as after a crash of the server, is staged. So nothing but the way in which rows are made
has to be the same, and that is told by the row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import asdict
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Select,
    Table,
    Text,
    delete,
    exists,
    func,
    insert,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from strandline.model.base import NAMING, STAGING
from strandline.warehouse import quarantine, raw, state
from strandline.warehouse.quarantine import Reject

stopover = Table(
    "stopover",
    state.OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("target", Text, primary_key=True),
    Column("made_by", Text, nullable=False, comment="A hash of mapper, contract, code and choice"),
    Column("raw_id", BigInteger, nullable=False, comment="Up to which entry of the raw log all are staged"),
    Column("run_id", BigInteger, nullable=False),
    Column("moved_at", state.MOMENT, nullable=False, server_default=func.now()),
    comment="How far replays are that have not been merged yet",
)


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def refused_table(name: str) -> Table:
    """The records that are refused, beside the staging table of this name."""
    return Table(
        raw.table_name(f"{name}_refused"),
        MetaData(schema=STAGING, naming_convention=NAMING),
        Column("raw_id", BigInteger, nullable=False),
        Column("source_id", Text),
        *(Column(part, Text, nullable=False) for part in ("target", "field", "rule", "reason")),
        prefixes=["UNLOGGED"],
        comment="What a replay is about to put into the quarantine",
    )


class Place(Struct, frozen=True):
    """Where a replay of one target keeps what it has staged."""

    stream: str
    target: str
    staged: Table
    refused: Table

    @property
    def _is_here(self) -> tuple[Any, Any]:
        return stopover.c.stream == self.stream, stopover.c.target == self.target

    def reached(self, connection: Connection, *, made_by: str) -> int | None:
        """Up to which entry all are staged; None where nothing is, or it was made in another way."""
        found = select(stopover.c.raw_id).where(*self._is_here, stopover.c.made_by == made_by)
        return connection.scalar(found)

    def move(self, connection: Connection, *, made_by: str, raw_id: int, run_id: int) -> None:
        """Note that everything up to this entry is staged, in the transaction that stages it."""
        becomes = {"made_by": made_by, "raw_id": raw_id, "run_id": run_id}
        noted = upsert(stopover).values(stream=self.stream, target=self.target, **becomes)
        connection.execute(
            noted.on_conflict_do_update(
                index_elements=[stopover.c.stream, stopover.c.target],
                set_={**becomes, "moved_at": func.now()},
            )
        )

    def forget(self, connection: Connection) -> None:
        """Note that nothing is staged."""
        connection.execute(delete(stopover).where(*self._is_here))

    def tidy(self, connection: Connection, entries: Select[Any]) -> None:
        """Take off the stage what is none of these entries, or not any more."""
        wanted = entries.order_by(None).subquery("wanted")
        for table in (self.staged, self.refused):
            gone = ~exists().where(wanted.c.raw_id == table.c.raw_id)
            connection.execute(delete(table).where(gone))

    def missing(self, entries: Select[Any], log: Table) -> Select[Any]:
        """Those of the entries that are not staged."""
        there = [exists().where(it.c.raw_id == log.c.raw_id) for it in (self.staged, self.refused)]
        return entries.where(*(~it for it in there))

    def count(self, connection: Connection) -> int:
        """How many entries are staged, or refused."""
        return sum(_entries_in(connection, it) for it in (self.staged, self.refused))

    def count_refused(self, connection: Connection) -> int:
        """How many entries are refused."""
        return _entries_in(connection, self.refused)

    def refuse(self, connection: Connection, rejects: Sequence[Reject]) -> None:
        """Keep these beside the stage."""
        rows = [
            {**asdict(it), "field": quarantine.storable(it.field), "reason": quarantine.storable(it.reason)}
            for it in rejects
        ]
        if rows:
            connection.execute(insert(self.refused), rows)

    def rejects(self, connection: Connection) -> Iterator[list[Reject]]:
        """What is refused, batch by batch."""
        options = {"yield_per": raw.BATCH}
        kept = select(self.refused).order_by(self.refused.c.raw_id)
        with connection.execute(kept, execution_options=options) as found:
            for batch in found.partitions():
                yield [Reject(**row._mapping) for row in batch]


def _entries_in(connection: Connection, table: Table) -> int:
    return connection.scalar(select(func.count(table.c.raw_id.distinct()))) or 0
