"""What a member leaves behind in tables of others: combinations, groups, and members whom it alone has named.

They are noted while its records can still be read, and go when nobody else has them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Column, Connection, Select, Table, delete, exists, false, not_, or_, select

from strandline.model.base import models_below
from strandline.model.bridge import Bridge
from strandline.model.column import ROLE, CombinationKey, GroupKey, Outrigger
from strandline.model.combination import COMBINATION, Combination
from strandline.model.dimension import Dimension
from strandline.model.fact import Fact
from strandline.model.hierarchy import hierarchies_of
from strandline.model.mini import History
from strandline.model.shrunken import shrunken_of
from strandline.warehouse import bridge, hierarchy, key, orphan
from strandline.warehouse.database import Database


@dataclass
class Leftovers:
    """The keys of what one member has had, by the model that they belong to."""

    combinations: dict[type[Combination], set[int]] = field(default_factory=dict)
    groups: dict[type[Bridge], set[int]] = field(default_factory=dict)
    members: dict[type[Dimension], set[int]] = field(default_factory=dict)
    """Durable keys."""

    def note(
        self,
        connection: Connection,
        dimension: type[Dimension],
        staged: Table,
        *,
        source_system: str,
        source_id: str,
        sources: Mapping[str, str],
    ) -> None:
        """Note what the member's versions have, and what its staged records say. `sources` says, by
        attribute, whose natural keys it holds where that is another source.
        """
        table = dimension.table()
        theirs = (table.c.source_system == source_system, table.c.source_id == source_id)
        for column in dimension.companions(CombinationKey):
            self._add(
                connection, self.combinations, column.info[ROLE].dimension, select(column).where(*theirs)
            )
        for rollup in shrunken_of(dimension):
            # Which values stood together depends on their types, so any combination of what was said counts.
            said_values = (
                column.in_(select(staged.c[column.name])) | column.is_(None) for column in rollup.attributes()
            )
            rolled_up = select(rollup.key_column()).where(*said_values)
            self._add(connection, self.combinations, rollup, rolled_up)
        if issubclass(dimension, History):
            mini = dimension.mini
            said = mini.table().c[COMBINATION].in_(select(staged.c[COMBINATION]))
            self._add(connection, self.combinations, mini, select(mini.key_column()).where(said))
        for column in dimension.companions(GroupKey):
            meaning: GroupKey = column.info[ROLE]
            source = sources.get(meaning.of, source_system)
            group = meaning.bridge.groups
            named = bridge.is_group(meaning.bridge, staged.c[meaning.of], source)
            said_groups = select(group.c[meaning.bridge.group_key()]).where(exists().where(named))
            self._add(connection, self.groups, meaning.bridge, select(column).where(*theirs))
            self._add(connection, self.groups, meaning.bridge, said_groups)
        for column in dimension.companions(Outrigger):
            named_by: Outrigger = column.info[ROLE]
            other = named_by.dimension.table().c
            source = sources.get(named_by.of, source_system)
            said_members = select(named_by.dimension.durable_key_column()).where(
                other.source_system == source, other.source_id.in_(select(staged.c[named_by.of]))
            )
            self._add(connection, self.members, named_by.dimension, select(column).where(*theirs))
            self._add(connection, self.members, named_by.dimension, said_members)

    def note_rows(
        self, connection: Connection, model: type[Dimension] | type[Fact], *, source: str, keys: Iterable[str]
    ) -> None:
        """Note the combinations and groups that these records' rows of a fact have."""
        if not issubclass(model, Fact):
            return
        table = model.table()
        theirs = (table.c.source_system == source, table.c.source_id.in_(list(keys)))
        for name, combination in model.combinations().items():
            self._add(connection, self.combinations, combination, select(table.c[name]).where(*theirs))
        for name, of in model.bridges().items():
            self._add(connection, self.groups, of, select(table.c[name]).where(*theirs))

    def note_member(
        self, connection: Connection, dimension: type[Dimension], *, source_system: str, source_id: str
    ) -> None:
        """Note the member itself, where it is known by its key only."""
        table = dimension.table().c
        mine = (table.source_system == source_system, table.source_id == source_id, table.is_inferred)
        self._add(connection, self.members, dimension, select(dimension.durable_key_column()).where(*mine))

    def _add(self, connection: Connection, noted: dict[Any, set[int]], model: Any, keys: Select[Any]) -> None:
        found = {it for it in connection.scalars(keys.distinct()) if it is not None and it > 0}
        noted.setdefault(model, set()).update(found)

    def remove(self, database: Database, connection: Connection) -> dict[Table, int]:
        """Remove what nobody has any more; how many rows, by table."""
        dimensions = database.present(connection, models_below(Dimension))
        facts = database.present(connection, models_below(Fact))
        bridges = database.present(connection, models_below(Bridge))
        removed: dict[Table, int] = {}
        for combination, keys in self.combinations.items():
            holders = _holders_of_combination(combination, dimensions, facts)
            _remove_unheld(connection, combination.key_column(), keys, holders, removed=removed)
        for of, keys in self.groups.items():
            self._add_members_of(connection, of, keys)
            holders = _holders_of_group(of, dimensions, facts)
            group = of.groups.c[of.group_key()]
            _remove_unheld(connection, group, keys, holders, removed=removed)
            member = of.table().c[of.group_key()]
            _remove_unheld(connection, member, keys, [group], removed=removed)
        for dimension, keys in self.members.items():
            naming = orphan.naming_columns([*dimensions, *bridges], dimension)
            _remove_members(connection, dimension, keys, naming, facts=facts, removed=removed)
        return removed

    def _add_members_of(self, connection: Connection, of: type[Bridge], groups: Iterable[int]) -> None:
        table = of.table().c
        members = select(table[of.member_key()]).where(table[of.group_key()].in_(list(groups)))
        self._add(connection, self.members, of.dimension, members)


def _holders_of_combination(
    combination: type[Combination], dimensions: Iterable[type[Dimension]], facts: Iterable[type[Fact]]
) -> list[Column[Any]]:
    of_dimensions = [column for it in dimensions for column in it.companions(CombinationKey)]
    holders = [it for it in of_dimensions if it.info[ROLE].dimension is combination]
    name, history = combination.key_column().name, getattr(combination, "history", None)
    for fact in facts:
        given = [
            column for column, it in fact.references().items() if it.gives == name and it.dimension is history
        ]
        given += [column for column, it in fact.combinations().items() if it is combination]
        holders += [fact.table().c[column] for column in given]
    return holders


def _holders_of_group(
    of: type[Bridge], dimensions: Iterable[type[Dimension]], facts: Iterable[type[Fact]]
) -> list[Column[Any]]:
    of_dimensions = [column for it in dimensions for column in it.companions(GroupKey)]
    holders = [it for it in of_dimensions if it.info[ROLE].bridge is of]
    return holders + [
        fact.table().c[name] for fact in facts for name, it in fact.bridges().items() if it is of
    ]


def _remove_unheld(
    connection: Connection,
    given: Column[Any],
    keys: Iterable[int],
    holders: Iterable[Column[Any]],
    *,
    removed: dict[Table, int],
) -> None:
    held = [exists().where(column == given) for column in holders]
    gone = delete(given.table).where(given.in_(list(keys)), *(not_(it) for it in held))
    rows = connection.execute(gone).rowcount
    removed[given.table] = removed.get(given.table, 0) + rows


def _remove_members(
    connection: Connection,
    dimension: type[Dimension],
    keys: Iterable[int],
    naming: Iterable[Column[Any]],
    *,
    facts: Iterable[type[Fact]],
    removed: dict[Table, int],
) -> None:
    """Those who are known by their key only, and whom nobody names and no fact refers to."""
    table, member = dimension.table(), dimension.table().alias("member")
    durable = member.c[dimension.durable_key_column().name]
    needed = [exists().where(column == durable) for column in naming]
    needed += [
        exists().where(key.points_at(fact, name, member))
        for fact in facts
        for name, reference in fact.references().items()
        if reference.dimension is dimension
    ]
    number = dimension.key_column()
    unneeded = select(member.c[number.name]).where(
        durable.in_(list(keys)), member.c.is_inferred, not_(or_(false(), *needed))
    )
    rows = connection.execute(delete(table).where(number.in_(unneeded))).rowcount
    removed[table] = removed.get(table, 0) + rows
    for it in hierarchies_of(dimension) if rows else ():
        connection.execute(delete(it.table()))
        hierarchy.fill(connection, it)
