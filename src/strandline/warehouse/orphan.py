"""Orphans: members that are known by their key only, and whom nothing that is replayed names any more.

Whoever was ever mentioned is a member, also by a record that another one has superseded. So who may go is
known only when all that may name members of a dimension has been replayed, each table in a transaction of its
own: whoever is named meanwhile is noted, and at the end the others go. A table of its own holds the notes,
since a temporary one would not outlive the first of these transactions everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Select,
    Table,
    Text,
    and_,
    delete,
    exists,
    false,
    insert,
    literal,
    not_,
    or_,
    select,
    true,
)

from strandline.model.base import NAMING, STAGING
from strandline.model.bridge import Bridge
from strandline.model.column import ROLE, Outrigger
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import hierarchies_of
from strandline.warehouse import hierarchy, key, temporary
from strandline.warehouse.scope import Naming

NAMED: Final = Table(
    "replay__named",
    MetaData(schema=STAGING, naming_convention=NAMING),
    Column("dimension", Text, primary_key=True),
    # And not the natural one, which may be a person's.
    Column("durable_key", BigInteger, primary_key=True, autoincrement=False),
    prefixes=["UNLOGGED"],
    comment="Who was named in the replay that goes on",
)

GOING: Final = temporary.members("orphan_going")
"""The orphans of one source that go."""


class Orphans(Struct):
    """Whose orphans a replay looks for; without any dimension it looks for nobody's."""

    naming: Naming = {}
    """The dimensions of which all is replayed that may name their members, each with the columns elsewhere
    that hold its durable keys.
    """

    def forget(self, connection: Connection) -> None:
        """Forget who was named."""
        names = [it.__name__ for it in self.naming]
        connection.execute(delete(NAMED).where(NAMED.c.dimension.in_(names)))

    def note(
        self,
        connection: Connection,
        dimension: type[Dimension],
        *,
        source_system: str,
        members: Select[Any],
        is_early: bool = False,
    ) -> None:
        """Note that these (a select of natural keys) are named: those who are known by the key only, or all
        where it is too early to tell, for the dimension itself may not have been replayed yet.
        """
        if dimension not in self.naming:
            return
        table = dimension.table()
        durable = table.c[dimension.durable_key_column().name]
        known = select(literal(dimension.__name__, Text), durable).where(
            table.c.source_system == source_system,
            table.c.source_id.in_(members),
            true() if is_early else table.c.is_inferred,
            not_(_is_named(dimension, table)),
        )
        connection.execute(insert(NAMED).from_select(list(NAMED.c.keys()), known.distinct()))

    def is_one(self, dimension: type[Dimension], member: Any) -> ColumnElement[bool]:
        """Whether nobody has named this row of the dimension so far."""
        if dimension not in self.naming:
            return false()
        return and_(
            member.c.is_inferred,
            not_(_is_named(dimension, member)),
            not_(_is_held(dimension, member, self.naming[dimension])),
        )

    def remove(
        self, connection: Connection, dimension: type[Dimension], *, facts: Sequence[type[Fact]], run_id: int
    ) -> tuple[int, int]:
        """Remove those of a dimension to whom no row refers, but rows that can wait for them; how many, and
        how many rows of `facts` wait for them now.
        """
        member = dimension.table().alias("orphan")
        is_needed = is_needed_by_facts(dimension, member, facts=facts)
        found = select(member.c.source_system, member.c.source_id).where(
            self.is_one(dimension, member), not_(is_needed)
        )
        removed = moved = 0
        for source in list(connection.scalars(select(found.subquery().c.source_system).distinct())):
            GOING.create(connection)
            theirs = found.where(member.c.source_system == source).with_only_columns(member.c.source_id)
            connection.execute(insert(GOING).from_select(["source_id"], theirs))
            going = Going(dimension, source, select(GOING.c.source_id))
            gone, waiting = remove_members(connection, going, facts=facts, run_id=run_id)
            removed, moved = removed + gone, moved + waiting
            GOING.drop(connection)
        return removed, moved


def _is_named(dimension: type[Dimension], member: Any) -> ColumnElement[bool]:
    durable = member.c[dimension.durable_key_column().name]
    return exists().where(NAMED.c.dimension == dimension.__name__, NAMED.c.durable_key == durable)


class Going(Struct, frozen=True):
    """Members of one source that are about to be removed."""

    dimension: type[Dimension]
    source_system: str
    members: Select[Any]
    """Their natural keys."""


def remove_members(
    connection: Connection, going: Going, *, facts: Iterable[type[Fact]], run_id: int
) -> tuple[int, int]:
    """Remove these members, and let facts wait for them; how many versions, and how many rows wait."""
    dimension, source_system = going.dimension, going.source_system
    moved = sum(
        key.forget(
            connection,
            fact=fact,
            dimension=dimension,
            source_system=source_system,
            members=going.members,
            run_id=run_id,
        )
        for fact in facts
    )
    table = dimension.table()
    theirs = (table.c.source_system == source_system, table.c.source_id.in_(going.members))
    removed: int = connection.execute(delete(table).where(*theirs)).rowcount
    for it in hierarchies_of(dimension) if removed else ():
        connection.execute(delete(it.table()))
        hierarchy.fill(connection, it)
    return removed, moved


def is_needed(
    dimension: type[Dimension],
    member: Any,
    *,
    facts: Iterable[type[Fact]],
    naming: Iterable[Column[Any]],
) -> ColumnElement[bool]:
    """Whether anything asks that this row's member is known, if by the key only."""
    return or_(is_needed_by_facts(dimension, member, facts=facts), _is_held(dimension, member, naming))


def is_needed_by_facts(
    dimension: type[Dimension], member: Any, *, facts: Iterable[type[Fact]]
) -> ColumnElement[bool]:
    """Whether a row of these refers to the member that could not wait for it."""
    needed = [
        exists().where(key.points_at(fact, name, member))
        for fact in facts
        for name, reference in fact.references().items()
        if reference.dimension is dimension and reference.missing != "unknown"
    ]
    return or_(false(), *needed)


def _is_held(dimension: type[Dimension], member: Any, naming: Iterable[Column[Any]]) -> ColumnElement[bool]:
    durable = member.c[dimension.durable_key_column().name]
    return or_(false(), *(exists().where(column == durable) for column in naming))


def naming_columns(models: Iterable[Any], dimension: type[Dimension]) -> list[Column[Any]]:
    """The columns that hold durable keys of the dimension's members."""
    durable = dimension.durable_key_column().name
    bridges = [it.table().c[durable] for it in models if issubclass(it, Bridge) and it.dimension is dimension]
    dimensions = [it for it in models if issubclass(it, Dimension)]
    outriggers = [column for it in dimensions for column in it.companions(Outrigger)]
    return bridges + [column for column in outriggers if column.info[ROLE].dimension is dimension]
