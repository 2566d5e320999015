"""Late changes, found before they can do harm: what lies before what is already known of its member.

What is known is in the raw log: the latest effective time among the entries that have been applied. A stale
copy of something applied before is no change and leaves the stage. Anything else that is late stops the merge
of a dimension, for splitting history backwards is not yet done, and a wrong history is worse than none. A
fact has no history: what is late there has been superseded already, and leaves the stage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    and_,
    delete,
    func,
    literal,
    not_,
    or_,
    select,
)
from sqlalchemy.sql.selectable import LateralFromClause

from strandline.errors import LateChange
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.warehouse import state
from strandline.warehouse.scd import differ


@dataclass(frozen=True)
class Log:
    """As much of a stream's raw log as has been applied to a target: up to an entry, without its rejects."""

    raw: Table
    source_system: str
    stream: str
    target: str
    applied: int

    def holds(self, entry: FromClause) -> ColumnElement[bool]:
        """Whether this entry of the log has been applied."""
        noted = state.reject.c
        rejected = (
            select(literal(1))
            .where(noted.stream == self.stream, noted.raw_id == entry.c.raw_id)
            .where(noted.target.in_(["", self.target]))
        )
        return and_(entry.c.raw_id <= self.applied, ~rejected.exists())


def refuse(connection: Connection, *, staged: Table, log: Log) -> None:
    """Raise LateChange when something staged lies before what has been applied of its member."""
    if log.applied == 0:
        return
    late = _late(staged, log).subquery("late")
    if connection.scalar(select(func.count()).select_from(late)) == 0:
        return
    connection.execute(_forget_stale(staged, log))
    left = connection.execute(select(late).order_by(late.c.source_id, late.c.raw_id)).all()
    if left:
        first = left[0]
        raise LateChange(
            f"{log.stream} → {log.target}: {len(left)} records lie before what is known of their members,"
            f" such as {first.source_id!r} at {first.effective_at.isoformat()},"
            f" known up to {first.known.isoformat()}",
            hint="Nothing was merged and nothing is lost: the records are in the raw log. Declare"
            " effective_at=READ_TIME on the stream if its times are not in the order of its changes.",
        )


def forget_superseded(connection: Connection, *, fact: type[Fact], staged: Table, log: Log) -> None:
    """Take off a fact's stage what a later record has superseded already: of one record, or of one grain.

    A fact keeps no history, so the latest word stands, in whatever order the words arrive.
    """
    if log.applied == 0:
        return
    late = _late(staged, log).subquery()
    connection.execute(delete(staged).where(staged.c.raw_id.in_(select(late.c.raw_id))))
    row = fact.table()
    known = _known(log, row.c.source_id)
    held = (
        select(staged.c.raw_id)
        .join(row, and_(*(row.c[it.name] == staged.c[it.name] for it in fact.grain())))
        .join(known, known.c.known > staged.c.effective_at)
        .where(row.c.source_system == log.source_system, row.c.source_id != staged.c.source_id)
    )
    connection.execute(delete(staged).where(staged.c.raw_id.in_(held)))


def _known(log: Log, source_id: ColumnElement[Any]) -> LateralFromClause:
    """Up to when something is known of whom the natural key names."""
    entry = log.raw.alias("entry")
    return (
        select(func.max(entry.c.effective_at).label("known"))
        .where(entry.c.source_id == source_id, log.holds(entry))
        .lateral("before")
    )


def _late(staged: Table, log: Log) -> Select[Any]:
    known = _known(log, staged.c.source_id)
    return (
        select(staged.c.raw_id, staged.c.source_id, staged.c.effective_at, known.c.known)
        .select_from(staged)
        .join(known, known.c.known > staged.c.effective_at)
    )


def _forget_stale(staged: Table, log: Log) -> Any:
    """Take off the stage what repeats, byte for byte, the last word on its member at its instant."""
    late = _late(staged, log).subquery()
    own, before = log.raw.alias("own"), log.raw.alias("before")
    last_word = (
        select(before.c.payload_hash)
        .where(
            before.c.source_id == staged.c.source_id,
            before.c.effective_at == staged.c.effective_at,
            log.holds(before),
        )
        .order_by(before.c.raw_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    is_late = staged.c.raw_id.in_(select(late.c.raw_id))
    return delete(staged).where(is_late, own.c.raw_id == staged.c.raw_id, own.c.payload_hash == last_word)


def refuse_vanishing(
    connection: Connection, *, dimension: type[Dimension], staged: Table, event: Table, stream: str
) -> None:
    """Raise LateChange when a second record at the very instant of a version would make that version vanish.

    That is so when it undoes the change that opened the version, or deletes the member at that instant, or
    brings it back at the instant of its deletion.
    """
    latest, e, s = dimension.table().c, event.c, staged.c
    before = dimension.table().alias("version_before")
    names = [column.name for column in dimension.attributes(2)]
    at_start = and_(e.effective_at == latest.valid_from, not_(e.was_inferred))
    adjoins = and_(before.c.source_system == latest.source_system, before.c.source_id == latest.source_id)
    is_as_before = not_(differ([before.c[name] for name in names], [s[name] for name in names]))
    undoes = select(literal(1)).where(adjoins, before.c.valid_to == latest.valid_from, is_as_before).exists()
    returns_at_end = and_(e.was_deleted, e.effective_at == latest.valid_to)
    vanishing = (
        select(e.source_id, e.effective_at)
        .where(e.changed, e.position == 1, e.current_key == dimension.key_column(), s.raw_id == e.raw_id)
        .where(or_(and_(at_start, or_(e.is_deleted, undoes)), returns_at_end))
    )
    found = connection.execute(vanishing.limit(1)).first()
    if found:
        raise LateChange(
            f"{stream} → {dimension.__name__}: {found.source_id!r} has a second, different record at"
            f" {found.effective_at.isoformat()} that makes a version vanish",
            hint="Nothing was merged and nothing is lost: the records are in the raw log.",
        )
