"""What a merge has touched beside its own table: rows whose keys followed their members, and rows that refer
to somebody who is known only by the key since.

They are found from the members that the merge has touched, by the indexes that moved them, so that looking
for them costs no more than that did. They are what a statement of this run wrote last, so that some may have
been written by a merge before it in the same run.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Select,
    Table,
    and_,
    exists,
    false,
    func,
    insert,
    literal,
    select,
    text,
    true,
)

from strandline.model.column import ROLE, UNKNOWN_KEY, Outrigger, Reference, missing_column
from strandline.model.dimension import Dimension
from strandline.model.expectation import Model
from strandline.model.fact import Fact
from strandline.model.mini import History
from strandline.warehouse import key, temporary
from strandline.warehouse.event import event_table
from strandline.warehouse.late import LATE_MEMBER

IS_WRITTEN = "strandline_is_written"


class Merged(Struct, frozen=True):
    """A merge that has happened in this transaction: into what, of which source, by which run."""

    model: Model
    source_system: str
    run_id: int
    has_moved: bool
    """Keys of facts have followed its members."""
    has_inferred: bool
    """It has had members inferred, for whom facts may have waited."""
    has_rebuilt: bool
    """It has rebuilt histories, of which nothing may be left."""
    staged: Table | None = None
    """The stage of a first load, of which no events may have been noted."""

    @property
    def is_of_history(self) -> bool:
        """Rows of a mini-dimension's base get the combinations that its history has."""
        return issubclass(self.model, History)

    @property
    def may_touch(self) -> bool:
        """Whether there can be anything beside its table that it has touched."""
        return self.has_moved or self.has_inferred or self.has_rebuilt or self.is_of_history

    def is_held(self, held: Any) -> ColumnElement[bool]:
        """Whether this is a version of a member whose versions have changed."""
        return and_(held.c.source_system == self.source_system, held.c.source_id.in_(select(self.member)))

    @property
    def member(self) -> ColumnElement[str]:
        """The natural keys of members whose versions have changed; of a first load, of all."""
        changed: ColumnElement[str] = (event_table() if self.staged is None else self.staged).c.source_id
        return changed

    def is_left(self, held: Any) -> ColumnElement[bool]:
        """Whether this is all that is left of a member, who was more before."""
        members = held.c.source_id.in_(select(LATE_MEMBER.c.source_id))
        same_source = held.c.source_system == self.source_system
        return and_(same_source, members, held.c.is_inferred, held.c.run_id == self.run_id)


def find(connection: Connection, model: Model, merged: Merged) -> Table | None:
    """The primary keys of the rows of this model that the merge has touched, in a table that ends with the
    transaction, with what `IS_WRITTEN` says of each; None where there are none.
    """
    wanted = list(_rows(connection, model, merged))
    if not wanted:
        return None
    columns = [Column(it.name, it.type) for it in model.table().primary_key]
    found = temporary.table(
        f"beside_{model.table().name}"[:63],
        *columns,
        Column(IS_WRITTEN, Boolean),
    )
    found.create(connection)
    for rows in wanted:
        connection.execute(insert(found).from_select([it.name for it in found.c], rows))
    if connection.execute(select(literal(1)).select_from(found).limit(1)).first() is None:
        return None
    connection.execute(text(f"ANALYZE {connection.dialect.identifier_preparer.quote(found.name)}"))
    return found


def keys(found: Table, *, only_written: bool) -> Select[Any]:
    """The primary keys that were found: all, or those of rows that were written."""
    chosen = select(*(it for it in found.c if it.name != IS_WRITTEN))
    return chosen.where(found.c[IS_WRITTEN]) if only_written else chosen


def _rows(connection: Connection, model: Model, merged: Merged) -> Iterator[Select[Any]]:
    has_left = _has_left(connection, merged)
    if issubclass(model, Fact):
        for name, reference in model.references().items():
            yield from _of_reference(model, name, reference, merged, has_left=has_left)
        return
    if has_left:
        for column in model.companions(Outrigger):
            if column.info[ROLE].dimension is merged.model:
                yield _naming(model, column, merged)
    if issubclass(merged.model, History) and merged.model.mini.base is model:
        yield _select(model, true()).where(merged.is_held(model.table()), _is_of_run(model, merged))


def _has_left(connection: Connection, merged: Merged) -> bool:
    """Whether somebody is known only by the key now, who was known by a record before."""
    if not merged.has_rebuilt or not issubclass(merged.model, Dimension):
        return False
    held = merged.model.table()
    left = select(literal(1)).select_from(held).where(merged.is_left(held)).limit(1)
    return connection.execute(left).first() is not None


def _of_reference(
    fact: type[Fact], name: str, reference: Reference, merged: Merged, *, has_left: bool
) -> Iterator[Select[Any]]:
    dimension, table = reference.dimension, fact.table()
    held = dimension.table().alias("held")
    pointing = key.points_at(fact, name, held)
    of_run = _is_of_run(fact, merged)
    if merged.has_inferred:
        yield _select(fact, true()).where(pointing, key.was_inferred(dimension, held), of_run)
    if dimension is not merged.model:
        return
    if merged.has_moved:
        yield _select(fact, true()).where(pointing, merged.is_held(held), of_run)
        if reference.remembers:
            member = key.waiting_for(merged.source_system, merged.member)
            waiting = table.c[missing_column(name)].in_(select(member))
            yield _select(fact, true()).where(table.c[name] == UNKNOWN_KEY, waiting, of_run)
    if has_left:
        yield _select(fact, false()).where(pointing, merged.is_left(held))


def _naming(dimension: type[Dimension], column: Column[Any], merged: Merged) -> Select[Any]:
    """The versions that name somebody of whom nothing is left. No index leads to them; it is rare."""
    outrigger: type[Dimension] = column.info[ROLE].dimension
    held = outrigger.table().alias("held")
    durable = held.c[outrigger.durable_key_column().name]
    return _select(dimension, false()).where(exists().where(column == durable, merged.is_left(held)))


def _select(model: Model, is_written: ColumnElement[bool]) -> Select[Any]:
    return select(*model.table().primary_key, is_written.label(IS_WRITTEN)).distinct()


def _is_of_run(model: Model, merged: Merged) -> ColumnElement[bool]:
    """Whether this run was the last to write the row."""
    return func.coalesce(model.table().c.run_id, 0) == merged.run_id
