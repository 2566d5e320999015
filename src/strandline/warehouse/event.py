"""Events: what the staged records of a batch say happened to each member, and which of it is a change.

There is one event a member and instant; of two records at one instant the one with the higher tie-break
stands, else the later log entry. An event
is a *change* when it differs from what was valid before it: from the event before, or, for a member's first,
from its latest version. So equal neighbours collapse, and several changes of one member in a batch become
several versions. For members with a late record everything is staged that was ever sent, and nothing was
before it.

Where every member that says something new has one staged record, as in most batches, nothing has to be put in
order, and what is known already is no event at all: of a full snapshot the little that has changed is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from msgspec import Struct
from msgspec.structs import replace
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    DateTime,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    case,
    false,
    func,
    literal,
    not_,
    or_,
    select,
    text,
    tuple_,
)

from strandline.model.dimension import Dimension
from strandline.warehouse import audit, first, said, temporary
from strandline.warehouse.first import Members
from strandline.warehouse.late import LATE_MEMBER, Span
from strandline.warehouse.staging import latest_first


@cache  # the same table again, so that SQLAlchemy finds the statements that it has compiled for it
def event_table() -> Table:
    """The events of one merge, in a table that lives as long as its transaction."""
    return temporary.table(
        "scd_event",
        Column("raw_id", BigInteger),
        Column("source_id", Text),
        Column("effective_at", DateTime(timezone=True)),
        Column("is_deleted", Boolean),
        Column("events", Integer, doc="of this member in the batch"),
        Column("first_raw_id", BigInteger, doc="of the member's first record in the batch"),
        Column("is_last", Boolean, doc="the member's last record that is no deletion"),
        Column("changed", Boolean),
        Column("position", Integer, doc="1, 2 … among the member's changes"),
        Column("next_at", DateTime(timezone=True), doc="when the next change comes"),
        Column("ends_deleted", Boolean, doc="the next change is a deletion, and the last"),
        Column("current_key", BigInteger, doc="the version that was the latest before"),
        Column("current_durable_key", BigInteger),
        Column("current_version", Integer),
        Column("was_inferred", Boolean),
        Column("is_rebuilt", Boolean, doc="worked out from all records of the member"),
        Column("kept_key", BigInteger, doc="of the version that survives a rebuild as this one"),
    )


class Batch(Struct, frozen=True):
    """What is about to be merged: the events, and whose they are."""

    dimension: type[Dimension]
    staged: Table
    said: FromClause
    """The staged records that events are of; where these are few, kept by themselves."""
    event: FromClause
    stream: str
    source_system: str
    run_id: int
    is_single: bool
    """Every member has one staged record, or says nothing new."""
    dropped: tuple[str, ...]
    """The columns that the dimension's table has and its model has not."""
    first: Members | None = None
    """They are the first in the dimension, and no events are kept of them."""

    @property
    def table(self) -> Table:
        """The dimension's table."""
        return self.dimension.table()

    @property
    def key(self) -> Column[Any]:
        """The surrogate key's column."""
        return self.dimension.key_column()

    @property
    def is_completing(self) -> ColumnElement[bool]:
        """The change fills its member's inferred version in place."""
        e = self.event.c
        return and_(e.position == 1, not_(e.is_deleted), func.coalesce(e.was_inferred, false()))

    @property
    def is_closing(self) -> ColumnElement[bool]:
        """The change ends the version that was the latest before."""
        e = self.event.c
        is_first = and_(e.changed, e.position == 1, e.current_key.is_not(None))
        return and_(is_first, not_(self.is_completing))

    @property
    def is_opening(self) -> ColumnElement[bool]:
        """The change begins a version of its own."""
        return and_(self.event.c.changed, not_(self.event.c.is_deleted), not_(self.is_completing))


def open_batch(
    connection: Connection,
    *,
    dimension: type[Dimension],
    staged: Table,
    stream: str,
    source_system: str,
    run_id: int,
    is_first: bool,
    has_late: bool,
    records: int,
    span: Span | None = None,
    has_repeats: bool = True,
    dropped: tuple[str, ...] = (),
) -> Batch:
    """Work out the events of what is staged, so many records, into a table that ends with the transaction.
    `is_first` says that nothing was merged before, and then the `span` is that of what is staged, where a
    member may have several records if it `has_repeats`; `has_late` that there are late members; `dropped` are
    the columns that the table has and the model has not.
    """
    event = event_table()
    batch = Batch(
        dimension, staged, staged, event, stream, source_system, run_id, is_single=True, dropped=dropped
    )
    members = None
    if is_first and span is not None:
        members = first.find(connection, dimension, staged=staged, span=span, has_repeats=has_repeats)
    if members is not None:
        return replace(batch, event=first.events(staged), first=members, is_single=not has_late)
    single = None if has_late else _take_single(connection, batch, is_first=is_first, records=records)
    if single is None:
        found = _events(dimension, staged, source_system, is_single=False, has_late=has_late)
        temporary.fill(connection, event_table(), found)
        connection.execute(text("ANALYZE scd_event"))
        return replace(batch, is_single=False)
    temporary.sample(connection, event_table())
    return single


def _take_single(connection: Connection, batch: Batch, *, is_first: bool, records: int) -> Batch | None:
    """Take the staged records as if each were its member's only one, if it is so for all that say something.

    Those are few in most batches, so they are found before it is asked whether they are single; at first
    everybody is new.
    """
    staged = batch.staged
    if is_first and said.has_several(connection, staged):
        return None
    found = _events(batch.dimension, staged, batch.source_system, is_single=True, has_late=False)
    if not is_first:  # the pages of what changes are then taken in their order, and each of them once
        found = found.order_by(found.selected_columns["current_key"])
    events = temporary.fill(connection, event_table(), found)
    if is_first:
        return batch
    theirs = staged.c.source_id.in_(select(batch.event.c.source_id))
    if events == records:  # they are all that is staged, and who comes twice has two
        single, has_several = batch, said.has_several(connection, event_table())
    elif events * said.FEW <= records:
        few = said.keep_few(connection, staged, theirs)
        single, has_several = replace(batch, said=few), said.has_several(connection, few)
    else:
        single, has_several = batch, said.has_several(connection, staged, theirs)
    if not has_several:
        return single
    event_table().drop(connection)
    return None


def _events(
    dimension: type[Dimension], staged: Table, source_system: str, *, is_single: bool, has_late: bool
) -> Select[Any]:
    ordered = _single(dimension, staged) if is_single else _ordered(dimension, staged)
    c = _compared(dimension, ordered, source_system, is_single=is_single, has_late=has_late).c
    found = select(
        c.raw_id,
        c.source_id,
        c.effective_at,
        c.is_deleted,
        c.events,
        c.first_raw_id,
        c.is_last,
        c.changed,
        *(_only_change() if is_single else _place_of_change(c)),
        c.current_key,
        c.current_durable_key,
        c.current_version,
        c.was_inferred,
        c.is_rebuilt,
        literal(None, BigInteger).label("kept_key"),
    )
    return found.where(or_(c.changed, c.overwrites, c.is_rebuilt)) if is_single else found


def _place_of_change(compared: Any) -> list[ColumnElement[Any]]:
    """Where the event stands among its member's changes."""
    c = compared
    change: dict[str, Any] = {"partition_by": [c.source_id, c.changed], "order_by": c.effective_at}
    next_deleted = func.lead(c.is_deleted).over(**change)
    is_final = func.lead(c.effective_at, 2).over(**change).is_(None)
    return [
        func.row_number().over(**change).label("position"),
        func.lead(c.effective_at).over(**change).label("next_at"),
        and_(func.coalesce(next_deleted, false()), is_final).label("ends_deleted"),
    ]


def _only_change() -> list[ColumnElement[Any]]:
    return [
        literal(1).label("position"),
        literal(None, DateTime(timezone=True)).label("next_at"),
        false().label("ends_deleted"),
    ]


def _compared(
    dimension: type[Dimension], ordered: Any, source_system: str, *, is_single: bool, has_late: bool
) -> Any:
    """Every event beside what was valid before it, and whether it changed that."""
    table, e = dimension.table(), ordered
    is_late = LATE_MEMBER.c.source_id.is_not(None) if has_late else false()
    latest = and_(
        table.c.source_system == source_system,
        table.c.source_id == e.c.source_id,
        or_(table.c.is_current, table.c.is_deleted),
        not_(is_late),
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
    known = e.outerjoin(LATE_MEMBER, LATE_MEMBER.c.source_id == e.c.source_id) if has_late else e
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
            *([_overwrites(dimension, e).label("overwrites")] if is_single else []),
            latest_key.label("current_key"),
            dimension.durable_key_column().label("current_durable_key"),
            table.c.version.label("current_version"),
            table.c.is_inferred.label("was_inferred"),
            is_late.label("is_rebuilt"),
        )
        .select_from(known.outerjoin(table, latest))
        .subquery("compared")
    )


def _overwrites(dimension: type[Dimension], event: Any) -> ColumnElement[bool]:
    """Whether the event says something else than is stored in a column that every version has alike."""
    table, names = dimension.table().c, [column.name for column in dimension.attributes(1, 3)]
    now, stored = [event.c[f"now_{name}"] for name in names], [table[name] for name in names]
    return and_(not_(event.c.is_deleted), differ(now, stored))


def _ordered(dimension: type[Dimension], staged: Table) -> Any:
    """The staged records as events, each with the one before it."""
    # A model may call its columns as it likes, so theirs are prefixed and ours are not.
    names = [column.name for column in dimension.attributes(2)]
    s = staged.c
    at_one_instant = func.row_number().over(
        partition_by=[s.source_id, s.effective_at], order_by=latest_first(staged)
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


def _single(dimension: type[Dimension], staged: Table) -> Any:
    """The same of records that are each their member's only one: a third of the cost, no sort, no window."""
    names = [column.name for column in dimension.attributes(1, 2, 3)]
    s = staged.c
    return select(
        s.raw_id,
        s.source_id,
        s.effective_at,
        s.is_deleted,
        *(s[name].label(f"now_{name}") for name in names),
        literal(1).label("number"),
        # Nothing was before, and nobody asks: the number is 1.
        s.is_deleted.label("was_gone"),
        *(s[name].label(f"before_{name}") for name in names),
        literal(1).label("events"),
        s.raw_id.label("first_raw_id"),
        not_(s.is_deleted).label("is_last"),
    ).subquery("ordered")


def differ(one: Sequence[ColumnElement[Any]], other: Sequence[ColumnElement[Any]]) -> ColumnElement[bool]:
    """Whether two rows of columns differ anywhere; NULL equals NULL, and each column is compared as its own
    type.
    """
    if not one:
        return false()
    return tuple_(*one).is_distinct_from(tuple_(*other))


def numbered(batch: Batch) -> Any:
    """The changes that begin a version: `opened` counts them within the member, `number` those of all members
    that no version is kept for.
    """
    e = batch.event.c
    if batch.is_single:
        alone = (func.row_number().over().label("number"), literal(1).label("opened"))
        return select(*e, *alone).where(batch.is_opening).subquery("numbered")
    is_missing = case((e.kept_key.is_(None), 1), else_=0)
    order = [e.source_id, e.effective_at]
    in_member = func.row_number().over(partition_by=e.source_id, order_by=e.effective_at)
    return (
        select(
            *e,
            func.sum(is_missing).over(order_by=order, rows=(None, 0)).label("number"),
            in_member.label("opened"),
        )
        .where(batch.is_opening)
        .subquery("numbered")
    )


def written(batch: Batch) -> dict[str, Any]:
    """The audit columns of a row that this merge writes."""
    return {
        "updated_at": func.now(),
        "run_id": batch.run_id,
        "audit_key": audit.key(),
        "schema_version": batch.dimension.__schema_version__,
    }
