"""Hierarchies, kept up as a set: who stands above whom, after a merge has touched some of the members.

Whose row of the table may differ is found first: those whose parent is another than the table says, who came
or went, and everybody below them. For these alone the way up is walked again, in one recursive query, and the
rows that differ are written. A parent that is not there leaves its children roots until it arrives.

Whoever stands above itself is cut off from its parent: all members of a circle stand as roots, and what hangs
below them stays below them. So the table is the same whichever of them came last. `circle`
finds and notes them.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    Text,
    and_,
    delete,
    false,
    func,
    insert,
    literal,
    not_,
    or_,
    select,
    text,
    true,
    update,
)

from strandline.model.dimension import SPECIAL_SOURCE
from strandline.model.hierarchy import Hierarchy, special_rows
from strandline.warehouse import circle, temporary
from strandline.warehouse.circle import NODE
from strandline.warehouse.event import differ
from strandline.warehouse.late import Log

SEED = temporary.table(
    "hierarchy_seed",
    Column("source_id", Text, primary_key=True),
)
"""The members whose own place has changed."""

PLACE = temporary.table(
    "hierarchy_place",
    Column("descendant_durable_key", BigInteger, primary_key=True, autoincrement=False),
    Column("ancestor_durable_key", BigInteger, primary_key=True, autoincrement=False),
    Column("depth", Integer),
    Column("is_root", Boolean),
    Column("is_cut", Boolean),
)
"""The rows that the affected members should have."""

PARENT = temporary.table(
    "hierarchy_parent",
    Column("durable_key", BigInteger),
)
"""Who may have become a leaf, or be none any more."""


class _Tree(Struct, frozen=True):
    hierarchy: type[Hierarchy]
    source_system: str
    run_id: int

    @property
    def table(self) -> Table:
        return self.hierarchy.table()

    def members(self, name: str) -> Any:
        """The dimension under another name."""
        return self.hierarchy.dimension.table().alias(name)

    def durable(self, member: Any) -> Any:
        return member.c[self.hierarchy.dimension.durable_key_column().name]

    def is_latest(self, member: Any) -> ColumnElement[bool]:
        """The one row of each member of the source."""
        return and_(
            member.c.source_system == self.source_system, or_(member.c.is_current, member.c.is_deleted)
        )

    def is_there(self, member: Any) -> ColumnElement[bool]:
        return and_(member.c.source_system == self.source_system, member.c.is_current)

    def is_child(self, member: Any, parent_id: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether it is there and says that this is its parent. What stands in one that is inferred is a
        word.
        """
        named = member.c[self.hierarchy.parent]
        return and_(self.is_there(member), not_(member.c.is_inferred), named == parent_id)


def refresh(
    connection: Connection,
    hierarchy: type[Hierarchy],
    *,
    source_system: str,
    members: Select[Any],
    run_id: int,
    log: Log | None = None,
) -> int:
    """Bring the table up to what the dimension now says, after these members (a select of natural keys) have
    been touched; how many rejects were noted.

    `log` is where the records behind the members are; without it nothing is noted: for members that were
    inferred, who have no parent.
    """
    tree = _Tree(hierarchy, source_system, run_id)
    SEED.create(connection)
    connection.execute(insert(SEED).from_select(["source_id"], _moved(tree, members)))
    rejected = 0
    if connection.scalar(select(func.count()).select_from(SEED)):
        connection.execute(text("ANALYZE hierarchy_seed"))
        for table in (NODE, PLACE, PARENT):
            table.create(connection)
        _gather(connection, tree)
        _walk(connection)
        _write(connection, tree)
        rejected = circle.note(connection, hierarchy, log=log, run_id=run_id) if log is not None else 0
        for table in (NODE, PLACE, PARENT):
            table.drop(connection)
    SEED.drop(connection)
    return rejected


def fill(connection: Connection, hierarchy: type[Hierarchy]) -> None:
    """Put everybody who is there already into a table that has just been made."""
    stamps = {"created_at": func.now(), "updated_at": func.now(), "run_id": 0}
    for row in special_rows():
        connection.execute(insert(hierarchy.table()).values(**row, **stamps))
    member = hierarchy.dimension.table().c
    sources = select(member.source_system).where(member.source_system != SPECIAL_SOURCE).distinct()
    for source in connection.scalars(sources).all():
        everybody = select(member.source_id).where(member.source_system == source)
        refresh(connection, hierarchy, source_system=source, members=everybody, run_id=0)


def _moved(tree: _Tree, members: Select[Any]) -> Select[Any]:
    """Those of the members whose presence or parent is not what the table says, and who were cut off."""
    member, parent = tree.members("member"), tree.members("parent")
    itself, above = tree.table.alias("itself"), tree.table.alias("above")
    durable = tree.durable(member)
    joined = (
        member.outerjoin(parent, _names(tree, member, parent))
        .outerjoin(itself, and_(itself.c.descendant_durable_key == durable, itself.c.depth == 0))
        .outerjoin(above, and_(above.c.descendant_durable_key == durable, above.c.depth == 1))
    )
    was_there = itself.c.descendant_durable_key.is_not(None)
    return (
        select(member.c.source_id)
        .select_from(joined)
        .where(tree.is_latest(member), member.c.source_id.in_(members))
        .where(
            or_(
                member.c.is_current != was_there,
                itself.c.is_cut,
                differ([tree.durable(parent)], [above.c.ancestor_durable_key]),
            )
        )
    )


def _names(tree: _Tree, member: Any, parent: Any) -> ColumnElement[bool]:
    return and_(tree.is_child(member, parent.c.source_id), tree.is_there(parent))


def _gather(connection: Connection, tree: _Tree) -> None:
    """Put everybody below the seeds into NODE, and everybody above those."""
    below = _below(tree)
    above = _above(tree, below)
    member, parent = tree.members("member"), tree.members("parent")
    joined = (
        above.join(member, and_(tree.is_latest(member), member.c.source_id == above.c.source_id))
        .outerjoin(parent, _names(tree, member, parent))
        .outerjoin(below, below.c.source_id == above.c.source_id)
    )
    values: dict[str, Any] = {
        "durable_key": tree.durable(member),
        "source_id": member.c.source_id,
        "parent_key": tree.durable(parent),
        "is_there": member.c.is_current,
        "is_affected": below.c.source_id.is_not(None),
        "is_cut": false(),
    }
    connection.execute(insert(NODE).from_select(list(values), select(*values.values()).select_from(joined)))
    connection.execute(text("ANALYZE hierarchy_node"))


def _below(tree: _Tree) -> Any:
    below = select(SEED.c.source_id).cte("below", recursive=True)
    child = tree.members("child")
    return below.union(
        select(child.c.source_id).select_from(below.join(child, tree.is_child(child, below.c.source_id)))
    )


def _above(tree: _Tree, below: Any) -> Any:
    above = select(below.c.source_id).cte("above", recursive=True)
    member, named = tree.members("lower"), tree.hierarchy.parent
    is_known = and_(tree.is_there(member), not_(member.c.is_inferred), member.c[named].is_not(None))
    return above.union(
        select(member.c[named]).select_from(
            above.join(member, and_(is_known, member.c.source_id == above.c.source_id))
        )
    )


def _walk(connection: Connection) -> None:
    """Find who stands above itself, then the places of everybody else and them."""
    connection.execute(update(NODE).where(NODE.c.durable_key.in_(circle.members())).values(is_cut=true()))
    way = _way_up()
    ancestor = NODE.alias("ancestor")
    rows = select(
        way.c.lower,
        way.c.upper,
        way.c.depth,
        or_(ancestor.c.parent_key.is_(None), ancestor.c.is_cut),
        ancestor.c.is_cut,
    ).select_from(way.join(ancestor, ancestor.c.durable_key == way.c.upper))
    connection.execute(insert(PLACE).from_select(list(PLACE.c.keys()), rows))
    connection.execute(text("ANALYZE hierarchy_place"))


def _way_up() -> Any:
    """Everybody affected with everybody above, and how many steps that is."""
    way = (
        select(
            NODE.c.durable_key.label("lower"),
            NODE.c.durable_key.label("upper"),
            literal(0, Integer).label("depth"),
        )
        .where(NODE.c.is_affected, NODE.c.is_there)
        .cte("way", recursive=True)
    )
    node = NODE.alias("step")
    return way.union_all(
        select(way.c.lower, node.c.parent_key, way.c.depth + 1)
        .select_from(way.join(node, node.c.durable_key == way.c.upper))
        .where(node.c.parent_key.is_not(None), not_(node.c.is_cut))
    )


def _write(connection: Connection, tree: _Tree) -> None:
    """Make the rows of the affected members what they should be, where they are not."""
    table, place = tree.table, PLACE.c
    affected = select(NODE.c.durable_key).where(NODE.c.is_affected)
    stamps: dict[str, Any] = {"updated_at": func.now(), "run_id": tree.run_id}
    parents = insert(PARENT).from_select(
        ["durable_key"],
        select(table.c.ancestor_durable_key).where(
            table.c.descendant_durable_key.in_(affected), table.c.depth < 2
        ),
    )
    connection.execute(parents)
    wanted = select(literal(1)).where(_same(table, PLACE)).exists()
    connection.execute(delete(table).where(table.c.descendant_durable_key.in_(affected), ~wanted))
    becomes = {name: place[name] for name in ("depth", "is_root", "is_cut")}
    connection.execute(
        update(table)
        .where(_same(table, PLACE), differ([table.c[name] for name in becomes], list(becomes.values())))
        .values(**becomes, **stamps)
    )
    is_there = select(literal(1)).where(_same(table, PLACE)).exists()
    new = select(*place, false(), func.now(), func.now(), literal(tree.run_id, BigInteger)).where(~is_there)
    names = [*PLACE.c.keys(), "is_leaf", "created_at", "updated_at", "run_id"]
    connection.execute(insert(table).from_select(names, new))
    connection.execute(parents)
    connection.execute(text("ANALYZE hierarchy_parent"))
    _mark_leaves(connection, table, stamps)


def _same(table: Table, place: FromClause) -> ColumnElement[bool]:
    return and_(
        table.c.descendant_durable_key == place.c.descendant_durable_key,
        table.c.ancestor_durable_key == place.c.ancestor_durable_key,
    )


def _mark_leaves(connection: Connection, table: Table, stamps: dict[str, Any]) -> None:
    """Two statements, each a join: in one, with a CASE, every row of the table would be looked at."""
    child, is_concerned = table.alias("child"), select(PARENT.c.durable_key)
    has_child = (
        select(literal(1))
        .where(child.c.ancestor_durable_key == table.c.descendant_durable_key, child.c.depth == 1)
        .exists()
    )
    for is_leaf, holds in ((True, ~has_child), (False, has_child)):
        connection.execute(
            update(table)
            .where(table.c.descendant_durable_key.in_(is_concerned), table.c.is_leaf != is_leaf, holds)
            .values(is_leaf=is_leaf, **stamps)
        )
