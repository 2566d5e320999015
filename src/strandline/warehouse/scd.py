"""Slowly changing dimensions, merged as a set: a whole batch in a handful of statements, whatever its size.

The staged records of a batch become events, one a member and instant (of two at one instant the later log
entry stands). An event is a *change* when it differs from what was valid before it: from the event before,
or, for a member's first, from its latest version. So equal neighbours collapse, and several changes of one
member in a batch become several versions. Then

    close      the first change of a member ends its open version
    replace    … unless that version is inferred, or begins at this very instant: then it is filled in place
    open       every other change that is no deletion begins a version; the next change ends it
    overwrite  the last record's type 1 values go to every version of the member; the first record's type 0
               values stay, unless a later record says what was at that very instant

A deletion only ends. The member's last version is then marked `is_deleted`, and a later record opens the next
one, so that the gap shows. Every event must lie after what is known (see `late`); nothing here depends on the
order of arrival within the batch. Kimball & Ross, The Data Warehouse Toolkit (3rd ed.), chapter 5, types 0, 1
and 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Integer,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    tuple_,
    update,
)

from strandline.model.dimension import Dimension
from strandline.warehouse import key
from strandline.warehouse.database import Database


@dataclass(frozen=True)
class Merged:
    """What a merge did to a dimension, in rows."""

    members: int = 0
    versions: int = 0
    closed: int = 0
    replaced: int = 0
    overwritten: int = 0

    def counts(self) -> dict[str, int]:
        """The figures by name."""
        return asdict(self)


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def event_table() -> Table:
    """The events of one merge, in a table that lives as long as its transaction."""
    return Table(
        "scd_event",
        MetaData(),
        Column("raw_id", BigInteger),
        Column("source_id", Text),
        Column("effective_at", DateTime(timezone=True)),
        Column("is_deleted", Boolean),
        Column("events", Integer, comment="of this member in the batch"),
        Column("first_raw_id", BigInteger, comment="of the member's first record in the batch"),
        Column("is_last", Boolean, comment="the member's last record that is no deletion"),
        Column("changed", Boolean),
        Column("position", Integer, comment="1, 2 … among the member's changes"),
        Column("next_at", DateTime(timezone=True), comment="when the next change comes"),
        Column("ends_deleted", Boolean, comment="the next change is a deletion, and the last"),
        Column("current_key", BigInteger, comment="the version that was the latest before"),
        Column("current_durable_key", BigInteger),
        Column("current_version", Integer),
        Column("current_from", DateTime(timezone=True)),
        Column("was_inferred", Boolean),
        Column("was_deleted", Boolean),
        prefixes=["TEMPORARY"],
        postgresql_on_commit="DROP",
    )


@dataclass(frozen=True)
class Batch:
    """What is about to be merged: the events, and whose they are."""

    dimension: type[Dimension]
    staged: Table
    event: Table
    source_system: str
    run_id: int

    @property
    def table(self) -> Table:
        """The dimension's table."""
        return self.dimension.table()

    @property
    def key(self) -> Column[Any]:
        """The surrogate key's column."""
        return self.dimension.key_column()

    @property
    def is_replacing(self) -> ColumnElement[bool]:
        """The change fills its member's latest version in place."""
        e = self.event.c
        begins_there = and_(e.effective_at == e.current_from, not_(e.was_deleted))
        return and_(
            e.position == 1, not_(e.is_deleted), e.current_key.is_not(None), or_(e.was_inferred, begins_there)
        )

    @property
    def is_opening(self) -> ColumnElement[bool]:
        """The change begins a version of its own."""
        return and_(
            self.event.c.changed,
            not_(self.event.c.is_deleted),
            not_(func.coalesce(self.is_replacing, false())),
        )


def open_batch(
    connection: Connection, *, dimension: type[Dimension], staged: Table, source_system: str, run_id: int
) -> Batch:
    """Work out the events of what is staged, into a table that ends with the transaction."""
    event = event_table()
    event.create(connection)
    connection.execute(
        insert(event).from_select(list(event.c.keys()), _events(dimension, staged, source_system))
    )
    connection.execute(text("ANALYZE scd_event"))
    return Batch(dimension, staged, event, source_system, run_id)


def merge(database: Database, connection: Connection, batch: Batch) -> Merged:
    """Bring the dimension up to the batch. The same records again change nothing. The caller owns the
    transaction.
    """
    closed = connection.execute(_close(batch)).rowcount
    replaced = connection.execute(_replace(batch)).rowcount
    overwritten = connection.execute(_correct_first(batch)).rowcount if batch.dimension.attributes(0) else 0
    members, versions = _open(database, connection, batch)
    overwritten += connection.execute(_overwrite(batch)).rowcount if batch.dimension.attributes(1) else 0
    return Merged(members, versions, closed, replaced, overwritten)


def _events(dimension: type[Dimension], staged: Table, source_system: str) -> Select[Any]:
    compared = _compared(dimension, staged, source_system)
    c = compared.c
    change: dict[str, Any] = {"partition_by": [c.source_id, c.changed], "order_by": c.effective_at}
    next_deleted = func.lead(c.is_deleted).over(**change)
    is_final = func.lead(c.effective_at, 2).over(**change).is_(None)
    return select(
        c.raw_id,
        c.source_id,
        c.effective_at,
        c.is_deleted,
        c.events,
        c.first_raw_id,
        c.is_last,
        c.changed,
        func.row_number().over(**change),
        func.lead(c.effective_at).over(**change),
        and_(func.coalesce(next_deleted, false()), is_final),
        c.current_key,
        c.current_durable_key,
        c.current_version,
        c.current_from,
        c.was_inferred,
        c.was_deleted,
    )


def _compared(dimension: type[Dimension], staged: Table, source_system: str) -> Any:
    """Every event beside what was valid before it, and whether it changed that."""
    table = dimension.table()
    e = _ordered(dimension, staged)
    latest = and_(
        table.c.source_system == source_system,
        table.c.source_id == e.c.source_id,
        or_(table.c.is_current, table.c.is_deleted),
    )
    names = [column.name for column in dimension.attributes(2)]
    stored = [table.c[name] for name in names]
    before = [e.c[f"before_{name}"] for name in names]
    now = [e.c[f"now_{name}"] for name in names]
    latest_key = dimension.key_column()
    first_changed = case(
        (or_(latest_key.is_(None), table.c.is_inferred), not_(e.c.is_deleted)),
        else_=or_(e.c.is_deleted != table.c.is_deleted, and_(not_(e.c.is_deleted), differ(now, stored))),
    )
    later_changed = or_(e.c.is_deleted != e.c.was_gone, and_(not_(e.c.is_deleted), differ(now, before)))
    return (
        select(
            *(
                e.c[name]
                for name in (
                    "raw_id",
                    "source_id",
                    "effective_at",
                    "is_deleted",
                    "events",
                    "first_raw_id",
                    "is_last",
                )
            ),
            case((e.c.number == 1, first_changed), else_=later_changed).label("changed"),
            latest_key.label("current_key"),
            dimension.durable_key_column().label("current_durable_key"),
            table.c.version.label("current_version"),
            table.c.valid_from.label("current_from"),
            table.c.is_inferred.label("was_inferred"),
            table.c.is_deleted.label("was_deleted"),
        )
        .select_from(e.outerjoin(table, latest))
        .subquery("compared")
    )


def _ordered(dimension: type[Dimension], staged: Table) -> Any:
    """The staged records as events, each with the one before it."""
    # A model may call its columns as it likes, so theirs are prefixed and ours are not.
    names = [column.name for column in dimension.attributes(2)]
    s = staged.c
    at_one_instant = func.row_number().over(
        partition_by=[s.source_id, s.effective_at], order_by=s.raw_id.desc()
    )
    record = select(
        s.raw_id,
        s.source_id,
        s.effective_at,
        s.is_deleted,
        *(s[name].label(f"now_{name}") for name in names),
        at_one_instant.label("tie"),
    ).subquery("record")
    r = record.c
    member: dict[str, Any] = {"partition_by": r.source_id, "order_by": r.effective_at}
    from_last = func.row_number().over(
        partition_by=[r.source_id, r.is_deleted], order_by=r.effective_at.desc()
    )
    return (
        select(
            r.raw_id,
            r.source_id,
            r.effective_at,
            r.is_deleted,
            *(r[f"now_{name}"] for name in names),
            func.row_number().over(**member).label("number"),
            func.lag(r.is_deleted).over(**member).label("was_gone"),
            *(func.lag(r[f"now_{name}"]).over(**member).label(f"before_{name}") for name in names),
            func.count().over(partition_by=r.source_id).label("events"),
            func.first_value(r.raw_id)
            .over(partition_by=r.source_id, order_by=[r.is_deleted, r.effective_at])
            .label("first_raw_id"),
            and_(not_(r.is_deleted), from_last == 1).label("is_last"),
        )
        .where(r.tie == 1)
        .subquery("ordered")
    )


def differ(one: Sequence[ColumnElement[Any]], other: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether two rows of columns differ anywhere; NULL equals NULL, and each column is compared as its own
    type.
    """
    if not one:
        return false()
    return tuple_(*one).is_distinct_from(tuple_(*other))


def _written(batch: Batch) -> dict[str, Any]:
    return {
        "updated_at": func.now(),
        "run_id": batch.run_id,
        "schema_version": batch.dimension.__schema_version__,
    }


def _close(batch: Batch) -> Any:
    d, e = batch.table.c, batch.event.c
    return (
        update(batch.table)
        .where(batch.key == e.current_key, e.changed, e.position == 1, not_(batch.is_replacing))
        .values(
            valid_to=func.coalesce(d.valid_to, e.effective_at),
            is_current=False,
            is_deleted=and_(e.is_deleted, e.next_at.is_(None)),
            **_written(batch),
        )
    )


def _replace(batch: Batch) -> Any:
    d, e, s = batch.table.c, batch.event.c, batch.staged.c
    history = {column.name: s[column.name] for column in batch.dimension.attributes(2)}
    others = {
        column.name: case((d.is_inferred, s[column.name]), else_=d[column.name])
        for column in batch.dimension.attributes(0, 1)
    }
    return (
        update(batch.table)
        .where(batch.key == e.current_key, e.changed, batch.is_replacing, s.raw_id == e.raw_id)
        .values(
            **history,
            **others,
            valid_from=e.effective_at,
            valid_to=e.next_at,
            is_current=e.next_at.is_(None),
            is_inferred=False,
            is_deleted=e.ends_deleted,
            synced_at=s.synced_at,
            **_written(batch),
        )
    )


def _correct_first(batch: Batch) -> Any:
    """A later record of the very instant at which a member began is its first word now; type 0 keeps it."""
    d, e, s = batch.table.c, batch.event.c, batch.staged.c
    names = [column.name for column in batch.dimension.attributes(0)]
    return (
        update(batch.table)
        .where(
            batch.key == e.current_key,
            e.current_version == 1,
            e.effective_at == e.current_from,
            not_(e.was_inferred),
            not_(e.is_deleted),
            s.raw_id == e.raw_id,
            differ([d[name] for name in names], [s[name] for name in names]),
        )
        .values(**{name: s[name] for name in names}, synced_at=s.synced_at, **_written(batch))
    )


def _open(database: Database, connection: Connection, batch: Batch) -> tuple[int, int]:
    """Insert the new versions; how many members are new, and how many versions there are."""
    e = batch.event.c
    is_new = and_(e.current_key.is_(None), e.source_id.is_not(None))
    versions, members = connection.execute(
        select(func.count(), func.count(e.source_id.distinct()).filter(is_new)).where(batch.is_opening)
    ).one()
    if versions == 0:
        return 0, 0
    first_key = key.reserve(database, connection, batch.dimension, versions)
    values, source = _opened_rows(batch, first_key)
    rows = select(*values.values()).select_from(source)
    connection.execute(insert(batch.table).from_select(list(values), rows))
    return members, versions


def _opened_rows(batch: Batch, first_key: int) -> tuple[dict[str, Any], FromClause]:
    """The columns of the versions to insert, and where they come from."""
    e, d = batch.event.c, batch.table
    numbered = (
        select(
            *e,
            func.row_number().over(order_by=[e.source_id, e.effective_at]).label("number"),
            func.row_number().over(partition_by=e.source_id, order_by=e.effective_at).label("opened"),
        )
        .where(batch.is_opening)
        .subquery("numbered")
    )
    n = numbered.c
    number = literal(first_key - 1, BigInteger) + n.number
    s, f, latest = batch.staged.alias("s"), batch.staged.alias("f"), d.alias("latest")
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
        **{column.name: s.c[column.name] for column in dimension.attributes(1, 2)},
        **{
            column.name: case((known, latest.c[column.name]), else_=f.c[column.name])
            for column in dimension.attributes(0)
        },
        "created_at": func.now(),
        "updated_at": func.now(),
        "synced_at": s.c.synced_at,
        "source_system": literal(batch.source_system),
        "source_id": n.source_id,
        "schema_version": literal(dimension.__schema_version__),
        "run_id": literal(batch.run_id, BigInteger),
    }
    joined: FromClause = numbered.join(s, s.c.raw_id == n.raw_id)
    if dimension.attributes(0):
        joined = joined.join(f, f.c.raw_id == n.first_raw_id)
        joined = joined.outerjoin(latest, latest.c[dimension.key_column().name] == n.current_key)
    return values, joined


def _overwrite(batch: Batch) -> Any:
    d, e, s = batch.table.c, batch.event.c, batch.staged.c
    names = [column.name for column in batch.dimension.attributes(1)]
    has_other_versions = or_(e.events > 1, e.current_key.is_not(None))
    return (
        update(batch.table)
        .where(
            d.source_system == batch.source_system,
            d.source_id == e.source_id,
            e.is_last,
            has_other_versions,
            s.raw_id == e.raw_id,
            differ([d[name] for name in names], [s[name] for name in names]),
        )
        .values(**{name: s[name] for name in names}, synced_at=s.synced_at, **_written(batch))
    )
