"""Slowly changing dimensions, merged as a set: a whole batch in a handful of statements, whatever its size.

Of the changes that `event` has found,

    close      the first of a member ends its open version, in the same write if that is overwritten too
    complete   … unless that version is inferred: then it is filled in place
    open       every other one that is no deletion begins a version; the next change ends it
    overwrite  the last record's type 1 values go to every version of the member, and type 6's current ones
    remember   what a type 3 column was before its last change is kept beside it (see `previous`)

A deletion only ends. The member's last version is then marked `is_deleted`, and a later record opens the next
one, so that the gap shows. Members with a late record go through `rebuild` as well. Kimball & Ross, The Data
Warehouse Toolkit (3rd ed.), chapter 5, types 0 to 3 and 6.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    not_,
    null,
    or_,
    select,
    update,
)

from strandline.model.custom import CUSTOM_FIELDS
from strandline.model.dimension import Dimension
from strandline.warehouse import audit, first, index, previous, staging
from strandline.warehouse.database import Database
from strandline.warehouse.dialect import as_json
from strandline.warehouse.dropped import with_dropped
from strandline.warehouse.event import Batch, differ, numbered, written
from strandline.warehouse.sequence import reserve

ORDERED: Final = 200_000
"""So many new versions are too many to be put in order first: they would not fit into the memory for it."""


@dataclass(frozen=True)
class Merged:
    """What a merge did to a dimension, in rows."""

    members: int = 0
    versions: int = 0
    closed: int = 0
    completed: int = 0
    overwritten: int = 0

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


def merge(database: Database, connection: Connection, batch: Batch) -> Merged:
    """Bring the dimension up to the batch. The same records again change nothing. The caller owns the
    transaction.
    """
    if batch.first is not None:
        return _begin(database, connection, batch, batch.first)
    has_common = bool(batch.dimension.overwritten())
    found = _count(connection, batch)
    completed = connection.execute(_complete(batch)).rowcount if found.completing else 0
    # Before new versions open, which take over what is remembered, so that nothing is written twice; and what
    # it writes of a version that ends is its end as well.
    overwritten = connection.execute(_overwrite(batch, is_alone=True)).rowcount if has_common else 0
    connection.execute(_close(batch))
    _open(database, connection, batch, versions=found.versions)
    if has_common and not batch.is_single:
        remembered = previous.remember(connection, batch)
        # What was before may be another while what is now stays: A, B and A again in one batch.
        overwritten += max(remembered, connection.execute(_overwrite(batch, is_alone=False)).rowcount)
    return Merged(found.members, found.versions, found.closing, completed, overwritten)


def _begin(database: Database, connection: Connection, batch: Batch, members: first.Members) -> Merged:
    """Insert the first version of everybody, straight from the stage."""
    lowest = reserve(database, connection, batch.key, members.count)
    names, rows = _first_rows(batch, literal(lowest - 1, BigInteger) + members.number(batch.staged))
    opening = insert(with_dropped(batch.table, batch.dropped)).from_select(names, rows)
    with index.built_afterwards(database, connection, batch.table, rows=members.count):
        connection.execute(opening)
    if members.count >= index.WORTHWHILE:  # who asks before autovacuum comes is to know what is there
        staging.analyze(database, connection, batch.table)
    return Merged(members=members.count, versions=members.count)


def _close(batch: Batch) -> Any:
    """End the versions that are still open, or deleted ones that are the latest still."""
    d = batch.table.c
    return (
        update(batch.table)
        .where(batch.key == batch.event.c.current_key, batch.is_closing, or_(d.is_current, d.is_deleted))
        .values(**_ended(batch), **written(batch))
    )


def _ended(batch: Batch) -> dict[str, ColumnElement[Any]]:
    """What a version is that the event ends."""
    d, e = batch.table.c, batch.event.c
    return {
        "valid_to": func.coalesce(d.valid_to, e.effective_at),
        "is_current": false(),
        "is_deleted": and_(e.is_deleted, e.next_at.is_(None)),
    }


def _complete(batch: Batch) -> Any:
    e, s = batch.event.c, batch.said.c
    return (
        update(batch.table)
        .where(batch.key == e.current_key, e.changed, batch.is_completing, s.raw_id == e.raw_id)
        .values(
            **{name: s[of] for name, of in batch.dimension.filled().items()},
            **_custom(batch.dimension, batch.said),
            valid_from=e.effective_at,
            valid_to=e.next_at,
            is_current=e.next_at.is_(None),
            is_inferred=False,
            is_deleted=e.ends_deleted,
            synced_at=s.synced_at,
            **written(batch),
        )
    )


class _Found(NamedTuple):
    """What the events are, counted."""

    members: int
    """So many are new."""
    versions: int
    """So many are to be inserted."""
    closing: int
    completing: int


def _count(connection: Connection, batch: Batch) -> _Found:
    e = batch.event.c
    is_opening = and_(batch.is_opening, e.kept_key.is_(None))
    is_new = and_(is_opening, e.current_durable_key.is_(None))
    # One that is single has one event, and to count different ones they are sorted.
    member: ColumnElement[Any] = e.source_id if batch.is_single else e.source_id.distinct()
    counts = select(
        func.count(member).filter(is_new),
        func.count().filter(is_opening),
        func.count().filter(batch.is_closing),
        func.count().filter(and_(e.changed, batch.is_completing)),
    )
    return _Found(*connection.execute(counts.select_from(batch.event)).one())


def _open(database: Database, connection: Connection, batch: Batch, *, versions: int) -> None:
    """Insert so many new versions."""
    if versions == 0:
        return
    first_key = reserve(database, connection, batch.key, versions)
    names, rows = _opened_rows(batch, first_key)
    if batch.is_single and versions < ORDERED:
        rows = rows.order_by(rows.selected_columns[0])  # as the events are: by what their versions follow
    opening = insert(with_dropped(batch.table, batch.dropped)).from_select(names, rows)
    is_worth_it = versions >= index.WORTHWHILE and _is_new(connection, batch)
    with index.built_afterwards(database, connection, batch.table, rows=versions if is_worth_it else 0):
        connection.execute(opening)


def _is_new(connection: Connection, batch: Batch) -> bool:
    """Whether nobody is in the dimension yet but those that always are."""
    anybody = select(literal(1)).where(batch.key > 0).limit(1)
    return connection.execute(anybody).first() is None


def _opened_rows(batch: Batch, first_key: int) -> tuple[list[str], Any]:
    """The versions to insert: the names of their columns, and the query that gives them."""
    opening = numbered(batch)
    n = opening.c
    number = literal(first_key - 1, BigInteger) + n.number
    s, latest = batch.said.alias("s"), with_dropped(batch.table, batch.dropped).alias("latest")
    f = s if batch.is_single else batch.said.alias("f")
    known = and_(n.current_key.is_not(None), not_(n.was_inferred))
    dimension = batch.dimension
    values: dict[str, Any] = {
        dimension.key_column().name: number,
        dimension.durable_key_column().name: func.coalesce(n.current_durable_key, number - n.opened + 1),
        "version": func.coalesce(n.current_version, 0) + n.opened,
        "valid_from": n.effective_at,
        "valid_to": n.next_at,
        "is_current": n.next_at.is_(None),
        "is_inferred": literal(False),
        "is_deleted": n.ends_deleted,
        **_said(batch, s),
        **{
            column.name: case((known, latest.c[column.name]), else_=f.c[column.name])
            for column in dimension.attributes(0)
        },
        **{name: latest.c[name] for name in (*previous.remembered(dimension), *batch.dropped)},
    }
    joined: FromClause = opening.join(s, s.c.raw_id == n.raw_id)
    if dimension.attributes(0) and f is not s:
        joined = joined.join(f, f.c.raw_id == n.first_raw_id)
    if dimension.attributes(0, 3) or batch.dropped:
        joined = joined.outerjoin(latest, latest.c[dimension.key_column().name] == n.current_key)
    return list(values), select(*values.values()).select_from(joined).where(n.kept_key.is_(None))


def _first_rows(batch: Batch, number: ColumnElement[int]) -> tuple[list[str], Any]:
    """The same of members who are new, each with one record."""
    s, dimension = batch.staged, batch.dimension
    values: dict[str, Any] = {
        dimension.key_column().name: number,
        dimension.durable_key_column().name: number,
        "version": literal(1),
        "valid_from": s.c.effective_at,
        "is_current": literal(True),
        "is_inferred": literal(False),
        "is_deleted": literal(False),
        **_said(batch, s),
        **dict.fromkeys(batch.dropped, null()),
    }
    return list(values), select(*values.values()).where(not_(s.c.is_deleted))


def _said(batch: Batch, staged: FromClause) -> dict[str, Any]:
    """What a staged record makes of a version, whose it is, and who wrote it when."""
    dimension, s = batch.dimension, staged.c
    return {
        **{name: s[of] for name, of in dimension.filled().items()},
        **_custom(dimension, staged),
        "created_at": func.now(),
        "updated_at": func.now(),
        "synced_at": s.synced_at,
        "source_system": literal(batch.source_system),
        "source_id": s.source_id,
        "schema_version": literal(dimension.__schema_version__),
        "run_id": literal(batch.run_id, BigInteger),
        "audit_key": audit.key(),
    }


def _custom(dimension: type[Dimension], staged: FromClause) -> dict[str, Any]:
    """The custom fields of a staged record, where they are kept."""
    if CUSTOM_FIELDS not in dimension.table().c:
        return {}
    return {CUSTOM_FIELDS: as_json(staged.c[CUSTOM_FIELDS])}


def _overwrite(batch: Batch, *, is_alone: bool) -> Any:
    """Write what all versions have alike: of members with one event behind what is stored, with what is to be
    remembered of it and the end of the version that it ends; or of the others.
    """
    d, e, s = batch.table.c, batch.event.c, batch.said.c
    becomes: dict[str, Any] = {name: s[of] for name, of in batch.dimension.overwritten().items()}
    ended: dict[str, Any] = {}
    if is_alone:
        before = batch.table.alias("before")
        becomes |= previous.steps(batch, before)
        # All of the member's versions: the earlier ones have ended already, and stay as they are.
        ended = {name: case((batch.is_closing, it), else_=d[name]) for name, it in _ended(batch).items()}
        is_meant = and_(e.events == 1, before.c[batch.key.name] == e.current_key)
    else:
        is_meant = or_(e.events > 1, e.is_rebuilt)
    return (
        update(batch.table)
        .where(
            d.source_system == batch.source_system,
            d.source_id == e.source_id,
            e.is_last,
            is_meant,
            s.raw_id == e.raw_id,
            differ([d[name] for name in becomes], list(becomes.values())),
        )
        .values(**becomes, **ended, synced_at=s.synced_at, **written(batch))
    )
