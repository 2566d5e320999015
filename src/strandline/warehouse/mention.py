"""What other streams say of somebody who was erased: their entries found in the raw log and written anew.

An entry that is written anew keeps its number, its times and its key, and is noted as one that is not as it
was sent. Whom the stream must not speak of any more is noted too, so that what the source still sends of them
is treated in the same way before it is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    LargeBinary,
    Select,
    Table,
    Text,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from xxhash import xxh3_128_digest

from strandline.warehouse import raw, state
from strandline.warehouse.dialect import is_sqlite

erased_mention = Table(
    "erased_mention",
    state.OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("dimension", Text, primary_key=True, comment="The model of the member"),
    Column("source_system", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("until", state.MOMENT, comment="What took effect later stays as it is sent; NULL: nothing does"),
    Column(
        "paths", state.JSON_VALUE, nullable=False, comment="Where, besides declared fields, it was personal"
    ),
    Column("places", state.JSON_VALUE, nullable=False, comment="Where their records name the member"),
    comment="Of whom the records of other streams are stored without what is personal",
)

effaced_entry = Table(
    "effaced_entry",
    state.OWN_TABLES,
    Column("stream", Text, primary_key=True),
    Column("raw_id", BigInteger, primary_key=True, autoincrement=False),
    comment="Entries of raw logs that are not as they were sent: something personal was taken out",
)

OWN: Final = ""
"""In place of a dimension: the record is the member's own."""

WHOLE: Final = "*"
"""In place of a dimension: the record is the member's own, and only facts are made of it still."""

ESCAPED: Final = b"\\u"
"""With this in it a payload may spell a key in other letters."""

SPELLED_IN_MANY_WAYS: Final = frozenset('"\\/')


class Named(Struct, frozen=True):
    """A member of a dimension of whom nothing personal is to stand in records that name it."""

    dimension: str
    source_system: str
    source_id: str
    until: datetime | None
    """What took effect later may; None: nothing."""
    paths: frozenset[tuple[str, ...]] = frozenset()
    """Where else, besides what is declared, such records have had something of them."""
    places: frozenset[tuple[str, ...]] = frozenset()
    """Where such records name them, as the mappers of other pipelines may not know; of WHOLE ones, what stays
    of their own records.
    """

    @property
    def is_own(self) -> bool:
        """Their own records are meant."""
        return self.dimension in (OWN, WHOLE)


def named(connection: Connection, stream: str) -> list[Named]:
    """Of whom the stream's records say nothing personal any more."""
    noted = erased_mention.c
    columns = (noted.dimension, noted.source_system, noted.source_id, noted.until, noted.paths, noted.places)
    found = connection.execute(select(*columns).where(noted.stream == stream).order_by(*columns[:3]))
    return [
        Named(*row[:4], *(frozenset(map(tuple, it)) for it in row[4:]))  # which JSON has as lists
        for row in found
    ]


def note(connection: Connection, stream: str, them: Iterable[Named]) -> None:
    """Note of whom the stream's records are to say nothing personal; what was noted before holds as well."""
    known = {(it.dimension, it.source_system, it.source_id): it for it in named(connection, stream)}
    for it in them:
        before = known.get((it.dimension, it.source_system, it.source_id), it)
        moments = [one.until for one in (it, before)]
        until = None if None in moments else max(one for one in moments if one is not None)
        paths, places = (
            sorted(map(list, one)) for one in (it.paths | before.paths, it.places | before.places)
        )
        add = upsert(erased_mention).values(
            stream=stream,
            dimension=it.dimension,
            source_system=it.source_system,
            source_id=it.source_id,
            until=until,
            paths=paths,
            places=places,
        )
        now = replace(before, until=until, paths=it.paths | before.paths, places=it.places | before.places)
        if before is it or now != before:
            key = [column.name for column in erased_mention.primary_key]
            connection.execute(
                add.on_conflict_do_update(
                    index_elements=key, set_={"until": until, "paths": paths, "places": places}
                )
            )


def candidates(
    connection: Connection,
    log: Table,
    needle: str | None,
    *,
    until: datetime | None,
    but: str | None,
    own: str | None,
) -> Select[Any]:
    """The entries of a log that may hold this text, or, without one, all, oldest first: none of the key
    `but`, and those of the key `own` in any case.
    """
    entry = log.c
    wanted = [entry.operation != raw.ERASED]
    if but is not None:
        wanted.append(or_(entry.source_id.is_(None), entry.source_id != but))
    if until is not None:
        wanted.append(or_(entry.effective_at.is_(None), entry.effective_at <= until))
    if needle is not None and SPELLED_IN_MANY_WAYS.isdisjoint(needle) and needle.isprintable():
        parts = [_holds(connection, log, it) for it in (needle.encode(), ESCAPED)]
        wanted.append(or_(*parts, *([] if own is None else [entry.source_id == own])))
    columns = [*raw.entry_columns(log), entry.run_id, entry.request]
    return select(*columns).where(*wanted).order_by(entry.raw_id)


def _holds(connection: Connection, log: Table, part: bytes) -> ColumnElement[bool]:
    sought = literal(part, LargeBinary)
    if is_sqlite(connection):
        return func.instr(log.c.payload, sought) > 0
    return func.position(sought.op("IN")(log.c.payload)) > 0


def rewrite(
    connection: Connection, log: Table, stream: str, entries: Mapping[int, tuple[bytes, str]]
) -> None:
    """Write these entries anew, payload and operation by number, and note which they are."""
    if not entries:
        return
    entry = log.c
    becomes = {
        "payload": bindparam("now", type_=LargeBinary()),
        "payload_hash": bindparam("digest", type_=LargeBinary()),
        "operation": bindparam("becomes"),
    }
    rows = [
        {"number": raw_id, "now": payload, "digest": xxh3_128_digest(payload), "becomes": operation}
        for raw_id, (payload, operation) in entries.items()
    ]
    connection.execute(update(log).where(entry.raw_id == bindparam("number")).values(**becomes), rows)
    note_effaced(connection, stream, entries)


def note_effaced(connection: Connection, stream: str, raw_ids: Iterable[int]) -> None:
    """Note that these entries are not as they were sent."""
    rows = [{"stream": stream, "raw_id": it} for it in raw_ids]
    if rows:
        connection.execute(upsert(effaced_entry).on_conflict_do_nothing(), rows)


def effaced(connection: Connection, stream: str, raw_ids: Sequence[int]) -> set[int]:
    """Which of these entries of the stream are not as they were sent."""
    noted = effaced_entry.c
    mine = (noted.stream == stream, noted.raw_id.in_(raw_ids))
    return set(connection.scalars(select(noted.raw_id).where(*mine)))
