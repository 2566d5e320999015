"""Type 3: what a column was before its last change, and when that took effect, on every version of a member.

The last change is looked for among the staged events of the member, each compared with the one before it, and
the first of them with what is stored. Whose history is rebuilt has nothing stored that counts. Most members
have one event, and for them it is worked out as their versions are overwritten.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Connection, FromClause, and_, case, func, not_, or_, select, update

from strandline.model.column import ROLE, ChangedAt, Previous
from strandline.model.dimension import Dimension
from strandline.warehouse.event import Batch, differ, written
from strandline.warehouse.late import LATE_MEMBER


def remembered(dimension: type[Dimension]) -> list[str]:
    """The columns that only this module fills."""
    return [column.name for column in (*dimension.companions(Previous), *dimension.companions(ChangedAt))]


def steps(batch: Batch, before: FromClause) -> dict[str, Any]:
    """What versions are to remember of a member with one event, whose latest version was `before`."""
    e, s = batch.event.c, batch.said.c
    becomes: dict[str, Any] = {}
    for column in batch.dimension.companions(Previous):
        of = column.info[ROLE].of
        is_step = differ([s[of]], [before.c[of]])  # not where who was inferred has just been completed
        previous, changed_at = _memory(batch, of)
        becomes[previous.name] = case((is_step, before.c[of]), else_=previous)
        becomes[changed_at.name] = case((is_step, e.effective_at), else_=changed_at)
    return becomes


def remember(connection: Connection, batch: Batch) -> int:
    """Bring the memory of every type 3 column up to the members with several events, before the column itself
    is overwritten; how many versions were written for a column at most.
    """
    most = 0
    for column in batch.dimension.companions(Previous):
        of = column.info[ROLE].of
        forgotten = connection.execute(_forget(batch, of)).rowcount
        most = max(most, forgotten + connection.execute(_remember(batch, of)).rowcount)
    return most


def _memory(batch: Batch, of: str) -> tuple[Column[Any], Column[Any]]:
    table = batch.table.c
    return table[f"previous_{of}"], table[f"{of}_changed_at"]


def _last_change(batch: Batch, of: str) -> Any:
    """The last change of the column, one a member that has any in the batch: (source_id, before, at)."""
    e, s, stored = batch.event.c, batch.staged.c, batch.table.alias("stored")
    in_order: dict[str, Any] = {"partition_by": e.source_id, "order_by": e.effective_at}
    said = (
        select(
            e.source_id,
            e.effective_at,
            s[of].label("now"),
            func.lag(s[of]).over(**in_order).label("before"),
            func.row_number().over(**in_order).label("number"),
            and_(e.current_key.is_not(None), not_(e.was_inferred)).label("is_known"),
            stored.c[of].label("stored"),
        )
        .select_from(batch.event)
        .join(batch.staged, s.raw_id == e.raw_id)
        .outerjoin(stored, stored.c[batch.key.name] == e.current_key)
        .where(not_(e.is_deleted), or_(e.events > 1, e.is_rebuilt))
        .subquery("said")
    )
    w = said.c
    before = case((w.number == 1, w.stored), else_=w.before)
    has_before = or_(w.number > 1, w.is_known)
    latest_first = func.row_number().over(partition_by=w.source_id, order_by=w.effective_at.desc())
    changes = (
        select(w.source_id, before.label("before"), w.effective_at.label("at"), latest_first.label("place"))
        .where(has_before, differ([w.now], [before]))
        .subquery("changes")
    )
    return (
        select(changes.c.source_id, changes.c.before, changes.c.at)
        .where(changes.c.place == 1)
        .subquery("last")
    )


def _remember(batch: Batch, of: str) -> Any:
    (previous, changed_at), last, table = _memory(batch, of), _last_change(batch, of), batch.table
    becomes = {previous.name: last.c.before, changed_at.name: last.c.at}
    return (
        update(table)
        .where(table.c.source_system == batch.source_system, table.c.source_id == last.c.source_id)
        .where(differ([previous, changed_at], list(becomes.values())))
        .values(**becomes, **written(batch))
    )


def _forget(batch: Batch, of: str) -> Any:
    """Clear the memory of members whose rebuilt history has no such change."""
    (previous, changed_at), last, table = _memory(batch, of), _last_change(batch, of), batch.table
    # Whom it concerns is found among the late members: a NOT IN on the dimension would have all of it read.
    late = LATE_MEMBER.c.source_id
    forgetful = select(late).where(late.not_in(select(last.c.source_id)))
    return (
        update(table)
        .where(
            table.c.source_system == batch.source_system,
            table.c.source_id.in_(forgetful),
            changed_at.is_not(None),
        )
        .values({previous.name: None, changed_at.name: None, **written(batch)})
    )
