"""Surrogate keys: from the natural key that a fact carries to the version that was valid when it happened.

A version is looked up by the span in which it answers for its member: from its own beginning to the next
version's, so that a moment in a gap finds the version before it, and the first version answers for all time
before it as well. Where a gap is unknown, a version answers no longer than it is valid. Without a moment the
latest version answers. Every reference of every row is resolved by one join.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Subquery,
    Table,
    Text,
    and_,
    case,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    update,
)

from strandline.model.column import UNKNOWN_KEY, Reference, durable_column, missing_column
from strandline.model.dimension import BEGINNING, Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import hierarchies_of
from strandline.model.mini import outriggers_of
from strandline.warehouse import audit, hierarchy, mini, temporary
from strandline.warehouse.database import Database
from strandline.warehouse.sequence import reserve

INFERRED = temporary.table(
    "key_inferred",
    Column("dimension", Text),
    Column("first", BigInteger),
    Column("last", BigInteger),
)
"""The keys of the members that were inferred in this transaction, in a row each time; it is there if some
were.
"""


def span(
    reference: Reference,
    source_system: str,
    members: Select[Any] | None,
    *,
    without: Select[Any] | None = None,
) -> Subquery:
    """The versions of these members (a select of natural keys; None: of all) as (key, durable_key, source_id,
    lower, upper, is_latest), half-open, NULL where open; `without` selects keys of versions that no longer
    count.
    """
    dimension: type[Dimension] = reference.dimension
    table = dimension.table()
    key = table.c[reference.gives] if reference.gives else dimension.key_column()
    is_meant = true() if members is None else table.c.source_id.in_(members)
    counts = true() if without is None else dimension.key_column().not_in(without)
    following = func.lead(table.c.valid_from, 1).over(
        partition_by=table.c.source_id, order_by=table.c.valid_from
    )
    return (
        select(
            key.label("key"),
            dimension.durable_key_column().label("durable_key"),
            table.c.source_id,
            case((table.c.version > 1, table.c.valid_from)).label("lower"),
            (following if reference.gap == "last" else table.c.valid_to).label("upper"),
            or_(table.c.is_current, table.c.is_deleted).label("is_latest"),
        )
        .where(table.c.source_system == source_system, is_meant, counts)
        .subquery()
    )


def latest(reference: Reference, source_system: str) -> Subquery:
    """The versions of this source's members, of which the latest answers without a moment, as (key,
    durable_key, source_id, is_latest). There is nothing in it that would keep the planner from looking up a
    few of them, or from reading all of them once.
    """
    dimension: type[Dimension] = reference.dimension
    table = dimension.table()
    key = table.c[reference.gives] if reference.gives else dimension.key_column()
    return (
        select(
            key.label("key"),
            dimension.durable_key_column().label("durable_key"),
            table.c.source_id,
            or_(table.c.is_current, table.c.is_deleted).label("is_latest"),
        )
        .where(table.c.source_system == source_system)
        .subquery()
    )


def member_keys(name: str, reference: Reference, version: Any) -> dict[str, ColumnElement[Any]]:
    """What a version of a span gives to a reference: the version's key and, for type 7, the durable one."""
    durable = {durable_column(name): version.c.durable_key} if reference.durable else {}
    return {name: version.c.key, **durable}


def answers(version: Any, moment: ColumnElement[Any] | None) -> ColumnElement[bool]:
    """Whether this version of a span answers for the moment; without one the latest does."""
    if moment is None:
        return and_(version.c.is_latest)
    v = version.c
    holds = and_(or_(v.lower.is_(None), moment >= v.lower), or_(v.upper.is_(None), moment < v.upper))
    return case((moment.is_(None), v.is_latest), else_=holds)


def infer(
    database: Database,
    connection: Connection,
    *,
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Give every one of these natural keys that the dimension does not know a member that is known only by
    it.
    """
    table = dimension.table()
    wanted = members.subquery("wanted")
    source_id = wanted.c[0]
    known = (
        select(literal(1))
        .where(table.c.source_system == source_system, table.c.source_id == source_id)
        .exists()
    )
    unknown = select(source_id.label("source_id")).distinct().where(source_id.is_not(None), ~known)
    count = connection.scalar(select(func.count()).select_from(unknown.subquery())) or 0
    if count == 0:
        return 0
    new = unknown.subquery("new")
    first = reserve(database, connection, dimension.key_column(), count)
    INFERRED.create(connection, checkfirst=True)
    noted = {"dimension": table.name, "first": first, "last": first + count - 1}
    connection.execute(insert(INFERRED).values(**noted))
    key = literal(first - 1, BigInteger) + func.row_number().over(order_by=new.c.source_id)
    values: dict[str, Any] = {
        dimension.key_column().name: key,
        dimension.durable_key_column().name: key,
        "version": literal(1),
        "valid_from": literal(BEGINNING, table.c.valid_from.type),
        "is_current": literal(True),
        "is_inferred": literal(True),
        "is_deleted": literal(False),
        **{
            name: literal(word, table.c[name].type) for name, word in dimension.placeholders().items() if word
        },
        "created_at": func.now(),
        "updated_at": func.now(),
        "synced_at": func.now(),
        "source_system": literal(source_system),
        "source_id": new.c.source_id,
        "schema_version": literal(dimension.__schema_version__),
        "run_id": literal(run_id, BigInteger),
        "audit_key": audit.key(),
    }
    connection.execute(insert(table).from_select(list(values), select(*values.values())))
    for it in hierarchies_of(dimension):
        hierarchy.refresh(connection, it, source_system=source_system, members=members, run_id=run_id)
    for profile in outriggers_of(dimension):
        mini.refresh(connection, mini=profile, source_system=source_system, members=members, run_id=run_id)
    return count


def was_inferred(dimension: type[Dimension], version: Any) -> ColumnElement[bool]:
    """Whether this is a version of somebody who was inferred in this transaction, in which somebody was."""
    table, key, noted = dimension.table(), dimension.key_column(), INFERRED.c
    mine = noted.dimension == table.name
    return exists().where(mine, version.c[key.name].between(noted.first, noted.last))


def follow(
    connection: Connection,
    *,
    fact: type[Fact],
    dimension: type[Dimension],
    event: FromClause,
    source_system: str,
    retired: Select[Any] | None,
    run_id: int,
) -> int:
    """Move the keys of facts after their members: those that waited for one, and those that a new version
    takes over.

    `event` is what the merge of the dimension left, `retired` selects the keys of versions that are about to
    go. Costs what the touched members' facts cost, not the table.
    """
    moved = 0
    for name, reference in fact.references().items():
        if reference.dimension is not dimension:
            continue
        role = _Role(fact, name, reference, source_system, run_id)
        moved += connection.execute(_move(role, event, retired)).rowcount
        if reference.gap == "unknown":
            moved += connection.execute(_leave(role, event, retired)).rowcount
        if reference.remembers:
            moved += connection.execute(_arrive(role, _arriving(role, event), retired)).rowcount
    return moved


def welcome(
    connection: Connection,
    *,
    fact: type[Fact],
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Give a fact the keys of these members where it waits for them: another fact has had them inferred."""
    waiting = [
        _Role(fact, name, reference, source_system, run_id)
        for name, reference in fact.references().items()
        if reference.dimension is dimension and reference.missing == "unknown"
    ]
    return sum(connection.execute(_arrive(role, members, None)).rowcount for role in waiting)


def points_at(fact: type[Fact], reference: str, member: Any) -> ColumnElement[bool]:
    """Whether a row of the fact points, by this reference, at this row of the dimension."""
    declared = fact.references()[reference]
    return _Role(fact, reference, declared, source_system="", run_id=0).points_at(member)


def forget(
    connection: Connection,
    *,
    fact: type[Fact],
    dimension: type[Dimension],
    source_system: str,
    members: Select[Any],
    run_id: int,
) -> int:
    """Let a fact wait for these members, which are about to go, where it is declared to; how many rows."""
    roles = [
        _Role(fact, name, reference, source_system, run_id)
        for name, reference in fact.references().items()
        if reference.dimension is dimension and reference.missing == "unknown"
    ]
    return sum(connection.execute(_lose(role, members)).rowcount for role in roles)


class _Role(Struct, frozen=True):
    """A reference of a fact to members of one source, about to be moved."""

    fact: type[Fact]
    name: str
    reference: Reference
    source_system: str
    run_id: int

    @property
    def table(self) -> Table:
        return self.fact.table()

    @property
    def moment(self) -> Column[Any] | None:
        return self.fact.as_of(self.name)

    @property
    def waiting(self) -> Column[Any]:
        return self.table.c[missing_column(self.name)]

    def versions(self, members: Select[Any], retired: Select[Any] | None) -> Subquery:
        """The spans of these members, without the versions that are about to go."""
        return span(self.reference, self.source_system, members, without=retired)

    def points_at(self, held: Any) -> ColumnElement[bool]:
        """Whether the fact points at this version; at its member, where its key is not the version's own."""
        dimension, table = self.reference.dimension, self.table
        if self.reference.gives is None:
            version: ColumnElement[bool] = table.c[self.name] == held.c[dimension.key_column().name]
            return version
        member = table.c[durable_column(self.name)] == held.c[dimension.durable_key_column().name]
        return and_(member, or_(held.c.is_current, held.c.is_deleted))

    @property
    def key_names(self) -> list[str]:
        """The columns of its keys."""
        return [self.name, *([durable_column(self.name)] if self.reference.durable else [])]

    def write(self, values: dict[str, Any]) -> dict[str, Any]:
        return {**values, "updated_at": func.now(), "run_id": self.run_id}


def _touched(event: FromClause) -> Select[Any]:
    """The members that were there and whose versions this merge has changed."""
    is_moved = or_(event.c.is_rebuilt, and_(event.c.changed, event.c.current_key.is_not(None)))
    return select(event.c.source_id).where(is_moved)


def _arriving(role: _Role, event: FromClause) -> Select[Any]:
    """Whom facts may have waited for: new members, and where gaps are unknown those that have changed."""
    is_new = event.c.current_key.is_(None)
    if role.reference.gap == "last":
        return select(event.c.source_id).where(is_new)
    return select(event.c.source_id).where(or_(is_new, event.c.is_rebuilt, event.c.changed))


def _arrive(role: _Role, members: Select[Any], retired: Select[Any] | None) -> Any:
    """Give their keys to the facts that have waited for these members."""
    table, version = role.table, role.versions(members, retired)
    keys = member_keys(role.name, role.reference, version)
    return (
        update(table)
        .where(
            table.c[role.name] == UNKNOWN_KEY,
            role.waiting == waiting_for(role.source_system, version.c.source_id),
            answers(version, role.moment),
        )
        .values(role.write({**keys, role.waiting.name: None}))
    )


def _move(role: _Role, event: FromClause, retired: Select[Any] | None) -> Any:
    """Move the facts that another version of their member answers for now."""
    table, held = role.table, role.reference.dimension.table().alias("held")
    right = role.versions(_touched(event), retired).alias("answering")
    return (
        update(table)
        .where(
            role.points_at(held),
            held.c.source_system == role.source_system,
            held.c.source_id == right.c.source_id,
            right.c.key != table.c[role.name],
            answers(right, role.moment),
        )
        .values(role.write({role.name: right.c.key}))
    )


def _lose(role: _Role, members: Select[Any]) -> Any:
    """Take the key of the facts that point at these members, and let them wait."""
    held = role.reference.dimension.table().alias("held")
    unknown = dict.fromkeys(role.key_names, UNKNOWN_KEY)
    return (
        update(role.table)
        .where(role.points_at(held), held.c.source_system == role.source_system)
        .where(held.c.source_id.in_(members))
        .values(role.write({**unknown, role.waiting.name: waiting_for(role.source_system, held.c.source_id)}))
    )


def _leave(role: _Role, event: FromClause, retired: Select[Any] | None) -> Any:
    """Take the key of the facts for whose moment no version of their member answers any more."""
    table, held = role.table, role.reference.dimension.table().alias("held")
    version = role.versions(_touched(event), retired).alias("answering")
    answered = (
        select(literal(1))
        .where(version.c.source_id == held.c.source_id, answers(version, role.moment))
        .correlate(table, held)
        .exists()
    )
    unknown = dict.fromkeys(member_keys(role.name, role.reference, version), UNKNOWN_KEY)
    return (
        update(table)
        .where(
            role.points_at(held),
            held.c.source_system == role.source_system,
            held.c.source_id.in_(_touched(event)),
            ~answered,
        )
        .values(role.write({**unknown, role.waiting.name: waiting_for(role.source_system, held.c.source_id)}))
    )


def waiting_for(source_system: str, source_id: Column[Any] | ColumnElement[Any]) -> ColumnElement[Any]:
    """What a fact remembers of a member that is not there yet."""
    return func.concat(f"{source_system}:", source_id)
