"""The two marks of a stream, and when they move.

The read mark says how far its source has been read and moves with the payloads; the applied mark says how far
into the raw log a target has been built and moves with the rows. Both move in the transaction of what they
vouch for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, func, inspect, select, update
from sqlalchemy.dialects.postgresql import insert

from strandline.warehouse import state
from strandline.warehouse.database import Database

BY_HAND: Final = 0
"""The run that has moved a mark, where none has."""


def read_up_to(connection: Connection, stream: str) -> str | None:
    """How far this stream has been read; None before its first complete read."""
    return connection.scalar(select(state.read_mark.c.mark).where(state.read_mark.c.stream == stream))


def move_read(connection: Connection, stream: str, *, mark: str, run_id: int) -> None:
    """Move the read mark, in the transaction that stores what it vouches for."""
    move = insert(state.read_mark).values(stream=stream, mark=mark, run_id=run_id)
    connection.execute(
        move.on_conflict_do_update(
            index_elements=[state.read_mark.c.stream],
            set_={"mark": mark, "run_id": run_id, "moved_at": func.now()},
            where=state.read_mark.c.mark != mark,
        )
    )


def put_read_back(connection: Connection, stream: str, *, mark: str | None, run_id: int) -> None:
    """Set the read mark to what it was before, or to none."""
    if mark is None:
        connection.execute(state.read_mark.delete().where(state.read_mark.c.stream == stream))
    else:
        move_read(connection, stream, mark=mark, run_id=run_id)


def put_by_hand(connection: Connection, stream: str, *, mark: str | None, reason: str, by: str) -> str | None:
    """Set the read mark, or take it away, and note why; what it was before."""
    before = read_up_to(connection, stream)
    put_read_back(connection, stream, mark=mark, run_id=BY_HAND)
    noted = {"stream": stream, "before": before, "after": mark, "reason": reason, "changed_by": by}
    connection.execute(state.mark_change.insert(), noted)
    return before


def changes(database: Database, connection: Connection, stream: str) -> list[dict[str, Any]]:
    """What was done to the stream's read mark by hand, the latest first."""
    noted = state.mark_change
    if not inspect(connection).has_table(noted.name, schema=database.schemas.strandline):
        return []  # a warehouse from before
    found = select(noted).where(noted.c.stream == stream).order_by(noted.c.change_id.desc())
    return [dict(row) for row in connection.execute(found).mappings()]


def applied_up_to(connection: Connection, stream: str, target: str) -> tuple[int, list[str]]:
    """How far into the stream's raw log this target has been built, and in which columns; 0 and none before
    the first merge.
    """
    noted = state.applied_mark.c
    found = connection.execute(
        select(noted.raw_id, noted.columns).where(noted.stream == stream, noted.target == target)
    ).first()
    return (found.raw_id, found.columns) if found else (0, [])


def latest_applied(connection: Connection, stream: str, target: str) -> datetime | None:
    """The latest moment at which anything that the target has been built from took effect; None where that
    is not known.
    """
    noted = state.applied_mark.c
    return connection.scalar(select(noted.latest_at).where(noted.stream == stream, noted.target == target))


def note_latest(connection: Connection, stream: str, target: str, *, latest_at: datetime | None) -> None:
    """Note that moment beside the applied mark, in the same transaction."""
    noted = state.applied_mark.c
    here = (noted.stream == stream, noted.target == target, noted.latest_at.is_distinct_from(latest_at))
    connection.execute(update(state.applied_mark).where(*here).values(latest_at=latest_at))


def note_newest(connection: Connection, stream: str, target: str, *, version: str) -> None:
    """Note the version of the mapper that fills the target from now on."""
    noted = state.applied_mark.c
    here = (noted.stream == stream, noted.target == target, noted.newest.is_distinct_from(version))
    connection.execute(update(state.applied_mark).where(*here).values(newest=version))


def move_applied(
    connection: Connection,
    stream: str,
    target: str,
    *,
    raw_id: int,
    columns: Sequence[str],
    version: str | None = None,
    run_id: int,
) -> None:
    """Move the applied mark, in the transaction that merges what it vouches for; `version` is that of the
    mapper, where all rows are of it now.
    """
    becomes: dict[str, Any] = {"raw_id": raw_id, "columns": list(columns), "run_id": run_id}
    becomes |= {} if version is None else {"version": version, "newest": version}
    move = insert(state.applied_mark).values(stream=stream, target=target, **becomes)
    connection.execute(
        move.on_conflict_do_update(
            index_elements=[state.applied_mark.c.stream, state.applied_mark.c.target],
            set_={**becomes, "moved_at": func.now()},
        )
    )
