"""The raw log: one append-only table a stream, with the exact bytes of every record that its source ever
sent.

A payload is stored as bytes, not as text or JSON, because a source may send what neither can hold. It is
stored only when it differs from the latest entry of its natural key, so A, B, A makes three entries and an
unchanged snapshot none. The writer holds the stream's lock and numbers the entries itself, on from the last:
the order of `raw_id` is the order of commits.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    bindparam,
    func,
    select,
    true,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import TypeEngine
from xxhash import xxh32_hexdigest

from strandline.model.base import NAMING, RAW
from strandline.warehouse.copy import copy
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

STREAM: Final = "stream"
"""Where a raw log's table knows the name of its stream."""

UPSERT: Final = "upsert"
DELETE: Final = "delete"
RETURN: Final = "return"
"""What was found to be gone is there: the record as it is known, from when it was seen on, whatever it says
itself of when it changed.
"""
ERASED: Final = "erased"
"""What it was is not told any more: nothing is made of it."""

FACTS: Final = "facts"
"""Only facts are made of it: whom else it told of was erased, and what only that was made of is not in it."""

ERASED_PAYLOAD: Final = b'{"erased": true}'

CORRECTED: Final = ("source_id", "effective_at", "tie_break")
"""What a replay sets right: what it has read from the payload, and never that."""

CURSOR_TYPES: Final[dict[type, TypeEngine[Any]]] = {
    datetime: DateTime(timezone=True),
    date: Date(),
    int: BigInteger(),
}

Entry = tuple[Any, ...]
"""(raw_id, source_id, payload, payload_hash, operation, cursor_value, effective_at, run_id, request,
fetched_at), and the tie-break where the stream has one."""

BATCH: Final = 10_000
NAME_BYTES: Final = 63


def table_name(stream: str) -> str:
    """What the tables of a stream are called: `crm.customers` has `crm_customers`.

    PostgreSQL cuts names at 63 bytes without a word; a longer one ends in its own hash instead, so that two
    names with a long beginning in common stay two.
    """
    name = stream.replace(".", "_")
    if len(name.encode()) <= NAME_BYTES:
        return name
    kept = name.encode()[: NAME_BYTES - 9].decode(errors="ignore")
    return f"{kept}_{xxh32_hexdigest(name.encode())}"


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def raw_table(stream: str, *, cursor: type | None, tie_break: type | None = None) -> Table:
    """The table of one stream, `source.stream`; `cursor` is the Python type of its cursor field, `tie_break`
    that of the field that settles ties.
    """
    settles = [] if tie_break is None else [tie_break_column(tie_break)]
    return Table(
        table_name(stream),
        MetaData(schema=RAW, naming_convention=NAMING),
        Column("raw_id", BigInteger, primary_key=True, autoincrement=False),
        Column("source_id", Text, comment="The natural key; NULL: the record has none"),
        Column("payload", LargeBinary, nullable=False, comment="The record, byte for byte"),
        Column("payload_hash", LargeBinary, nullable=False, comment="xxh3-128 of the payload"),
        Column("operation", Text, nullable=False, comment="upsert, delete, return, erased or facts"),
        Column("cursor_value", CURSOR_TYPES.get(cursor or str, Text())),
        Column("effective_at", DateTime(timezone=True), comment="When it became so at the source"),
        Column("run_id", BigInteger, nullable=False),
        Column(
            "request",
            Integer,
            nullable=False,
            comment="The page within the run: see strandline.request",
        ),
        Column("fetched_at", DateTime(timezone=True), nullable=False),
        *settles,
        Index(None, "source_id", "raw_id"),
        info={STREAM: stream},
        comment=f"Raw log of {stream}: every version of every record that the source sent",
    )


def tie_break_column(tie_break: type) -> Column[Any]:
    """Where log and stage keep what settles which of two records of one key and instant stands."""
    return Column("tie_break", CURSOR_TYPES[tie_break], comment="At one instant, the record with more stands")


def latest_hashes(connection: Connection, table: Table, keys: Sequence[str]) -> dict[str, bytes]:
    """The hash of the latest payload of each of these natural keys that has one."""
    if not keys:
        return {}
    latest = _latest_on_sqlite if is_sqlite(connection) else _latest
    return {key: bytes(payload_hash) for key, payload_hash in connection.execute(latest(table, keys))}


def _latest(table: Table, keys: Sequence[str]) -> Select[Any]:
    wanted = (
        func.unnest(bindparam("keys", keys, type_=ARRAY(Text)))
        .table_valued("source_id", name="wanted")
        .render_derived()
    )
    latest = (
        select(table.c.payload_hash)
        .where(table.c.source_id == wanted.c.source_id)
        .order_by(table.c.raw_id.desc())
        .limit(1)
        .lateral()
    )
    return select(wanted.c.source_id, latest.c.payload_hash).select_from(wanted.join(latest, true()))


def _latest_on_sqlite(table: Table, keys: Sequence[str]) -> Select[Any]:
    wanted = func.json_each(json.dumps(keys)).table_valued("value")
    latest = select(func.max(table.c.raw_id)).where(table.c.source_id.in_(select(wanted.c.value)))
    return select(table.c.source_id, table.c.payload_hash).where(
        table.c.raw_id.in_(latest.group_by(table.c.source_id))
    )


def deletions(connection: Connection, table: Table, keys: Sequence[str]) -> set[tuple[str, bytes]]:
    """Of these natural keys every deletion that is in the log: key, and hash of what told it."""
    told = table.c.operation == DELETE
    found = select(table.c.source_id, table.c.payload_hash).where(table.c.source_id.in_(keys), told)
    return {(key, bytes(payload_hash)) for key, payload_hash in connection.execute(found)}


class Latest(NamedTuple):
    """The last entry of a natural key; of one that cannot be read nobody may know the key."""

    raw_id: int
    source_id: str | None
    payload: bytes


def changed_after(
    connection: Connection, table: Table, raw_id: int, *, up_to: int, limit: int
) -> list[Latest]:
    """The records that have come or changed behind this entry, as they are now, in their order; none that was
    deleted since.
    """
    entry, later = table.c, table.alias("later").c
    follows = select(later.raw_id).where(later.source_id == entry.source_id, later.raw_id > entry.raw_id)
    found = (
        select(entry.raw_id, entry.source_id, entry.payload)
        .where(entry.raw_id > raw_id, entry.raw_id <= up_to, entry.source_id.is_not(None))
        .where(entry.operation.in_([UPSERT, RETURN]), ~follows.exists())
        .order_by(entry.raw_id)
        .limit(limit)
    )
    return [latest(it) for it in connection.execute(found)]


def latest(row: Any) -> Latest:
    """The entry of a row that has its number, key and payload."""
    return Latest(row.raw_id, row.source_id, bytes(row.payload))


def keyless_hashes(connection: Connection, table: Table, hashes: Sequence[bytes]) -> set[bytes]:
    """Which of these payloads without a natural key are in the log already."""
    if not hashes:
        return set()
    there = select(table.c.payload_hash).where(table.c.source_id.is_(None), table.c.payload_hash.in_(hashes))
    return {bytes(payload_hash) for payload_hash in connection.scalars(there)}


def append(database: Database, connection: Connection, table: Table, entries: Sequence[Entry]) -> None:
    """Add the entries at the end of the log."""
    copy(connection, database.qualified(table), columns=list(table.c), rows=entries)


def last(connection: Connection, table: Table) -> int:
    """The number of the last entry; 0 while there is none."""
    return connection.scalar(select(func.max(table.c.raw_id))) or 0


def entry_columns(table: Table) -> list[Column[Any]]:
    """What is needed of an entry to take it in again."""
    names = ("raw_id", "source_id", "payload", "operation", "effective_at", "fetched_at")
    return [table.c[name] for name in names]


def entries_after(connection: Connection, table: Table, raw_id: int, *, up_to: int) -> Sequence[Any]:
    """The next entries behind this one, oldest first, at most BATCH of them."""
    return connection.execute(
        select(*entry_columns(table))
        .where(table.c.raw_id > raw_id, table.c.raw_id <= up_to)
        .order_by(table.c.raw_id)
        .limit(BATCH)
    ).all()
