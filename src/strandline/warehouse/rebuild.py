"""Histories rebuilt: what becomes of a member's versions when a record of it arrives late.

Its events are worked out anew from all of its entries in the raw log, as if it had never been seen, and then
laid over the versions that are there:

    adopt    a new version takes the key of the old one that began at the same instant, or that was inferred
    retire   an old version that no new one took over steps aside …
    renew    … those that were taken over become what they now have to be, and the missing ones are opened
    remove   when the facts have moved, the retired versions go

A member of whom nothing is left, since its only record was withdrawn at its own instant, is known by its key
still, and so becomes inferred. So surrogate keys live as long as their versions do, and whatever the order of
arrival, the history comes out the same.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    and_,
    delete,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    text,
    update,
)

from strandline.model.column import UNKNOWN_KEY, GroupKey, Outrigger
from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import BEGINNING
from strandline.warehouse import temporary
from strandline.warehouse.dialect import just_after
from strandline.warehouse.event import Batch, differ, event_table, numbered, written
from strandline.warehouse.late import LATE_MEMBER
from strandline.warehouse.previous import remembered

RETIRED = temporary.table(
    "scd_retired",
    Column("key", BigInteger, primary_key=True, autoincrement=False),
)
"""The versions that go when the facts have moved away from them."""

RETIRED_KEYS = select(RETIRED.c.key)

WITHDRAWN = temporary.members("scd_withdrawn")
"""The late members that have no version any more."""

WITHDRAWN_MEMBERS = select(WITHDRAWN.c.source_id)


def lay_over(connection: Connection, batch: Batch) -> tuple[int, int]:
    """Lay the new histories over the old versions, but for those that are missing: the merge opens them. How
    many versions are to be removed, once the facts have moved, and how many have become others.
    """
    adopt(connection, batch)
    retired, inferred = retire(connection, batch)
    return retired, inferred + renew(connection, batch)


def adopt(connection: Connection, batch: Batch) -> None:
    """Find who survives: the key of each version that stays, and the durable key of its member."""
    e, d = batch.event.c, batch.table.c
    is_member = and_(e.is_rebuilt, d.source_system == batch.source_system, d.source_id == e.source_id)
    begins_there = or_(d.valid_from == e.effective_at, and_(d.is_inferred, e.position == 1))
    connection.execute(
        update(event_table())
        .where(is_member, e.changed, not_(e.is_deleted), begins_there)
        .values(kept_key=batch.key)
    )
    durable = batch.dimension.durable_key_column()
    connection.execute(update(event_table()).where(is_member).values(current_durable_key=durable))
    # Or else the planner expects one survivor, and reads all of the stage for each.
    connection.execute(text("ANALYZE scd_event"))


def retire(connection: Connection, batch: Batch) -> tuple[int, int]:
    """Set aside the versions that nobody took over; how many they are. What is left of nobody is inferred,
    which is the other number.
    """
    RETIRED.create(connection)
    e, table = batch.event.c, batch.table
    taken_over = select(literal(1)).where(e.kept_key == batch.key).exists()
    out = (
        select(batch.key)
        .join(LATE_MEMBER, LATE_MEMBER.c.source_id == table.c.source_id)
        .where(table.c.source_system == batch.source_system, ~taken_over)
    )
    connection.execute(insert(RETIRED).from_select(["key"], out))
    has_withdrawn = _find_withdrawn(connection, batch)
    if has_withdrawn:
        _spare_withdrawn(connection, batch)
    aside = update(table).where(batch.key == RETIRED.c.key)
    # One instant long, so that they are in nobody's way among the current ones.
    gone = {"valid_to": just_after(table.c.valid_from), "is_current": False, "is_deleted": False}
    retired: int = connection.execute(aside.values(**gone)).rowcount
    return retired, _infer_withdrawn(connection, batch) if has_withdrawn else 0


def _find_withdrawn(connection: Connection, batch: Batch) -> bool:
    WITHDRAWN.create(connection)
    e = batch.event.c
    opening = select(literal(1)).where(e.source_id == LATE_MEMBER.c.source_id, batch.is_opening).exists()
    found = select(LATE_MEMBER.c.source_id).where(~opening)
    return bool(connection.execute(insert(WITHDRAWN).from_select(["source_id"], found)).rowcount)


def _spare_withdrawn(connection: Connection, batch: Batch) -> None:
    """Keep the first version of a withdrawn member: facts may point at it."""
    table = batch.table
    first = select(func.min(batch.key)).where(
        table.c.source_system == batch.source_system, table.c.source_id.in_(WITHDRAWN_MEMBERS)
    )
    spared = first.group_by(table.c.source_id)
    connection.execute(delete(RETIRED).where(RETIRED.c.key.in_(spared)))


def _infer_withdrawn(connection: Connection, batch: Batch) -> int:
    table = batch.table
    retired = select(RETIRED.c.key)
    dimension = batch.dimension
    nothing: dict[str, Any] = {**dimension.placeholders(), **dict.fromkeys(remembered(dimension))}
    named = [*dimension.companions(Outrigger), *dimension.companions(GroupKey)]
    nothing |= dict.fromkeys((column.name for column in named), UNKNOWN_KEY)
    if CUSTOM_FIELDS in table.c:
        nothing[CUSTOM_FIELDS] = null()
    inferred = {
        "version": 1,
        "valid_from": BEGINNING,
        "valid_to": None,
        "is_current": True,
        "is_inferred": True,
        "is_deleted": False,
    }
    becoming = (
        update(table)
        .where(
            table.c.source_system == batch.source_system,
            table.c.source_id.in_(WITHDRAWN_MEMBERS),
            batch.key.not_in(retired),
            not_(table.c.is_inferred),
        )
        .values(**nothing, **inferred, **written(batch))
    )
    return connection.execute(becoming).rowcount


def renew(connection: Connection, batch: Batch) -> int:
    """Make the surviving versions what they now have to be, where they are not; how many were written.

    First those that end, then those that are the latest of their member: there may be one of these at a time.
    """
    n = numbered(batch)
    is_latest = or_(n.c.next_at.is_(None), n.c.ends_deleted)
    return sum(
        connection.execute(_renew(batch, n, wanted)).rowcount for wanted in (not_(is_latest), is_latest)
    )


def _renew(batch: Batch, n: Any, wanted: ColumnElement[bool]) -> Any:
    table, dimension = batch.table, batch.dimension
    s, f = batch.staged.alias("s"), batch.staged.alias("f")
    becomes: dict[str, Any] = {
        "version": n.c.opened,
        "valid_from": n.c.effective_at,
        "valid_to": n.c.next_at,
        "is_current": n.c.next_at.is_(None),
        "is_inferred": literal(False),
        "is_deleted": n.c.ends_deleted,
        **{column.name: s.c[column.name] for column in dimension.attributes(2)},
        **{column.name: f.c[column.name] for column in dimension.attributes(0)},
    }
    completed = {name: s.c[of] for name, of in dimension.overwritten().items()}
    return (
        update(table)
        .where(
            batch.key == n.c.kept_key,
            n.c.kept_key.is_not(None),
            wanted,
            s.c.raw_id == n.c.raw_id,
            f.c.raw_id == n.c.first_raw_id,
        )
        .where(differ([table.c[name] for name in becomes], list(becomes.values())))
        .values(**becomes, **completed, synced_at=s.c.synced_at, **written(batch))
    )


def remove(connection: Connection, batch: Batch) -> None:
    """Delete the retired versions; no fact points at them any more."""
    connection.execute(delete(batch.table).where(batch.key.in_(select(RETIRED.c.key))))
