"""Sweeps: who is gone, found by comparing the keys that a source has with those that the raw log knows.

A member of a stream is a natural key whose last word in the raw log, by when it took effect, is no deletion.
Whoever of them a complete read has not brought gets an entry of the raw log that says so, from the moment on
at which the read began: a replay makes of it what a run makes of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    DateTime,
    LargeBinary,
    MetaData,
    Subquery,
    Table,
    Text,
    and_,
    case,
    delete,
    func,
    insert,
    inspect,
    literal,
    null,
    or_,
    select,
)
from xxhash import xxh3_128_digest

from strandline.model.base import NAMING, STAGING
from strandline.warehouse import raw, state, temporary
from strandline.warehouse.copy import copy
from strandline.warehouse.database import Database

SHOWN: Final = 5
"""How many keys an error names."""

DONE: Final = "done"
UNPROVEN: Final = "unproven"
STOPPED: Final = "stopped"
CONFIRMED: Final = "confirmed"

COMPARED: Final = 0
"""The page that an entry has come with which no page has brought: it was compared."""

ABSENT: Final = temporary.members("absent_member")
"""The members that are gone."""


@cache
def seen_table(stream: str) -> Table:
    """Where the keys are noted that a read has brought; emptied when the next one begins."""
    return Table(
        raw.table_name(f"{stream}__seen"),
        MetaData(schema=STAGING, naming_convention=NAMING),
        Column("source_id", Text, nullable=False),
        prefixes=["UNLOGGED"],
        comment="The natural keys that a read has brought, to find out who is gone",
    )


def see(database: Database, connection: Connection, seen: Table, keys: Iterable[str]) -> None:
    """Note that these keys are there; one may come twice."""
    copy(connection, database.qualified(seen), columns=list(seen.c), rows=[(key,) for key in keys])


def forget(connection: Connection, seen: Table) -> None:
    """Begin with nobody."""
    connection.execute(delete(seen))


def count_seen(connection: Connection, seen: Table) -> int:
    """How many different keys there are."""
    return connection.scalar(select(func.count(seen.c.source_id.distinct()))) or 0


class Look(Struct, frozen=True):
    """What is compared: the log, who was seen, and what is too new to be told of."""

    log: Table
    seen: Table
    before: int
    """Whoever has an entry behind this one came with this very run."""
    began_at: datetime
    """When the source was asked: of what takes effect later it could not tell."""


def count_members(connection: Connection, look: Look) -> int:
    """How many natural keys are there, as far as the log knows."""
    return connection.scalar(select(func.count()).select_from(_members(look))) or 0


def find(connection: Connection, look: Look) -> int:
    """Put into ABSENT who was not seen; how many they are."""
    ABSENT.create(connection)
    member = _members(look)
    gone = (
        select(member.c.source_id)
        .where(~select(literal(1)).where(look.seen.c.source_id == member.c.source_id).exists())
        .where(member.c.last_raw_id <= look.before)
        .where(or_(member.c.effective_at.is_(None), member.c.effective_at < look.began_at))
    )
    connection.execute(insert(ABSENT).from_select(["source_id"], gone))
    return connection.scalar(select(func.count()).select_from(ABSENT)) or 0


def spare(connection: Connection, keys: Sequence[str]) -> None:
    """Leave these out: of them it cannot be told."""
    connection.execute(delete(ABSENT).where(ABSENT.c.source_id.in_(keys)))


def absent_keys(connection: Connection, *, limit: int | None = None) -> list[str]:
    """The keys of those who are gone, in their order."""
    return list(connection.scalars(select(ABSENT.c.source_id).order_by(ABSENT.c.source_id).limit(limit)))


def append(
    connection: Connection, look: Look, *, absent_from: str, last: int, run_id: int, fetched_at: datetime
) -> None:
    """Add a deletion of everybody in ABSENT at the end of the log, whose last entry is `last`."""
    payload = json.dumps({"absent_from": absent_from, "run_id": run_id}).encode()
    told: dict[str, Any] = {
        "raw_id": last + func.row_number().over(order_by=ABSENT.c.source_id),
        "source_id": ABSENT.c.source_id,
        "payload": literal(payload, LargeBinary),
        "payload_hash": literal(xxh3_128_digest(payload), LargeBinary),
        "operation": literal(raw.DELETE),
        "cursor_value": null(),
        "effective_at": literal(look.began_at, DateTime(timezone=True)),
        "run_id": literal(run_id),
        "request": literal(COMPARED),
        "fetched_at": literal(fetched_at, DateTime(timezone=True)),
    }
    connection.execute(insert(look.log).from_select(list(told), select(*told.values())))


def has_deleted(connection: Connection, stream: str) -> bool:
    """Whether anybody was ever found to be gone."""
    noted = state.sweep.c
    found = select(noted.run_id).where(noted.stream == stream, noted.deleted > 0).limit(1)
    return connection.scalar(found) is not None


def bring_back(
    connection: Connection, look: Look, *, with_seen: bool, last: int, run_id: int, fetched_at: datetime
) -> None:
    """Add a return, at the end of the log, of everybody who was found to be gone and has come nevertheless in
    this run, or been seen, saying nothing newer than that. Also of who was seen to be back before, and only
    now says as what: a source whose clock is behind ours stamps that earlier.
    """
    record, entry, other = look.log.c, look.log.alias("gone"), look.log.alias("other")
    came = select(record.source_id).where(record.raw_id > look.before, record.operation == raw.UPSERT)
    there: ColumnElement[bool] = entry.c.source_id.in_(came)
    if with_seen:
        seen = entry.c.source_id.in_(select(look.seen.c.source_id))
        there = or_(there, and_(entry.c.operation == raw.DELETE, seen))
    of_key = other.c.source_id == entry.c.source_id
    at_once = and_(other.c.effective_at == entry.c.effective_at, other.c.raw_id > entry.c.raw_id)
    is_later = or_(other.c.effective_at > entry.c.effective_at, at_once)
    newer = select(literal(1)).where(of_key, is_later, other.c.operation != raw.ERASED)
    is_record = other.c.operation.in_([raw.UPSERT, raw.RETURN])
    newest = select(func.max(other.c.raw_id)).where(of_key, is_record).scalar_subquery()
    back = (
        select(newest.label("raw_id"), entry.c.effective_at.label("gone_at"))
        .where(entry.c.operation.in_([raw.DELETE, raw.RETURN]), entry.c.request == COMPARED)
        .where(entry.c.raw_id <= look.before)
        .where(there, ~newer.exists())
        .subquery("back")
    )
    began_at = literal(look.began_at, DateTime(timezone=True))
    told: dict[str, Any] = {
        "raw_id": last + func.row_number().over(order_by=record.raw_id),
        **{name: record[name] for name in ("source_id", "payload", "payload_hash")},
        "operation": literal(raw.RETURN),
        "cursor_value": null(),
        "effective_at": case((back.c.gone_at > began_at, back.c.gone_at), else_=began_at),
        "run_id": literal(run_id),
        "request": literal(COMPARED),
        "fetched_at": literal(fetched_at, DateTime(timezone=True)),
    }
    if "tie_break" in record:
        told["tie_break"] = record.tie_break
    records = select(*told.values()).join(back, back.c.raw_id == record.raw_id)
    connection.execute(insert(look.log).from_select(list(told), records))


def _members(look: Look) -> Subquery:
    """Who is there: each key with when its last word took effect, and its last entry."""
    entry = look.log.c
    settles = [entry.tie_break.desc().nulls_last()] if "tie_break" in entry else []
    latest_first = [entry.effective_at.desc().nulls_last(), *settles, entry.raw_id.desc()]
    word = (
        select(
            entry.source_id,
            entry.operation,
            entry.effective_at,
            func.row_number().over(partition_by=entry.source_id, order_by=latest_first).label("place"),
            func.max(entry.raw_id).over(partition_by=entry.source_id).label("last_raw_id"),
        )
        .where(and_(entry.source_id.is_not(None), entry.operation != raw.ERASED))
        .subquery("word")
    )
    return (
        select(word.c.source_id, word.c.effective_at, word.c.last_raw_id)
        .where(word.c.place == 1, word.c.operation != raw.DELETE)
        .subquery("member")
    )


def last_done(connection: Connection, stream: str) -> datetime | None:
    """When the last look at the stream began that has found out who is gone."""
    noted = state.sweep.c
    found = select(func.max(noted.began_at)).where(
        noted.stream == stream, noted.status.in_([DONE, CONFIRMED])
    )
    began_at: datetime | None = connection.scalar(found)
    return began_at


def note(connection: Connection, figures: Mapping[str, Any]) -> None:
    """Write down what a look has found."""
    connection.execute(insert(state.sweep), dict(figures))


def of_runs(database: Database, connection: Connection, run_ids: Sequence[int]) -> list[dict[str, Any]]:
    """What these runs have found out."""
    noted = state.sweep
    if not inspect(connection).has_table(noted.name, schema=database.schemas.strandline):
        return []  # a warehouse from before
    found = connection.execute(select(noted).where(noted.c.run_id.in_(run_ids)).order_by(*noted.primary_key))
    return [dict(row) for row in found.mappings()]
