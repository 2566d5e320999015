"""Which load a row comes from: the key that all rows of one merge get, and the row that tells of the merge.

The key is reserved before anything is written, and kept in a table of the transaction; `key()` is what a
statement writes. Whether there is a row for it is known at the end: a merge that wrote nothing leaves none.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    case,
    func,
    insert,
    literal,
    or_,
    select,
)

from strandline.model.audit import COMPLETE, WITH_REJECTS, DimAudit, special_loads
from strandline.warehouse import state, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.late import Log
from strandline.warehouse.sequence import reserve

CURRENT = temporary.table(
    "audit_current",
    Column("audit_key", BigInteger),
)
"""The key of this transaction's merge."""


def key() -> ColumnElement[Any]:
    """The key of the merge that is going on."""
    return select(CURRENT.c.audit_key).scalar_subquery()


class Load(Struct, frozen=True):
    """One merge: of a part of a stream's log, up to an entry, through a mapper."""

    log: Log
    up_to: int
    mapper: str
    mapper_version: str
    run_id: int
    has_rejected: bool
    """The merge itself has set records aside, perhaps older ones."""


def begin(database: Database, connection: Connection) -> None:
    """Reserve the key that every row of this merge gets."""
    CURRENT.create(connection)
    reserved = reserve(database, connection, DimAudit.key_column(), 1)
    connection.execute(insert(CURRENT).values(audit_key=reserved))


def note(connection: Connection, load: Load) -> None:
    """Tell of the merge: it has written something."""
    run, rejects = state.run.c, _rejects(load)
    values: dict[str, Any] = {
        "audit_key": key(),
        "run_id": run.run_id,
        "pipeline": run.pipeline,
        "source_system": literal(load.log.source_system),
        "stream": literal(load.log.stream),
        "target": literal(load.log.target),
        "mapper": literal(load.mapper),
        "mapper_version": literal(load.mapper_version),
        "strandline_version": run.strandline_version,
        "outcome": case((rejects > 0, WITH_REJECTS), else_=COMPLETE),
        "records": _records(load),
        "rejects": rejects,
        "merged_at": func.now(),
    }
    told = select(*values.values()).where(run.run_id == load.run_id)
    connection.execute(insert(DimAudit.table()).from_select(list(values), told))


def _records(load: Load) -> ColumnElement[int]:
    """How many entries the log has there: none is missing where each has been staged, and if one may be, they
    are counted.
    """
    entry, staged = load.log.raw, load.log.staged
    if staged is not None and staged.is_all(load.log.applied, up_to=load.up_to):
        return literal(staged.records)
    new = select(func.count()).select_from(entry)
    return new.where(entry.c.raw_id > load.log.applied, entry.c.raw_id <= load.up_to).scalar_subquery()


def _rejects(load: Load) -> ColumnElement[int]:
    """How many records are in the quarantine: new ones, and older ones that this merge has set aside."""
    noted = state.reject.c
    is_new = noted.raw_id > load.log.applied
    is_meant = or_(is_new, noted.run_id == load.run_id) if load.has_rejected else is_new
    return (
        select(func.count(noted.raw_id.distinct()))
        .where(noted.stream == load.log.stream, noted.target.in_(["", load.log.target]))
        .where(noted.raw_id <= load.up_to, is_meant)
        .scalar_subquery()
    )


def add_special_loads(connection: Connection) -> None:
    """Add the rows that are there from the beginning."""
    connection.execute(insert(DimAudit.table()), special_loads())
