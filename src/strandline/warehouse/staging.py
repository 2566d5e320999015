"""Staging: what one run is about to merge into one target, one unlogged table a stream and target.

A staged row can always be made again from the raw log, so the table needs no write-ahead log and a run begins
by emptying it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    MetaData,
    Table,
    Text,
    func,
    select,
    text,
)

from strandline.model.base import NAMING, STAGING
from strandline.model.column import Reference, role
from strandline.model.custom import CUSTOM_FIELDS
from strandline.warehouse.copy import copy
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite
from strandline.warehouse.raw import tie_break_column

EVENT_COLUMNS: Final = ("raw_id", "source_id", "effective_at")
OWN_COLUMNS: Final = ("raw_id", "source_id", "effective_at", "synced_at", "is_deleted")


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def staging_table(
    name: str, columns: tuple[Column[Any], ...], *, has_custom: bool = False, tie_break: type | None = None
) -> Table:
    """The table for these columns of a model; a reference is staged as the natural key that it will be found
    by. Behind them come custom fields as JSON text, and what settles ties, of this type.
    """
    custom = [Column(CUSTOM_FIELDS, Text())] if has_custom else []
    settles = [] if tie_break is None else [tie_break_column(tie_break)]
    return Table(
        name,
        MetaData(schema=STAGING, naming_convention=NAMING),
        Column("raw_id", BigInteger, nullable=False),
        Column("source_id", Text, nullable=False),
        Column("effective_at", DateTime(timezone=True), nullable=False),
        Column("synced_at", DateTime(timezone=True), nullable=False),
        Column("is_deleted", Boolean, nullable=False),
        *(Column(column.name, _staged_type(column)) for column in columns),
        *custom,
        *settles,
        prefixes=["UNLOGGED"],
        comment="What a run is about to merge; emptied when the next one begins",
    )


def _staged_type(column: Column[Any]) -> Any:
    meaning = role(column)
    return Text() if isinstance(meaning, Reference) and meaning.on is None else column.type


def latest_first(staged: FromClause) -> list[ColumnElement[Any]]:
    """The order in which the first of several staged records of one instant is the one that stands."""
    settles = [staged.c.tie_break.desc().nulls_last()] if "tie_break" in staged.c else []
    return [*settles, staged.c.raw_id.desc()]


def empty(database: Database, connection: Connection, table: Table) -> None:
    """Make room, without touching a table that is empty already."""
    if connection.scalar(select(func.count()).select_from(select(table.c.raw_id).limit(1).subquery())):
        clear = table.delete() if is_sqlite(connection) else text(f"TRUNCATE {database.qualified(table)}")
        connection.execute(clear)


def stage(
    database: Database,
    connection: Connection,
    table: Table,
    rows: Sequence[Sequence[Any]],
    *,
    packed: Sequence[bytes | bytearray] = (),
) -> None:
    """Add rows, tuples in the order of the table's columns, and before them those that are packed."""
    copy(connection, database.qualified(table), columns=list(table.c), rows=rows, packed=packed)


def analyze(database: Database, connection: Connection, table: Table, *, columns: Sequence[str] = ()) -> None:
    """Tell the planner what is staged, in all columns or in these; nobody else does before the merge."""
    if is_sqlite(connection):
        return
    # Values of every column are sorted for it: the three that events are made of take a quarter of the time.
    among = f" ({', '.join(columns)})" if columns else ""
    # What matters is how many different ones there are, which a tenth of the usual sample tells as well.
    connection.execute(
        text(
            f"SET LOCAL default_statistics_target = 10; ANALYZE {database.qualified(table)}{among};"
            " SET LOCAL default_statistics_target TO DEFAULT"
        )
    )
