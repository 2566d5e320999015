"""Parents that their contract has refused, and whose children are still to be read: entries of their log.

They are noted when the mark of the children moves past them, and no more when the children have been read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, Table, delete, func, insert, select

from strandline.warehouse import raw, state
from strandline.warehouse.raw import RETURN, UPSERT, Latest

NOTED = state.refused_parent.c


def refused(connection: Connection, stream: str, *, up_to: int) -> list[int]:
    """Up to this entry, those whose children are still to be read by the stream."""
    noted = select(NOTED.raw_id).where(NOTED.stream == stream, NOTED.raw_id <= up_to)
    return list(connection.scalars(noted.order_by(NOTED.raw_id)))


def note(
    connection: Connection, stream: str, raw_ids: Sequence[int], *, after: int, up_to: int, run_id: int
) -> None:
    """Note that of all behind the one entry and up to the other these are refused."""
    passed = (NOTED.stream == stream, NOTED.raw_id > after, NOTED.raw_id <= up_to)
    connection.execute(delete(state.refused_parent).where(*passed))
    if raw_ids:
        rows = [{"stream": stream, "raw_id": it, "run_id": run_id} for it in raw_ids]
        connection.execute(insert(state.refused_parent), rows)


def forget(connection: Connection, stream: str, raw_ids: Sequence[int]) -> None:
    """Their children have been read, or need not be."""
    if raw_ids:
        connection.execute(
            delete(state.refused_parent).where(NOTED.stream == stream, NOTED.raw_id.in_(raw_ids))
        )


def keyless(connection: Connection, log: Table, *, after: int, up_to: int) -> list[Latest]:
    """The entries between of which nobody knows whose they are: refused, all of them."""
    entry = log.c
    return _latest(connection, log, entry.raw_id > after, entry.raw_id <= up_to, entry.source_id.is_(None))


def entries(connection: Connection, log: Table, raw_ids: Sequence[int]) -> list[Latest]:
    """Those of these entries that say of a record that it is there."""
    return _latest(connection, log, log.c.raw_id.in_(raw_ids))


def _latest(connection: Connection, log: Table, *conditions: ColumnElement[bool]) -> list[Latest]:
    entry = log.c
    found = select(entry.raw_id, entry.source_id, entry.payload).where(*conditions)
    found = found.where(entry.operation.in_([UPSERT, RETURN])).order_by(entry.raw_id)
    return [raw.latest(it) for it in connection.execute(found)]


def is_followed(connection: Connection, log: Table, keys: Mapping[int, str]) -> set[int]:
    """Those of these entries, each with its key, behind which the log has another one of that key."""
    entry = log.c
    last = select(entry.source_id, func.max(entry.raw_id)).where(entry.source_id.in_(set(keys.values())))
    latest = {it[0]: it[1] for it in connection.execute(last.group_by(entry.source_id))}
    return {raw_id for raw_id, key in keys.items() if latest.get(key, 0) > raw_id}
