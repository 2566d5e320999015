"""The ledger: what every run did, written as it goes, so that a run that dies leaves what it had done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, func, insert, inspect, select, update

from strandline.warehouse import lock, state
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite


def begin(connection: Connection, *, pipeline: str, version: str, kind: str = "run") -> tuple[int, datetime]:
    """Open a run and hold its lock, by which others see that it lives; its number and when it started."""
    _note_crashed(connection)
    row = connection.execute(
        insert(state.run)
        .values(pipeline=pipeline, kind=kind, status="running", strandline_version=version)
        .returning(state.run.c.run_id, state.run.c.started_at)
    ).one()
    lock.hold(connection, f"run:{row.run_id}")
    return row.run_id, row.started_at


def _note_crashed(connection: Connection) -> None:
    """Runs that nobody holds any more ended without a word."""
    open_runs = select(state.run.c.run_id).where(state.run.c.status == "running")
    for run_id in connection.scalars(open_runs).all():
        if lock.hold(connection, f"run:{run_id}"):
            connection.execute(
                update(state.run)
                # Asked again under the row's lock: it may have ended well since it was looked up.
                .where(state.run.c.run_id == run_id, state.run.c.status == "running")
                .values(status="crashed", finished_at=func.now())
            )


def alive(connection: Connection, run_ids: Sequence[int]) -> set[int]:
    """Those of these runs that somebody is at; on SQLite nobody can tell, and all are taken to be."""
    if is_sqlite(connection):
        return set(run_ids)
    held = lock.holders(connection, [f"run:{it}" for it in run_ids])
    return {it for it in run_ids if f"run:{it}" in held}


def running(database: Database, connection: Connection) -> list[dict[str, Any]]:
    """The runs that are going on."""
    if not exists(database, connection):
        return []
    told = (state.run.c.run_id, state.run.c.pipeline, state.run.c.started_at)
    found = connection.execute(select(*told).where(state.run.c.status == "running")).mappings().all()
    living = alive(connection, [it["run_id"] for it in found])
    return [dict(it) for it in found if it["run_id"] in living]


def end(connection: Connection, run_id: int, *, status: str, error: str | None) -> datetime:
    """Close a run."""
    closed = update(state.run).where(state.run.c.run_id == run_id)
    values = closed.values(status=status, error=error, finished_at=func.clock_timestamp())
    finished_at: datetime = connection.execute(values.returning(state.run.c.finished_at)).scalar_one()
    return finished_at


def note_stream(connection: Connection, run_id: int, figures: Mapping[str, Any]) -> None:
    """Write down what was read of a stream."""
    connection.execute(insert(state.run_stream).values(run_id=run_id, **figures))


def correct_stream(connection: Connection, run_id: int, figures: Mapping[str, Any]) -> None:
    """Write a stream's line anew: what was read was not, or not all, merged."""
    noted = state.run_stream.c
    corrected = update(state.run_stream).where(noted.run_id == run_id, noted.stream == figures["stream"])
    connection.execute(corrected.values(**figures))


def note_target(connection: Connection, run_id: int, figures: Mapping[str, Any]) -> None:
    """Write down what was merged into a target, in the transaction that merges it."""
    connection.execute(insert(state.run_target).values(run_id=run_id, **figures))


def correct_target(connection: Connection, run_id: int, figures: Mapping[str, Any]) -> None:
    """Write a target's line anew: the run has done something more about it."""
    noted = state.run_target.c
    here = (noted.run_id == run_id, noted.stream == figures["stream"], noted.target == figures["target"])
    connection.execute(update(state.run_target).where(*here).values(**figures))


def exists(database: Database, connection: Connection) -> bool:
    """Whether strandline has ever run here."""
    return inspect(connection).has_table(state.run.name, schema=database.schemas.strandline)


def pipelines(connection: Connection) -> list[str]:
    """The pipelines that ever ran."""
    return list(connection.scalars(select(state.run.c.pipeline).distinct().order_by(state.run.c.pipeline)))


def streams(connection: Connection) -> list[str]:
    """The streams that were ever read."""
    noted = state.run_stream.c.stream
    return list(connection.scalars(select(noted).distinct().order_by(noted)))


def runs(connection: Connection, *, pipeline: str | None, limit: int) -> list[dict[str, Any]]:
    """The latest runs, newest first, each with its streams and targets."""
    query = select(state.run).order_by(state.run.c.run_id.desc()).limit(limit)
    if pipeline is not None:
        query = query.where(state.run.c.pipeline == pipeline)
    found = [dict(row) for row in connection.execute(query).mappings()]
    numbers = [row["run_id"] for row in found]
    streams = _of(connection, state.run_stream, numbers)
    targets = _of(connection, state.run_target, numbers)
    return [
        {
            **row,
            "streams": [it for it in streams if it["run_id"] == row["run_id"]],
            "targets": [it for it in targets if it["run_id"] == row["run_id"]],
        }
        for row in found
    ]


def _of(connection: Connection, table: Table, run_ids: Sequence[int]) -> list[dict[str, Any]]:
    found = connection.execute(select(table).where(table.c.run_id.in_(run_ids)).order_by(*table.primary_key))
    return [dict(row) for row in found.mappings()]


def outdated(connection: Connection, *, pipeline: str | None) -> list[dict[str, Any]]:
    """The targets that are in part of an older mapper or contract: pipeline, stream and target."""
    mark, run = state.applied_mark.c, state.run.c
    found = (
        select(run.pipeline, mark.stream, mark.target)
        .join(state.run, run.run_id == mark.run_id)
        .where(mark.version.is_distinct_from(mark.newest), mark.version.is_not(None))
        .order_by(mark.stream, mark.target)
    )
    if pipeline is not None:
        found = found.where(run.pipeline == pipeline)
    return [dict(row) for row in connection.execute(found).mappings()]


def marks(connection: Connection) -> list[dict[str, Any]]:
    """How far every stream has been read."""
    found = connection.execute(select(state.read_mark).order_by(state.read_mark.c.stream))
    return [dict(row) for row in found.mappings()]
