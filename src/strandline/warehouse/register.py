"""The field register: which fields the records of a stream carry, kept up as they are stored.

The stream's one writer reads the register when a pass has its first new record, adds to it in memory what
each chunk brings, and writes it in the chunk's transaction. Nothing new, nothing written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

import msgspec
from sqlalchemy import JSON, Connection, Text, bindparam, cast, column, exists, func, inspect, or_, select
from sqlalchemy.dialects.postgresql import Insert, insert

from strandline.warehouse import state
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import is_sqlite

WHOLE: Final = ""
"""The path of the record itself."""

KEY: Final = ("stream", "path")


def read(connection: Connection, stream: str) -> dict[str, dict[str, Any]]:
    """The register of one stream, by path."""
    found = connection.execute(select(state.field).where(state.field.c.stream == stream))
    return {row["path"]: dict(row) for row in found.mappings()}


def write(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write these rows of it, all columns of each, in one statement."""
    rows = list(rows)
    if not rows:
        return
    if is_sqlite(connection):
        connection.execute(_put(insert(state.field)), rows)
    else:
        connection.execute(_put_all(), {"rows": msgspec.json.encode(rows).decode()})


@cache
def _put_all() -> Insert:
    """All rows in one JSON text: row by row takes several times as long, for every chunk of a load."""
    columns = [column(it.name, it.type) for it in state.field.c]
    given = func.json_to_recordset(cast(bindparam("rows", type_=Text), JSON))
    rows = given.table_valued(*columns, name="row").render_derived(with_types=True)
    return _put(insert(state.field).from_select([it.name for it in columns], select(rows)))


def _put(put: Insert) -> Insert:
    becomes = {column.name: put.excluded[column.name] for column in state.field.c if column.name not in KEY}
    return put.on_conflict_do_update(index_elements=KEY, set_=becomes)


def find(
    database: Database, connection: Connection, name: str, *, only_unknown: bool = False
) -> list[dict[str, Any]]:
    """The fields of a source's streams, or of one `source.stream`; never more than was written down."""
    noted = state.field.c
    if not inspect(connection).has_table(state.field.name, schema=database.schemas.strandline):
        return []  # nothing has run since there is a register
    theirs = or_(noted.stream == name, noted.stream.startswith(f"{name}.", autoescape=True))
    wanted = select(state.field).where(theirs, noted.path != WHOLE)
    if only_unknown:
        wanted = wanted.where(noted.is_declared.is_(False))
    found = connection.execute(wanted.order_by(noted.stream, noted.is_declared.desc(), noted.path))
    return [dict(row) for row in found.mappings()]


def streams(database: Database, connection: Connection) -> list[str]:
    """The streams of which there is a register."""
    if not inspect(connection).has_table(state.field.name, schema=database.schemas.strandline):
        return []
    return list(connection.scalars(select(state.field.c.stream).distinct().order_by(state.field.c.stream)))


def forget_examples(connection: Connection, stream: str, values: Iterable[str]) -> int:
    """Take these values, and whatever shows one, out of the examples of a stream; in how many rows.

    Of what was pruned nobody knows whose it was, so that where anything was all examples go, until new ones
    are read.
    """
    words = {it for it in values if it}
    is_pruned = connection.scalar(select(exists().where(state.prune.c.stream == stream)))
    changed = []
    for row in read(connection, stream).values():
        shown = () if is_pruned else row["examples"]
        kept = [it for it in shown if not any(word in str(it) for word in words)]
        if kept != row["examples"]:
            changed.append({**row, "examples": kept})
    write(connection, changed)
    return len(changed)
